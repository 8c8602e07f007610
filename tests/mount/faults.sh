#!/bin/bash
# faults.sh: what programs read and write while the server fails.
. "${SRCDIR:?}/tests/mount/lib.sh"

base_options=noreconnect # the end of a connection is seen by programs

# on, off: whether the rules with when=$switch apply
switch=$work/faulty
on() { : > "$switch"; }
off() { rm -f "$switch"; }

case_a_partial_file_is_an_error() { # the server fails, or ends, after the first bytes
    local fault
    head -c 102400 /dev/urandom > "$exp/f"
    for fault in error=5 close cut=100 ; do
        off
        serve -m 65536 -f "Tread offset=65512 when=$switch $fault" PORT "$exp"
        attach
        on
        fails cp "$mnt/f" "$work/copy"
        fails dd if="$mnt/f" of="$work/copy" bs=102400 iflag=direct
        [ "$fault" != error=5 ] || same "$(stat -c %s "$mnt/f")" 102400
        off
        [ "$fault" != error=5 ] || cmp "$mnt/f" "$exp/f"
        umount "$mnt"
        stop
    done
}

case_a_read_error_is_not_the_end_of_file() { # where only a read shows the size, as the server finds the file no more
    echo 0123456789 > "$exp/f"
    serve -f "Tgetattr when=$switch error=2" -f "Tread offset=11 when=$switch.too error=5" PORT "$exp"
    attach actimeo=0
    exec 5< "$mnt/f"
    echo more >> "$exp/f"
    on
    same "$(stat -L -c %s /proc/self/fd/5 <&5)" 16
    echo more >> "$exp/f"
    : > "$switch.too"
    fails stat -L /proc/self/fd/5 <&5 2> "$work/err"
    grep -q 'Input/output error' "$work/err"
    rm "$switch.too"
    same "$(cat <&5 | wc -c)" 21
    exec 5<&-
    off
    umount "$mnt"
    stop
}

case_a_partial_readahead_is_an_error() {
    head -c 5000000 /dev/urandom > "$exp/f"
    serve -m 8216 -f "Tread offset=3000000 error=5" PORT "$exp"
    attach
    local bs
    for bs in 4096 100000 1M; do
        fails dd if="$mnt/f" of="$work/copy" bs=$bs 2> "$work/err"
        grep -q 'Input/output error' "$work/err"
        cmp -n "$(stat -c %s "$work/copy")" "$work/copy" "$exp/f"
        same "$(stat -c %s "$mnt/f")" 5000000
    done
    umount "$mnt"
    stop
}

case_a_partial_xattr_is_an_error() {
    : > "$exp/f"
    setfattr -n user.a -v 0123456789 "$exp/f"
    serve -f "Tread when=$switch count=1 short=4" -f "Tread when=$switch short=0" PORT "$exp"
    attach
    on
    fails getfattr -n user.a "$mnt/f"
    off
    same "$(getfattr --only-values -n user.a "$mnt/f")" 0123456789
    umount "$mnt"
    stop
}

case_an_xattr_error_is_not_remembered() { # the next one is set
    : > "$exp/f"
    serve -o empty-xattrs -f "Txattrcreate count=1 error=122" PORT "$exp"
    attach
    fails setfattr -n user.a "$mnt/f" 2> "$work/err"
    grep -q 'Disk quota exceeded' "$work/err"
    setfattr -n user.a "$mnt/f"
    same "$(getfattr --absolute-names -d "$exp/f" | grep -c '^user.a')" 1
    umount "$mnt"
    stop
}

case_reads_in_flight_at_the_end() { # complete before what they use is freed
    head -c 1000000 /dev/urandom > "$exp/f"
    serve -f "Tread offset=500000 ignore" PORT "$exp"
    mount_in_foreground
    cat "$mnt/f" > /dev/null 2>&1 &
    local reader=$!
    wait_until 20 eval '[ "$(sed -n "s/^rchar: //p" "/proc/$reader/io")" -gt 200000 ]'
    kill "$daemon"
    ends_with 0
    wait "$reader" || true
    stop
}

case_a_partial_page_write_is_an_error() {
    serve -m 8216 -f "Twrite offset=1000000 error=28" PORT "$exp"
    attach
    "$TOOLS/calls" map_partly_stored "$mnt"
    umount "$mnt"
    stop
}

case_a_write_error_stays_until_its_writer_gets_it() {
    serve -f "Twrite offset=1000000 error=28" PORT "$exp"
    attach
    "$TOOLS/calls" error_until_fsync "$mnt"
    umount "$mnt"
    stop
}

# mount_in_foreground: sets daemon; its messages are in $work/messages
mount_in_foreground() {
    "$P9FS" -f "127.0.0.1:$exp" "$mnt" -o "port=$port" 2> "$work/messages" &
    daemon=$!
    wait_until 20 mountpoint -q "$mnt"
}
ends_with() { # STATUS, of the daemon
    local rc=0
    wait "$daemon" || rc=$?
    cat "$work/messages"
    same "$rc" "$1"
}

case_a_write_error_without_a_reader_is_logged() { # the writer has ended without a close(2) of its own
    mkdir -p "$exp/dir/sub"
    serve -f "Twrite error=28" PORT "$exp"
    mount_in_foreground
    (exec 5> "$mnt/dir/sub/file"; echo x >&5; exec 6<&5; exit 0)
    umount "$mnt"
    ends_with 1
    grep -q "^9pfs: data written to 'dir/sub/file' is lost: No space left on device" "$work/messages"
    mount_in_foreground # an error that close(2) returns is not logged
    fails cp "$work/messages" "$mnt/copy" 2>/dev/null
    umount "$mnt"
    ends_with 0
    fails grep -q lost "$work/messages"
    stop
}

case_a_write_error_at_the_end_is_logged() { # SIGTERM with a file still open
    serve -f "Twrite error=28" PORT "$exp"
    mount_in_foreground
    exec 5> "$mnt/file"
    echo x >&5
    kill "$daemon"
    ends_with 1
    exec 5>&- || true
    grep -q "data written to 'file' is lost: No space left on device" "$work/messages"
    stop
}

need_fuse
run_cases
