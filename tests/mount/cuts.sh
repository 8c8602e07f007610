#!/bin/bash
# cuts.sh: the connection is cut at every message of a program that makes, writes, renames, links,
# removes and locks files: each call's result and the final tree are those without a cut.
#
# STEP=1 cuts at every message; a larger step at every so many, which differ from case to case.
. "${SRCDIR:?}/tests/mount/lib.sh"

: "${STEP:=7}"

# cut_at HOW WHERE FIRST: at every STEPth message from the FIRSTth on
cut_at() {
    local n=$3 before cuts=1
    attach "probe=0.3,attr_timeout=0,entry_timeout=0"
    "$TOOLS/doings" "$mnt/uncut" > "$work/uncut"
    while [ "$cuts" = 1 ]; do
        tell "$1" "$2" "$n" > /dev/null
        timeout 60 "$TOOLS/doings" "$mnt/$n" > "$work/got" || fail "the program ended with $? after $*, message $n"
        read -r cuts _ <<< "$(tell)"
        cmp "$work/uncut" "$work/got" ||
            fail "$1 at $2 $n: $(diff "$work/uncut" "$work/got")"
        n=$((n + STEP))
    done
    [ "$n" -gt $((STEP * 2)) ] || fail "no message was cut"
    echo "$1 at $2: up to $n"
    [ -z "$(find "$exp" -name '.9pfs*')" ] || fail "left behind: $(find "$exp" -name '.9pfs*')"
}
case_reset_at_requests() { cut_at rst request 1; }
case_reset_at_replies() { cut_at rst reply 2; }
case_end_at_requests() { cut_at fin request 3; }
case_end_at_replies() { cut_at fin reply 1; }
case_silence_at_requests() { STEP=$((3 * STEP)) cut_at silence request 2; }
case_silence_at_replies() { STEP=$((3 * STEP)) cut_at silence reply 3; }

case_the_program_says_the_same_as_in_a_local_folder() {
    attach
    "$TOOLS/doings" "$work/here" > expected
    "$TOOLS/doings" "$mnt/here" > got
    diff expected got
}

start_server diod
start_cutter
run_cases
