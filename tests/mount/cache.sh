#!/bin/bash
# cache.sh: what is cached, when it expires, and what drops it, by mount options.
. "${SRCDIR:?}/tests/mount/lib.sh"

# reads N COMMAND...: the command sends N Treads
reads() {
    local want=$1 n; shift
    traffic > /dev/null
    "$@" > /dev/null
    n=$(traffic | sed -n 's/.*Tread \([0-9]*\).*/\1/p')
    same "${n:-0} for $*" "$want for $*"
}
# Creates a file and waits: a later change gives it another mtime.
old_file() { echo "$2" > "$1"; sleep 3; }
# Another content of the same size, with the same mtime
replace() { cp -p "$1" "$work/before"; echo "$2" > "$1"; touch -r "$work/before" "$1"; }

case_data_stay_cached() { # from one open to the next, while the file is the same
    old_file "$exp/f" before
    local cache
    for cache in cto loose; do
        attach cache=$cache
        reads 1 cat "$mnt/f"
        reads 0 cat "$mnt/f"
        replace "$exp/f" after1
        same "$(cat "$mnt/f")" after1
        replace "$exp/f" after2
        same "$(cat "$mnt/f")" after2
        detach
        old_file "$exp/f" before
    done
    attach
    cat "$mnt/f" > /dev/null
    echo more >> "$mnt/f"
    same "$(cat "$mnt/f" | tr '\n' ' ')" 'before more '
}

case_a_file_just_changed_is_read_again() { # its mtime might not show the next change
    local began tries=20
    attach
    until # all of this has happened within two seconds of the change
        echo before > "$exp/f"
        same "$(cat "$mnt/f")" before
        began=$(date +%s%N)
        replace "$exp/f" after1
        same "$(cat "$mnt/f")" after1
        [ $(($(date +%s%N) - began)) -lt 1900000000 ]
    do
        [ $((tries -= 1)) -gt 0 ] || fail 'the machine is too slow for this test'
    done
    reads 1 cat "$mnt/f"
}

case_nothing_is_cached() {
    old_file "$exp/f" before
    attach cache=none
    reads 2 cat "$mnt/f" # the content, and its end
    reads 2 cat "$mnt/f"
    fails test -e "$mnt/g"
    echo long > "$exp/g"
    same "$(stat -c %s "$mnt/g")" 5
    echo longer >> "$exp/g"
    same "$(stat -c %s "$mnt/g")" 12
    exec 5> "$mnt/h"
    echo x >&5
    same "$(cat "$exp/h")" x # the server has the data when a write returns
    exec 5>&-
    head -c 3000000 /dev/urandom > "$exp/big"
    cmp "$mnt/big" "$exp/big"
    cp "$mnt/big" "$mnt/copy"
    cmp "$exp/copy" "$exp/big"
}

case_direct_io_alone() {
    old_file "$exp/f" before
    attach directio,attr_timeout=100,entry_timeout=100
    reads 2 cat "$mnt/f"
    reads 2 cat "$mnt/f"
    stat "$mnt/f" > /dev/null
    round_trips 0 stat "$mnt/f"
}

case_lifetimes() {
    echo 1 > "$exp/f"
    attach attr_timeout=100,entry_timeout=100,negative_timeout=100
    stat "$mnt/f" > /dev/null
    fails test -e "$mnt/g"
    echo 22 > "$exp/f"
    echo 22 > "$exp/g"
    same "$(stat -c %s "$mnt/f")" 2
    fails test -e "$mnt/g"
    echo mine > "$mnt/g" # a local change shows at once
    same "$(stat -c %s "$mnt/g")" 5
    same "$(cat "$mnt/f")" 22 # open revalidates
    same "$(stat -c %s "$mnt/f")" 3
    detach
    attach actimeo=0,negtimeout=0
    stat "$mnt/f" > /dev/null
    fails test -e "$mnt/h"
    echo 333 > "$exp/f"
    echo 333 > "$exp/h"
    same "$(stat -c %s "$mnt/f")" 4
    same "$(cat "$mnt/h")" 333
    detach
    attach cache=loose
    stat "$mnt/f" > /dev/null
    sleep 1.5
    round_trips 0 stat "$mnt/f"
    detach
    attach noac
    stat "$mnt/f" > /dev/null
    round_trips 3 stat "$mnt/f" # the root, a walk, the file
    fails eval '(round_trips 2 stat "$mnt/f")'
}

case_access_then_open() { # what the server said to access(2) is not what the kernel knows
    echo one > "$exp/f"
    attach attr_timeout=60,entry_timeout=60
    stat "$mnt/f" > /dev/null
    echo two >> "$exp/f"
    [ -r "$mnt/f" ]
    same "$(tr '\n' ' ' < "$mnt/f")" 'one two '
}

case_v9fs_names() {
    local cache
    echo x > "$exp/f"
    for cache in none readahead mmap loose fscache; do
        attach cache=$cache
        same "$(cat "$mnt/f")" x
        detach
    done
    fails attach cache=all 2> err
    grep -q 'cache=all: expected none, cto or loose' err
    fails attach attr_timeout=soon 2> err
    grep -q 'attr_timeout=soon: expected seconds' err
}

# Another client changes files that the lookahead has opened: open gives the file that has the name
# now.
case_lookahead_opens_no_old_file() {
    local i k f
    mkdir "$exp/d"
    for i in $(seq 100 399); do head -c $((RANDOM % 9000 + 1)) /dev/urandom > "$exp/d/f$i"; done
    sleep 3.1
    attach
    ls "$mnt/d" > /dev/null
    for i in $(seq 100 20 380); do
        cat "$mnt/d/f$i" "$mnt/d/f$((i + 1))" "$mnt/d/f$((i + 2))" > /dev/null
        for k in $(seq $((i + 3)) $((i + 9))); do
            f=$exp/d/f$k
            head -c "$(stat -c %s "$f")" /dev/urandom > new
            case $((k - i)) in
            3) cat new > "$f" ;;
            4) mv new "$f" ;;
            5) rm "$f"; cat new > "$f" ;;
            6) truncate -s 1 "$f" ;;
            7) echo more >> "$f" ;;
            8) mv "$f" x; mv "$exp/d/f$((k + 9))" "$f"; mv x "$exp/d/f$((k + 9))" ;;
            9) touch -r "$f" times; cat new > "$f"; touch -r times "$f" ;;
            esac
            cmp "$mnt/d/f$k" "$f"
        done
        for k in $(seq $((i + 3)) $((i + 19))); do cmp "$mnt/d/f$k" "$exp/d/f$k"; done
    done
}

# These two are about the read-ahead of 9pfs, beyond what the kernel has asked for.
case_a_lock_drops_the_readahead() {
    head -c 4194304 /dev/zero > "$exp/f"
    attach attr_timeout=100,entry_timeout=100
    exec 5< "$mnt/f"
    dd bs=128k count=6 status=none <&5 | cmp -n 786432 - "$exp/f"
    tr '\0' x < "$exp/f" > new
    cat new > "$exp/f"
    flock -s 5
    dd bs=128k count=26 iflag=fullblock status=none <&5 | cmp -n 3407872 - new
    exec 5<&-
}

case_new_attributes_drop_the_readahead() {
    head -c 4194304 /dev/zero > "$exp/f"
    attach attr_timeout=0
    exec 5< "$mnt/f"
    dd bs=128k count=6 status=none <&5 | cmp -n 786432 - "$exp/f"
    tr '\0' x < "$exp/f" > new
    cat new > "$exp/f"
    stat -c %y "$mnt/f"
    dd bs=128k count=26 iflag=fullblock status=none <&5 | cmp -n 3407872 - new
    exec 5<&-
}

start_server diod
start_relay
run_cases
