# posix.sh: what ordinary programs and system calls find on a mount. Sourced, after lib.sh, by a file for each server.

open_to_all() { chmod "$(able modes && echo 1777 || echo 777)" "$@"; }
as() { local uid=$1; shift; setpriv --reuid="$uid" --regid="$uid" --clear-groups "$@"; }

# One check of calls.c in an empty directory of the mount
calls() {
    attach
    mkdir "$mnt/empty"
    "$TOOLS/calls" "$1" "$mnt/empty"
    rmdir "$mnt/empty"
}
case_telldir_and_seekdir() { calls positions; }
case_seek_hole_and_data() { calls holes; }
case_fallocate() { calls allocate; }
case_copy_file_range() { calls copy_range; }
case_listed_before_written() { calls listed_before_written; }
case_listed_before_forgotten() { calls listed_before_forgotten; }
case_listed_before_removed() { calls listed_before_removed; }
case_changed_while_listed() { calls changed_while_listed; }
case_mmap() { calls maps; }
case_utimensat() { calls "$(able nanoseconds && echo times || echo times_in_seconds)"; }
case_text_file_busy() { calls busy_text; }
case_rename_flags() { calls rename_flags; }
case_rename_no_replace() {
    calls rename_no_replace
    detach
    attach negative_timeout=30
    fails stat "$mnt/taken" 2>/dev/null
    echo other > "$exp/taken"
    "$TOOLS/calls" rename_to_taken "$mnt"
    same "$(cat "$exp/taken")" other
    same "$(ls -A "$exp")" taken
}
case_removed_while_in_use() { calls removed; }
case_emptied_directories_go() { calls emptied; }
case_removed_directory() { calls removed_directory; }
case_xattrs_without_name() {
    able xattrs || return 0
    calls xattrs_unnamed
    # nfs-ganesha may remove the name before it walks to it
    [ "$server" = ganesha ] || calls xattrs_of_temporary
}
case_reopened_without_name() { calls "$(able reopen-unnamed || echo not_)reopened_without_name"; }

case_a_log_is_read_to_its_end() { # which others have replaced, and then removed
    local links=0
    able nlink || links=1
    attach actimeo=0
    EXPORT=$exp LINKS=$links "$TOOLS/calls" read_after_rotation "$mnt"
}

case_same_as_a_local_directory() { # what the server cannot do is left out
    local seed
    mkdir "$work/twin"
    for seed in 1 2 3 4; do
        attach allow_other,dev,suid
        open_to_all "$mnt" "$work/twin"
        # shellcheck disable=SC2086 # a list
        "$TOOLS/twin" "$mnt" "$work/twin" $seed 2000 $cannot || fail "seed $seed"
        chmod 755 "$mnt"
        find "$work/twin" -mindepth 1 -delete
        clean_export
    done
    rmdir "$work/twin"
}

case_mount_shows_source() {
    attach
    same "$(awk -v m="$mnt" '$2 == m { print $1, $3 }' /proc/self/mounts)" "127.0.0.1:$exp fuse.9pfs"
    detach
    wait_until 10 test -z "$(daemon_of "$mnt")"
}

case_given_descriptors() {
    echo content > "$exp/file"
    exec 5<> "/dev/tcp/127.0.0.1/$port"
    "$P9FS" given "$mnt" -o "rfdno=5,wfdno=5,aname=$exp"
    exec 5>&-
    same "$(cat "$mnt/file")" content
    detach
    exec 0<> "/dev/tcp/127.0.0.1/$port" # one that the background replaces
    "$P9FS" given "$mnt" -o "rfdno=0,wfdno=0,aname=$exp"
    same "$(cat "$mnt/file")" content
}

case_mount_by_type() { # mount(8) looks for 9pfs in the standard places: here one has it, for this mount namespace alone
    echo content > "$exp/file"
    export P9FS exp mnt port
    same "$(unshare -m bash -ec 'mount -t tmpfs none /usr/local/sbin
        ln -s "$P9FS" /usr/local/sbin/9pfs
        mount -t fuse.9pfs "127.0.0.1:$exp" "$mnt" -o "port=$port,_netdev,noauto,x-systemd.automount"
        cat "$mnt/file"
        umount "$mnt"')" content
}

case_read_and_write() {
    attach
    echo hello > "$mnt/f"
    same "$(cat "$exp/f")" hello
    echo more >> "$mnt/f"
    same "$(cat "$exp/f")" "$(printf 'hello\nmore')"
    head -c 3000000 /dev/urandom > "$exp/big"
    cmp "$exp/big" "$mnt/big"
    cp "$mnt/big" "$mnt/copy"
    cmp "$exp/big" "$exp/copy"
    : > "$mnt/copy"
    same "$(stat -c %s "$exp/copy")" 0
}

case_small_msize() { # every read and write is split
    attach msize=4096
    head -c 700001 /dev/urandom > "$work/data"
    cp "$work/data" "$mnt/f"
    cmp "$work/data" "$exp/f"
    cmp "$work/data" "$mnt/f"
    seq 2000 | sed "s,^,$exp/file-with-a-long-name-," | xargs touch
    same "$(ls -f "$mnt" | grep -c '^file')" 2000
}

case_names() {
    attach
    long=$(printf 'n%.0s' $(seq 255))
    : > "$mnt/$long"
    [ -e "$exp/$long" ]
    fails eval ': > "$mnt/${long}n"'
    odd=$(printf 'a b\n\001\377"*?\\')
    echo odd > "$mnt/$odd"
    same "$(cat "$exp/$odd")" odd
    same "$(ls "$mnt" | wc -c)" "$(ls "$exp" | wc -c)"
    deep=$(printf 'd/%.0s' $(seq 40))
    mkdir -p "$mnt/$deep"
    echo deep > "$mnt/${deep}f"
    same "$(cat "$exp/${deep}f")" deep
    rm -r "$mnt/d"
    [ ! -e "$exp/d" ]
}

case_links() {
    able links || return 0
    attach
    echo data > "$mnt/a"
    ln "$mnt/a" "$mnt/b"
    ! able nlink || same "$(stat -c %h "$mnt/a")" 2
    same "$(stat -c %i "$mnt/a")" "$(stat -c %i "$mnt/b")"
    same "$(stat -c %h "$exp/a")" 2
    echo more >> "$mnt/b"
    same "$(cat "$mnt/a")" "$(printf 'data\nmore')"
    ln -s "some/where else" "$mnt/s"
    same "$(readlink "$mnt/s")" "some/where else"
    same "$(readlink "$exp/s")" "some/where else"
    target=$(printf 't%.0s' $(seq 4095))
    ln -s "$target" "$mnt/l"
    same "$(readlink "$mnt/l")" "$target"
    rm "$mnt/a"
    same "$(cat "$mnt/b")" "$(printf 'data\nmore')"
}

case_special_files() {
    able special || return 0
    attach
    mkfifo "$mnt/fifo"
    [ -p "$exp/fifo" ]
    (echo through > "$mnt/fifo") &
    same "$(cat "$mnt/fifo")" through
    if able devices; then
        mknod "$mnt/null" c 1 3
        same "$(stat -c '%F %t %T' "$exp/null")" "character special file 1 3"
        same "$(stat -c '%F %t %T' "$mnt/null")" "character special file 1 3"
        mknod "$mnt/big" b 259 70000
        same "$(stat -c '%t %T' "$mnt/big")" "103 11170"
    fi
}

case_attributes() {
    attach
    echo x > "$mnt/f"
    chmod 640 "$mnt/f"
    same "$(stat -c %a "$exp/f")" 640
    chown 2:3 "$mnt/f"
    same "$(stat -c %u:%g "$exp/f")" 2:3
    if able owners; then
        chown 4711:4712 "$mnt/f"
        same "$(stat -c %u:%g "$exp/f")" 4711:4712
    fi
    touch -d '2001-02-03 04:05:06.123456789 UTC' "$mnt/f"
    same "$(stat -c %.9Y "$exp/f")" "$(stat -c %.9Y "$mnt/f")"
    same "$(date -u -r "$exp/f" +%FT%T)" 2001-02-03T04:05:06
    ! able nanoseconds || same "$(date -u -r "$exp/f" +%N)" 123456789
    truncate -s 100000 "$mnt/f"
    same "$(stat -c %s "$exp/f")" 100000
    truncate -s 1 "$mnt/f"
    same "$(cat "$exp/f")" x
    same "$(umask 027; : > "$mnt/u"; stat -c %a "$exp/u")" 640
    able modes || return 0
    mkdir -m 2755 "$mnt/sgid"
    chgrp 77 "$mnt/sgid"
    : > "$mnt/sgid/f"
    mkdir "$mnt/sgid/d"
    same "$(stat -c %g "$exp/sgid/f")" 77
    same "$(stat -c '%g %a' "$exp/sgid/d")" "77 2755"
}

case_rename() {
    attach
    mkdir -p "$mnt/a/sub" "$mnt/b"
    echo 1 > "$mnt/a/sub/f"
    mv "$mnt/a" "$mnt/b/c"
    same "$(cat "$mnt/b/c/sub/f")" 1
    # Another file with the old path is not taken for the one that moved.
    mkdir -p "$mnt/a/sub"
    echo 2 > "$mnt/a/sub/f"
    same "$(cat "$mnt/b/c/sub/f" "$mnt/a/sub/f")" "$(printf '1\n2')"
    echo 3 > "$mnt/x"
    mv -f "$mnt/x" "$mnt/a/sub/f"
    same "$(cat "$mnt/a/sub/f" "$exp/a/sub/f")" "$(printf '3\n3')"
    fails mv "$mnt/a" "$mnt/a/sub/" 2>/dev/null
    [ -d "$exp/a/sub" ]
    mkdir "$mnt/full"
    : > "$mnt/full/f"
    fails mv -T "$mnt/a" "$mnt/full" 2>/dev/null
    fails rmdir "$mnt/full" 2>/dev/null
    fails rm "$mnt/full" 2>/dev/null
    fails rmdir "$mnt/full/f" 2>/dev/null
    [ -e "$exp/full/f" ]
}

case_rename_below_open_file() {
    attach
    mkdir "$mnt/d"
    echo before > "$mnt/d/f"
    exec 3<> "$mnt/d/f"
    mv "$mnt/d" "$mnt/e"
    mkdir "$mnt/d"
    echo decoy > "$mnt/d/f"
    same "$(cat <&3)" before
    echo after >&3
    same "$(stat -L -c %s /dev/fd/3)" 13
    exec 3>&-
    same "$(cat "$exp/e/f")" "$(printf 'before\nafter')"
    same "$(cat "$exp/d/f")" decoy
}

case_fsync() {
    attach
    echo x > "$mnt/f"
    sync "$mnt/f"
    sync -d "$mnt/f"
    mkdir "$mnt/d"
    sync "$mnt/d"
}

case_open_flags() {
    attach
    : > "$mnt/f"
    for i in 1 2; do (for n in $(seq 200); do echo "$i $n" >> "$mnt/f"; done) & done
    wait
    same "$(sort -u "$mnt/f" | wc -l)" 400
    same "$(wc -l < "$exp/f")" 400
    fails eval '(set -C; : > "$mnt/f")' 2>/dev/null # O_EXCL
    same "$(wc -l < "$mnt/f")" 400
    dd if="$mnt/f" of="$mnt/direct" bs=4096 iflag=direct oflag=direct conv=fsync status=none || true
    dd if=/dev/zero of="$mnt/direct" bs=4096 count=3 oflag=direct,sync status=none
    same "$(stat -c %s "$exp/direct")" 12288
    if able symlinks; then
        ln -s f "$mnt/l"
        fails dd if="$mnt/l" iflag=nofollow of=/dev/null status=none 2>/dev/null
    fi
    fails dd if="$mnt/f" iflag=directory of=/dev/null status=none 2>/dev/null
    cp /bin/true "$mnt/true"
    "$mnt/true"
    chmod -x "$mnt/true"
    fails "$mnt/true" 2>/dev/null
}

case_exclusive_create() { # of two clients one makes the file
    mkdir -p "$work/mnt2"
    attach
    attach '' "$work/mnt2"
    local i m
    for i in $(seq 100); do
        for m in "$mnt" "$work/mnt2"; do
            (set -C; echo "$m" > "$m/lock-$i") 2>/dev/null && echo "$i" >> "$work/winners" &
        done
        wait
    done
    same "$(sort -n "$work/winners")" "$(seq 100)"
    same "$(find "$exp" -name '.9pfs*')" ''
    umount "$work/mnt2"
    rm -r "$work/mnt2" "$work/winners"
}

case_sgid_and_suid() {
    able modes || return 0
    attach allow_other
    open_to_all "$mnt"
    as 1 sh -c "echo x > '$mnt/f'; chmod 6755 '$mnt/f'"
    same "$(stat -c %a "$exp/f")" 6755
    as 1 sh -c "echo y >> '$mnt/f'"
    same "$(stat -c %a "$exp/f")" 755
    chmod 4755 "$mnt/f"
    chown 2 "$mnt/f"
    same "$(stat -c %a "$exp/f")" 755
    chmod 755 "$mnt"
}

case_directory_changes_while_read() {
    attach
    mkdir "$mnt/d"
    (cd "$mnt/d" && seq -f 'f%.0f' 2000 | xargs touch)
    find "$mnt/d" -type f -delete # deletes while it reads
    same "$(ls -A "$mnt/d")" ''
    rmdir "$mnt/d"
}

case_statfs() {
    attach
    ! able space || [ "$(df --output=size -B1 "$mnt" | tail -n 1)" -gt 0 ]
    same "$(stat -f -c %l "$mnt")" 255
}

case_access() {
    attach allow_other
    echo x > "$mnt/f"
    chmod 600 "$mnt/f"
    [ -r "$mnt/f" ] && [ -w "$mnt/f" ] && [ ! -x "$mnt/f" ]
    setpriv --reuid=65534 --regid=65534 --clear-groups test ! -r "$mnt/f"
    chmod 644 "$mnt/f"
    setpriv --reuid=65534 --regid=65534 --clear-groups test -r "$mnt/f" -a ! -w "$mnt/f"
}

case_change_seen_at_open() {
    attach '' "$mnt"
    mkdir "$work/mnt2"
    attach '' "$work/mnt2"
    for i in $(seq 100); do
        echo "$i" > "$mnt/f"
        same "$(cat "$work/mnt2/f")" "$i"
        echo "longer $i" > "$work/mnt2/g"
        mv "$work/mnt2/g" "$work/mnt2/f"
        same "$(cat "$mnt/f")" "longer $i"
    done
    rmdir "$work/mnt2" 2>/dev/null || true
}

case_empty_file_that_grows() {
    attach
    : > "$mnt/f"
    exec 3< "$mnt/f"
    same "$(cat <&3)" ''
    echo grown > "$exp/f"
    same "$(cat <&3)" grown
    exec 3>&-
}

case_listing_of_50000() {
    mkdir "$exp/d"
    (cd "$exp/d" && seq -f 'file%.0f' 50000 | xargs touch)
    attach
    ls -f "$mnt/d" > "$work/list"
    same "$(wc -l < "$work/list")" 50002
    same "$(sort "$work/list" | uniq -d)" ''
    grep -qx '\.' "$work/list"
    grep -qx '\.\.' "$work/list"
}

case_parallel_readers() {
    mkdir "$exp/t"
    (cd "$exp/t" && for i in $(seq 300); do head -c $((i * 997)) /dev/urandom > "f$i"; done)
    attach
    (cd "$exp/t" && find . -type f -print0 | xargs -0 -P8 -n5 sha256sum | sort) > "$work/a"
    (cd "$mnt/t" && find . -type f -print0 | xargs -0 -P8 -n5 sha256sum | sort) > "$work/b"
    cmp "$work/a" "$work/b"
}

case_few_fids() { # the bound on live fids holds, and costs nothing but walks
    mkdir -p "$exp/t/a/b/c"
    (cd "$exp/t/a/b/c" && for i in $(seq 400); do echo "$i" > "f$i"; done)
    attach max_fids=64
    find "$mnt" -type f -exec cat {} + | sort -n | cmp - <(seq 400)
    find "$mnt/t" -name 'f*' -print0 | xargs -0 -P4 -n50 chmod 600
    same "$(find "$exp/t" -name 'f*' -perm 600 | wc -l)" 400
}

case_git() {
    mkdir "$work/repo"
    (cd "$work/repo" && git init -q . && mkdir -p $(seq -f 'dir%.0f' 40) &&
        for i in $(seq 1000); do echo "file $i" > "dir$((i % 40 + 1))/f$i"; done &&
        git add . && git -c user.name=t -c user.email=t@t commit -qm all)
    attach
    git clone -q "$work/repo" "$mnt/clone"
    cd "$mnt/clone"
    git fsck --no-progress
    same "$(git status --porcelain)" ''
    echo change >> dir1/f40
    same "$(git status --porcelain)" ' M dir1/f40'
    git -c user.name=t -c user.email=t@t commit -qam change
    git gc -q
    git fsck --no-progress
    cd "$work"
    rm -rf "$work/repo"
}

case_tar_and_rsync() {
    mkdir "$work/tree"
    (cd "$work/tree" && for d in $(seq 50); do mkdir "d$d"; for f in $(seq 40); do head -c $((d * f)) /dev/zero | tr '\0' "$((f % 10))" > "d$d/f$f"; done; done
        chmod 600 d3/f3
        ! able symlinks || ln -s d1/f1 link
        ! able nlink || ln d2/f2 hard)
    attach
    (cd "$work/tree" && tar c .) | tar x -C "$mnt"
    diff -r "$work/tree" "$mnt"
    diff -r "$work/tree" "$exp"
    mkdir "$mnt/copy"
    local keep=''
    able symlink-times || keep=--omit-link-times
    rsync -aH --delete $keep "$work/tree/" "$mnt/copy/"
    same "$(rsync -aH --delete $keep --itemize-changes "$work/tree/" "$mnt/copy/")" ''
    rm -rf "$mnt/copy"
    [ ! -e "$exp/copy" ]
    rm -rf "$work/tree"
}

case_sqlite() {
    attach
    sqlite3 "$mnt/db" 'create table t(i integer primary key, s text);
        with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000)
        insert into t select i, hex(randomblob(20)) from n;'
    same "$(sqlite3 "$mnt/db" 'select count(*), sum(i) from t; pragma integrity_check;')" "$(printf '10000|50005000\nok')"
    same "$(sqlite3 "$exp/db" 'select count(*) from t')" 10000
}

case_fio_verify() {
    attach
    fio --name=v --directory="$mnt" --rw=randwrite --bs=4k --size="${FIO_SIZE:-64m}" --verify=crc32c --do_verify=1 \
        --ioengine=psync --output="$work/fio.out" --minimal || { cat "$work/fio.out"; exit 1; }
}

case_build_of_this_project() {
    attach
    mkdir "$mnt/src" "$mnt/src/tests"
    (cd "$SRCDIR" && tar c configure configure.ac aclocal.m4 Makefile.am Makefile.in config.h.in build-aux src \
        include tests contrib) | tar x -C "$mnt/src"
    cd "$mnt/src"
    ./configure --quiet
    make -s -j2 src/9pfs
    src/9pfs --version
    cd "$work"
}

case_unlinked_while_open() {
    attach
    echo first > "$mnt/f"
    exec 3<> "$mnt/f"
    rm "$mnt/f"
    [ ! -e "$mnt/f" ]
    fails cat "$mnt/f" 2>/dev/null
    same "$(stat -L -c '%h %s' /dev/fd/3)" '0 6'
    echo second > "$mnt/f" # another file by the same name
    same "$(cat <&3)" first
    echo more >&3
    same "$(stat -L -c %s /dev/fd/3)" 11
    truncate -s 3 /dev/fd/3
    same "$(stat -L -c %s /dev/fd/3)" 3
    same "$(cat "$mnt/f")" second
    chmod 600 /dev/fd/3
    exec 3>&-
    same "$(stat -c %s "$exp/f")" 7
    wait_until 10 bash -c "[ \"\$(ls -A '$exp')\" = f ]" # nothing hidden is left
}

case_replaced_while_open() {
    attach
    echo old > "$mnt/f"
    echo new > "$mnt/g"
    exec 3< "$mnt/f" 4< "$mnt/g"
    mv -f "$mnt/g" "$mnt/f"
    same "$(cat "$mnt/f")" new
    same "$(stat -L -c '%h %s' /dev/fd/3)" '0 4'
    same "$(stat -L -c '%h %s' /dev/fd/4)" '1 4'
    same "$(cat <&3)" old
    same "$(cat <&4)" new
    exec 3<&- 4<&-
    wait_until 10 bash -c "[ \"\$(ls -A '$exp')\" = f ]"
}

case_xattrs() {
    able xattrs || return 0
    attach
    echo x > "$mnt/f"
    setfattr -n user.a -v hello "$mnt/f"
    head -c 3000 /dev/zero | tr '\0' v > "$work/value"
    setfattr -n user.long -v "$(cat "$work/value")" "$mnt/f"
    same "$(getfattr -n user.a --only-values "$exp/f" 2>/dev/null)" hello
    same "$(getfattr -n user.long --only-values "$mnt/f" 2>/dev/null)" "$(cat "$work/value")"
    same "$(getfattr --absolute-names "$mnt/f" | grep -c '^user\.')" 2
    setfattr -x user.a "$mnt/f"
    fails getfattr -n user.a "$mnt/f" 2>/dev/null
    fails setfattr -x user.a "$mnt/f" 2>/dev/null
    # An empty value would be a removal on the wire: it is refused, and nothing is lost.
    fails setfattr -n user.long -v '' "$mnt/f" 2>/dev/null
    fails setfattr -n user.none -v '' "$mnt/f" 2>/dev/null
    same "$(getfattr --absolute-names "$exp/f" | grep '^user')" user.long
    same "$(getfattr -n user.long --only-values "$exp/f" 2>/dev/null | wc -c)" 3000
}

case_empty_attributes() { # where the server can
    [ "$server" = test_l ] || return 0
    serve -o empty-xattrs PORT "$exp"
    attach
    echo x > "$mnt/f"
    setfattr -n user.a "$mnt/f"
    setfattr -n user.b -v old "$mnt/f"
    setfattr -n user.b -v '' "$mnt/f"
    same "$(getfattr --absolute-names -dm user "$mnt/f" | tail -n +2 | tr '\n' ' ')" 'user.a="" user.b=""  '
    same "$(getfattr --absolute-names -dm user "$exp/f" | tail -n +2 | tr '\n' ' ')" 'user.a="" user.b=""  '
    setfattr -x user.a "$mnt/f"
    same "$(getfattr --absolute-names -dm user "$exp/f" | tail -n +2 | tr '\n' ' ')" 'user.b=""  '
    umount "$mnt"
    stop
}

case_capabilities() { # of programs: whoever writes takes them
    able xattrs || return 0
    attach allow_other
    echo program > "$exp/f"
    chmod 666 "$exp/f"
    setcap cap_net_raw+ep "$exp/f"
    same "$(getcap "$mnt/f")" "$mnt/f cap_net_raw=ep"
    getfattr --absolute-names -m - "$mnt/f" | grep -qx security.capability
    as 1 sh -c "echo x >> '$mnt/f'"
    same "$(getcap "$mnt/f" "$exp/f")" ''
    same "$(tail -n 1 "$exp/f")" x
    setcap cap_net_raw+ep "$exp/f"
    wait_until 10 bash -c "getcap '$mnt/f' | grep -q cap" # others' change is seen after a while
    chown 1 "$mnt/f"
    same "$(getcap "$exp/f")" ''
    setcap cap_net_raw+ep "$exp/f"
    wait_until 10 bash -c "getcap '$mnt/f' | grep -q cap" # others' change is seen after a while
    as 1 truncate -s 1 "$mnt/f"
    same "$(getcap "$exp/f")" ''
    : > "$mnt/new" # it is known to have none, until it is given one
    able capabilities || return 0
    setcap cap_chown+ep "$mnt/new"
    same "$(getcap "$mnt/new")" "$mnt/new cap_chown=ep"
    same "$(getcap "$exp/new")" "$exp/new cap_chown=ep"
    exec 3>> "$mnt/new"
    echo 1 >&3
    same "$(getcap "$exp/new")" ''
    setcap cap_chown+ep "$mnt/new"
    echo 2 >&3
    same "$(getcap "$exp/new")" ''
    exec 3>&-
    setcap cap_chown+ep "$mnt/new"
    setcap -r "$mnt/new"
    same "$(getcap "$mnt/new" "$exp/new")" ''
    fails as 1 setcap cap_chown+ep "$mnt/new" 2>/dev/null
}

case_copies_with_attributes() { # of all kinds
    able xattrs && able capabilities || return 0
    attach
    mkdir "$work/tree" "$mnt/untarred"
    cp /bin/true "$work/tree/program"
    setcap cap_net_raw+ep "$work/tree/program"
    echo x > "$work/tree/f"
    setfattr -n user.a -v hello "$work/tree/f"
    setfacl -m u:4711:r "$work/tree/f"
    rsync -aXA "$work/tree" "$mnt/"
    tar c --xattrs --xattrs-include='*' -C "$work/tree" . | tar x --xattrs --xattrs-include='*' -C "$mnt/untarred"
    local d all
    all=$(cd "$work/tree" && getfattr -dm - program f)
    for d in "$mnt/tree" "$exp/tree" "$mnt/untarred" "$exp/untarred"; do
        same "$(cd "$d" && getfattr -dm - program f)" "$all"
    done
    same "$(rsync -aXA --itemize-changes "$mnt/tree/" "$work/tree/")" ''
    rm -r "$work/tree"
}

case_acls() {
    able xattrs || return 0
    attach
    echo x > "$mnt/f"
    setfacl -m u:4711:r "$mnt/f"
    getfacl -n --omit-header "$exp/f" 2>/dev/null | grep -qx 'user:4711:r--'
    getfacl -n --omit-header "$mnt/f" 2>/dev/null | grep -qx 'user:4711:r--'
    mkdir "$mnt/d"
    able default-acls || return 0
    setfacl -d -m u:4711:rwx "$mnt/d"
    : > "$mnt/d/f"
    mkdir "$mnt/d/e"
    getfacl -n --omit-header "$mnt/d/f" 2>/dev/null | grep -q '^user:4711:rwx'
    getfacl -n --omit-header "$mnt/d/e" 2>/dev/null | grep -qx 'default:user:4711:rwx'
}

case_acls_after_a_listing() { # what a listing asked for ahead does not outlive a change
    able xattrs || return 0
    attach
    (cd "$mnt" && touch a b c d e && mkdir f g)
    same "$(ls -l "$mnt" | grep -c '^[-d][-rwx]* ')" 7
    setfacl -m u:4711:r "$mnt/d" "$mnt/g"
    same "$(ls -l "$mnt" | sed -n 's/^[-drwx]*+ .* //p' | tr '\n' ' ')" 'd g '
    setfacl -b "$mnt/d"
    chmod 600 "$mnt/d"
    same "$(ls -l "$mnt" | sed -n 's/^[-drwx]*+ .* //p' | tr '\n' ' ')" 'g '
}

case_a_lock_shows_what_others_wrote() { # to who had the file open, and had read it
    able locks || return 0
    echo one > "$exp/f"
    sleep 3 # so that its times tell of the next change
    attach
    mkdir "$work/mnt2"
    attach '' "$work/mnt2"
    exec 5<> "$mnt/f" 6< "$mnt/f"
    same "$(head -c 4 <&5)" one
    (exec 7<> "$work/mnt2/f"; flock 7; echo two >&7)
    flock 5
    same "$(head -c 4 <&6)" two
    exec 5>&- 6>&-
    umount "$work/mnt2"
    rmdir "$work/mnt2"
}

case_umask_and_default_acls() { # the ACL stands in for the umask, as on a local disk
    attach posixacl
    mkdir "$mnt/d" "$work/local"
    able default-acls || { same "$(umask 077; mkdir "$mnt/e"; : > "$mnt/e/f"; stat -c %a "$exp/e" "$exp/e/f" | tr '\n' ' ')" '700 600 '; return; }
    local d
    for d in "$mnt/d" "$work/local"; do
        setfacl -d -m u:4711:rwx,g::rwx,o::rx "$d"
        (umask 077; : > "$d/f"; mkdir "$d/e" "$d/../e"; mkfifo "$d/p"; ln -s f "$d/l")
    done
    same "$(cd "$exp/d" && getfacl -n f e p 2>/dev/null)" "$(cd "$work/local" && getfacl -n f e p 2>/dev/null)"
    same "$(stat -c %a "$exp/e")" 700
    rm -rf "$work/local" "$work/e"
}

case_locks_of_ranges() {
    attach
    : > "$mnt/f"
    hold "$mnt/f" wr:0:10 rd:100:10; told ok; told ok
    same "$(locks "$mnt/f" wr:5:1 rd:5:1 wr:10:1 rd:105:1 wr:105:1)" 'held held ok ok held '
    same "$(locks "$mnt/f" get:9:1 get:10:1)" "held by $holder_pid free "
    release
    same "$(locks "$mnt/f" wr:0:0)" 'ok ' # released by close
    hold "$mnt/f" wr:0:10; told ok
    kill -KILL "$holder_pid"
    wait "$holder_pid" 2>/dev/null || true
    wait_until 10 test "$(locks "$mnt/f" wr:0:0)" = 'ok ' # and by a kill
}

case_locks_of_files() {
    attach
    : > "$mnt/f"
    hold "$mnt/f" sh; told ok
    same "$(locks "$mnt/f" ex sh)" 'held ok '
    release
    hold "$mnt/f" ofd-wr:0:5; told ok
    same "$(locks "$mnt/f" wr:4:1 wr:5:1)" 'held ok '
    release
    wait_until 10 test "$(locks "$mnt/f" wr:0:0)" = 'ok '
}

case_locks_of_other_clients() {
    able locks || return 0
    mkdir -p "$work/mnt2"
    attach
    attach '' "$work/mnt2"
    : > "$mnt/f"
    hold "$mnt/f" wr:0:10; told ok
    same "$(locks "$work/mnt2/f" wr:5:1)" 'held '
    release
    wait_until 10 test "$(locks "$work/mnt2/f" wr:0:10)" = 'ok '
    hold "$mnt/f" ex; told ok
    same "$(locks "$work/mnt2/f" ex)" 'held '
    release
    # Two here, one goes: what the other has is still kept from other clients.
    hold "$mnt/f" wr:0:10; told ok
    same "$(locks "$mnt/f" wr:20:5 un:20:5)" 'ok ok '
    same "$(locks "$work/mnt2/f" wr:5:1)" 'held '
    release
    umount "$work/mnt2"
    rmdir "$work/mnt2"
}

case_waiting_for_a_lock() {
    mkdir -p "$work/mnt2"
    attach
    attach '' "$work/mnt2"
    : > "$mnt/f"
    for m in "$mnt" "$work/mnt2"; do
        able locks || [ "$m" = "$mnt" ] || continue
        hold "$mnt/f" wr:0:10; told ok
        same "$(locks "$m/f" alarm:200 wait-wr:0:1)" 'interrupted '
        "$TOOLS/locker" "$m/f" wait-wr:0:1 > "$work/waited" &
        sleep 0.3
        same "$(cat "$work/waited")" ''
        release
        wait $!
        same "$(cat "$work/waited")" ok
        hold "$mnt/f" ex; told ok
        timeout -s KILL 0.5 "$TOOLS/locker" "$m/f" wait-ex || true # a waiter that is killed goes
        release
        same "$(locks "$m/f" ex)" 'ok '
    done
    umount "$work/mnt2"
    rmdir "$work/mnt2"
}

case_access_user() { # each attaches on his own
    attach allow_other
    open_to_all "$mnt"
    as 1 sh -c "umask 077; echo mine > '$mnt/f'; mkdir '$mnt/d'; echo in > '$mnt/d/f'"
    as 2 sh -c "echo his > '$mnt/g'"
    echo root > "$mnt/r"
    same "$(cd "$exp" && stat -c '%n %u:%g' d f g r | tr '\n' ' ')" 'd 1:1 f 1:1 g 2:2 r 0:0 '
    fails as 2 cat "$mnt/f"
    fails as 2 ls "$mnt/d"
    fails as 2 cat "$mnt/d/f"
    fails as 2 sh -c "echo x >> '$mnt/f'"
    ! able modes || fails as 2 rm -f "$mnt/f" # the folder is sticky
    fails as 2 chmod 666 "$mnt/f"
    fails as 1 chown 2 "$mnt/f"
    same "$(as 1 cat "$mnt/f" "$mnt/d/f")" "$(printf 'mine\nin')"
    same "$(cat "$mnt/f")" mine
    chmod 755 "$mnt"
}

case_access_client() { # one attach; the kernel checks
    attach allow_other,access=client
    open_to_all "$mnt"
    as 1 sh -c "umask 077; echo mine > '$mnt/f'; mkdir '$mnt/d'"
    same "$(cd "$exp" && stat -c '%n %u' d f | tr '\n' ' ')" 'd 1 f 1 '
    if able symlinks; then
        as 1 ln -s f "$mnt/l"
        same "$(stat -c %u "$exp/l")" 1
    fi
    fails as 2 cat "$mnt/f"
    fails as 2 ls "$mnt/d"
    same "$(as 1 cat "$mnt/f")" mine
    chmod 755 "$mnt"
}

case_acl_takes_set_group_id() { # from who is not in the group, as on a local disk
    able xattrs || return 0
    attach allow_other,access=client
    mkdir "$work/local"
    local d group
    for d in "$mnt" "$work/local"; do
        for group in 1 2; do
            : > "$d/f$group"
            mkdir "$d/d$group"
            chown 1:$group "$d/f$group" "$d/d$group"
            chmod 2775 "$d/f$group" "$d/d$group"
            as 1 setfacl -m u:4711:r "$d/f$group" "$d/d$group"
        done
        : > "$d/g"
        chown 1:2 "$d/g"
        chmod 2775 "$d/g"
        setpriv --reuid=1 --regid=1 --groups=2 setfacl -m u:4711:r "$d/g"
        : > "$d/r"
        chown 1:2 "$d/r"
        chmod 2775 "$d/r"
        setfacl -m u:4711:r "$d/r"
    done
    same "$(cd "$exp" && stat -c '%n %a' d? f? g r)" "$(cd "$work/local" && stat -c '%n %a' d? f? g r)"
    same "$(cd "$mnt" && stat -c '%n %a' d? f? g r)" "$(cd "$work/local" && stat -c '%n %a' d? f? g r)"
    same "$(stat -c %a "$exp/f1" "$exp/f2" | tr '\n' ' ')" '2775 775 '
    rm -r "$work/local"
}

case_access_any_and_one() {
    attach allow_other,access=any
    as 1 sh -c "echo x > '$mnt/f'"
    same "$(stat -c %u "$exp/f")" 0
    detach
    attach allow_other,access=1
    same "$(as 1 cat "$mnt/f")" x
    fails as 2 cat "$mnt/f"
    fails cat "$mnt/f"
    detach
    fails "$P9FS" "127.0.0.1:$exp" "$mnt" -o "port=$port,access=some" 2> "$work/err"
    grep -q "access=some" "$work/err"
    attach # for the cleaning up
}
