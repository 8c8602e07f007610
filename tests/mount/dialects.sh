#!/bin/bash
# dialects.sh: negotiation of the dialect, Plan 9's habits, synthetic trees, authentication: all on
# the test server.
. "${SRCDIR:?}/tests/mount/lib.sh"

case_negotiation_downwards() {
    local highest refusal
    for refusal in lower unknown error close; do
        for highest in L u 0; do
            serve -v $highest -r $refusal PORT "$exp"
            speaks "9P2000$(echo $highest | sed 's/0//; s/^\(.\)/.\1/')"
            stop
        done
    done
}

case_the_highest_version() { # it is an upper bound, as in v9fs
    local refusal
    serve -v L PORT "$exp"
    speaks 9P2000.u version=9p2000.u
    speaks 9P2000 version=9P2000
    speaks 9P2000 noextend
    fails "$P9FS" "127.0.0.1:$exp" "$mnt" -o "port=$port,version=9P3" 2> "$work/err"
    grep -q 'version=9P3: expected' "$work/err"
    stop
    for refusal in lower unknown error close; do
        serve -v u -r $refusal PORT "$exp"
        speaks 9P2000.u version=9p2000.L
        stop
        serve -v 0 -r $refusal PORT "$exp"
        speaks 9P2000 version=9p2000.u
        stop
    done
}

case_plan9_habits() { # no rename over a file, no chown, no sync; 8 KiB messages
    serve -v 0 -m 8216 -o no-rename-over -o no-chown -o no-wstat-sync -o mask-by-parent -o no-atime PORT "$exp"
    attach
    mkdir "$work/tree" "$work/origin"
    (cd "$SRCDIR" && tar c src include) | tee >(tar x -C "$work/tree") | tar x -C "$mnt"
    (cd "$work/origin" && git init -q . && cp -r "$work/tree/src" . && git add . &&
        git -c user.name=t -c user.email=t@example.org commit -qm all)
    git clone -q "$work/origin" "$mnt/repo"
    (cd "$mnt/repo" && git fsck --strict 2>&1 && git status --short && echo x > new && git add new &&
        git -c user.name=t -c user.email=t@example.org commit -qm new && git gc -q)
    same "$(git -C "$mnt/repo" status --short)" ''
    diff -r "$work/tree/src" "$mnt/src"
    cp -a "$work/tree" "$mnt/copy"
    diff -r "$work/tree" "$mnt/copy"
    same "$(stat -c %Y "$exp/copy/README.md")" "$(stat -c %Y "$work/tree/README.md")"
    echo old > "$mnt/to"
    echo new > "$mnt/from"
    mv "$mnt/from" "$mnt/to"
    same "$(cat "$exp/to")" new
    mkdir "$mnt/d1" "$mnt/d2" "$mnt/d2/in"
    mv -T "$mnt/d1" "$mnt/d2" 2>/dev/null && fail "a directory with something in it was replaced"
    rmdir "$mnt/d2/in"
    mv -T "$mnt/d1" "$mnt/d2"
    sync "$mnt/to"
    same "$(find "$exp" -name '.9pfs*')" ''
    fails ln -s x "$mnt/l" 2> "$work/err"
    grep -q 'Operation not permitted' "$work/err"
    umount "$mnt"
    rm -rf "$work/tree" "$work/origin"
    stop
}

case_extended_u() { # what .u adds to 9P2000
    serve -v u PORT "$exp"
    attach
    mkdir "$work/tree"
    (cd "$work/tree" && echo a > a && ln -s a l && ln -s /no/where/at/all dangling && mkdir d && chmod 2755 d && mkfifo p)
    cp -a "$work/tree" "$mnt/copy"
    same "$(cd "$mnt/copy" && stat -c '%n %F %a %u:%g %N' -- * | tr '\n' ' ')" \
        "$(cd "$work/tree" && stat -c '%n %F %a %u:%g %N' -- * | tr '\n' ' ')"
    tar c -C "$mnt/copy" . | tar t | sort > "$work/names"
    same "$(cat "$work/names")" "$(tar c -C "$work/tree" . | tar t | sort)"
    umount "$mnt"
    rm -r "$work/tree" "$work/names"
    stop
}

case_listing_gives_attributes() { # listed names need no walk
    (cd "$exp" && seq -f 'file-%.0f' 1000 | xargs touch)
    serve -v 0 PORT "$exp"
    "$P9FS" -d "127.0.0.1:$exp" "$mnt" -o "port=$port" 2> "$work/messages" &
    wait_until 20 mountpoint -q "$mnt"
    : > "$work/messages"
    same "$(ls -l "$mnt" | grep -c file-)" 1000
    local walks; walks=$(grep -c -- '-> Twalk' "$work/messages")
    [ "$walks" -lt 10 ] || fail "$walks walks for 1,000 names"
    umount "$mnt"
    wait $!
    stop
}

case_owners_by_name() {
    : > "$exp/known"
    : > "$exp/unknown"
    chown daemon:bin "$exp/known"
    serve -v 0 PORT
    attach dfltuid=4711,dfltgid=4712
    same "$(stat -c %u:%g "$mnt/text")" 4711:4712 # there is no user glenda here
    umount "$mnt"
    attach uname=glenda
    same "$(stat -c %u:%g "$mnt/text")" 0:0 # but the one that attaches as glenda is her
    umount "$mnt"
    stop
    serve -v 0 PORT "$exp"
    attach
    same "$(stat -c %U:%G "$mnt/known")" daemon:bin
    chown bin:sys "$mnt/known"
    same "$(stat -c %U:%G "$exp/known")" bin:sys
    umount "$mnt"
    stop
}

for_old_dialects() {
    local d
    for d in 0 u; do
        serve -v $d PORT
        attach
        "$@"
        umount "$mnt"
        stop
    done
}

synthetic_reads() {
    same "$(cat "$mnt/text" "$mnt/sub/text")" "$(printf 'some text\nother text')"
    same "$(stat -c %s "$mnt/text")" 0
    same "$(ls "$mnt/sub")" text
    cat "$mnt/events" > "$work/events" &
    local reader=$!
    wait_until 20 eval '[ "$(cat "$mnt/waits")" -gt 0 ]'
    same "$(cat "$mnt/text")" 'some text' # one blocked read blocks no other
    echo one > "$mnt/post"
    wait_until 10 prints one cat "$work/events"
    echo two > "$mnt/post"
    wait_until 10 prints "$(printf 'one\ntwo')" cat "$work/events"
    kill "$reader"
    wait "$reader" || true
}
case_synthetic_reads() { for_old_dialects synthetic_reads; }

synthetic_writes() {
    printf abc > "$mnt/sizes"
    dd if=/dev/zero of="$mnt/sizes" bs=5000 count=2 conv=notrunc status=none
    same "$(tr '\n' ' ' < "$mnt/sizes")" '3 5000 5000 '
    echo one > "$mnt/log"
    echo two >> "$mnt/log"
    same "$(cat "$mnt/log")" "$(printf 'one\ntwo')"
    exec 8< "$mnt/alone"
    fails cat "$mnt/alone" 2> "$work/err"
    grep -q busy "$work/err"
    exec 8<&-
    wait_until 10 prints mine cat "$mnt/alone"
    # A synthetic file may report an error of a write as late as at the clunk.
    echo x | fails dd of="$mnt/commit" status=none 2> "$work/err"
    grep -q 'closing output file.*Input/output error' "$work/err"
    (exec 7> "$mnt/sizes"; echo before >&7; (true) 7>&7; echo after >&7) # a close that is not the last clunks nothing
    same "$(tail -n 2 "$mnt/sizes" | tr '\n' ' ')" '7 6 '
}
case_synthetic_writes() { for_old_dialects synthetic_writes; }

case_a_listing_is_continued_late() { # its attributes expire as others do
    local d files; files=$(seq -f file-%.0f 1500)
    for d in 0 u; do
        (cd "$exp" && for f in $files; do echo old > $f; done)
        serve -v $d PORT "$exp"
        attach attr_timeout=2,entry_timeout=2
        coproc perl -e '$| = 1; opendir D, $ARGV[0]; readdir D; print "begun\n"; <STDIN>; 1 while defined readdir D;
            print "ended\n"; <STDIN>' "$mnt"
        read -r -t 60 <&"${COPROC[0]}"
        (cd "$exp" && for f in $files; do echo newer > $f; done)
        sleep 2.1
        echo >&"${COPROC[1]}"
        read -r -t 60 <&"${COPROC[0]}"
        same "$(cd "$mnt" && stat -c %s $files | sort | uniq -c | tr -s ' ')" ' 1500 6'
        echo >&"${COPROC[1]}"
        wait $COPROC_PID
        umount "$mnt"
        stop
    done
}

case_a_blocked_read_is_interrupted() { # by Tflush; its tag is not reused before Rflush, and no other request waits
    serve -v 0 -o slow-flush PORT
    attach
    cat "$mnt/never" &
    local reader=$!
    wait_until 20 eval '[ "$(cat "$mnt/waits")" = 1 ]'
    kill -TERM "$reader"
    for i in $(seq 150); do cat "$mnt/text" "$mnt/sub/text"; done > "$work/meanwhile" # Rflush comes after 200 requests
    wait_until 10 test ! -d "/proc/$reader"
    wait "$reader" || true
    same "$(sort "$work/meanwhile" | uniq -c | tr -s ' \n' ' ')" ' 150 other text 150 some text '
    same "$(cat "$mnt/flushes")" 'flushed 1, tags used again too early 0'
    umount "$mnt"
    rm "$work/meanwhile"
    stop
}

case_open_is_not_implemented() { # not passed on: the kernel takes ENOSYS as success of all opens
    echo content > "$exp/file"
    local d
    for d in L u; do
        serve -v $d -o no-open PORT "$exp"
        attach
        fails cat "$mnt/file" 2> "$work/err"
        grep -q 'Operation not supported' "$work/err"
        fails ls "$mnt" 2> "$work/err"
        same "$(stat -c %s "$mnt/file")" 8
        umount "$mnt"
        stop
    done
}

case_authentication() {
    echo content > "$exp/file"
    local d
    for d in L u 0; do
        serve -v $d -a sesame PORT "$exp"
        fails attach 2> "$work/err"
        grep -q 'auth=COMMAND' "$work/err"
        fails attach "auth=exit 3" 2> "$work/err"
        grep -q 'ended with status 3' "$work/err"
        fails attach "auth=printf guess" 2> "$work/err"
        grep -q 'cannot attach' "$work/err"
        attach "auth=read q; echo \$q \$P9_UNAME > $work/question; printf sesame"
        same "$(cat "$work/question")" 'say the secret root'
        same "$(cat "$mnt/file")" content
        umount "$mnt"
        stop
    done
    rm "$work/question"
}

need_fuse
run_cases
