#!/bin/bash
# identity.sh: which names are one file: servers that repeat qid.path, or do not report link counts.
. "${SRCDIR:?}/tests/mount/lib.sh"

# Two file systems below the export with the same inode numbers and different content
two_devices() {
    local d
    for d in a1 a2; do
        mkdir "$exp/$d"
        mount -t tmpfs none "$exp/$d"
        mkdir "$exp/$d/etc"
        echo "of $d" > "$exp/$d/etc/conf"
        ln "$exp/$d/etc/conf" "$exp/$d/etc/link"
        touch -d @1000000000 "$exp/$d/etc/conf"
    done
    same "$(stat -c %i "$exp/a1/etc/conf")" "$(stat -c %i "$exp/a2/etc/conf")"
}
no_devices() { umount "$exp/a1" "$exp/a2"; }

# once COMMAND...: prints no line twice
once() { same "$("$@" | sort | uniq -d)" ''; }

case_two_devices_below_one_export() {
    serve PORT "$exp"
    two_devices
    attach
    trap 'set +e; cd /; umount "$mnt"; stop; no_devices' EXIT
    same "$(cat "$mnt/a1/etc/conf" "$mnt/a2/etc/conf" "$mnt/a1/etc/link" "$mnt/a2/etc/link" | tr '\n' ' ')" \
        'of a1 of a2 of a1 of a2 '
    [ "$(stat -c %i "$mnt/a1/etc/conf")" != "$(stat -c %i "$mnt/a2/etc/conf")" ]
    once stat -c %i "$mnt/a1" "$mnt/a2" "$mnt/a1/etc" "$mnt/a2/etc" "$mnt/a1/etc/conf" "$mnt/a2/etc/conf"
    tar -C "$mnt" -cf "$work/tar" a1 a2
    mkdir "$work/unpacked" "$work/copy"
    tar -C "$work/unpacked" -xf "$work/tar"
    diff -r "$exp" "$work/unpacked" # no file became a link to one in a1
    cp -a "$mnt/a1" "$mnt/a2" "$work/copy"
    diff -r "$exp" "$work/copy"
    fails cmp "$mnt/a1/etc/conf" "$mnt/a2/etc/conf"
    same "$(stat -c %i "$mnt/a2/etc/conf")" "$(ls -i "$mnt/a2/etc" | sed -n 's/ conf//p' | tr -d ' ')"
    umount "$mnt"
    attach # in the other order
    same "$(cat "$mnt/a2/etc/conf" "$mnt/a1/etc/conf" | tr '\n' ' ')" 'of a2 of a1 '
    local before; before=$(stat -c %i "$mnt/a1/etc/conf")
    mount -i -o remount "$mnt" # the kernel forgets all names that nobody uses
    same "$(stat -c %i "$mnt/a1/etc/conf")" "$before"
    [ "$(stat -c %i "$mnt/a2/etc/conf")" != "$before" ]
}

case_two_names_on_each_of_two_devices() { # of one file: a change by one name shows by the other
    serve PORT "$exp"
    two_devices
    attach attr_timeout=100,entry_timeout=100
    trap 'set +e; cd /; umount "$mnt"; stop; no_devices' EXIT
    stat "$mnt/a1" "$mnt/a2" "$mnt/a1/etc/conf" > /dev/null
    "$TOOLS/calls" two_names "$mnt/a2"
    "$TOOLS/calls" two_names "$mnt/a1"
}

case_two_names_without_a_link_count() { # 9P2000.u
    serve -v u PORT "$exp"
    attach attr_timeout=100,entry_timeout=100
    "$TOOLS/calls" two_names "$mnt"
    umount "$mnt"
    stop
}

case_a_dirty_page_of_the_other_name_cannot_be_written() { # no thread that answers the kernel waits for that
    serve -v u -f "Twrite when=$work/full error=28" PORT "$exp"
    attach attr_timeout=100,entry_timeout=100
    SWITCH=$work/full timeout -k 1 60 "$TOOLS/calls" two_names_mapped "$mnt"
    umount "$mnt"
    stop
}

case_two_names_of_a_directory() { # are not two devices
    serve PORT "$exp"
    mkdir "$exp/Dir"
    : > "$exp/Dir/a"
    ln "$exp/Dir/a" "$exp/Dir/b"
    mkdir "$exp/dir"
    mount --bind "$exp/Dir" "$exp/dir"
    attach
    trap 'set +e; cd /; umount "$mnt"; stop; umount "$exp/dir"' EXIT
    same "$(stat -c %i "$mnt/Dir" "$mnt/dir" | uniq | wc -l)" 1
    same "$(stat -c %i "$mnt/Dir/a" "$mnt/Dir/b" | uniq)" "$(stat -c %i "$exp/Dir/a")"
}

case_a_moved_directory_keeps_its_identity() {
    serve PORT "$exp"
    mkdir -p "$exp/d/sub" "$exp/e"
    echo x > "$exp/d/sub/f"
    ln "$exp/d/sub/f" "$exp/d/sub/g"
    attach attr_timeout=100,entry_timeout=100
    stat "$mnt/d/sub/f" > /dev/null
    mv "$exp/d/sub" "$exp/e/moved"
    same "$(stat -c %i "$mnt/e/moved")" "$(stat -c %i "$exp/e/moved")"
    same "$(stat -c %i "$mnt/e/moved/f")" "$(stat -c %i "$mnt/e/moved/g")"
    same "$(stat -c %i "$mnt/e/moved/f")" "$(stat -c %i "$exp/e/moved/f")"
    same "$(cat "$mnt/e/moved/g")" x
    mkdir "$exp/new"
    same "$(stat -c %i "$mnt/new")" "$(stat -c %i "$exp/new")"
    umount "$mnt"
    stop
}

need_fuse
run_cases
