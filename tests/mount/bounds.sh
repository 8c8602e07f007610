#!/bin/bash
# bounds.sh: what a mount takes of memory, descriptors and fids, whatever programs do (LIMITS in the
# manual page). What servers do is in lies_listings.sh.
. "${SRCDIR:?}/tests/mount/lib.sh"

is_sanitized() { grep -q '__asan_init' "$P9FS"; }
mount_in_foreground() { # OPTIONS; sets daemon
    "$P9FS" -f "127.0.0.1:$exp" "$mnt" -o "port=$port${1:+,$1}" 2> "$work/messages" &
    daemon=$!
    wait_until 20 mountpoint -q "$mnt"
}
descriptors() { find "/proc/$daemon/fd" -mindepth 1 -maxdepth 1 | wc -l; }
# took_at_most KIB: of memory, at any time
took_at_most() {
    local kib; kib=$(awk '/^VmHWM/ { print $2 }' "/proc/$daemon/status")
    echo "$kib KiB"
    is_sanitized || [ "$kib" -le "$1" ] || fail "more than $1"
}
end_mount() {
    umount "$mnt"
    wait "$daemon"
}

case_thousands_of_open_files() { # take fids and some memory, and no descriptors
    local i before
    mkdir "$exp/many"
    (cd "$exp/many" && seq 3000 | xargs touch)
    serve PORT "$exp"
    mount_in_foreground
    cat "$mnt/many/1"
    before=$(descriptors)
    (
        ulimit -n 4000
        for i in {1..3000}; do exec {fd}< "$mnt/many/$i"; done
        same "$(descriptors)" "$before"
        same "$(ls "$mnt/many" | wc -l)" 3000
        took_at_most 40000
    )
    cat "$mnt/many/2"
    end_mount
    stop
}
case_data_of_many_files() { # that is read ahead, and written behind
    local i pids=''
    for i in {1..6}; do truncate -s 60M "$exp/$i"; done
    serve PORT "$exp"
    mount_in_foreground readahead=32768,readahead_memory=16384,writebehind=8192
    for i in {1..6}; do
        dd if="$mnt/$i" of=/dev/null bs=1M status=none & pids+=" $!"
        dd if=/dev/zero of="$mnt/w$i" bs=1M count=30 status=none & pids+=" $!"
    done
    for i in $pids; do wait "$i"; done
    # 16 and 8 MiB, and what is on its way to and from the kernel, 1 MiB for each thread
    took_at_most 120000
    end_mount
    stop
}

need_fuse
run_cases
