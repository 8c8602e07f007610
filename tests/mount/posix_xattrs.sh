# posix_xattrs.sh: extended attributes, capabilities and ACLs. Sourced by posix.sh.

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
    # On the wire, an empty value is a removal: it is refused, and the attribute stays.
    fails setfattr -n user.long -v '' "$mnt/f" 2>/dev/null
    fails setfattr -n user.none -v '' "$mnt/f" 2>/dev/null
    same "$(getfattr --absolute-names "$exp/f" | grep '^user')" user.long
    same "$(getfattr -n user.long --only-values "$exp/f" 2>/dev/null | wc -c)" 3000
}

case_empty_xattrs() { # of a server that distinguishes them from a removal
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

case_capabilities() { # of a program: a write removes them
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
    wait_until 10 bash -c "getcap '$mnt/f' | grep -q cap" # when cached attributes expire
    chown 1 "$mnt/f"
    same "$(getcap "$exp/f")" ''
    setcap cap_net_raw+ep "$exp/f"
    wait_until 10 bash -c "getcap '$mnt/f' | grep -q cap" # when cached attributes expire
    as 1 truncate -s 1 "$mnt/f"
    same "$(getcap "$exp/f")" ''
    : > "$mnt/new" # the cache knows that it has none, until one is set
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

case_copies_with_xattrs() { # user attributes, capabilities, ACLs
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

case_acls_after_a_listing() { # a change drops the ACLs that the lookahead has fetched
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

case_umask_and_default_acls() { # a default ACL replaces the umask, as on a local disk
    attach posixacl
    mkdir "$mnt/d" "$work/local"
    if ! able default-acls; then
        same "$(umask 077; mkdir "$mnt/e"; : > "$mnt/e/f"; stat -c %a "$exp/e" "$exp/e/f" | tr '\n' ' ')" '700 600 '
        return
    fi
    local d
    for d in "$mnt/d" "$work/local"; do
        setfacl -d -m u:4711:rwx,g::rwx,o::rx "$d"
        (umask 077; : > "$d/f"; mkdir "$d/e" "$d/../e"; mkfifo "$d/p"; ln -s f "$d/l")
    done
    same "$(cd "$exp/d" && getfacl -n f e p 2>/dev/null)" "$(cd "$work/local" && getfacl -n f e p 2>/dev/null)"
    same "$(stat -c %a "$exp/e")" 700
    rm -rf "$work/local" "$work/e"
}

case_acl_clears_set_group_id() { # if the caller is not in the group, as on a local disk
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
