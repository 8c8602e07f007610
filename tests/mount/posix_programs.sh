# posix_programs.sh: ordinary programs, and random system calls. Sourced by posix.sh.

case_same_as_a_local_directory() { # except for what the server cannot do
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

case_parallel_readers() {
    mkdir "$exp/t"
    (cd "$exp/t" && for i in $(seq 300); do head -c $((i * 997)) /dev/urandom > "f$i"; done)
    attach
    (cd "$exp/t" && find . -type f -print0 | xargs -0 -P8 -n5 sha256sum | sort) > "$work/a"
    (cd "$mnt/t" && find . -type f -print0 | xargs -0 -P8 -n5 sha256sum | sort) > "$work/b"
    cmp "$work/a" "$work/b"
}

case_few_fids() { # the limit on fids holds, and costs only walks
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
    (cd "$work/tree"
        for d in $(seq 50); do
            mkdir "d$d"
            for f in $(seq 40); do head -c $((d * f)) /dev/zero | tr '\0' "$((f % 10))" > "d$d/f$f"; done
        done
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
