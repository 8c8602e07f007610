#!/bin/bash
# dialects.sh: agreeing on a dialect, servers with Plan 9's habits, synthetic trees, authentication: on the test server.
. "${SRCDIR:?}/tests/mount/lib.sh"

# speaks DIALECT [OPTIONS]: mounts in the foreground, to see what the log says
speaks() {
    "$P9FS" -f "127.0.0.1:$exp" "$mnt" -o "port=$port${2:+,$2}" 2> "$work/said" &
    wait_until 20 mountpoint -q "$mnt"
    wait_until 5 grep -q ": $1, msize" "$work/said"
    same "$(cat "$mnt/file")" content
    same "$(grep -c . "$work/said")" 1
    umount "$mnt"
    wait $!
}

case_agreeing_downwards() {
    echo content > "$exp/file"
    local highest refusal
    for refusal in lower unknown error close; do
        for highest in L u 0; do
            serve -v $highest -r $refusal PORT "$exp"
            speaks "9P2000$(echo $highest | sed 's/0//; s/^\(.\)/.\1/')"
            stop
        done
    done
}

case_pinned_versions() {
    echo content > "$exp/file"
    serve -v L PORT "$exp"
    speaks 9P2000.u version=9p2000.u
    speaks 9P2000 version=9P2000
    speaks 9P2000 noextend
    stop
    serve -v u -r unknown PORT "$exp"
    fails "$P9FS" "127.0.0.1:$exp" "$mnt" -o "port=$port,version=9P2000.L" 2> "$work/err"
    grep -q "does not speak 9P2000.L: it answered 'unknown'" "$work/err"
    fails "$P9FS" "127.0.0.1:$exp" "$mnt" -o "port=$port,version=9P3" 2> "$work/err"
    grep -q 'version=9P3: expected' "$work/err"
    stop
}

case_plan9_habits() { # nothing is renamed over, given away or synced; 8 KiB messages
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
    same "$(stat -c %Y "$exp/copy/src/client/fid.c")" "$(stat -c %Y "$work/tree/src/client/fid.c")"
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

case_extended_u() { # what .u has over plain 9P2000
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

case_listing_gives_attributes() { # no walk for what is listed
    (cd "$exp" && seq -f 'file-%.0f' 1000 | xargs touch)
    serve -v 0 PORT "$exp"
    "$P9FS" -d "127.0.0.1:$exp" "$mnt" -o "port=$port" 2> "$work/said" &
    wait_until 20 mountpoint -q "$mnt"
    : > "$work/said"
    same "$(ls -l "$mnt" | grep -c file-)" 1000
    local walks; walks=$(grep -c -- '-> Twalk' "$work/said")
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
    same "$(stat -c %u:%g "$mnt/text")" 4711:4712 # glenda is nobody here
    umount "$mnt"
    attach uname=glenda
    same "$(stat -c %u:%g "$mnt/text")" 0:0 # but who attaches as glenda is
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
    cat "$mnt/events" > "$work/heard" &
    local reader=$!
    wait_until 20 eval '[ "$(cat "$mnt/waits")" -gt 0 ]'
    same "$(cat "$mnt/text")" 'some text' # it waits alone
    echo one > "$mnt/post"
    wait_until 10 test "$(cat "$work/heard")" = one
    echo two > "$mnt/post"
    wait_until 10 test "$(cat "$work/heard")" = "$(printf 'one\ntwo')"
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
    wait_until 10 test "$(cat "$mnt/alone" 2>/dev/null)" = mine
    # What a file thinks of what was written it may say only when it is clunked.
    echo x | fails dd of="$mnt/commit" status=none 2> "$work/err"
    grep -q 'closing output file.*Input/output error' "$work/err"
    (exec 7> "$mnt/sizes"; echo before >&7; (true) 7>&7; echo after >&7) # a close that is not the last ends nothing
    same "$(tail -n 2 "$mnt/sizes" | tr '\n' ' ')" '7 6 '
}
case_synthetic_writes() { for_old_dialects synthetic_writes; }

case_a_listing_read_on_late() { # what it says of files is believed for as long as any attributes, and not from then on
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

case_blocked_read_is_interrupted() { # Tflush is sent, its tag rests until Rflush, and all else goes on
    serve -v 0 -o slow-flush PORT
    attach
    cat "$mnt/never" &
    local reader=$!
    wait_until 20 eval '[ "$(cat "$mnt/waits")" = 1 ]'
    kill -TERM "$reader"
    for i in $(seq 150); do cat "$mnt/text" "$mnt/sub/text"; done > "$work/meanwhile" # 200 requests until Rflush
    wait_until 10 test ! -d "/proc/$reader"
    wait "$reader" || true
    same "$(sort "$work/meanwhile" | uniq -c | tr -s ' \n' ' ')" ' 150 other text 150 some text '
    same "$(cat "$mnt/flushes")" 'flushed 1, tags used again too early 0'
    umount "$mnt"
    rm "$work/meanwhile"
    stop
}

case_opening_is_not_implemented() { # to the kernel that would mean that it is done
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
        attach "auth=read q; echo \$q \$P9_UNAME > $work/asked; printf sesame"
        same "$(cat "$work/asked")" 'say the secret root'
        same "$(cat "$mnt/file")" content
        umount "$mnt"
        stop
    done
    rm "$work/asked"
}

need_fuse
run_cases
