# lib.sh: what the mount tests share: servers, mounts, cases, and the clean-up.
#
# A script sources this, calls `start_server KIND`, and then `run_cases`, which runs each function
# named case_* in a subshell under `set -e` and prints a TAP line for each. CASES="NAME..." selects
# some. Nothing is left behind, even after a failure or a signal: the process ids and mount points
# that were started here are ended, and nothing is searched for by name.

set -u
: "${P9FS:?the path of the 9pfs to test}" "${SRCDIR:?the source tree}" "${TOOLS:?the directory of test programs}"

# Other scripts may run in parallel: each has a hundred ports, and its directory is their lock.
work=''
for ports in $(shuf -i 200-319); do
    mkdir -m 755 "/tmp/9pfs-test.$ports" 2> /dev/null && work=/tmp/9pfs-test.$ports && break
done
[ -n "$work" ] || { echo "Bail out! In /tmp no directory can be made, or there are too many 9pfs-test.*"; exit 1; }
exp=$work/exp mnt=$work/mnt
mkdir "$exp" "$mnt"
mkdir -m 1777 "$work/sanitizer" # for its reports, also of what runs as a user
server_pid='' helper_pids=''
export ASAN_OPTIONS="log_path=$work/sanitizer/r:${ASAN_OPTIONS:-}" UBSAN_OPTIONS="log_path=$work/sanitizer/r:print_stacktrace=1"
export TSAN_OPTIONS="log_path=$work/sanitizer/r"

clean_up() {
    local p
    trap - EXIT
    trap '' PIPE # the reader of the output may have ended
    cd /
    unmount_all
    for p in $(processes); do kill "$p" 2>/dev/null; done
    for p in $server_pid $helper_pids; do kill "$p" 2>/dev/null; kill -CONT "$p" 2>/dev/null; done
    for p in $server_pid $helper_pids; do wait "$p" 2>/dev/null; done
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

# Every mount below $work, innermost first
mounts() { awk -v w="$work/" 'index($2, w) == 1 { print $2 }' /proc/self/mounts | sort -r; }
unmount_all() { local m; for m in $(mounts); do umount "$m" 2>/dev/null || umount -l "$m"; done; }

# processes_of PATTERN GREP_OPTION...: the 9pfs with such an argument in their command lines
processes_of() {
    local p
    for p in $(grep -slz "${@:2}" -e "$1" /proc/[0-9]*/cmdline); do
        p=${p%/cmdline}
        case $(readlink "$p/exe") in "$(readlink -f "$P9FS")" | "$work/9pfs") echo "${p#/proc/}" ;; esac
    done
    return 0
}
# Those of mounts below $work, also of one that has ended or is not made yet, and is in no list of mounts.
processes() { processes_of "$work/" -F; }

need_fuse() {
    local why=''
    if [ "${MOUNT_TESTS:-yes}" = no ]; then why='this build is configured without the tests that mount'
    elif [ ! -c /dev/fuse ]; then why='there is no /dev/fuse'
    elif [ "$(id -u)" != 0 ]; then why='this is not root'
    fi
    [ -n "$why" ] || return 0
    if [ -n "${REQUIRE_MOUNT:-}" ]; then
        echo "Bail out! $why, and the mount tests must run here"
        exit 1
    fi
    echo "1..0 # SKIP $why: NO MOUNT TEST WAS RUN"
    echo "*** $why: NO MOUNT TEST WAS RUN ***" >&2
    exit 0
}

listens_at() { awk -v p="$1" '$8 == p && $4 == "00010000" { found = 1 } END { exit !found }' /proc/net/unix; } # SOCKET
listening() { (: < "/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
# The first of four free ports, from the hundred of this script
free_port() {
    local p
    for p in $(shuf -i 0-24 -n 25); do
        p=$((ports * 100 + p * 4))
        listening "$p" || listening $((p + 1)) || listening $((p + 2)) || listening $((p + 3)) || { echo "$p"; return; }
    done
}
# wait_until SECONDS COMMAND...: repeats the command until it succeeds; fails after SECONDS, in words
wait_until() {
    local seconds=$1 tries=$(($1 * 20)); shift
    while ! "$@"; do
        [ $((tries -= 1)) -gt 0 ] || { echo "not within $seconds s: $*" >&2; return 1; }
        sleep 0.05
    done
}

waits_for_mount() { grep -q 'fuse\|folio\|request_wait' "/proc/$1/wchan"; } # PID
no_thread_runs() { ! cat "/proc/$1/task"/*/stat 2>/dev/null | sed 's/.*) //' | grep -q '^[^TZX]'; }
# send STOP|KILL PID: until no thread of the process runs, which is later than kill(2) returns; they
# could still answer what comes next
send() { kill -"$1" "$2" && wait_until 20 no_thread_runs "$2"; }
# pause TID: stops this thread of a 9pfs, until `resume`
pause() {
    rm -f "$work/pause"
    mkfifo "$work/pause"
    "$TOOLS/pause_thread" "$1" < "$work/pause" > "$work/paused" 5>&- &
    pauser=$!
    exec 6> "$work/pause"
    wait_until 20 grep -q paused "$work/paused"
}
resume() { echo >&6; exec 6>&-; wait $pauser; }
# serving_threads: those of the 9pfs that wait for requests
serving_threads() { grep -ls fuse "/proc/$(daemon_of "$mnt")/task"/*/wchan | cut -d / -f 5; }

# In the background. As systemd starts it, without SIGPIPE: that ends it when it writes to a
# connection that is gone.
diod_at() { # DIR ADDRESS [OPTIONS]
    trap '' PIPE
    exec diod -f -n ${3--N} -e "$1" -l "$2" -L stderr
}
start_diod() { # DIR PORT; sets server_pid
    diod_at "$1" "127.0.0.1:$2" > "$work/server.log" 2>&1 &
    server_pid=$!
}
start_ganesha() {
    local n; n=$(free_port)
    cat > "$work/ganesha.conf" <<CONF
NFS_CORE_PARAM { Protocols = 9P; Bind_addr = 127.0.0.1; Enable_NLM = false; Enable_RQUOTA = false;
                 NFS_Port = $n; MNT_Port = $((n + 1)); NLM_Port = $((n + 2)); Rquota_Port = $((n + 3)); }
NFSv4 { RecoveryBackend = fs; Graceless = true; }
_9P { _9P_TCP_Port = $2; _9P_TCP_Msize = 1048576; }
EXPORT { Export_Id = 1; Path = $1; Pseudo = /x; Tag = x; Access_Type = RW; Squash = No_Root_Squash;
         Protocols = 9P; Transports = TCP; SecType = sys; FSAL { Name = VFS; } }
CONF
    mkdir -p /var/lib/nfs/ganesha /run/ganesha
    ganesha.nfsd -F -f "$work/ganesha.conf" -p "$work/ganesha.pid" -L "$work/server.log" > "$work/server.out" 2>&1 &
    server_pid=$!
}
start_test_server() { # ARGS...
    "$TOOLS/../server/p9serve" "$@" 2>> "$work/server.log" &
    server_pid=$!
}
# serve ARGS...: starts a test server for this case alone, at PORT
serve() {
    port=$(free_port)
    start_test_server "${@/#PORT/$port}"
    wait_until 30 listening "$port"
}
# Ends the server of `serve`, as the end of the case does.
stop() {
    kill "$server_pid"
    wait "$server_pid" 2>/dev/null || true
    server_pid=$files_server
}
start_test_l() { start_test_server -v L "$2" "$1"; }
start_test_u() { start_test_server -v u "$2" "$1"; }
start_test_old() { start_test_server -v 0 "$2" "$1"; }
start_server() { # KIND
    need_fuse
    server=$1
    port=$(free_port)
    "start_$1" "$exp" "$port"
    wait_until 30 listening "$port" || {
        echo "Bail out! $1 did not start: $(tail -n 3 "$work/server.log" 2>&1)"
        exit 1
    }
}

# Requests that are sent together must leave within this time to count as one round trip. A longer
# time only makes the test slower.
rtt_ms=40
# Puts a relay in front of the server, which counts messages and round trips.
start_relay() {
    server_port=$port
    port=$(free_port)
    control=$((port + 1))
    "$TOOLS/relay" "$port" "$control" "$server_port" $rtt_ms 0 "$work/totals" &
    relay_pid=$!
    helper_pids+=" $relay_pid"
    wait_until 10 listening "$control"
}
# Puts the cutter in front of the server.
start_cutter() {
    cutter_port=$(free_port)
    "$TOOLS/cutter" "$cutter_port" $((cutter_port + 1)) "$port" &
    cutter_pid=$!
    helper_pids+=" $cutter_pid"
    wait_until 10 listening "$cutter_port"
    port=$cutter_port
}
# tell [HOW WHERE N]: arms the cutter; prints the cuts, requests and replies since the last time
tell() {
    exec 8<> "/dev/tcp/127.0.0.1/$((cutter_port + 1))"
    echo "$*" >&8
    cat <&8
    exec 8>&-
}

# Replaces the relay by one with another round trip time.
change_relay() { # MS
    kill "$relay_pid"
    wait "$relay_pid" 2>/dev/null || true
    helper_pids=${helper_pids/ $relay_pid/}
    port=$server_port
    rtt_ms=$1
    start_relay
}
# The messages of both directions since the relay began, as lines TYPE N BYTES
totals() {
    rm -f "$work/totals"
    kill -USR1 "$relay_pid"
    wait_until 10 test -e "$work/totals"
    cat "$work/totals"
}
# The messages since the last call: "rounds N TYPE N ..."
traffic() { cat < "/dev/tcp/127.0.0.1/$control"; }
# round_trips MOST COMMAND...: fails if the command takes more than MOST
round_trips() {
    local most=$1 rounds; shift
    traffic > /dev/null
    "$@" > /dev/null
    last_traffic=$(traffic)
    rounds=${last_traffic#rounds } rounds=${rounds%% *}
    echo "$*: $last_traffic"
    [ "$rounds" -le "$most" ] || fail "$rounds round trips instead of $most for: $*"
}
# Ends the server and its relay.
stop_all() {
    [ -z "$server_pid" ] || { kill "$server_pid" $helper_pids; wait "$server_pid" $helper_pids 2>/dev/null; }
    server_pid='' helper_pids=''
}

base_options= # of every mount
# attach [OPTIONS] [MOUNTPOINT]: mounts the export
attach() { "$P9FS" "127.0.0.1:$exp" "${2:-$mnt}" -o "port=$port${base_options:+,$base_options}${1:+,$1}"; }
detach() { umount "${1:-$mnt}"; }
# speaks DIALECT [OPTIONS]: 9pfs mounts the export in this dialect, and says nothing else
speaks() {
    echo content > "$exp/file"
    "$P9FS" -f "127.0.0.1:$exp" "$mnt" -o "port=$port${2:+,$2}" 2> "$work/messages" &
    wait_until 30 mountpoint -q "$mnt"
    wait_until 5 grep -q ": $1, msize" "$work/messages"
    same "$(cat "$mnt/file")" content
    same "$(grep -c . "$work/messages")" 1
    umount "$mnt"
    wait $!
}
# attach_twice [OPTIONS]: mounts the export as two clients, at $mnt and $work/mnt2
attach_twice() {
    mkdir -p "$work/mnt2"
    attach "${1:-}"
    attach "${1:-}" "$work/mnt2"
}
lines() { [ "$(wc -l < "$work/out")" = "$1" ]; } # $work/out has so many
other() { "$TOOLS/locker" "$work/mnt2/f" "$@" | tr '\n' ' '; } # a locker there
detach_second() { umount "$work/mnt2" && rmdir "$work/mnt2"; }
# The 9pfs that serves a mount point: the mount point is an argument in its command line, as in that
# of the process that unmounts, which has another name.
daemon_of() {
    local p
    for p in $(processes_of "$1" -xF); do
        [[ "$(cat "/proc/$p/comm" 2>/dev/null)" = @(9pfs-unmount|9pfs-command|) ]] || echo "$p"
    done
}

one_daemon() { [ "$(daemon_of "$mnt" | wc -l)" = 1 ]; }

# as UID COMMAND...
as() { local uid=$1; shift; setpriv --reuid="$uid" --regid="$uid" --clear-groups "$@"; }

# Closes all descriptors but 0, 1 and 2, also those that the caller of the tests has left open.
only_three() {
    local fd
    for fd in "/proc/$BASHPID/fd"/*; do
        fd=${fd##*/}
        [ "$fd" -le 2 ] || eval "exec $fd>&-"
    done
}
fail() { echo "$*"; exit 1; }
# The command fails. Under set -e, a command after ! does not end the case when it succeeds.
fails() { if "$@"; then echo "it should have failed: $*"; return 1; fi; }
# refused WORDS COMMAND...: it fails with status 1 and one line of 9pfs, which has the words, and nothing is mounted
refused() {
    local words=$1 rc=0; shift
    "$@" > "$work/out" 2> "$work/err" || rc=$?
    cat "$work/out" "$work/err"
    same "$rc" 1
    same "$(wc -l < "$work/err")" 1
    same "$(wc -c < "$work/out")" 0
    grep -q '^9pfs: ' "$work/err" || fail "the line does not start with 9pfs:"
    grep -qF -- "$words" "$work/err" || fail "it does not say '$words'"
    same "$(mounts)" ''
}
# prints TEXT COMMAND...: to wait for an output
prints() { [ "$("${@:2}")" = "$1" ]; }
same() { [ "$1" = "$2" ] || fail "expected '$2', got '$1'"; }

# hold FILE WORDS...: starts a locker that holds its locks until release, which ends its input;
# answers WORD: the next line of its output
hold() {
    coproc HOLDER { exec "$TOOLS/locker" "$@" read; }
    holder_pid=$!
}
hold_as() { # UID FILE WORDS...
    # exec: holder_pid is the locker itself
    coproc HOLDER { exec setpriv --reuid="$1" --regid="$1" --clear-groups "$TOOLS/locker" "${@:2}" read; }
    holder_pid=$!
}
answers() { local l; read -r -t 20 l <&"${HOLDER[0]}"; same "$l" "$1"; }
release() { eval "exec ${HOLDER[1]}>&-"; wait "$holder_pid"; }
# start_locker COMMAND...: a locker as $locker, with its output in $work/out; a line to descriptor 5
# ends its word `read`
start_locker() {
    rm -f "$work"/{in,out}
    mkfifo "$work/in"
    "$@" < "$work/in" > "$work/out" &
    locker=$!
    exec 5> "$work/in"
}
locks() { "$TOOLS/locker" "$@" | tr '\n' ' '; }

# nfs-ganesha caches what it has seen, and would find the removed files in the next case: they are
# removed through the mount.
clean_export() {
    [ "${server:-}" != ganesha ] || { mountpoint -q "$mnt" || attach; find "$mnt" -mindepth 1 -delete; } 2>/dev/null
    unmount_all
    find "$exp" -mindepth 1 -delete
}

count=0
report() { # STATUS NAME LOG
    count=$((count + 1))
    if [ "$1" = 0 ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        sed 's/^/# /' "$3" | tail -n 40
    fi
}
run_case() { # NAME; its output is in $work/log
    local rc
    (
        set -e
        files_server=$server_pid
        trap '[ "$server_pid" = "$files_server" ] || kill "$server_pid"' EXIT
        cd "$work"
        "case_$1"
    ) > "$work/log" 2>&1
    rc=$?
    clean_export
    # The next case mounts at the same place, and looks for one process there.
    wait_until 60 prints '' processes || {
        echo "9pfs does not end: $(processes)" >> "$work/log"
        rc=1
        kill -KILL $(processes)
        wait_until 60 prints '' processes
    }
    if ls "$work"/sanitizer/* > /dev/null 2>&1; then
        cat "$work"/sanitizer/* >> "$work/log"
        rm "$work"/sanitizer/*
        rc=1
    fi
    return $rc
}
# A test file may replace this: it runs after a case that failed, and its status is the case's.
retry() { return 1; }
run_cases_only() {
    local c rc
    for c in $(declare -F | sed -n 's/^declare -f case_//p'); do
        case " ${CASES:-$c} " in *" $c "*) ;; *) continue ;; esac
        run_case "$c" # not in a condition, where set -e would have no effect
        rc=$?
        if [ $rc != 0 ]; then
            retry "$c"
            rc=$?
        fi
        report $rc "${server:-} $c" "$work/log"
    done
}
run_cases() {
    run_cases_only
    echo "1..$count"
}
