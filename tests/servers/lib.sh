# Shared by the server scripts beside this file (bash, sourced). Not a program of its own.

servers=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=$(basename "$0")

fail() { echo "$name: $*" >&2; exit 1; }

# need TOOL WHY HOW: one line when a tool is missing.
need() { command -v "$1" >/dev/null || fail "$1 is missing: $2. Get it: $3"; }

need_linux() { # Debian packages, /proc, flock and setsid are what these scripts stand on
  [[ -r /proc/self/cmdline ]] && command -v flock >/dev/null && command -v setsid >/dev/null ||
    fail "this needs Linux with util-linux (/proc, flock, setsid); elsewhere: docker compose -f tests/servers/compose.yaml up -d"
}

usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0" >&2; exit 2; }

# pid_of FILE TEXT: the process id in FILE, if that process lives and TEXT stands in its command line: a number that the
# system has given to another process since then must never be signalled.
pid_of() {
  local pid; [[ -s $1 ]] || return 1
  pid=$(<"$1") && [[ $pid =~ ^[0-9]+$ && -r /proc/$pid/cmdline ]] || return 1
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$2" || return 1
  echo "$pid"
}

# end_process PID: asks it to end; after a minute insists.
end_process() {
  kill "$1" 2>/dev/null || return 0
  for _ in {1..600}; do kill -0 "$1" 2>/dev/null || return 0; sleep 0.1; done
  kill -9 "$1" 2>/dev/null || true
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# locked FILE COMMAND...: one at a time. COMMAND must close descriptor 9 in what it leaves running.
locked() { local file=$1; shift; ( flock 9; "$@" ) 9>>"$file"; }

# socket_for DATA: a socket beside the data, or, as socket paths end at 107 bytes, in a short folder of this user.
socket_for() {
  local LC_ALL=C path=$1.sock short=/tmp/billing-servers-$EUID
  if (( ${#path} > 107 )); then
    mkdir -p -m 700 "$short"; [[ -O $short && ! -L $short ]] || fail "$short belongs to someone else; use a shorter DATA path"
    path=$short/$(cksum <<<"$1" | tr ' ' -).sock
  fi
  echo "$path"
}

# register / unregister: who starts servers for a while sets SERVERS_REGISTRY to a folder; each running server has a file there
# with what stops it, so that all can be stopped whatever became of the program that started them (see stop-registered).
registered() { echo "$SERVERS_REGISTRY/$name-$port"; }
register() {
  [[ -n ${SERVERS_REGISTRY:-} ]] || return 0
  mkdir -p "$SERVERS_REGISTRY"; printf '%s\n' "$servers/$name" "$dir" "$port" "${data:-}" >"$(registered)"
}
unregister() { [[ -z ${SERVERS_REGISTRY:-} ]] || rm -f "$(registered)"; }

# watch_owner SERVER: with OWNER set to a process id, ends the server when that process is gone (also after kill -9).
watch_owner() {
  [[ -n ${OWNER:-} ]] || return 0
  setsid bash -c 'while kill -0 "$1" && kill -0 "$2"; do sleep 1; done; kill "$2"' watch "$OWNER" "$1" </dev/null >/dev/null 2>&1 9>&- &
}

# await PID SECONDS COMMAND...: until COMMAND succeeds; fails when the process ends or the time is over.
await() {
  local pid=$1 tries=$(($2 * 10)); shift 2
  while (( tries-- > 0 )); do
    "$@" && return 0
    kill -0 "$pid" 2>/dev/null || return 1
    sleep 0.1
  done
  return 1
}
