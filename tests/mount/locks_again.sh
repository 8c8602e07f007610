#!/bin/bash
# locks_again.sh: locks after the connection was lost: what programs here have is taken again, and nothing
# else, and no lock is granted that the server does not hold.
. "${SRCDIR:?}/tests/mount/lib.sh"

# Nothing is taken again that no program here has: another client may have it by now.
case_an_unlock_while_the_server_is_away() {
    local locker
    port=$(free_port)
    start_diod "$exp" "$port"
    wait_until 30 listening "$port"
    : > "$exp/f"
    attach
    start_locker "$TOOLS/locker" "$mnt/f" wr:0:1 read un:0:1 write sync read wr:0:1
    wait_until 20 lines 1
    kill -KILL "$server_pid"
    wait "$server_pid" || true
    exec 9< "$exp/f"
    flock -n -x 9 # as diod does it for a client
    echo >&5
    wait_until 10 waits_for_mount $locker # in the unlock
    start_diod "$exp" "$port"
    wait_until 60 lines 4
    echo >&5
    wait $locker
    exec 5>&- 9>&-
    same "$(tr '\n' ' ' < "$work/out")" 'ok ok ok ok held '
}

finds_thread() { thread=$(serving_threads) && [ -n "$thread" ]; }
traced() { [ "$(grep -c "$1" "$work/trace")" = "$2" ]; } # TEXT TIMES
# The server grants a lock, and is gone before the thread that asked for it has noticed.
case_a_lock_of_a_lost_connection() {
    local locker thread
    serve -v L PORT "$exp"
    : > "$exp/f"
    "$P9FS" "127.0.0.1:$exp" "$mnt" -s -o "port=$port,trace=$work/trace"
    start_locker "$TOOLS/locker" "$mnt/f" wr:5:1 read wr:0:1 read
    wait_until 20 lines 1
    wait_until 10 finds_thread
    trap 'rc=$?; kill -CONT "$server_pid"; stop; exit $rc' EXIT
    send STOP "$server_pid"
    echo >&5
    wait_until 10 traced ' Tlock' 2
    pause "$thread"
    kill -CONT "$server_pid"
    wait_until 10 traced ' Rlock' 2
    kill -KILL "$server_pid"
    wait "$server_pid" || true
    start_test_l "$exp" "$port"
    wait_until 60 traced ' Rlock' 3 # of the first lock, again
    resume
    wait_until 20 lines 2
    mkdir -p "$work/mnt2"
    attach '' "$work/mnt2"
    same "$(other wr:0:1 wr:5:1 wr:9:1)" 'held held ok '
    detach_second
    echo >&5
    wait $locker
    exec 5>&-
    same "$(tr '\n' ' ' < "$work/out")" 'ok ok '
}

# What a process did not need at a reconnect is not relied on later.
case_a_lock_that_was_not_taken_again() {
    local locker
    serve -v L PORT "$exp"
    : > "$exp/f"
    : > "$exp/g"
    chmod 644 "$exp/f"
    attach allow_other
    # The server keeps the second, as no one may find out here whether it locks ranges.
    start_locker as 1 "$TOOLS/locker" -r "$mnt/f" rd:0:1 rd:5:1 un:5:1 read rd:5:1 read
    wait_until 20 lines 3
    same "$("$TOOLS/locker" "$mnt/g" wr:0:1 wr:5:1 un:5:1 | tr '\n' ' ')" 'ok ok ok '
    kill -KILL "$server_pid"
    wait "$server_pid" || true
    start_test_l "$exp" "$port"
    touch "$mnt/after" # waits for the reconnect
    echo >&5
    wait_until 20 lines 4
    mkdir -p "$work/mnt2"
    attach '' "$work/mnt2"
    same "$(other wr:5:1 wr:0:1 wr:9:1)" 'held held ok '
    detach_second
    echo >&5
    wait $locker
    exec 5>&-
    same "$(tr '\n' ' ' < "$work/out")" 'ok ok ok ok '
}

# Of a server that answers a lock only once it is free: no answer in time is a conflict.
case_a_blocking_server_has_given_it_to_another() {
    local locker
    serve -v L -o blocking-locks PORT "$exp"
    echo x > "$exp/f"
    attach
    mkdir -p "$work/mnt2"
    attach '' "$work/mnt2"
    daemon=$(daemon_of "$mnt")
    hold "$mnt/f" ex; answers ok
    trap 'rc=$?; kill -CONT "$daemon"; stop; exit $rc' EXIT
    send STOP "$daemon"
    kill -KILL "$server_pid"
    wait "$server_pid" || true
    start_test_server -v L -o blocking-locks "$port" "$exp"
    wait_until 30 listening "$port"
    start_locker "$TOOLS/locker" "$work/mnt2/f" ex read
    wait_until 30 lines 1
    same "$(cat "$work/out")" ok
    kill -CONT "$daemon"
    fails timeout 60 cat "$mnt/f" 2> "$work/err"
    grep -q 'Input/output error' "$work/err" || fail "$(cat "$work/err")"
    release
    exec 5>&-
    wait_until 20 prints x cat "$mnt/f"
    detach_second
}

need_fuse
run_cases
