# posix_locks.sh: locks of ranges and of files. Sourced by posix.sh.

case_locks_of_ranges() {
    attach
    : > "$mnt/f"
    hold "$mnt/f" wr:0:10 rd:100:10; answers ok; answers ok
    same "$(locks "$mnt/f" wr:5:1 rd:5:1 wr:10:1 rd:105:1 wr:105:1)" 'held held ok ok held '
    same "$(locks "$mnt/f" get:9:1 get:10:1)" "held by $holder_pid free "
    release
    same "$(locks "$mnt/f" wr:0:0)" 'ok ' # close has released it
    hold "$mnt/f" wr:0:10; answers ok
    kill -KILL "$holder_pid"
    wait "$holder_pid" 2>/dev/null || true
    wait_until 10 prints 'ok ' locks "$mnt/f" wr:0:0 # and so has exit
}

case_locks_of_files() {
    attach
    : > "$mnt/f"
    hold "$mnt/f" sh; answers ok
    same "$(locks "$mnt/f" ex sh)" 'held ok '
    release
    hold "$mnt/f" ofd-wr:0:5; answers ok
    same "$(locks "$mnt/f" wr:4:1 wr:5:1)" 'held ok '
    release
    wait_until 10 prints 'ok ' locks "$mnt/f" wr:0:0
}

case_locks_of_other_clients() {
    able locks || return 0
    attach_twice
    : > "$mnt/f"
    hold "$mnt/f" wr:0:10; answers ok
    same "$(locks "$work/mnt2/f" wr:5:1)" 'held '
    release
    wait_until 10 prints 'ok ' locks "$work/mnt2/f" wr:0:10
    hold "$mnt/f" ex; answers ok
    same "$(locks "$work/mnt2/f" ex)" 'held '
    release
    # Of two processes on one client, one unlocks: the other's lock still excludes other clients.
    hold "$mnt/f" wr:0:10; answers ok
    same "$(locks "$mnt/f" wr:20:5 un:20:5)" 'ok ok '
    same "$(locks "$work/mnt2/f" wr:5:1)" 'held '
    release
    detach_second
}

case_wait_for_a_lock() {
    attach_twice
    : > "$mnt/f"
    for m in "$mnt" "$work/mnt2"; do
        able locks || [ "$m" = "$mnt" ] || continue
        hold "$mnt/f" wr:0:10; answers ok
        same "$(locks "$m/f" alarm:200 wait-wr:0:1)" 'interrupted '
        "$TOOLS/locker" "$m/f" wait-wr:0:1 > "$work/waited" &
        sleep 0.3
        same "$(cat "$work/waited")" ''
        release
        wait $!
        same "$(cat "$work/waited")" ok
        hold "$mnt/f" ex; answers ok
        timeout -s KILL 0.5 "$TOOLS/locker" "$m/f" wait-ex || true # a signal ends the wait
        release
        wait_until 10 prints 'ok ' locks "$m/f" ex
    done
    detach_second
}

case_a_lock_revalidates_cached_data() { # of a file that is open and has been read
    able locks || return 0
    echo one > "$exp/f"
    sleep 3 # a later change gives it another mtime
    attach_twice
    exec 5<> "$mnt/f" 6< "$mnt/f"
    same "$(head -c 4 <&5)" one
    (exec 7<> "$work/mnt2/f"; flock 7; echo two >&7)
    flock 5
    same "$(head -c 4 <&6)" two
    exec 5>&- 6>&-
    detach_second
}
