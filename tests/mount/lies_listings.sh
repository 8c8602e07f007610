#!/bin/bash
# lies_listings.sh: directories with names that none can have, and without an end.
. "${SRCDIR:?}/tests/mount/lib.sh"
. "$SRCDIR/tests/mount/liar.sh"

# With these, what listings show is cached, and more is asked for in advance.
ahead=attr_timeout=1,entry_timeout=1

rss() { awk '/^VmRSS/ { print $2 }' "/proc/$daemon/status"; }
is_sanitized() { grep -q '__asan_init' "$P9FS"; }

# names_of DIALECT ACTION [OPTIONS]: what ls finds in d, whose listings say that
names_of() {
    local type=Treaddir
    [ "$1" = L ] || type=Tread
    echo "$1 $2"
    serve -v "$1" -m 200000 -f "$type when=$switch $2" PORT "$exp"
    believe "${3:-}"
    inodes=$(stat -c %i "$mnt/d" "$mnt")
    on
    rc=0
    bounded ls -a "$mnt/d" || rc=$?
    names=$(tr '\n' ' ' < "$work/out")
    cp "$work/err" "$work/ls.err"
    bounded ls -la "$mnt/d" || true
    bounded find "$mnt/d" || true
    dots=$(stat -c %i "$mnt/d/." "$mnt/d/..")
    bounded rm -r "$mnt/d" || true
}
and_works() {
    restore
    works
    end_mount
    stop
}

case_names_that_are_no_names() { # are left out, and the others are there
    local d text
    make_export
    for d in L u; do
        for text in text=/ text=a/b text=../../etc/passwd text= entry=256 entry=4000; do
            names_of $d "$([[ $text = entry=* ]] || echo entry=0) $text"
            same "$rc" 0
            same "$names" '. .. f g l '
            and_works
            names_of $d "$([[ $text = entry=* ]] || echo entry=0) $text" $ahead
            same "$names" '. .. f g l '
            and_works
        done
    done
}
case_a_name_of_64_KiB() { # longer than what was asked for, for one
    local d
    make_export
    for d in L u; do
        names_of $d entry=65535
        [ $rc = 0 ] && same "$names" '. .. f g l ' || grep -q 'Protocol error' "$work/ls.err"
        and_works
    done
}
case_the_names_dot_and_dotdot() { # lead where they always do
    local d text
    make_export
    for d in L u; do
        for text in . ..; do
            names_of $d "entry=0 text=$text"
            same "$rc" 0
            same "$(tr ' ' '\n' <<< "$names" | grep '[a-z]' | tr '\n' ' ')" 'f g l '
            same "$dots" "$inodes"
            and_works
        done
    done
}
case_a_zero_byte_in_a_name() { # spoils the entries that follow
    local d
    make_export
    for d in L u; do
        names_of $d 'entry=0 text=a%00b'
        grep -q 'Protocol error' "$work/ls.err"
        and_works
    done
}
case_names_twice() {
    make_export
    names_of L 'entry=0 text=f'
    same "$rc" 0
    and_works
}

# list_on BYTES: a program lists d for ever, until it has printed so much
list_on() {
    rm -f "$work/listed"
    find "$mnt/d" -mindepth 1 -printf '%f\n' > >(head -c "$1" | wc -c > "$work/bytes"; : > "$work/listed") 2> "$work/err" &
    victims=$!
    wait_until 100 test -e "$work/listed"
    same "$(cat "$work/bytes")" "$1"
    wait "$victims" || true
    victims=''
    # Beside what is cached for 100000 names
    is_sanitized || [ "$(rss)" -lt 60000 ] || fail "the mount has grown to $(rss) KiB"
}
case_new_names_without_end() { # a program reads on until it is killed; the mount does not grow
    make_export
    serve -f "Treaddir when=$switch endless" PORT "$exp"
    believe $ahead
    bounded ls "$mnt/d"
    on
    list_on 6000000 # 400000 names
    same "$(cat "$mnt/d/f")" content
    and_works
}
case_the_same_cookies_without_end() {
    local d
    make_export
    for d in L u; do
        serve -v $d -f "$([ $d = L ] && echo Treaddir || echo Tread) when=$switch repeat" PORT "$exp"
        believe
        bounded ls "$mnt/d"
        on
        list_on 20000
        works
        end_mount
        stop
    done
}
need_fuse
run_cases
