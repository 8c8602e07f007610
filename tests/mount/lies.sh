#!/bin/bash
# lies.sh: replies that are truncated, sent twice, to no request, of another type, in another order,
# in pieces.
. "${SRCDIR:?}/tests/mount/lib.sh"
. "$SRCDIR/tests/mount/liar.sh"

# each_cuts REASON ACTION: as the answer to each request in turn this ends the connection
each_cuts() {
    local type
    for type in $requests; do
        echo "$type $2"
        serve -f "$type when=$switch count=1 $2" PORT "$exp"
        believe
        on
        provoke "$type" || true
        # A file is closed on the server some time after it is here.
        [ "$type" != Tclunk ] || wait_until 30 grep -q 'connection .*lost' "$work/messages"
        is_cut "$1"
        end_mount
        restore
        stop
    done
}

case_a_reply_to_no_request() {
    make_export
    each_cuts 'the server sent a reply of type [0-9]* with tag 60001, which no request' stray=60001
}
case_a_reply_with_the_tag_of_another() {
    make_export
    each_cuts 'the server sent a reply of type [0-9]* with tag 60001, which no request' 'patch=5 text=%61%ea'
}
case_a_reply_of_another_type() {
    make_export
    each_cuts 'the server answered T[a-z]* with an unknown message (type 255)' type=255
}
case_a_reply_of_the_type_of_the_request() {
    local type
    make_export
    for type in Tgetattr=24 Tread=116 Tlopen=12 Twalk=110; do
        serve -f "${type%=*} when=$switch count=1 type=${type#*=}" PORT "$exp"
        believe
        on
        provoke "${type%=*}" || true
        is_cut "the server answered ${type%=*} with ${type%=*}"
        end_mount
        stop
    done
}
case_sizes_of_no_message() { # less than a header, more than msize
    local size
    make_export
    for size in '%00%00%00%00' '%06%00%00%00' '%ff%ff%ff%ff' '%00%00%10%80'; do
        serve -f "Tgetattr when=$switch count=1 patch=0 text=$size" PORT "$exp"
        believe
        on
        provoke Tgetattr && [ -z "$LIES_AGAIN" ] && fail "no error"
        is_cut 'the server sent a message of [0-9]* bytes'
        end_mount
        stop
    done
}

# each_fails ACTION: as the answer to each request in turn this fails that request alone, if at all
each_fails() {
    local type rules=()
    for type in $requests; do rules+=(-f "$type when=$switch.$type count=2 $1"); done
    serve "${rules[@]}" PORT "$exp"
    believe
    for type in $requests; do
        echo "$type $1"
        on "$type"
        provoke "$type" || true
        restore
        works
    done
    end_mount
    stop
}
case_a_truncated_reply() { make_export; each_fails malform; }
case_a_reply_that_calls_itself_an_error() { # its body is none
    make_export
    each_fails type=7
}

case_replies_sent_twice() { # the second one is a reply to no request, unless its tag is in use again
    local type count=${LIES_AGAIN:+count=1} # a server that always does never gets an operation done
    make_export
    for type in $requests; do
        echo "$type"
        serve -f "$type when=$switch $count twice" PORT "$exp"
        believe
        on
        provoke "$type" || true
        bounded stat "$mnt/d/f" || true
        bounded ls "$mnt/d" || true
        end_mount
        restore
        stop
    done
}

# A tree, read, copied and removed by several programs at a time
use_the_mount() {
    local i pids=''
    (cd "$exp" && mkdir -p tree/{1..8} && for i in {1..8}; do head -c 300000 /dev/urandom | split -b 20000 - "tree/$i/"; done)
    for i in {1..8}; do cp -r "$mnt/tree/$i" "$mnt/copy$i" & pids+=" $!"; done
    victims=$pids
    for i in $pids; do wait "$i"; done
    victims=''
    for i in {1..8}; do diff -r "$exp/tree/$i" "$exp/copy$i"; done
    diff -r "$exp/tree" "$mnt/tree"
    same "$(ls -lR "$mnt/tree" | grep -c ' root ')" "$(ls -lR "$exp/tree" | grep -c ' root ')"
    rm -r "$mnt"/copy*
    same "$(ls "$exp")" tree
    rm -r "$exp/tree"
}
case_replies_in_another_order() { # that is the truth
    local d
    for d in L u; do
        serve -v $d -f "any reverse" PORT "$exp"
        believe
        use_the_mount
        end_mount
        stop
    done
}
case_one_byte_at_a_time() { # from the first one on
    make_export
    serve -m 8192 -f "any drip" PORT "$exp"
    believe
    works
    cp -r "$mnt/d" "$mnt/copy"
    diff -r "$mnt/copy" "$exp/d"
    head -c 20000 /dev/urandom > "$exp/big"
    cmp "$mnt/big" "$exp/big"
    end_mount
    stop
}

need_fuse
run_cases
