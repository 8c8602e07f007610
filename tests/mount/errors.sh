#!/bin/bash
# errors.sh: an error before the mount is one line on stderr and exit status 1, and mounts nothing.
. "${SRCDIR:?}/tests/mount/lib.sh"

# refused PATTERN ARGS...: 9pfs exits with status 1 and one line that matches PATTERN
refused() {
    local pattern=$1 rc=0; shift
    timeout 60 "$P9FS" "$@" > "$work/out" 2> "$work/err" || rc=$?
    cat "$work/err"
    same "$rc" 1
    same "$(wc -l < "$work/err")" 1
    grep -q '^9pfs: ' "$work/err" || fail "the line does not start with 9pfs:"
    grep -qe "$pattern" "$work/err" || fail "no message matches '$pattern'"
    same "$(cat "$work/out")" ''
    same "$(mounts)" ''
}
answer() { # [TEXT]: starts a server that sends TEXT, or nothing; sets answer_port
    rm -f "$work/port"
    "$TOOLS/answer" "$@" > "$work/port" &
    trap "kill $!" EXIT
    wait_until 10 test -s "$work/port"
    answer_port=$(cat "$work/port")
}

case_closed_port() {
    local p; p=$(free_port)
    refused "cannot connect to 127.0.0.1 port $p: Connection refused" 127.0.0.1:/x "$mnt" -o "port=$p"
}
case_unknown_host() { refused 'no-such-host.invalid' no-such-host.invalid:/x "$mnt"; }
case_unknown_socket() { refused "$work/none: No such file" "$work/none" "$mnt"; }
case_wrong_aname() { refused "cannot attach to '/no/such/export'" 127.0.0.1:/no/such/export "$mnt" -o "port=$port"; }
case_http_server() {
    answer $'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'
    refused 'does not speak 9P' "127.0.0.1:/x" "$mnt" -o "port=$answer_port"
}
case_silent_server() {
    answer
    refused 'does not answer' "127.0.0.1:/x" "$mnt" -o "port=$answer_port"
}
case_closed_descriptors() { # one that 9pfs itself has opened does not count as open
    local fd
    only_three
    for fd in 3 4 5 6 1000; do
        refused "descriptor $fd is not open" x "$mnt" -o "trans=fd,rfdno=0,wfdno=$fd"
        refused "descriptor $fd is not open" -f x "$mnt" -o "trans=fd,rfdno=$fd,wfdno=$fd"
    done
}
case_mountpoint_missing() { refused "$work/nowhere: No such file" "127.0.0.1:$exp" "$work/nowhere" -o "port=$port"; }
case_mountpoint_not_a_directory() {
    : > "$work/file"
    refused "$work/file: Not a directory" "127.0.0.1:$exp" "$work/file" -o "port=$port"
}
case_unknown_option() { refused 'frobnicate' "127.0.0.1:$exp" "$mnt" -o "port=$port,frobnicate=3"; }
case_unknown_switch() { refused 'frobnicate' "127.0.0.1:$exp" "$mnt" --frobnicate; }
case_bad_number() { refused 'msize=12' "127.0.0.1:$exp" "$mnt" -o "port=$port,msize=12"; }
case_too_many_arguments() { refused "'third'" "127.0.0.1:$exp" "$mnt" third; }
case_no_mountpoint() { refused 'no MOUNTPOINT' "127.0.0.1:$exp"; }
case_foreground_too() { refused 'cannot attach' -f 127.0.0.1:/no/such/export "$mnt" -o "port=$port"; }

case_help_and_version() {
    "$P9FS" --help > "$work/out" 2> "$work/err"
    grep -q '^usage: 9pfs' "$work/out"
    grep -q msize= "$work/out"
    same "$(cat "$work/err")" ''
    same "$("$P9FS" -V | sed -n 's/ .*//p' | tr '\n' ' ')" '9pfs libfuse '
}

case_debug_shows_messages() {
    "$P9FS" -d "127.0.0.1:$exp" "$mnt" -o "port=$port" 2> "$work/err" &
    wait_until 10 mountpoint -q "$mnt"
    : > "$mnt/file"
    umount "$mnt"
    wait $!
    local time='^[0-9]*-[0-9][0-9]-[0-9][0-9] [0-9:]*\.[0-9]\{6\}'
    grep -q "$time -> Tversion tag -1 msize [0-9]* version 9P2000.L$" "$work/err"
    grep -q "$time -> Twalk tag [0-9]* fid 0 newfid [0-9]* nwname 1 0:file$" "$work/err"
    grep -q "$time <- Rlcreate tag [0-9]* qid (.* after [0-9]* us$" "$work/err"
}

case_signal_unmounts() {
    attach
    kill -TERM "$(daemon_of "$mnt")"
    wait_until 10 bash -c "! mountpoint -q $mnt"
}

case_server_dies() { # requests in flight and later ones fail instead of hanging
    local p; p=$(free_port)
    mkdir "$work/other"
    diod_at "$work/other" "127.0.0.1:$p" 2> "$work/other.log" &
    local pid=$!
    wait_until 10 listening "$p"
    "$P9FS" "127.0.0.1:$work/other" "$mnt" -o "port=$p"
    : > "$mnt/f"
    kill -KILL $pid
    wait_until 10 bash -c "! timeout 5 stat $mnt/g 2>&1 | grep -q 'No such file'"
    fails timeout 5 ls "$mnt"
    umount "$mnt"
    rm -r "$work/other"
}

start_server diod
server=
run_cases
