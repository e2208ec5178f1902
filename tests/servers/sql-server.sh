# What the scripts mysql and mariadb have in common (bash, sourced). They set product, daemon, admin, shell and default_port,
# and define install, is_data FOLDER, initialize FOLDER [OPTIONS] and settings (fills options).

answers() { "$dir/run" "$admin" --no-defaults -uroot -S "$socket" ping >/dev/null 2>&1; }
running() { pid_of "$data.pid" "--datadir=$data "; }

make_data() { # [options of the daemon]
  [[ ! -d $data ]] || rmdir "$data" 2>/dev/null || fail "$data is there and is not a $product data folder; give another DATA"
  rm -rf "$data.new"; mkdir "$data.new"; : >"$data.log"
  # Renamed when whole: an interrupted start leaves nothing that looks like data.
  initialize "$data.new" "$@" || { tail -n 20 "$data.log" >&2; fail "could not create $data; see $data.log"; }
  mv "$data.new" "$data"
}

start_once() {
  local pid used
  if pid=$(running); then
    used=$(tr '\0' '\n' <"/proc/$pid/cmdline" | sed -n 's/^--port=//p' | head -n 1)
    [[ $used == "$port" ]] || fail "$data is in use by the server on port $used (process $pid); give another DATA or stop that one"
    await "$pid" 120 answers || fail "the server on port $port does not answer; see $data.log"
    register; return 0
  fi
  ! listening "$port" || fail "port $port is taken by another program; give another PORT"
  is_data "$data" || make_data "$@"
  settings
  setsid "$dir/run" "$daemon" "${paths[@]}" --datadir="$data" --log-error="$data.log" --socket="$socket" --pid-file="$data.pid" \
    --bind-address=127.0.0.1 --port="$port" "${options[@]}" "$@" </dev/null >/dev/null 2>&1 9>&- &
  pid=$!; echo "$pid" >"$data.pid"; register; watch_owner "$pid"
  trap 'end_process "$pid"; exit 130' INT TERM
  await "$pid" 120 answers || { end_process "$pid"; unregister; tail -n 20 "$data.log" >&2; fail "$product did not start; see $data.log"; }
}

start() { install; locked "$data.lock" start_once "$@"; }

stop_once() { local pid; if pid=$(running); then end_process "$pid"; fi; rm -f "$data.pid"; unregister; }
stop() { [[ ! -e $data.pid ]] || locked "$data.lock" stop_once; }

status() {
  local pid; pid=$(running) && answers || { echo "$product: stopped (port $port)"; return 3; }
  echo "$product $(client -N -e 'SELECT VERSION()'): 127.0.0.1:$port, process $pid, data $data"
}

client() { "$dir/run" "$shell" --no-defaults -uroot -S "$socket" "$@"; }

sql_server() {
  (( $# >= 2 )) && [[ $2 =~ ^(install|start|stop|status|client)$ ]] || usage
  need_linux
  dir=$(mkdir -p "$1" && cd "$1" && pwd)
  local verb=$2; shift 2
  root=$dir/root port=${PORT:-$default_port} data=${DATA:-$dir/data-${PORT:-$default_port}}
  mkdir -p "$(dirname "$data")"; data=$(cd "$(dirname "$data")" && pwd)/$(basename "$data")
  socket=$(socket_for "$data")
  paths=(--no-defaults --basedir="$root/usr" --lc-messages-dir="$root/usr/share/mysql"
    --character-sets-dir="$root/usr/share/mysql/charsets" --plugin-dir="$root/usr/lib/mysql/plugin")
  (( EUID != 0 )) || paths+=(--user=root)
  "$verb" "$@"
}
