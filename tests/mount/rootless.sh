#!/bin/bash
# rootless.sh: ordinary users: by fusermount3, by a line of fstab, in a user namespace, and in a
# container that has the program, its libraries, /dev/fuse and nothing else.
. "${SRCDIR:?}/tests/mount/helpers.sh"
in_own_namespace "$@"
. "$SRCDIR/tests/mount/lib.sh"

is_mounted() { mountpoint -q "${1:-$mnt}"; }
ended() { [ -z "$(daemon_of "$mnt")" ]; }
# user COMMAND: as an ordinary user, of a name, by su(1)
user() { su -s /bin/sh nobody -c "$*"; }
# The tested program, where others may execute it
# /dev/fuse for everybody, as udev makes it
prepare() {
    if ! user 'test -w /dev/fuse'; then
        mknod -m 666 "$helpers_over/fuse" c 10 229
        mount --bind "$helpers_over/fuse" /dev/fuse
    fi
    cp "$P9FS" "$work/9pfs"
    chown nobody "$mnt"
    chmod 777 "$exp"
}
program="PATH=$work:\$PATH 9pfs"
use_as_user() {
    user "set -e; cd '$mnt'; echo text > f; mkdir d; mv f d/g; cat d/g; ls -l d > /dev/null; rm -r d"
}

case_a_user_by_fusermount3() {
    local pid t
    prepare
    user "$program 127.0.0.1:$exp $mnt -o port=$port"
    same "$(findmnt -n -o FSTYPE "$mnt")" fuse.9pfs
    same "$(use_as_user)" text
    fails ls "$mnt" # not even root
    pid=$(daemon_of "$mnt")
    for t in "/proc/$pid/task"/*; do
        same "$(sed -n 's/^CapPrm:[[:space:]]*//p;s/^CapEff:[[:space:]]*//p' "$t/status" | sort -u)" 0000000000000000
        same "$(sed -n 's/^Uid:[[:space:]]*//p' "$t/status" | tr '\t' '\n' | sort -u)" "$(id -u nobody)"
    done
    user "fusermount3 -u $mnt"
    wait_until 20 test ! -e "/proc/$pid"
    fails is_mounted
}
case_as_another_user() { # of the server's, who is in no group of the caller's
    prepare
    rm -rf "$exp/own"
    mkdir "$exp/own"
    chown 1:1 "$exp/own"
    port=$(free_port)
    diod_at "$exp" "127.0.0.1:$port" '' > /dev/null 2>&1 & # looks users up
    server_pid=$!
    wait_until 20 listening "$port"
    attach uname=daemon,allow_other,access=any
    user "set -e; cd $mnt/own; echo text > f; mkdir d; ln -s f l; mkfifo p; mv f g"
    for f in g d l p; do
        same "$f $(stat -c %u:%g "$exp/own/$f")" "$f 1:1"
        same "$f $(stat -c %u:%g "$mnt/own/$f")" "$f 1:1"
    done
    detach
    stop
}
case_a_user_by_fstab() { # with the option user
    prepare
    echo "127.0.0.1:$exp $mnt fuse.9pfs noauto,user,port=$port 0 0" > "$work/fstab"
    mount --bind "$work/fstab" /etc/fstab
    trap 'umount -l /etc/fstab' EXIT
    ln -sfn "$work/9pfs" "$helpers_over/mount.fuse.9pfs"
    user "mount $mnt"
    same "$(findmnt -n -o FSTYPE "$mnt")" fuse.9pfs
    findmnt -n -o OPTIONS "$mnt" | tr , '\n' > "$work/options"
    grep -qx nosuid "$work/options"
    grep -qx nodev "$work/options"
    same "$(use_as_user)" text
    user "umount $mnt"
    wait_until 20 prints '' daemon_of "$mnt"
    fails is_mounted
    ln -sfn "$P9FS" "$helpers_over/mount.fuse.9pfs"
}
case_root_mounts_for_a_user() { # setuid=
    prepare
    "$work/9pfs" "127.0.0.1:$exp" "$mnt" -o "port=$port,setuid=nobody"
    same "$(use_as_user)" text
    same "$(stat -c %U "/proc/$(daemon_of "$mnt")")" nobody
    user "fusermount3 -u $mnt"
    wait_until 20 prints '' daemon_of "$mnt"
}
flags() { findmnt -n -o OPTIONS "$mnt" | tr , '\n' | grep -x -e ro -e rw -e suid -e nosuid -e dev -e nodev | tr '\n' ' '; }
case_root_remounts_what_is_a_users() {
    prepare
    "$work/9pfs" "127.0.0.1:$exp" "$mnt" -o "port=$port,setuid=nobody"
    same "$(flags)" 'rw nosuid nodev '
    /sbin/mount.9pfs "127.0.0.1:$exp" "$mnt" -o "remount,ro,port=$port,setuid=nobody"
    same "$(flags)" 'ro nosuid nodev '
    user "fusermount3 -u $mnt"
    wait_until 20 prints '' daemon_of "$mnt"
}
case_a_user_namespace() {
    prepare
    user "unshare -Urm sh -ec '$program 127.0.0.1:$exp $mnt -o port=$port; cd $mnt; echo text > f; cat f; stat -c %u f; rm f; cd /;
        umount $mnt; ! mountpoint -q $mnt'" > "$work/out"
    cat "$work/out"
    same "$(sed -n 1p "$work/out")" text
    wait_until 20 prints '' daemon_of "$mnt"
}
# The program, its libraries and /dev/fuse below $root
make_container() { # [PROGRAM...]: more of them
    local lib program
    root=$work/root
    mkdir -p "$root/dev" "$root/mnt"
    : > "$root/dev/fuse"
    cp "$P9FS" "$root/9pfs"
    for lib in $(ldd "$P9FS" | grep -o '/[^ ]*') /lib/*/libgcc_s.so.1; do install -D "$lib" "$root$lib"; done
    for program in "$@"; do
        cp "$program" "$root"
        for lib in $(ldd "$program" | grep -o '/[^ ]*'); do install -D "$lib" "$root$lib"; done
    done
    chown -R nobody "$root"
}
case_a_container_with_nothing_else() {
    prepare
    make_container
    # Started in the container, used from outside of it
    user "unshare -Urm sh -ec 'mount --bind /dev/fuse $root/dev/fuse; chroot $root /9pfs 127.0.0.1:$exp /mnt -o port=$port,uname=root
        cd $root/mnt; echo text > f; cat f; rm f; cd /; umount $root/mnt'" > "$work/out"
    same "$(cat "$work/out")" text
    wait_until 20 prints '' gone_from "$root"
}
case_a_command_in_such_a_container() { # which has no /dev/null
    prepare
    make_container "$(command -v socat)"
    user "unshare -Urm sh -ec 'mount --bind /dev/fuse $root/dev/fuse
        chroot $root /9pfs here:$exp /mnt -o uname=root,command=\"/socat - TCP:127.0.0.1:$port\"
        cd $root/mnt; echo text > f; cat f; rm f; cd /; umount $root/mnt'" > "$work/out"
    same "$(cat "$work/out")" text
    wait_until 20 prints '' gone_from "$root"
}
gone_from() { # ROOT: processes in it
    local p
    for p in /proc/[0-9]*; do
        [ "$(readlink "$p/root" 2> /dev/null)" != "$1" ] || echo "$p"
    done
}
case_a_directory_of_another_user() {
    local rc=0
    prepare
    chown root "$mnt"
    user "$program 127.0.0.1:$exp $mnt -o port=$port" 2> "$work/err" || rc=$?
    cat "$work/err"
    same "$rc" 1
    grep -q "^9pfs: cannot mount at $mnt: fusermount3 refuses, as its line before says" "$work/err"
}
case_without_fusermount3() {
    local rc=0
    prepare
    : > "$work/none"
    mount --bind "$work/none" "$(readlink -f "$(command -v fusermount3)")"
    user "$program 127.0.0.1:$exp $mnt -o port=$port" 2> "$work/err" || rc=$?
    umount "$(readlink -f "$(command -v fusermount3)")"
    cat "$work/err"
    same "$rc" 1
    same "$(wc -l < "$work/err")" 1
    grep -q 'it takes fusermount3, which is not installed' "$work/err"
}
case_allow_other_needs_fuse_conf() {
    local rc=0
    prepare
    : > "$work/fuse.conf"
    mount --bind "$work/fuse.conf" /etc/fuse.conf
    user "$program 127.0.0.1:$exp $mnt -o port=$port,allow_other" 2> "$work/err" || rc=$?
    umount /etc/fuse.conf
    cat "$work/err"
    same "$rc" 1
    grep -q user_allow_other "$work/err"
}

start_server diod
use_helpers
run_cases
