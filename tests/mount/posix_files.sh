# posix_files.sh: the content of files, their attributes, and special files. Sourced by posix.sh.

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

case_an_empty_file_grows() {
    attach
    : > "$mnt/f"
    exec 3< "$mnt/f"
    same "$(cat <&3)" ''
    echo grown > "$exp/f"
    same "$(cat <&3)" grown
    exec 3>&-
}

case_open_shows_changes_of_other_clients() {
    attach_twice
    for i in $(seq 100); do
        echo "$i" > "$mnt/f"
        same "$(cat "$work/mnt2/f")" "$i"
        echo "longer $i" > "$work/mnt2/g"
        mv "$work/mnt2/g" "$work/mnt2/f"
        same "$(cat "$mnt/f")" "longer $i"
    done
    detach_second
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

case_exclusive_create() { # only one of two clients creates the file
    attach_twice
    local i m
    for i in $(seq 100); do
        for m in "$mnt" "$work/mnt2"; do
            (set -C; echo "$m" > "$m/lock-$i") 2>/dev/null && echo "$i" >> "$work/winners" &
        done
        wait
    done
    same "$(sort -n "$work/winners")" "$(seq 100)"
    same "$(find "$exp" -name '.9pfs*')" ''
    detach_second
    rm "$work/winners"
}

case_fsync() {
    attach
    echo x > "$mnt/f"
    sync "$mnt/f"
    sync -d "$mnt/f"
    mkdir "$mnt/d"
    sync "$mnt/d"
}

case_seek_hole_and_data() { calls holes; }
case_fallocate() { calls allocate; }
case_copy_file_range() { calls copy_range; }
case_mmap() { calls maps; }
case_text_file_busy() { calls busy_text; }

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

case_utimensat() { calls "$(able nanoseconds && echo times || echo times_in_seconds)"; }

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

case_statfs() {
    attach
    ! able space || [ "$(df --output=size -B1 "$mnt" | tail -n 1)" -gt 0 ]
    same "$(stat -f -c %l "$mnt")" 255
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
