#!/bin/bash
# rounds.sh: the number of round trips that an operation waits for. A relay counts them in front of
# diod, and in front of the test server, which has the messages that diod 1.0.24 lacks.
. "${SRCDIR:?}/tests/mount/lib.sh"

lasting=attr_timeout=30,entry_timeout=30 # nothing expires, however slow the machine is

case_open_read_close() {
    mkdir "$exp/d"
    for i in 1 2 3; do echo "file $i" > "$exp/d/f$i"; done
    attach "$lasting"
    round_trips 6 cat "$mnt/d/f1" # two names, each a walk and a getattr; open; read
    round_trips 4 cat "$mnt/d/f2"
    exec 5< "$mnt/d/f3"
    round_trips 2 cat "$mnt/d/f3" # the dentry is cached: one to open, one to read
    exec 5<&-
}

case_listing_with_attributes() { # the lookahead fetches many attributes at a time
    mkdir "$exp/d"
    (cd "$exp/d" && seq -f 'file-%.0f' 300 | xargs touch)
    attach "$lasting"
    round_trips 7 ls -U "$mnt/d" # names alone: no file is walked to
    grep -vq 'Twalk [0-9][0-9]' <<< "$last_traffic" || fail "names were walked to"
    round_trips 40 ls -sU "$mnt/d"
    detach
    attach "$lasting"
    round_trips 40 ls -lU "$mnt/d" # extended attributes as well
    same "$(ls -lU "$mnt/d" | grep -c '^-rw-r--r-- 1 .* file-')" 300
}

case_listing_of_2000() { # with attributes and extended attributes, 4 messages for each name
    mkdir "$exp/d"
    (cd "$exp/d" && seq -f 'file-%.0f' 2000 | xargs touch)
    attach "$lasting"
    local most=20
    [ "$server" != test_l ] || most=15 # it answers in order: getattr is sent together with the walk
    round_trips $most ls -l "$mnt/d"
    same "$(ls -l "$mnt/d" | grep -c '^-rw-r--r-- 1 .* file-')" 2000
}

case_listing() { # of a cached directory: open, names, end
    mkdir -p "$exp/d/e"
    touch "$exp/d/a" "$exp/d/e/b"
    attach "$lasting"
    stat "$mnt/d/e" > /dev/null
    round_trips 3 ls -U "$mnt/d"
    round_trips 3 ls -U "$mnt/d/e"
}

case_traversal_of_a_tree() { # the lookahead reads the siblings of an opened directory as well
    local i
    for i in $(seq 20); do
        mkdir -p "$exp/d$i/e"
        touch "$exp/d$i/f" "$exp/d$i/e/g"
    done
    attach "$lasting"
    round_trips 30 find "$mnt" -type f # of 41 directories; without lookahead, five for each
    same "$(find "$mnt" -type f | wc -l)" 40
    detach
    attach "$lasting"
    round_trips 110 du -s "$mnt"
    touch "$mnt/d7/e/new" # not what the lookahead has read
    same "$(find "$mnt" -type f | wc -l)" 41
    rm "$mnt/d7/e/new"
    same "$(find "$mnt" -type f | wc -l)" 40
}

case_files_read_in_turn() { # the next file is open already: its data come with its attributes
    local i
    mkdir "$exp/d"
    for i in $(seq 100 160); do head -c 5000 /dev/urandom > "$exp/d/f$i"; done
    touch -d '1 hour ago' "$exp/d"/*
    sleep 3.1 # the lookahead opens no file that has just changed
    attach "$lasting"
    round_trips 85 sh -c "cat '$mnt/d'/* > all" # 61 files; without lookahead, two for each
    cat "$exp/d"/* | cmp - all
    detach
    attach "$lasting"
    round_trips 85 grep -c x -r "$mnt/d"
    for i in 100 101; do cat "$mnt/d/f$i" > /dev/null; done # the lookahead opens those that follow
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
    round_trips 5 sh -c "echo x > '$mnt/d/first'"
    round_trips 3 sh -c "echo x > '$mnt/d/f'" # a failing walk; create; write
    same "$(cat "$exp/d/f")" x
}

case_write_to_an_existing_file() { # the capability that the kernel asks for before is fetched with the open
    local i
    for i in 1 2 3 4; do echo old > "$exp/f$i"; done
    attach "$lasting"
    stat "$mnt"/f* > /dev/null
    round_trips 2 sh -c "echo x >> '$mnt/f1'"               # open; write, which waits because it appends
    round_trips 2 dd if=/dev/zero of="$mnt/f2" bs=10 count=3 conv=notrunc status=none # open; write
    round_trips 4 sh -c "echo x > '$mnt/f3'"                # walk, open, attributes; write
    grep -q Txattrwalk <<< "$last_traffic" || fail "no message asks for its capability"
    detach
    attach attr_timeout=0 # while the file is open for writing, its attributes do not expire
    round_trips 60 dd if=/dev/zero of="$mnt/f4" bs=100 count=2000 conv=notrunc status=none
}

case_change_owners() { # which removes capabilities: the lookahead fetches those as well
    mkdir "$exp/d"
    (cd "$exp/d" && seq -f 'f%.0f' 100 | xargs touch)
    attach "$lasting"
    round_trips 220 chown -R 1:1 "$mnt/d" # two for each, as without capabilities
}

case_remove() {
    attach "$lasting"
    touch "$mnt/a" "$mnt/aa" "$exp/b" "$exp/c"
    rm "$mnt/a" "$mnt/aa" # the dialect learns what the server lacks
    stat "$mnt/b" "$mnt/c" > /dev/null
    round_trips 1 rm "$mnt/b"
    round_trips 1 rm "$mnt/c"
    [ ! -e "$exp/b" ] && [ ! -e "$exp/c" ]
}

case_sequential_read() { # even where the kernel's own read-ahead cannot be set
    head -c 16777216 /dev/urandom > "$exp/big"
    attach
    local kernels; kernels=/sys/class/bdi/$(mountpoint -d "$mnt")/read_ahead_kb
    if [ -w "$kernels" ]; then
        same "$(cat "$kernels")" 1024
        echo 128 > "$kernels"
    fi
    round_trips 20 cmp "$mnt/big" "$exp/big"
    detach
    attach readahead=0
    kernels=/sys/class/bdi/$(mountpoint -d "$mnt")/read_ahead_kb
    fails eval "(round_trips 40 cmp '$mnt/big' '$exp/big')"
}

case_sequential_write() { # write-behind joins small writes, and all are in flight together
    attach "$lasting"
    : > "$mnt/big"
    head -c 8388608 /dev/urandom > big
    round_trips 12 dd if=big of="$mnt/big" bs=4k conv=notrunc,fsync status=none
    cmp big "$exp/big"
}

case_rename_and_close() {
    attach "$lasting"
    touch "$mnt/a"
    mv "$mnt/a" "$mnt/b"
    stat "$mnt/b" > /dev/null
    exec 5> "$mnt/b"
    round_trips 0 eval 'exec 5>&-' # close does not wait
}

# On a busy machine, requests that are sent together may leave too late to count as one round trip.
# With a longer round trip time they do count as one.
retry() {
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
