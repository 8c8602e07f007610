#!/bin/bash
# silly_renames.sh: hidden names of files that are removed while they are open, where the server
# finds a file by its path.
. "${SRCDIR:?}/tests/mount/lib.sh"

need_fuse

# A file in a directory, removed while descriptor 5 has it open. The server answers once as one that
# finds a removed file no more.
a_hidden_file() {
    serve -v L -f "Tgetattr when=$work/removing first=2 count=1 error=2" PORT "$exp"
    mkdir "$exp/d"
    attach "actimeo=600,trace=$work/trace"
    exec 5> "$mnt/d/f"
    : > "$work/removing"
    unlink "$mnt/d/f"
    rm "$work/removing"
    [[ "$(ls -A "$exp/d")" == .9pfs* ]]
}
finds_busy_thread() { thread=$(comm -23 <(echo "$before") <(serving_threads)) && [ "$(wc -w <<< "$thread")" = 1 ]; }

# The file is removed after the server has found the directory not empty, and before the thread that
# asked it looks for such a file.
case_rmdir_while_the_last_close_is_late() {
    local before thread
    a_hidden_file
    trap 'rc=$?; kill -CONT "$server_pid"; stop; exit $rc' EXIT
    before=$(serving_threads)
    send STOP "$server_pid"
    rmdir "$mnt/d" 5>&- &
    rmdir=$!
    wait_until 20 grep -q 'Tunlinkat.* name d ' "$work/trace"
    wait_until 20 finds_busy_thread
    pause "$thread"
    kill -CONT "$server_pid"
    wait_until 20 grep -q 'ecode 39 to Tunlinkat' "$work/trace"
    exec 5>&-
    wait_until 20 prints '' ls -A "$exp/d"
    resume
    wait $rmdir
    [ ! -e "$exp/d" ]
}

case_rmdir_after_another_client_has_removed_the_file() {
    a_hidden_file
    rm "$exp"/d/.9pfs*
    : > "$exp/d/g"
    fails rmdir "$mnt/d"
    rm "$exp/d/g"
    rmdir "$mnt/d"
    exec 5>&-
    stop
}

# Removals in other directories say nothing of this one.
case_rmdir_while_others_are_removed() {
    local i loops=()
    port=$(free_port)
    start_diod "$exp" "$port"
    wait_until 30 listening "$port"
    start_relay
    attach
    mkdir "$mnt/full" "$mnt"/{1..16}
    : > "$mnt/full/f"
    : > "$work/go"
    for i in {1..16}; do
        while [ -e "$work/go" ]; do exec 5> "$mnt/$i/f"; rm "$mnt/$i/f"; exec 5>&-; done &
        loops+=($!)
    done
    for i in 1 2 3; do
        timeout 60 rmdir "$mnt/full" 2> "$work/err" && fail "it is not empty"
        grep -q 'not empty' "$work/err"
    done
    rm "$work/go"
    wait "${loops[@]}"
    umount "$mnt"
    kill "$relay_pid"
    stop
}

run_cases
