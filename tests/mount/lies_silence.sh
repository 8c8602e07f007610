#!/bin/bash
# lies_silence.sh: a server that does not answer, or no more, and a connection that ends anywhere.
. "${SRCDIR:?}/tests/mount/lib.sh"
. "$SRCDIR/tests/mount/liar.sh"

# starts TYPE: provokes the request in the background, until the server has received it
starts() {
    rm -f "$work/asked"
    on
    provoke "$1" > "$work/provoked" 2>&1 &
    victims=$!
    wait_until 60 test -e "$work/asked"
}
tree() { # PID: it, and what it has started
    local p
    echo "$1"
    for p in $(cat "/proc/$1/task"/*/children 2> /dev/null); do tree "$p"; done
}
# Kills what waits for the answer: it may only be gone when the mount is
kill_victims() {
    victims=$(tree "$victims")
    kill -KILL $victims 2> /dev/null || true # a program does not wait for a clunk
}
# A signal ends the mount, whatever is in flight, and what waited for that. Data that was written is
# waited for as long as there is a server, and then lost.
ends() { # TYPE of the request, or silent where the server answers none any more
    local p rc=0
    [[ "$1" != @(Twrite|silent) ]] || stop
    kill "$daemon"
    wait "$daemon" || rc=$?
    daemon=''
    cat "$work/messages"
    [ "$1" = Twrite ] || same "$rc" 0
    fails mountpoint -q "$mnt"
    for p in $victims; do wait_until 60 is_gone "$p"; done
    victims=''
    [[ "$1" = @(Twrite|silent) ]] || stop
}
is_gone() { ! grep -q '^State:[[:space:]]*[^Z]' "/proc/$1/status" 2> /dev/null; }

# The kernel may let one lookup of a new name in a directory wait for another: these names are known.
others_go_on() {
    same "$(timeout 60 cat "$mnt/o/f")" other
    same "$(timeout 60 ls "$mnt/o")" f
    timeout 60 stat "$mnt/o/f" > /dev/null
    timeout 60 dd of="$mnt/o/f" conv=notrunc,fsync status=none <<< other
}

case_silence_to_each_request() { # the requests of others go on
    local type
    make_export
    mkdir "$exp/o"
    for type in $requests; do
        echo "$type"
        echo other > "$exp/o/f"
        serve -f "$type when=$switch count=1 note=$work/asked ignore" PORT "$exp"
        believe
        others_go_on
        starts "$type"
        others_go_on
        kill_victims
        others_go_on
        ends "$type"
        restore
    done
}
case_half_a_reply_and_then_silence() {
    local n type
    make_export
    for n in 1 6 20; do
        for type in Tgetattr Tread; do
            serve -f "$type when=$switch note=$work/asked stop=$n" PORT "$exp"
            believe
            starts $type
            kill_victims
            ends silent
            restore
        done
    done
}

# A small session, which touches all that a mount does
small_session() {
    bounded ls -l "$mnt/d" || true
    bounded cat "$mnt/d/f" || true
    bounded dd of="$mnt/d/g" conv=fsync status=none <<< y || true
    bounded dd of="$mnt/made" status=none <<< y || true
    bounded getfattr --absolute-names --only-values -n user.a "$mnt/d/f" || true
    bounded mv -fT "$mnt/made" "$mnt/d/l" || true
    bounded rm -f "$mnt/d/l" || true
}
case_the_connection_ends_after_any_byte() {
    local n=1 whole=
    make_export
    while [ -z "$whole" ]; do
        echo "after $n bytes"
        serve -f "any end=$n" PORT "$exp"
        believe
        if is_mounted; then
            small_session
            grep -q 'connection lost' "$work/messages" || whole=y
            end_mount
        else
            rc=0
            wait "$daemon" || rc=$?
            daemon=''
            same "$rc" 1
            same "$(wc -l < "$work/messages")" 1
        fi
        restore
        stop
        n=$((n + (n < 120 ? 11 : 59))) # one by one it would take minutes
    done
    [ $n -gt 1000 ] || fail "a session of $n bytes only"
}

need_fuse
run_cases
