# posix_locks.sh: locks of ranges and of files. Sourced by posix.sh.

case_locks_of_ranges() {
    attach
    : > "$mnt/f"
    hold "$mnt/f" wr:0:10 rd:100:10; told ok; told ok
    same "$(locks "$mnt/f" wr:5:1 rd:5:1 wr:10:1 rd:105:1 wr:105:1)" 'held held ok ok held '
    same "$(locks "$mnt/f" get:9:1 get:10:1)" "held by $holder_pid free "
    release
    same "$(locks "$mnt/f" wr:0:0)" 'ok ' # released by close
    hold "$mnt/f" wr:0:10; told ok
    kill -KILL "$holder_pid"
    wait "$holder_pid" 2>/dev/null || true
    wait_until 10 test "$(locks "$mnt/f" wr:0:0)" = 'ok ' # and by a kill
}

case_locks_of_files() {
    attach
    : > "$mnt/f"
    hold "$mnt/f" sh; told ok
    same "$(locks "$mnt/f" ex sh)" 'held ok '
    release
    hold "$mnt/f" ofd-wr:0:5; told ok
    same "$(locks "$mnt/f" wr:4:1 wr:5:1)" 'held ok '
    release
    wait_until 10 test "$(locks "$mnt/f" wr:0:0)" = 'ok '
}

case_locks_of_other_clients() {
    able locks || return 0
    mkdir -p "$work/mnt2"
    attach
    attach '' "$work/mnt2"
    : > "$mnt/f"
    hold "$mnt/f" wr:0:10; told ok
    same "$(locks "$work/mnt2/f" wr:5:1)" 'held '
    release
    wait_until 10 test "$(locks "$work/mnt2/f" wr:0:10)" = 'ok '
    hold "$mnt/f" ex; told ok
    same "$(locks "$work/mnt2/f" ex)" 'held '
    release
    # Two here, one goes: what the other has is still kept from other clients.
    hold "$mnt/f" wr:0:10; told ok
    same "$(locks "$mnt/f" wr:20:5 un:20:5)" 'ok ok '
    same "$(locks "$work/mnt2/f" wr:5:1)" 'held '
    release
    umount "$work/mnt2"
    rmdir "$work/mnt2"
}

case_waiting_for_a_lock() {
    mkdir -p "$work/mnt2"
    attach
    attach '' "$work/mnt2"
    : > "$mnt/f"
    for m in "$mnt" "$work/mnt2"; do
        able locks || [ "$m" = "$mnt" ] || continue
        hold "$mnt/f" wr:0:10; told ok
        same "$(locks "$m/f" alarm:200 wait-wr:0:1)" 'interrupted '
        "$TOOLS/locker" "$m/f" wait-wr:0:1 > "$work/waited" &
        sleep 0.3
        same "$(cat "$work/waited")" ''
        release
        wait $!
        same "$(cat "$work/waited")" ok
        hold "$mnt/f" ex; told ok
        timeout -s KILL 0.5 "$TOOLS/locker" "$m/f" wait-ex || true # a waiter that is killed goes
        release
        same "$(locks "$m/f" ex)" 'ok '
    done
    umount "$work/mnt2"
    rmdir "$work/mnt2"
}

case_a_lock_shows_what_others_wrote() { # to who had the file open, and had read it
    able locks || return 0
    echo one > "$exp/f"
    sleep 3 # so that its times tell of the next change
    attach
    mkdir "$work/mnt2"
    attach '' "$work/mnt2"
    exec 5<> "$mnt/f" 6< "$mnt/f"
    same "$(head -c 4 <&5)" one
    (exec 7<> "$work/mnt2/f"; flock 7; echo two >&7)
    flock 5
    same "$(head -c 4 <&6)" two
    exec 5>&- 6>&-
    umount "$work/mnt2"
    rmdir "$work/mnt2"
}
