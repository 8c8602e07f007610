#!/bin/bash
# rounds.sh: how many round trips an operation makes somebody wait for, counted by a relay in front of diod, and in front
# of the test server, which has the messages that diod 1.0.24 lacks. Counts, not seconds.
. "${SRCDIR:?}/tests/mount/lib.sh"

lasting=attr_timeout=30,entry_timeout=30 # however long it takes

case_open_read_close() {
    mkdir "$exp/d"
    for i in 1 2 3; do echo "file $i" > "$exp/d/f$i"; done
    attach "$lasting"
    take 6 cat "$mnt/d/f1" # two names, each a walk and a getattr; open; read
    take 4 cat "$mnt/d/f2"
    exec 5< "$mnt/d/f3"
    take 2 cat "$mnt/d/f3" # the name is known: all of opening is one
    exec 5<&-
}

case_listing_with_attributes() { # what is looked at after a listing is asked for many at a time
    mkdir "$exp/d"
    (cd "$exp/d" && seq -f 'file-%.0f' 300 | xargs touch)
    attach "$lasting"
    take 7 ls -U "$mnt/d" # names alone: nothing is asked of the files
    grep -vq 'Twalk [0-9][0-9]' <<< "$said_last" || fail "names were walked to"
    take 40 ls -sU "$mnt/d"
    detach
    attach "$lasting"
    take 40 ls -lU "$mnt/d" # extended attributes that it asks for, too
    same "$(ls -lU "$mnt/d" | grep -c '^-rw-r--r-- 1 .* file-')" 300
}

case_listing_of_2000() { # with attributes and extended ones, of each 4 messages
    mkdir "$exp/d"
    (cd "$exp/d" && seq -f 'file-%.0f' 2000 | xargs touch)
    attach "$lasting"
    local most=20
    [ "$server" != test_l ] || most=15 # it answers in order: attributes are asked for with the walks
    take $most ls -l "$mnt/d"
    same "$(ls -l "$mnt/d" | grep -c '^-rw-r--r-- 1 .* file-')" 2000
}

case_listing() { # of a directory that is known: opening it, its names, and that these are all
    mkdir -p "$exp/d/e"
    touch "$exp/d/a" "$exp/d/e/b"
    attach "$lasting"
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
    attach "$lasting"
    take 30 find "$mnt" -type f # of 41 directories: each would be five
    same "$(find "$mnt" -type f | wc -l)" 40
    detach
    attach "$lasting"
    take 110 du -s "$mnt"
    touch "$mnt/d7/e/new" # what was read ahead is not what it is now
    same "$(find "$mnt" -type f | wc -l)" 41
    rm "$mnt/d7/e/new"
    same "$(find "$mnt" -type f | wc -l)" 40
}

case_files_read_in_turn() { # what is next is open already, and its bytes come with the answer that it is the same file
    local i
    mkdir "$exp/d"
    for i in $(seq 100 160); do head -c 5000 /dev/urandom > "$exp/d/f$i"; done
    touch -d '1 hour ago' "$exp/d"/*
    sleep 3.1 # what has just changed is not opened ahead
    attach "$lasting"
    take 85 sh -c "cat '$mnt/d'/* > all" # 61 files: each would be two
    cat "$exp/d"/* | cmp - all
    detach
    attach "$lasting"
    take 85 grep -c x -r "$mnt/d"
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
    attach "$lasting"
    mkdir "$mnt/d"
    take 5 sh -c "echo x > '$mnt/d/first'"
    take 3 sh -c "echo x > '$mnt/d/f'" # that it is not there; making it; writing
    same "$(cat "$exp/d/f")" x
}

case_write_to_what_is_there() { # the kernel asks for the capability before: that comes with the opening
    local i
    for i in 1 2 3 4; do echo old > "$exp/f$i"; done
    attach "$lasting"
    stat "$mnt"/f* > /dev/null
    take 2 sh -c "echo x >> '$mnt/f1'"               # opening; writing, which to append waits
    take 2 dd if=/dev/zero of="$mnt/f2" bs=10 count=3 conv=notrunc status=none # opening; writing
    take 4 sh -c "echo x > '$mnt/f3'"                # a walk, opening, attributes; writing
    grep -q Txattrwalk <<< "$said_last" || fail "its capability was not asked for"
    detach
    attach attr_timeout=0 # the file is open for writing: then what is known holds all the same
    take 60 dd if=/dev/zero of="$mnt/f4" bs=100 count=2000 conv=notrunc status=none
}

case_change_owners() { # which takes capabilities, too: they are asked for with what a listing is followed by
    mkdir "$exp/d"
    (cd "$exp/d" && seq -f 'f%.0f' 100 | xargs touch)
    attach "$lasting"
    take 220 chown -R 1:1 "$mnt/d" # two for each, as without
}

case_remove() {
    attach "$lasting"
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
    attach "$lasting"
    : > "$mnt/big"
    head -c 8388608 /dev/urandom > big
    take 12 dd if=big of="$mnt/big" bs=4k conv=notrunc,fsync status=none
    cmp big "$exp/big"
}

case_rename_and_close() {
    attach "$lasting"
    touch "$mnt/a"
    mv "$mnt/a" "$mnt/b"
    stat "$mnt/b" > /dev/null
    exec 5> "$mnt/b"
    take 0 eval 'exec 5>&-' # nobody waits for a close
}

# On a busy machine what is sent together may leave too late to be counted as one: with a longer round trip it does not.
again() {
    local rc usual=$rtt_ms
    change_relay $((5 * usual))
    run_case "$1"
    rc=$?
    change_relay "$usual"
    return $rc
}

for kind in diod test_l; do
    stop_all
    start_server $kind
    start_relay
    run_cases_only
done
echo "1..$count"
