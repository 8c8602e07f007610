# posix_names.sh: names, links, renaming, and listing. Sourced by posix.sh.

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

case_rename() {
    attach
    mkdir -p "$mnt/a/sub" "$mnt/b"
    echo 1 > "$mnt/a/sub/f"
    mv "$mnt/a" "$mnt/b/c"
    same "$(cat "$mnt/b/c/sub/f")" 1
    # Another file at the old path is not confused with the renamed one.
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

case_rename_flags() { calls rename_flags; }

case_rename_no_replace() {
    calls rename_no_replace
    detach
    attach negative_timeout=30
    fails stat "$mnt/existing" 2>/dev/null # a negative entry
    echo other > "$exp/existing"
    "$TOOLS/calls" rename_to_existing "$mnt"
    same "$(cat "$exp/existing")" other
    same "$(ls -A "$exp")" existing
}

case_directory_changes_while_it_is_read() {
    attach
    mkdir "$mnt/d"
    (cd "$mnt/d" && seq -f 'f%.0f' 2000 | xargs touch)
    find "$mnt/d" -type f -delete # deletes while it reads
    same "$(ls -A "$mnt/d")" ''
    rmdir "$mnt/d"
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

case_telldir_and_seekdir() { calls positions; }
case_write_during_a_listing() { calls write_during_listing; }
case_forget_during_a_listing() { calls forget_during_listing; }
case_remove_during_a_listing() { calls remove_during_listing; }
case_change_during_a_listing() { calls change_during_listing; }
