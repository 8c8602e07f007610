#!/bin/bash
# peers.sh: habits of other servers, of fids, replies, versions and error messages. The test server
# plays them.
. "${SRCDIR:?}/tests/mount/lib.sh"

base_options=noreconnect # the end of a connection is seen by programs

switch=$work/switch
on() { : > "$switch"; }
off() { rm -f "$switch"; }

# fails_with ERROR COMMAND...: the command fails, and its message has this text
fails_with() {
    local error=$1; shift
    fails "$@" > "$work/out" 2> "$work/err"
    grep -q "$error" "$work/err" || fail "no message '$error' from: $* ($(cat "$work/err"))"
}
mount_works() { # and its files are those of make_dir
    same "$(cat "$mnt/d/f")" content
    same "$(ls "$mnt/d")" f
    echo new > "$mnt/new"
    rm "$mnt/new"
}
make_dir() { mkdir -p "$exp/d"; echo content > "$exp/d/f"; }

# ---- fids ----

case_a_single_connection() { # negotiation sends nothing optional that might end it
    serve -v 0 -r plain -o one-version PORT "$exp"
    echo x > "$exp/f"
    exec 7<> "/dev/tcp/127.0.0.1/$port"
    "$P9FS" "127.0.0.1:$exp" "$mnt" -o "trans=fd,rfdno=7,wfdno=7"
    exec 7>&-
    same "$(cat "$mnt/f")" x
    umount "$mnt"
    stop
}

case_short_walks_that_bind() { # docker/go-p9p, styx
    local d
    make_dir
    for d in L u 0; do
        serve -v $d -f "Twalk bind" PORT "$exp"
        attach entry_timeout=0,attr_timeout=0,negative_timeout=0
        for i in 1 2 3 4 5; do
            fails_with 'No such file' stat "$mnt/missing$i"
            fails_with 'No such file' cat "$mnt/d/missing$i"
        done
        mount_works
        umount "$mnt"
        stop
    done
}

case_fids_that_are_refused() { # the server creates the fid, and answers that it exists
    make_dir
    local how
    for how in 'late=9' 'late=5' 'late=22' 'late=16'; do
        serve -v L -f "Twalk name=d count=1 $how" -f "Twalk name=f count=1 $how" PORT "$exp"
        attach
        mount_works
        umount "$mnt"
        stop
    done
    for how in 'duplicate_fid' 'fid_7_already_in_use'; do
        serve -v u -f "Twalk name=d count=1 late=5 text=$how" -f "Twalk name=f count=1 late=5 text=$how" PORT "$exp"
        attach
        mount_works
        umount "$mnt"
        stop
    done
}

case_one_process_uses_up_the_fids() { # others can use the mount, but for open
    make_dir
    seq 100 | sed "s|^|$exp/o|" | xargs touch
    setfattr -n user.a -v value "$exp/d/f"
    serve PORT "$exp"
    attach max_fids=64
    (
        n=0
        while { exec {fd}< "$mnt/o$((n + 1))"; } 2> "$work/err"; do n=$((n + 1)); done
        grep -q 'Too many open files in system' "$work/err"
        [ $n -ge 32 ] || fail "only $n of 64 fids for files"
        [ $n -lt 64 ] || fail "$n files were opened"
        fails_with 'Too many open files in system' dd if="$mnt/d/f" # by another program
        fails_with 'Too many open files in system' touch "$mnt/d/made"
        [ ! -e "$exp/d/made" ] || fail "it was created, and then not opened"
        stat "$mnt/d/f" "$mnt"/o* > "$work/out"
        same "$(wc -l < <(grep File: "$work/out"))" 101
        same "$(ls "$mnt/d")" f
        same "$(getfattr --only-values -n user.a "$mnt/d/f")" value
        mkdir "$mnt/e"
        mv "$mnt/e" "$mnt/d/e"
        rmdir "$mnt/d/e"
    )
    wait_until 10 cat "$mnt/d/f" # when all are closed
    umount "$mnt"
    stop
}

case_clunks_without_an_answer() { # a process that waits for a fid can be killed
    seq 200 | sed "s|^|$exp/f|" | xargs touch
    serve -v 0 -f "Tclunk ignore" PORT "$exp"
    attach max_fids=64
    stat "$mnt"/f{1..200} 2> "$work/err" > "$work/out" &
    local pid=$!
    wait_until 20 grep -q f40 "$work/out"
    kill -KILL $pid
    wait_until 9 bash -c "! kill -0 $pid 2> /dev/null"
    wait $pid || true
    umount "$mnt"
    stop
}

case_two_qids_of_the_root() { # libixp: Rattach and Rstat differ
    make_dir
    local d
    for d in L u; do
        serve -v $d -o other-root PORT "$exp"
        attach allow_other,access=user
        mount_works
        setpriv --reuid 1 --regid 1 --clear-groups ls "$mnt" > "$work/out"
        grep -qx d "$work/out"
        same "$(stat -c %i "$mnt")" "$(stat -c %i "$exp")"
        umount "$mnt"
        stop
    done
}

# ---- replies ----

case_malformed_replies() { # each fails its request alone
    make_dir
    serve -f "Tgetattr when=$switch count=2 malform" PORT "$exp"
    attach attr_timeout=0
    on
    fails_with 'Protocol error' stat "$mnt/d/f"
    off
    mount_works
    umount "$mnt"
    stop
    serve -v u -f "Tstat when=$switch count=2 malform" PORT "$exp"
    attach attr_timeout=0,entry_timeout=0
    on
    fails_with 'Protocol error' stat "$mnt/d/f"
    off
    mount_works
    umount "$mnt"
    stop
    local type
    for type in Tlcreate Tlopen Twalk Treaddir Tmkdir Tread Twrite; do
        serve -f "$type when=$switch count=2 malform" PORT "$exp"
        attach entry_timeout=0,attr_timeout=0
        : > "$mnt/before"
        on
        { cat "$mnt/d/f"; ls "$mnt/d"; } > "$work/out" 2> "$work/err" || true
        { dd of="$mnt/before" conv=fsync <<< x; dd of="$mnt/made" <<< y; mkdir "$mnt/made.d"; } 2>> "$work/err" || true
        grep -q 'Protocol error' "$work/err" || fail "no error for a malformed reply to $type: $(cat "$work/err")"
        off
        rm -rf "$mnt"/made*
        mount_works
        umount "$mnt"
        stop
    done
}

case_listings_longer_than_count() { # lib9p fills the message
    seq -f 'some-file-with-a-name-%g' 400 | sed "s|^|$exp/|" | xargs touch
    local d msize
    for d in L u 0; do
        for msize in 8192 16000 70000; do
            serve -v $d -m $msize -f "Treaddir fill" -f "Tread fill" PORT "$exp"
            attach
            same "$(ls "$mnt" | sort -u | wc -l)" 400
            same "$(ls -l "$mnt" | grep -c some-file)" 400
            same "$(find "$mnt" -type f | wc -l)" 400
            umount "$mnt"
            stop
        done
    done
    serve -m 200000 -f "Treaddir fill" PORT "$exp" # far longer
    seq -f 'another-file-with-a-name-%g' 3000 | sed "s|^|$exp/|" | xargs touch
    attach
    same "$(ls "$mnt" | sort -u | wc -l)" 3400
    umount "$mnt"
    stop
}

case_data_longer_than_count() {
    head -c 20000 /dev/urandom > "$exp/big"
    echo content > "$exp/small"
    serve -m 8192 -f "Tread when=$switch fill" PORT "$exp"
    attach
    on
    fails_with 'Protocol error' cmp "$mnt/big" "$exp/big"
    same "$(cat "$mnt/small")" content
    off
    cmp "$mnt/big" "$exp/big"
    umount "$mnt"
    stop
    serve -f "Twrite count=1 more=1" PORT "$exp"
    attach
    fails_with 'Protocol error' dd if="$exp/big" of="$mnt/copy" conv=fsync
    cp "$exp/big" "$mnt/copy"
    cmp "$exp/big" "$exp/copy"
    umount "$mnt"
    stop
}

case_endless_invalid_names() { # none of which a directory can have
    make_dir
    serve -f "Treaddir unfit" PORT "$exp"
    attach
    fails_with 'Protocol error' timeout 60 ls "$mnt"
    same "$(cat "$mnt/d/f")" content
    umount "$mnt"
    stop
    serve -f "Treaddir first=2 unfit" PORT "$exp"
    attach
    timeout 60 ls "$mnt" > "$work/out" 2> "$work/err" || true
    same "$(cat "$work/out")" d
    grep -q 'Protocol error' "$work/err"
    umount "$mnt"
    stop
}

case_iounit_of_one_byte() { # a message for each byte
    head -c 30000 /dev/urandom > "$work/data"
    cp "$work/data" "$exp/read"
    serve -f "Tlopen iounit=1" -f "Tlcreate iounit=1" PORT "$exp"
    attach
    cmp "$mnt/read" "$work/data"
    cp "$work/data" "$mnt/written"
    cmp "$exp/written" "$work/data"
    umount "$mnt"
    stop
}

# ---- versions, error messages ----

case_a_plain_answer_is_not_final() { # both go9p: a server of 9P2000.u answers 9P2000
    serve -v u -r plain PORT "$exp"
    speaks 9P2000.u
    stop
    serve -v 0 -r plain PORT "$exp" # u9fs
    speaks 9P2000
    stop
    serve -v u -r plain -o one-version PORT "$exp"
    speaks 9P2000.u
    stop
}

case_silence_to_an_unknown_version() { # knusbaum/go9p
    serve -v u -r silent PORT "$exp"
    speaks 9P2000.u
    speaks 9P2000.u version=9P2000.L
    stop
}

case_unknown_error_messages() { # a missing file can be created
    make_dir
    local text
    for text in nothing_like_that ''; do
        serve -v u -f "Twalk name=new count=3 error=5 text=$text" PORT "$exp"
        attach
        fails_with 'No such file' cat "$mnt/new"
        echo made > "$mnt/new"
        same "$(cat "$exp/new")" made
        mount_works
        umount "$mnt"
        stop
    done
    serve -v u -f "Twalk name=a error=5 text=no_such_path" -f "Topen error=5 text=permission_denied" PORT "$exp"
    attach
    fails_with 'No such file' cat "$mnt/a"
    fails_with 'Permission denied' cat "$mnt/d/f"
    umount "$mnt"
    stop
}

case_links_that_are_no_links() { # lib9p's .u creates an empty file
    serve -v u -o no-links PORT "$exp"
    attach
    echo content > "$mnt/f"
    fails_with 'not permitted' ln "$mnt/f" "$mnt/h"
    [ ! -e "$exp/h" ] || fail "the file that the server created instead is still there"
    same "$(cat "$exp/f")" content
    same "$(ls "$mnt")" f
    umount "$mnt"
    stop
    serve -v u PORT "$exp"
    attach
    ln "$mnt/f" "$mnt/h"
    rm "$mnt/f"
    same "$(cat "$mnt/h")" content
    umount "$mnt"
    stop
}

case_kernel_internal_errors() {
    make_dir
    local n
    for n in 4 512 513 514 516 530; do
        serve -f "Tgetattr when=$switch error=$n" -f "Tread when=$switch error=$n" PORT "$exp"
        attach attr_timeout=0
        on
        fails_with 'Input/output error' stat "$mnt/d/f"
        off
        umount "$mnt"
        attach
        stat "$mnt/d/f" > "$work/out"
        exec 9< "$mnt/d/f"
        on
        fails_with 'Input/output error' timeout 20 cat <&9
        off
        exec 9<&-
        umount "$mnt"
        stop
    done
}

need_fuse
run_cases
