#!/bin/bash
# frozen.sh: the server is stopped, or gone: any process can be killed, the mount can be ended, and
# what needs no server is answered.
#
# LIMIT=SECONDS: the longest that anything may take. 2 holds on a machine that is not busy.
. "${SRCDIR:?}/tests/mount/lib.sh"

: "${LIMIT:=10}"

begin() { # [OPTIONS]
    port=$(free_port)
    start_diod "$exp" "$port"
    trap 'end_server' EXIT
    wait_until 30 listening "$port"
    attach "${1:-}"
    daemon=$(daemon_of "$mnt")
    echo "$daemon" > "$work/daemon"
}
end_server() {
    kill -CONT "$server_pid" || true
    kill "$server_pid" || true
    wait "$server_pid" || true
} 2> /dev/null
freeze() { send STOP "$server_pid"; }
thaw() { kill -CONT "$server_pid"; }
# A process that has ended may wait for its parent.
ended() { ! readlink "/proc/$1/exe" > /dev/null; }
# in_time COMMAND...: it ends within the limit, whatever its status
in_time() {
    local rc=0
    timeout -s KILL "$LIMIT" "$@" || rc=$?
    [ "$rc" != 137 ] || fail "not within $LIMIT s: $*"
    return 0
}
mounted() { grep -q " $mnt " /proc/self/mounts; }
unmounted() { ! mounted; }

# ---- the end of the mount ----------------------------------------------------------

# ends_by COMMAND...: the mount and its process end by it, with a program stuck in the mount and
# with data that the server does not have
ends_by() {
    local stuck
    for state in STOP KILL; do
        begin
        mkdir "$exp/d"
        echo old > "$exp/d/f"
        send "$state" "$server_pid"
        stat "$mnt/d" > "$work/out" 2>&1 &
        stuck=$!
        in_time "$@"
        wait_until "$LIMIT" unmounted
        kill -KILL "$stuck" || true # it may have ended
        wait_until "$LIMIT" ended "$daemon"
        wait "$stuck" || true
        end_server
        rm -r "$exp/d"
    done
}
case_umount_lazily() { ends_by umount -l "$mnt"; }
case_umount_by_force() {
    ends_by umount -f "$mnt" # it may say that the mount is busy, and ends the program that it is busy with
}
case_fusermount_lazily() { ends_by fusermount3 -u -z "$mnt"; }
case_sigterm() {
    ends_by sh -c "kill \$(cat '$work/daemon')"
}

# Nothing uses the mount, but the server is away.
unused_ends_by() {
    local state
    for state in STOP KILL; do
        begin
        echo old > "$exp/f"
        cat "$mnt/f"
        send "$state" "$server_pid"
        in_time "$@"
        fails mounted
        wait_until "$LIMIT" ended "$daemon"
        end_server
    done
}
case_umount() { unused_ends_by umount "$mnt"; }
case_fusermount() { unused_ends_by fusermount3 -u "$mnt"; }

is_dirty() { "$P9FS" --stats "$mnt" --json | jq -e '.writebehind.dirty_bytes > 0'; }
case_data_that_is_lost_is_logged() {
    port=$(free_port)
    start_diod "$exp" "$port"
    trap 'end_server' EXIT
    wait_until 30 listening "$port"
    "$P9FS" -f "127.0.0.1:$exp" "$mnt" -o "port=$port" 2> "$work/messages" &
    daemon=$!
    wait_until 10 mounted
    rm -f "$work/in"
    mkfifo "$work/in"
    cat "$work/in" > "$mnt/f" &
    exec 5> "$work/in"
    echo kept >&5
    wait_until 10 test -s "$exp/f"
    freeze
    echo lost >&5
    wait_until 10 is_dirty
    kill "$daemon"
    local rc=0
    wait "$daemon" || rc=$?
    same "$rc" 1
    grep "data written to 'f' is lost" "$work/messages"
    exec 5>&-
}

# ---- programs that are stuck ---------------------------------------------------------

# dies NAME COMMAND...: the command is stuck, and ends when it is killed
dies() {
    local pid name=$1; shift
    "$@" > "$work/out" 2>&1 &
    pid=$!
    wait_until 20 waits_for_mount "$pid" || fail "$name was not stuck: $(cat "$work/out")"
    kill -KILL "$pid"
    wait_until "$LIMIT" ended "$pid" || fail "$name cannot be killed"
    wait "$pid" || true
}
# The end of the redirection is a close(2), which waits for the data.
write_and_close() { echo more >&8; }
case_stuck_programs_can_be_killed() {
    begin
    mkdir "$exp/d" "$exp/many"
    for f in a b c e f g h i j k l m; do echo "$f" > "$exp/d/$f"; done
    head -c 3000000 /dev/urandom > "$exp/d/big"
    echo known > "$mnt/known"
    exec 5<> "$mnt/known" 6< "$mnt/d/big" 7> "$mnt/written" 8> "$mnt/closed"
    echo >&8
    freeze
    dies close write_and_close
    dies stat stat "$mnt/d/a"
    dies cat cat "$mnt/d/b"
    dies rm rm -f "$mnt/d/c"
    dies mv mv "$mnt/d/e" "$mnt/d/moved"
    dies mkdir mkdir "$mnt/d/new"
    dies ls ls "$mnt/many"
    dies ln ln "$mnt/known" "$mnt/d/linked"
    dies touch touch "$mnt/d/touched"
    dies read dd bs=1M count=1 if=/dev/fd/6 of=/dev/null
    dies write dd bs=1M count=64 if=/dev/zero of=/dev/fd/7
    dies fsync dd bs=1 count=1 conv=fsync if=/dev/zero of=/dev/fd/7
    dies lock flock /dev/fd/5 true
    dies chmod chmod 600 "$mnt/d/f"
    dies getfattr getfattr -d "$mnt/d/g"
    thaw
    same "$(cat "$mnt/d/b")" b
    exec 5>&- 6>&- 7>&- 8>&-
}

case_many_killed_programs() { # the kernel lets them look up names of one directory in turn only
    local pids=() i
    begin
    mkdir "$exp/d"
    (cd "$exp/d" && seq 50 | xargs touch)
    freeze
    for i in $(seq 50); do stat "$mnt/d/$i" > /dev/null 2>&1 & pids+=($!); done
    sleep 0.3
    kill -KILL "${pids[@]}"
    for i in "${pids[@]}"; do wait_until "$LIMIT" ended "$i" || fail 'cannot be killed'; done
    thaw
    same "$(ls "$mnt/d" | wc -l)" 50
}

case_many_stuck_programs() {
    local n=${STUCK:-1000} pids=() i other=$work/other port2
    begin attr_timeout=30,entry_timeout=600
    mkdir "$exp/d" "$other" "$work/exp2"
    (cd "$exp/d" && seq "$n" | xargs touch)
    echo cached > "$mnt/cached"
    echo here > "$work/exp2/f"
    stat "$mnt/cached" "$mnt"/d/* > /dev/null # the kernel knows the names, and asks for attributes again
    port2=$(free_port)
    diod_at "$work/exp2" "127.0.0.1:$port2" 2> /dev/null &
    second=$!
    trap 'kill $second || true; end_server' EXIT
    wait_until 30 listening "$port2"
    "$P9FS" "127.0.0.1:$work/exp2" "$other" -o "port=$port2"
    sleep 31
    stat "$mnt/cached" > /dev/null
    freeze
    # One program of many threads, and some processes.
    "$TOOLS/stats" "$mnt/d" "$n" > "$work/stats" 2>&1 &
    local many=$!
    for i in 1 2 3; do stat "$mnt/d/$i" > /dev/null & pids+=($!); done
    wait_until 60 stuck_requests "$n"
    in_time stat "$mnt/cached" > "$work/out"
    grep -q 'regular' "$work/out" || fail 'what is cached was not answered'
    in_time cat "$other/f" > "$work/out"
    same "$(cat "$work/out")" here
    in_time stat "$mnt"
    in_time stat -f "$mnt"
    ls -l "$work" > /dev/null
    kill -KILL "${pids[0]}"
    wait_until "$LIMIT" ended "${pids[0]}"
    thaw
    wait "$many" || fail "after all: $(tail -n 3 "$work/stats")"
    wait "${pids[1]}" "${pids[2]}"
    umount "$other"
}
# So many requests wait in the kernel, or more.
stuck_requests() {
    local dev; dev=$(stat -c %d "$work/." ; awk -v m="$mnt" '$5 == m { split($3, d, ":"); print d[2] }' /proc/self/mountinfo)
    dev=${dev##*$'\n'}
    mountpoint -q /sys/fs/fuse/connections || mount -t fusectl none /sys/fs/fuse/connections
    [ "$(cat "/sys/fs/fuse/connections/$dev/waiting")" -ge "$1" ]
}

# ---- locks -----------------------------------------------------------------------------

asked() { "$P9FS" --stats "$mnt" --json | jq -e '.messages.Tflush.sent // 0'; }
asked_again() { local now; now=$(asked) && [ "$now" != "$1" ]; }
# As anything else: that another client has the lock is for the server to say.
case_a_lock_is_waited_for() {
    local words locker before
    begin probe=0
    touch "$exp/f"
    for words in 'wr:5:1 read wr:0:1' 'sh read ex' 'wr:5:1 read get:0:1' \
        'wr:5:1 read un:5:1 wr:0:1' 'wr:5:1 read un:5:1 get:0:1'; do
        start_locker "$TOOLS/locker" "$mnt/f" $words
        wait_until 20 grep -q ok "$work/out"
        freeze
        before=$(asked)
        echo >&5
        wait_until 60 asked_again "$before" # whether the server is there
        thaw
        wait $locker
        exec 5>&-
        same "$(tail -n 1 "$work/out")" "$([[ "$words" = *get* ]] && echo free || echo ok)"
        same "$(grep -c . "$work/out")" "$(wc -w <<< "${words/read/}")"
    done
}

# ---- soft ------------------------------------------------------------------------------

case_soft() {
    local began rc
    begin soft,timeo=2,probe=1
    mkdir "$exp/d"
    touch "$exp/d/f"
    for state in STOP KILL; do
        began=$SECONDS rc=0
        send "$state" "$server_pid"
        ls "$mnt/d" > "$work/out" 2>&1 || rc=$?
        [ "$rc" != 0 ] || fail 'ls succeeded'
        grep -q 'Connection timed out' "$work/out" || fail "$(cat "$work/out")"
        [ $((SECONDS - began)) -le $((2 * LIMIT)) ]
        [ "$state" = STOP ] && thaw || start_diod "$exp" "$port"
        wait_until 60 test -e "$mnt/d/f"
        same "$(ls "$mnt/d")" f
    done
}

case_soft_locks() { # nobody is said to have the lock
    local locker
    begin soft,timeo=2,probe=1
    touch "$exp/f"
    start_locker "$TOOLS/locker" "$mnt/f" wr:5:1 read wr:0:1 wait-wr:0:1
    wait_until 20 grep -q ok "$work/out"
    freeze
    echo >&5
    wait $locker
    exec 5>&-
    thaw
    same "$(sort "$work/out" | uniq -c | tr -s ' \n' ' ')" ' 2 Connection timed out 1 ok '
}

case_mounted_again_at_once() { # the process of the mount before ends without touching the new one
    local i
    begin
    echo content > "$exp/f"
    for i in $(seq 30); do
        umount "$mnt"
        attach
        same "$(cat "$mnt/f")" content
    done
    same "$(cat "$mnt/f")" content
}

case_noreconnect() {
    begin noreconnect
    kill -KILL "$server_pid"
    wait_until "$LIMIT" fails_with 'Connection reset' stat "$mnt/f"
    start_diod "$exp" "$port"
    wait_until 30 listening "$port"
    fails_with 'Connection reset' stat "$mnt/f"
}
fails_with() {
    local text=$1 rc=0; shift
    "$@" > "$work/out" 2>&1 || rc=$?
    [ "$rc" != 0 ] && grep -q "$text" "$work/out"
}

need_fuse
run_cases
