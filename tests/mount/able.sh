# able.sh: the abilities of servers and dialects. Sourced after posix.sh.

# able ABILITY: the script for each server sets `cannot`, the list of what it lacks, and cases
# consult it. A case here proves that the server lacks all of that, and nothing else. What it can do
# by chance is in `by_chance`, too: that is either an error, or right.
able() { [[ " ${cannot//$'\n'/ } " != *" $1 "* ]]; }

abilities='devices special symlinks links nlink modes owners nanoseconds symlink-times touch ftruncate directory-files
    rename-across default-acls xattrs locks space long-paths reopen-unnamed capabilities'

does_devices() { mknod "$mnt/null" c 1 3; }
does_special() { mkfifo "$mnt/fifo"; }
does_symlinks() { ln -s x "$mnt/l"; }
does_links() { : > "$mnt/a"; ln "$mnt/a" "$mnt/b"; }
does_nlink() { does_links && [ "$(stat -c %h "$mnt/a")" = 2 ]; }
does_modes() { : > "$mnt/f"; chmod 1755 "$mnt/f"; }  # beyond rwx
does_owners() { : > "$mnt/f"; chown 4711 "$mnt/f"; } # without a name
does_nanoseconds() { touch -d '2001-01-01 00:00:00.5' "$mnt/f"; [ "$(stat -c %.1Y "$mnt/f")" = "$(date -d 2001-01-01 +%s).5" ]; }
does_symlink-times() { ln -s x "$mnt/l"; touch -h -d @5 "$mnt/l"; [ "$(stat -c %Y "$mnt/l")" = 5 ]; }
does_touch() { : > "$mnt/t"; chmod 666 "$mnt/t"; as 1 touch "$mnt/t"; } # by a user who may only write
does_ftruncate() { "$TOOLS/calls" truncate_by_file "$mnt"; }
does_directory-files() { "$TOOLS/calls" mode_by_directory "$mnt"; }
does_rename-across() { "$TOOLS/calls" rename_across "$mnt"; }
does_default-acls() { setfacl -d -m u:4711:rwx "$mnt"; }
right_default-acls() { getfacl -n "$exp" 2>/dev/null | grep -qx default:user:4711:rwx; }
does_xattrs() { : > "$mnt/f"; setfattr -n user.a -v x "$mnt/f"; }
does_capabilities() { : > "$mnt/f"; setcap cap_net_raw+ep "$mnt/f"; }
right_capabilities() { same "$(getcap "$exp/f")" "$exp/f cap_net_raw=ep"; }
does_locks() { # that hold for other clients
    : > "$mnt/f"
    hold "$mnt/f" wr:0:10; answers ok
    mkdir -p "$work/mnt2"
    attach '' "$work/mnt2"
    local seen; seen=$(locks "$work/mnt2/f" wr:5:1)
    umount "$work/mnt2"
    release
    [ "$seen" = 'held ' ]
}
does_space() { [ "$(df --output=size -B1 "$mnt" | tail -n 1)" -gt 0 ]; }
does_reopen-unnamed() { EXPORT=$exp "$TOOLS/calls" reopened_without_name "$mnt"; }
does_long-paths() { "$TOOLS/calls" deep "$mnt"; }

case_what_the_server_can_do() {
    local what
    for what in $cannot; do
        declare -F "does_$what" > /dev/null || fail "no such ability: $what"
    done
    for what in $abilities; do
        attach allow_other
        if able "$what"; then
            "does_$what" || fail "it should be able to: $what"
        elif [[ " ${by_chance:-} " == *" $what "* ]]; then
            ! (set +e; "does_$what") || "right_$what" || fail "not an error, but wrong: $what"
        else
            ! (set +e; "does_$what") || fail "it is able to: $what"
        fi
        clean_export
    done
}
