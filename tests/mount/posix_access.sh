# posix_access.sh: mounting, and who may do what on a mount. Sourced by posix.sh.

case_mount_shows_source() {
    attach
    same "$(awk -v m="$mnt" '$2 == m { print $1, $3 }' /proc/self/mounts)" "127.0.0.1:$exp fuse.9pfs"
    detach
    wait_until 10 prints '' daemon_of "$mnt"
}

case_given_descriptors() {
    echo content > "$exp/file"
    exec 5<> "/dev/tcp/127.0.0.1/$port"
    "$P9FS" given "$mnt" -o "rfdno=5,wfdno=5,aname=$exp"
    exec 5>&-
    same "$(cat "$mnt/file")" content
    detach
    exec 0<> "/dev/tcp/127.0.0.1/$port" # the daemon replaces its standard input
    "$P9FS" given "$mnt" -o "rfdno=0,wfdno=0,aname=$exp"
    same "$(cat "$mnt/file")" content
}

case_mount_by_type() { # mount(8) searches standard directories: 9pfs is in one, in this mount namespace alone
    echo content > "$exp/file"
    export P9FS exp mnt port
    same "$(unshare -m bash -ec 'mount -t tmpfs none /usr/local/sbin
        ln -s "$P9FS" /usr/local/sbin/9pfs
        mount -t fuse.9pfs "127.0.0.1:$exp" "$mnt" -o "port=$port,_netdev,noauto,x-systemd.automount"
        cat "$mnt/file"
        umount "$mnt"')" content
}

case_access() {
    attach allow_other
    echo x > "$mnt/f"
    chmod 600 "$mnt/f"
    [ -r "$mnt/f" ]
    [ -w "$mnt/f" ]
    [ ! -x "$mnt/f" ]
    setpriv --reuid=65534 --regid=65534 --clear-groups test ! -r "$mnt/f"
    chmod 644 "$mnt/f"
    setpriv --reuid=65534 --regid=65534 --clear-groups test -r "$mnt/f" -a ! -w "$mnt/f"
}

case_access_user() { # an attach for each user
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
    ! able modes || fails as 2 rm -f "$mnt/f" # the directory is sticky
    fails as 2 chmod 666 "$mnt/f"
    fails as 1 chown 2 "$mnt/f"
    same "$(as 1 cat "$mnt/f" "$mnt/d/f")" "$(printf 'mine\nin')"
    same "$(cat "$mnt/f")" mine
    chmod 755 "$mnt"
}

case_access_client() { # one attach; the kernel checks permissions
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
    attach # for the clean-up
}
