#!/bin/bash
# diod.sh: the mount tests on Debian's diod (9P2000.L).
. "${SRCDIR:?}/tests/mount/lib.sh"
. "$SRCDIR/tests/mount/posix.sh"
. "$SRCDIR/tests/mount/able.sh"
. "$SRCDIR/tests/mount/programs.sh"

case_memory_and_fids_are_bounded() {
    mkdir "$exp/many"
    (cd "$exp/many" && for d in $(seq 100); do mkdir "d$d"; (cd "d$d" && seq -f 'f%.0f' 1000 | xargs touch); done)
    attach max_fids=4096
    same "$(find "$mnt" -type f -size 0 | wc -l)" 100000
    wait_until 20 one_daemon # that of the case before may be ending
    local rss; rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$(daemon_of "$mnt")/status")
    echo "resident after 100,000 files: $rss KiB"
    [ -n "${SANITIZED:-}" ] || [ "$rss" -lt $((128 * 1024)) ]
}

case_unix_socket() {
    mkdir "$work/other"
    echo content > "$work/other/file"
    diod_at "$work/other" "$work/socket" 2> "$work/other.log" &
    wait_until 10 listens_at "$work/socket"
    "$P9FS" "$work/socket" "$mnt" -o "aname=$work/other"
    same "$(cat "$mnt/file")" content
    umount "$mnt"
    kill $!
    wait $! || true
    rm -rf "$work/other" "$work/socket"
}

case_a_descriptor_never_changes_another_file() { # diod finds an open file by its path
    attach actimeo=0
    EXPORT=$exp "$TOOLS/calls" other_file_unchanged "$mnt"
}

# diod finds every file by its path, which has at most 4096 bytes.
cannot='reopen-unnamed long-paths'
start_server diod
run_cases
