#!/bin/bash
# writes.sh: write-behind: data that write(2) has accepted, and the errors of the server after that.
. "${SRCDIR:?}/tests/mount/lib.sh"

has_space() { [ "$(df --output=avail -B1 "$exp/small" | tail -n 1)" -gt 500000 ]; }
case_a_full_disk() { # cp gets the error; data that fits is stored, before and after
    mkdir "$exp/small"
    mount -t tmpfs -o size=1m none "$exp/small"
    port=$(free_port)
    start_diod "$exp/small" "$port"
    wait_until 30 listening "$port"
    "$P9FS" "127.0.0.1:$exp/small" "$mnt" -o "port=$port"
    head -c 3000000 /dev/urandom > "$work/large"
    head -c 300000 /dev/urandom > "$work/fits"
    cp "$work/fits" "$mnt/before"
    fails cp "$work/large" "$mnt/large" 2> "$work/err"
    grep -q 'No space left on device' "$work/err"
    fails dd if="$work/large" of="$mnt/large" bs=512 2> "$work/err"
    grep -q 'No space left on device' "$work/err"
    fails dd if="$work/large" of="$mnt/large" bs=1M conv=fsync 2> "$work/err"
    grep -q 'No space left on device' "$work/err"
    cmp "$mnt/before" "$work/fits"
    cmp "$mnt/large" "$exp/small/large" # the page cache has nothing that the server lacks
    rm "$mnt/large"
    wait_until 20 has_space # once the server has closed what was removed
    cp "$work/fits" "$mnt/after"
    cmp "$exp/small/after" "$work/fits"
    umount "$mnt"
    stop
    umount "$exp/small"
}

case_an_error_is_reported_once() {
    local k
    for k in 1 2 7; do
        serve -o fail-write=$k PORT "$exp"
        attach
        "$TOOLS/calls" error_reported_once "$mnt" > reports
        same "$(cat reports)" 1
        echo good > "$mnt/after"
        same "$(cat "$exp/after")" good
        umount "$mnt"
        stop
    done
}

case_stat_and_read_include_dirty_data() { # by any name of the file, before it is closed
    serve PORT "$exp"
    attach
    exec 5> "$mnt/f"
    ln "$mnt/f" "$mnt/g"
    local i
    for i in 1 2 3; do
        head -c 100000 /dev/zero >&5
        same "$(stat -c %s "$mnt/g")" $((i * 100000))
        same "$(wc -c < "$mnt/f")" $((i * 100000))
        same "$(ls -l "$mnt/f" | cut -d' ' -f5)" $((i * 100000))
    done
    mv "$mnt/f" "$mnt/h"
    head -c 100000 /dev/zero >&5
    touch -d @1000000000 "$mnt/h"
    exec 5>&-
    same "$(stat -c '%s %Y' "$exp/g")" '400000 1000000000'
    stop
}

case_writes_that_wait() { # with O_SYNC, O_APPEND and writebehind=0, the server has the data when write(2) returns
    serve PORT "$exp"
    attach
    dd if=/dev/zero of="$mnt/sync" bs=1000 count=1 oflag=sync 2>/dev/null
    exec 5>> "$mnt/log"
    echo line >&5
    same "$(cat "$exp/log")" line
    exec 5>&-
    umount "$mnt"
    attach writebehind=0
    exec 5> "$mnt/f"
    echo line >&5
    same "$(cat "$exp/f")" line
    exec 5>&-
    stop
}

case_the_mount_ends_with_writes_in_flight() { # SIGTERM waits for them
    serve PORT "$exp"
    attach
    local writer pid=$(daemon_of "$mnt")
    (head -c 5000000 /dev/zero; touch written; exec sleep 100) > "$mnt/f" &
    writer=$!
    wait_until 20 test -e written
    kill "$pid"
    wait_until 20 test ! -e "/proc/$pid"
    kill "$writer"
    same "$(stat -c %s "$exp/f")" 5000000
    stop
}

need_fuse
run_cases
