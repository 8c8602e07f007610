#!/bin/bash
# rounds.sh: how many round trips an operation makes somebody wait for, counted by a relay in front of diod, and in front
# of the test server, which has the messages that diod 1.0.24 lacks. Counts, not seconds.
. "${SRCDIR:?}/tests/mount/lib.sh"

# What is known holds, however long the test takes.
attach_for_long() { attach attr_timeout=100,entry_timeout=100; }

case_open_read_close() {
    mkdir "$exp/d"
    for i in 1 2 3; do echo "file $i" > "$exp/d/f$i"; done
    attach_for_long
    take 6 cat "$mnt/d/f1" # two names, each a walk and a getattr; open; read
    take 4 cat "$mnt/d/f2"
    exec 5< "$mnt/d/f3"
    take 2 cat "$mnt/d/f3" # the name is known: all of opening is one
    exec 5<&-
}

case_listing_with_attributes() { # what is looked at after a listing is asked for many at a time
    mkdir "$exp/d"
    (cd "$exp/d" && seq -f 'file-%.0f' 300 | xargs touch)
    attach_for_long
    take 7 ls -U "$mnt/d" # names alone: nothing is asked of the files
    grep -vq 'Twalk [0-9][0-9]' <<< "$said_last" || fail "names were walked to"
    take 40 ls -sU "$mnt/d"
    detach
    attach_for_long
    take 40 ls -lU "$mnt/d" # extended attributes that it asks for, too
    same "$(ls -lU "$mnt/d" | grep -c '^-rw-r--r-- 1 .* file-')" 300
}

case_listing_of_2000() { # with attributes and extended ones, of each 4 messages
    mkdir "$exp/d"
    (cd "$exp/d" && seq -f 'file-%.0f' 2000 | xargs touch)
    attach_for_long
    local most=20
    [ "$server" != test_l ] || most=15 # it answers in order: attributes are asked for with the walks
    take $most ls -l "$mnt/d"
    same "$(ls -l "$mnt/d" | grep -c '^-rw-r--r-- 1 .* file-')" 2000
}

case_listing() { # of a directory that is known: opening it, its names, and that these are all
    mkdir -p "$exp/d/e"
    touch "$exp/d/a" "$exp/d/e/b"
    attach_for_long
    stat "$mnt/d/e" > /dev/null
    take 3 ls -U "$mnt/d"
    take 3 ls -U "$mnt/d/e"
}

case_going_through_a_tree() { # directories beside one that was opened are read ahead, with it
    local i
    for i in $(seq 20); do
        mkdir -p "$exp/d$i/e"
        touch "$exp/d$i/f" "$exp/d$i/e/g"
    done
    attach_for_long
    take 30 find "$mnt" -type f # of 41 directories: each would be five
    same "$(find "$mnt" -type f | wc -l)" 40
    detach
    attach_for_long
    take 110 du -s "$mnt"
    touch "$mnt/d7/e/new" # what was read ahead is not what it is now
    same "$(find "$mnt" -type f | wc -l)" 41
    rm "$mnt/d7/e/new"
    same "$(find "$mnt" -type f | wc -l)" 40
}

# take ROUNDS COMMAND... on a new mount: what is opened ahead is held for a second alone, and so in vain where the machine is busy. It counts
# if it is ever so.
take_once() {
    local tries
    for tries in 1 2 3 4 5 6; do
        attach_for_long
        (take "$@") && return
        detach
    done
    return 1
}
case_files_read_in_turn() { # what is next is open already, and its bytes come with the answer that it is the same file
    local i
    mkdir "$exp/d"
    for i in $(seq 100 160); do head -c 5000 /dev/urandom > "$exp/d/f$i"; done
    touch -d '1 hour ago' "$exp/d"/*
    sleep 3.1 # what has just changed is not opened ahead
    take_once 85 sh -c "cat '$mnt/d'/* > all" # 61 files: each would be two
    cat "$exp/d"/* | cmp - all
    detach
    take_once 85 grep -c x -r "$mnt/d"
    for i in 100 101; do cat "$mnt/d/f$i" > /dev/null; done # from here on some are open ahead
    echo changed > "$exp/d/f103"
    mv "$exp/d/f105" "$exp/d/f104"
    same "$(cat "$mnt/d/f103")" changed
    cmp "$mnt/d/f104" "$exp/d/f104"
    rm "$mnt/d/f106"
    [ ! -e "$exp/d/f106" ]
    chmod 0 "$exp/d/f107"
    stat "$mnt/d/f107" > /dev/null
    fails cat "$mnt/d/f105"
}

case_create_write_close() {
    attach_for_long
    mkdir "$mnt/d"
    take 5 sh -c "echo x > '$mnt/d/first'"
    take 3 sh -c "echo x > '$mnt/d/f'" # that it is not there; making it; writing
    same "$(cat "$exp/d/f")" x
}

case_remove() {
    attach_for_long
    touch "$mnt/a" "$mnt/aa" "$exp/b" "$exp/c"
    rm "$mnt/a" "$mnt/aa" # what the server lacks is learned
    stat "$mnt/b" "$mnt/c" > /dev/null
    take 1 rm "$mnt/b"
    take 1 rm "$mnt/c"
    [ ! -e "$exp/b" ] && [ ! -e "$exp/c" ]
}

case_sequential_read() { # with no more than the kernel reads ahead where it may not be told to
    head -c 16777216 /dev/urandom > "$exp/big"
    attach
    local kernels; kernels=/sys/class/bdi/$(mountpoint -d "$mnt")/read_ahead_kb
    if [ -w "$kernels" ]; then
        same "$(cat "$kernels")" 1024
        echo 128 > "$kernels"
    fi
    take 20 cmp "$mnt/big" "$exp/big"
    detach
    attach readahead=0
    kernels=/sys/class/bdi/$(mountpoint -d "$mnt")/read_ahead_kb
    fails eval "(take 40 cmp '$mnt/big' '$exp/big')"
}

case_sequential_write() { # small ones are gathered, and all are under way together
    attach
    : > "$mnt/big"
    head -c 8388608 /dev/urandom > big
    take 12 dd if=big of="$mnt/big" bs=4k conv=notrunc,fsync status=none
    cmp big "$exp/big"
}

case_rename_and_close() {
    attach_for_long
    touch "$mnt/a"
    mv "$mnt/a" "$mnt/b"
    stat "$mnt/b" > /dev/null
    exec 5> "$mnt/b"
    take 0 eval 'exec 5>&-' # nobody waits for a close
}

for kind in diod test_l; do
    stop_all
    start_server $kind
    start_relay
    run_cases_only
done
echo "1..$count"
