# posix_open.sh: open files whose name is removed, or given to another file. Sourced by posix.sh.

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
    wait_until 10 bash -c "[ \"\$(ls -A '$exp')\" = f ]" # no silly-renamed file is left
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

case_removed_while_open() { calls removed; }
case_rmdir_after_unlink() { calls rmdir_after_unlink; }
case_removed_directory() { calls removed_directory; }

case_xattrs_without_name() {
    able xattrs || return 0
    calls xattrs_unnamed
    # nfs-ganesha may remove the name before it processes the walk to it
    [ "$server" = ganesha ] || calls xattrs_of_temporary
}

case_reopened_without_name() {
    attach
    EXPORT=$exp "$TOOLS/calls" "$(able reopen-unnamed || echo not_)reopened_without_name" "$mnt"
}

case_a_rotated_log_is_read_to_its_end() { # another client replaces it, and then removes it
    local links=0
    able nlink || links=1
    attach actimeo=0
    EXPORT=$exp LINKS=$links "$TOOLS/calls" read_after_rotation "$mnt"
}
