#!/bin/bash
# locks.sh: locks: how servers differ, and the processes of one mount among themselves.
. "${SRCDIR:?}/tests/mount/lib.sh"

other_reader() { "$TOOLS/locker" -r "$work/mnt2/f" "$@" | tr '\n' ' '; }
gone() { ! kill -0 "$1" 2>/dev/null; }
free_for() { [ "$(timeout -s KILL 60 "$TOOLS/locker" "$@")" = ok ]; }

# on_each CASE: on the test server, diod and nfs-ganesha
on_each() {
    local kind
    for kind in test_l diod ganesha; do
        port=$(free_port)
        server=$kind
        "start_$kind" "$exp" "$port"
        wait_until 30 listening "$port"
        : > "$exp/f"
        chmod 666 "$exp/f"
        echo "on $kind"
        "$1"
        unmount_all
        clean_export
        stop
    done
    server=
}

# ---- opened to read or to write -------------------------------------------

a_reader_is_first() {
    attach_twice
    hold -r "$mnt/f" rd:0:10; answers ok
    same "$(locks "$mnt/f" wr:20:10)" 'ok '
    same "$(locks "$mnt/f" wr:5:1)" 'held '
    same "$(other wr:5:1 rd:5:1)" 'held ok '
    release
    wait_until 10 free_for "$work/mnt2/f" wr:0:0
}
case_a_reader_is_first() { on_each a_reader_is_first; }

flock_by_a_reader() {
    attach_twice
    exec 9< "$mnt/f"
    flock -n -x 9
    same "$(other sh)" 'held '
    fails flock -n -s "$mnt/f" true
    exec 9<&-
    flock -n "$mnt/f" true
    flock "$mnt/f" true
    wait_until 10 flock -n "$work/mnt2/f" true
}
case_flock_by_a_reader() { on_each flock_by_a_reader; }

# Where the server grants a write lock only to a file that is open to write, 9pfs asks for a read
# lock.
no_permission_to_write() {
    chmod 644 "$exp/f"
    attach_twice allow_other
    hold_as 1 -r "$mnt/f" ex; answers ok
    same "$(as 1 "$TOOLS/locker" -r "$mnt/f" sh ex | tr '\n' ' ')" 'held held '
    same "$(other_reader sh)" "$([ "$server" = diod ] && echo held || echo ok) "
    same "$(other ex)" 'held '
    release
    wait_until 10 free_for "$work/mnt2/f" ex
}
case_no_permission_to_write() { on_each no_permission_to_write; }

another_user_may_write() { # and has the file open as well
    chmod 644 "$exp/f"
    attach_twice allow_other
    exec 8< "$mnt/f"
    cp "$TOOLS/locker" "$work/locker" # where user 1 may read it
    as 1 flock -n -x "$mnt/f" "$work/locker" -r "$work/mnt2/f" sh > "$work/answer"
    same "$(cat "$work/answer")" held
    exec 8<&-
}
case_another_user_may_write() { on_each another_user_may_write; }

a_writer_opens_second() { # the lock of the reader stays
    chmod 644 "$exp/f"
    attach_twice allow_other
    hold_as 1 -r "$mnt/f" rd:0:10; answers ok
    same "$(locks "$mnt/f" wr:20:10 say:next wr:5:1)" 'ok next held '
    same "$(other wr:5:1 rd:5:1)" 'held ok '
    release
    wait_until 10 free_for "$work/mnt2/f" wr:0:0
}
case_a_writer_opens_second() { on_each a_writer_opens_second; }

case_a_writer_beside_a_reader() { # both have locks; the end of one releases its own
    serve PORT "$exp"
    : > "$exp/f"
    attach_twice
    hold -r "$mnt/f" rd:0:10; answers ok
    coproc WRITER { exec "$TOOLS/locker" "$mnt/f" wr:20:10 read; }
    local l; read -r -t 20 l <&"${WRITER[0]}"; same "$l" ok
    same "$(other rd:5:1 wr:5:1 rd:25:1 wr:15:1)" 'ok held held ok '
    release
    wait_until 10 free_for "$work/mnt2/f" wr:0:10
    same "$(other rd:25:1)" 'held '
    eval "exec ${WRITER[1]}>&-"
    wait_until 10 free_for "$work/mnt2/f" wr:0:0
}

# ---- servers that answer late, or never -----------------------------------

sqlite_works() {
    timeout -s KILL 100 sqlite3 "$mnt/db" 'create table t(i); insert into t values (1), (2);' 'insert into t values (3);'
    same "$(timeout -s KILL 100 sqlite3 "$mnt/db" 'select sum(i) from t; pragma integrity_check;')" "$(printf '6\nok')"
}
case_a_blocking_server() { # hugelgupf/p9: Tlock is answered when the lock is free
    local quirk
    for quirk in blocking-locks stubborn-locks; do
        serve -o $quirk PORT "$exp"
        attach
        sqlite_works
        detach
        rm "$exp/db"
        stop
    done
}

case_a_blocking_server_with_another_client() {
    local quirk pid
    for quirk in blocking-locks stubborn-locks; do
        serve -o $quirk PORT "$exp"
        : > "$exp/f"
        attach_twice
        hold "$work/mnt2/f" ex; answers ok
        "$TOOLS/locker" "$mnt/f" wait-ex > "$work/killed" &
        pid=$!
        "$TOOLS/locker" "$mnt/f" wait-wr:0:1 > "$work/waited" &
        same "$(timeout -s KILL 60 "$TOOLS/locker" "$mnt/f" ex | tr '\n' ' ')" 'held '
        kill -KILL $pid
        wait_until 20 gone $pid
        same "$(cat "$work/waited" "$work/killed")" ''
        release
        wait_until 20 grep -q ok "$work/waited"
        wait_until 20 free_for "$work/mnt2/f" ex # no lock remains
        wait_until 20 free_for "$mnt/f" ex
        unmount_all
        stop
    done
}

case_a_lock_without_an_answer() {
    local pid
    serve -f 'Tlock ignore' PORT "$exp"
    : > "$exp/f"
    attach
    "$TOOLS/locker" "$mnt/f" wait-wr:0:1 &
    pid=$!
    same "$(timeout -s KILL 60 "$TOOLS/locker" "$mnt/f" wr:0:1)" held
    kill -KILL $pid
    wait_until 20 gone $pid
    same "$(cat "$mnt/f")" ''
    detach
    wait_until 20 prints '' daemon_of "$mnt"
}

case_an_unlock_without_an_answer() { # a killed process ends, and so does the mount
    serve -f 'Tlock first=2 count=1 silent' PORT "$exp"
    : > "$exp/f"
    attach
    hold "$mnt/f" wr:0:1; answers ok
    kill -KILL "$holder_pid"
    wait_until 20 gone "$holder_pid"
    same "$(timeout -s KILL 60 "$TOOLS/locker" "$mnt/f" wr:0:1)" held # it may still be locked on the server
    same "$(cat "$mnt/f")" ''
    detach
    wait_until 20 prints '' daemon_of "$mnt"
}

case_a_query_without_an_answer() {
    serve -f 'Tgetlock ignore' PORT "$exp"
    : > "$exp/f"
    attach
    same "$(timeout -s KILL 60 "$TOOLS/locker" "$mnt/f" get:0:1 2>&1)" 'No locks available'
}

# ---- closed descriptors ---------------------------------------------------

case_close_releases_locks() { # although the kernel does not wait for RELEASE
    : > "$exp/f"
    local how
    serve PORT "$exp"
    for how in '' clone_fd; do
        attach "$how"
        same "$("$TOOLS/locker" "$mnt/f" closed:2000 ofd-closed:2000 dup:500 | tr '\n' ' ')" '2000 2000 0 '
        detach
    done
}

case_close_releases_locks_under_load() {
    : > "$exp/f"
    serve PORT "$exp"
    attach
    local i pids=''
    for i in 1 2 3 4; do
        (while [ ! -e "$work/enough" ]; do [ -e "$mnt/f$i" ] || cat "$mnt/f"; done) &
        pids+=" $!"
    done
    same "$("$TOOLS/locker" "$mnt/f" closed:1000 dup:20 | tr '\n' ' ')" '1000 0 '
    : > "$work/enough"
    wait $pids
    rm "$work/enough"
}

case_close_of_a_duplicate_releases_nothing() { # as flock(1) does it
    : > "$exp/f"
    serve PORT "$exp"
    attach
    exec 9> "$mnt/f"
    flock -n 9
    local i
    for i in $(seq 50); do
        fails flock -n "$mnt/f" true
    done
    exec 9>&-
    flock -n "$mnt/f" true
}

# ---- cycles ---------------------------------------------------------------

# ring FILE...: a process for each file locks a byte in it, then waits for the byte of the next one
ring() {
    local i n=$# files=("$@") go=() fd pids=()
    for i in $(seq 0 $((n - 1))); do
        mkfifo "$work/go$i"
        "$TOOLS/locker" "${files[i]}" "wr:$i:1" read "in:${files[(i + 1) % n]}" "wait-wr:$(((i + 1) % n)):1" \
            < "$work/go$i" > "$work/ring$i" &
        pids+=($!)
        exec {fd}> "$work/go$i"
        go+=("$fd")
        wait_until 10 grep -q ok "$work/ring$i"
    done
    for fd in "${go[@]}"; do
        echo >&"$fd"
        exec {fd}>&-
    done
    timeout 20 tail --pid="${pids[0]}" -f /dev/null
    wait "${pids[@]}"
    same "$(cat "$work"/ring* | sort | uniq -c | tr -s ' \n' ' ')" " 1 Resource deadlock avoided $((2 * n - 1)) ok "
    rm "$work"/go* "$work"/ring*
}
case_cycles() { # one process gets EDEADLK; the others get their locks after it has ended
    serve PORT "$exp"
    : > "$exp/f"
    : > "$exp/g"
    attach
    ring "$mnt/f" "$mnt/f"
    ring "$mnt/f" "$mnt/f" "$mnt/f" "$mnt/f"
    ring "$mnt/f" "$mnt/g" "$mnt/f"
}

# The second is sent once the first has its answer.
case_unlocks_while_the_server_is_silent() {
    local locker
    serve -v L PORT "$exp"
    : > "$exp/f"
    attach
    start_locker "$TOOLS/locker" "$mnt/f" wr:5:1 wr:20:1 wr:40:1 un:40:1 read un:5:1 un:20:1
    wait_until 20 lines 4
    trap 'rc=$?; kill -CONT "$server_pid"; stop; exit $rc' EXIT
    send STOP "$server_pid"
    echo >&5
    wait_until 20 lines 6
    same "$(tr '\n' ' ' < "$work/out")" 'ok ok ok ok ok ok '
    kill -CONT "$server_pid"
    wait $locker
    exec 5>&-
    mkdir -p "$work/mnt2"
    attach '' "$work/mnt2"
    wait_until 20 prints 'ok ' other wr:0:0
    detach_second
}

# ---- one thread -----------------------------------------------------------

ended() { timeout 20 tail --pid="$1" -f /dev/null; }

declare -A pid input
# begin NAME WORDS...: a locker with its output in $work/NAME.out; go NAME ends its word `read`
begin() {
    rm -f "$work/$1".{in,out}
    mkfifo "$work/$1.in"
    "$TOOLS/locker" "$mnt/f" "${@:2}" < "$work/$1.in" > "$work/$1.out" &
    local fd
    pid[$1]=$!
    exec {fd}> "$work/$1.in"
    input[$1]=$fd
}
go() { local fd=${input[$1]}; echo >&"$fd"; exec {fd}>&-; }

# The request of the locker `first` reaches 9pfs before the kernel's read of an uncached page. The
# kernel cannot drop all pages before it has that page: 9pfs must not wait for the drop.
before_a_page() {
    daemon=$(daemon_of "$mnt")
    trap 'rc=$?; kill -CONT "$daemon"; stop; exit $rc' EXIT
    send STOP "$daemon"
    go first
    wait_until 10 waits_for_mount ${pid[first]} || fail "the first waits in $(cat "/proc/${pid[first]}/wchan")"
    go reader
    wait_until 10 waits_for_mount ${pid[reader]} || fail "the reader waits in $(cat "/proc/${pid[reader]}/wchan")"
    kill -CONT "$daemon"
    ended ${pid[first]} && ended ${pid[reader]} || {
        head "/proc/$daemon/task"/*/wchan "$work"/{first,reader}.out || true # a thread may have ended
        umount -f "$mnt" || true
        fail "they wait for each other"
    }
    same "$(tr '\n' ' ' < "$work/reader.out")" 'ooo ooo '
}
one_thread() { # [OPTIONS OF THE SERVER...]
    serve "$@" PORT "$exp"
    head -c 30000000 /dev/zero | tr '\0' o > "$exp/f"
    sleep 3 # a later change gives it another mtime
    "$P9FS" "127.0.0.1:$exp" "$mnt" -s -o "port=$port,actimeo=60" # long: the reader fetches no attributes first
    begin reader see:0 read see:20000000
    wait_until 10 grep -q ooo "$work/reader.out"
}

case_one_thread_gets_a_lock() {
    one_thread
    begin first see:0 read wait-ex see:0
    wait_until 10 grep -q ooo "$work/first.out"
    printf new | dd of="$exp/f" conv=notrunc status=none
    before_a_page
    same "$(tr '\n' ' ' < "$work/first.out")" 'ooo ok new '
}

case_one_thread_reports_a_write_error() {
    one_thread -o fail-write=1
    begin first write see:100 read sync see:0
    wait_until 10 grep -q ooo "$work/first.out"
    before_a_page
    same "$(tr '\n' ' ' < "$work/first.out")" 'ok ooo No space left on device ooo '
}

need_fuse
run_cases
