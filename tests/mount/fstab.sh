#!/bin/bash
# fstab.sh: lines of /etc/fstab as mount(8) executes them: every option of v9fs's, those of mount(8)
# and systemd, and what mount(8), findmnt, df and umount show and do.
. "${SRCDIR:?}/tests/mount/helpers.sh"
in_own_namespace "$@"
. "$SRCDIR/tests/mount/lib.sh"

fstab=$work/fstab
# line OPTIONS [TYPE] [SOURCE] [MOUNTPOINT]: the only one of the table
line() { echo "${3:-127.0.0.1:$exp} ${4:-$mnt} ${2:-fuse.9pfs} $1 0 0" > "$fstab"; }
mount_all() { mount -T "$fstab" -a "$@"; }
is_mounted() { mountpoint -q "${1:-$mnt}"; }
ended() { [ -z "$(daemon_of "${1:-$mnt}")" ]; }
unmount() {
    umount "${1:-$mnt}"
    wait_until 20 ended "${1:-$mnt}"
}
# works OPTIONS: the line mounts, the export is there, and it is unmounted
works() {
    echo "$1" >&2
    line "$1" "${2:-}"
    mount_all
    is_mounted || fail "not mounted with $1"
    same "$(cat "$mnt/file")" text
    same "$(findmnt -n -o FSTYPE "$mnt")" fuse.9pfs
    unmount
}

# ---- every option of v9fs ---------------------------------------------------

case_options_of_v9fs() {
    local o
    echo text > "$exp/file"
    for o in trans=tcp "aname=$exp" uname=root uname=0 version=9p2000.L version=9P2000.L msize=8192 msize=65536 msize=1048576 \
        access=user access=any access=client access=0 access=user,posixacl access=client,posixacl \
        cache=none cache=readahead cache=mmap cache=loose cache=fscache cache=0x0 cache=0x5 cache=15 \
        cachetag=x debug=0x04 debug=1 dfltuid=1,dfltgid=1 noxattr nodevmap directio ignoreqv \
        negtimeout=0 negtimeout=1000 negtimeout=-1 locktimeout=30 afid=4294967295 privport timeout=30000 rq=32 sq=32; do
        works "port=$port,$o"
    done
}
case_options_of_v9fs_in_other_dialects() {
    local o
    echo text > "$exp/file"
    serve -v u PORT "$exp"
    for o in version=9p2000.u version=9p2000.u,nodevmap dfltuid=7,dfltgid=7; do works "port=$port,$o"; done
    stop
    serve -v 0 PORT "$exp"
    for o in noextend version=9p2000; do works "port=$port,$o"; done
    stop
}
case_unix_socket() {
    echo text > "$exp/file"
    diod_at "$exp" "$work/sock" 2> /dev/null &
    local diod=$!
    wait_until 20 listens_at "$work/sock"
    line "trans=unix,aname=$exp" 9pfs "$work/sock"
    mount_all
    same "$(cat "$mnt/file")" text
    unmount
    kill "$diod"
}
case_descriptors() { # of a connection that the caller has made
    echo text > "$exp/file"
    exec 7<> "/dev/tcp/127.0.0.1/$port"
    works "trans=fd,rfdno=7,wfdno=7,aname=$exp"
    exec 7>&-
}
case_noxattr() {
    line "port=$port,noxattr"
    mount_all
    echo x > "$mnt/f"
    fails setfattr -n user.a -v 1 "$mnt/f"
    fails getfattr -n user.a "$mnt/f"
    unmount
    line "port=$port"
    mount_all
    setfattr -n user.a -v 1 "$mnt/f"
    same "$(getfattr -n user.a --only-values "$mnt/f")" 1
    unmount
}
case_nodevmap() {
    serve -v u PORT "$exp"
    line "port=$port"
    mount_all
    mkfifo "$mnt/fifo"
    same "$(stat -c %F "$mnt/fifo")" fifo
    unmount
    line "port=$port,nodevmap"
    mount_all
    same "$(stat -c %F "$mnt/fifo")" 'regular empty file'
    fails mkfifo "$mnt/other"
    unmount
    stop
}

# ---- mount(8) ---------------------------------------------------------------

case_options_of_mount8() {
    local o
    echo text > "$exp/file"
    for o in defaults _netdev nofail auto user users nouser owner group comment=x x-systemd.automount x-gvfs-show \
        x-systemd.idle-timeout=10min,x-systemd.requires=network-online.target ro noatime,nodiratime relatime strictatime sync \
        nosuid,nodev,noexec suid,dev,exec async dirsync rw auto_unmount subtype=9pfs drop_privileges allow_other allow_root default_permissions max_read=4096 fsname=other; do
        works "port=$port,$o"
    done
}
case_both_types() {
    echo text > "$exp/file"
    works "port=$port" 9pfs
    mount -t fuse.9pfs "127.0.0.1:$exp" "$mnt" -o "port=$port"
    unmount
    mount -t 9pfs "127.0.0.1:$exp" "$mnt" -o "port=$port"
    unmount
}
case_noauto_is_mounted_by_name() {
    line "port=$port,noauto"
    mount_all
    fails is_mounted
    mount -T "$fstab" "$mnt"
    is_mounted
    unmount
}
case_mounted_once() {
    line "port=$port"
    mount_all
    mount_all
    same "$(mounts)" "$mnt"
    unmount
}
case_two_mounts_of_one_source() {
    mkdir "$work/two"
    line "port=$port"
    echo "127.0.0.1:$exp $work/two 9pfs port=$port 0 0" >> "$fstab"
    mount_all
    echo x > "$mnt/f"
    same "$(cat "$work/two/f")" x
    unmount "$work/two"
    unmount
    rmdir "$work/two"
}
case_what_tools_show() {
    mkdir "$mnt/below" # as FUSE does: the mount covers what is there
    line "port=$port,allow_other,ro"
    mount_all
    same "$(ls "$mnt")" ''
    same "$(findmnt -n -o SOURCE,FSTYPE "$mnt" | tr -s ' ')" "127.0.0.1:$exp fuse.9pfs"
    same "$(df --output=source,fstype,target "$mnt" | tail -n 1 | tr -s ' ')" "127.0.0.1:$exp fuse.9pfs $mnt"
    grep -q "^127.0.0.1:$exp $mnt fuse.9pfs ro," /proc/mounts
    same "$(findmnt -n -t fuse.9pfs -o TARGET -R "$work")" ''
    same "$(findmnt -n -t fuse.9pfs -o TARGET "$mnt")" "$mnt"
    umount -t 9pfs "127.0.0.1:$exp"
    wait_until 20 ended
    rmdir "$mnt/below"
}
case_root_gets_what_it_gets_with_the_kernel() { # other users, devices, set-user-ID
    chmod 755 "$work" "$exp"
    echo text > "$exp/f"
    line "port=$port"
    mount_all
    same "$(as 65534 cat "$mnt/f")" text
    fails as 65534 touch "$mnt/g"
    findmnt -n -o OPTIONS "$mnt" | tr , '\n' > "$work/options"
    fails grep -qx -e nosuid -e nodev "$work/options"
    unmount
    line "port=$port,allow_root"
    mount_all
    fails as 65534 cat "$mnt/f"
    unmount
    line "port=$port,nosuid"
    mount_all
    findmnt -n -o OPTIONS "$mnt" | tr , '\n' | grep -qx nosuid
    unmount
}
case_exit_codes() { # mount(8) passes them on
    local rc=0
    mount -t fuse.9pfs "127.0.0.1:$exp" "$mnt" -o "port=$port,prot=3" 2> "$work/err" || rc=$?
    cat "$work/err"
    same "$rc" 1
    grep -q "unknown option 'prot=3': did you mean 'port=PORT'" "$work/err"
    rc=0
    mount -t fuse.9pfs "127.0.0.1:$exp" "$mnt" -o "port=$(free_port)" 2> "$work/err" || rc=$?
    same "$rc" 32
    grep -q 'Connection refused' "$work/err"
    same "$(mounts)" ''
}
case_switches_of_helpers() {
    local rc=0
    mount -f -v -t fuse.9pfs "127.0.0.1:$exp" "$mnt" -o "port=$port" # fake
    same "$(mounts)" ''
    mount -s -t fuse.9pfs "127.0.0.1:$exp" "$mnt" -o "port=$port,no_such_option=1" 2> "$work/err" # sloppy
    grep -q 'no_such_option' "$work/err"
    unmount
    mount -r -n -t fuse.9pfs "127.0.0.1:$exp" "$mnt" -o "port=$port"
    fails touch "$mnt/f"
    unmount
    /sbin/mount.fuse.9pfs "127.0.0.1:$exp" "$mnt" -v -o "port=$port" -t fuse.9pfs > "$work/out"
    grep -q "127.0.0.1:$exp mounted on $mnt" "$work/out"
    unmount
    # A getopt(3) that ends at the first word without a dash
    POSIXLY_CORRECT=1 timeout 60 /sbin/mount.9pfs "127.0.0.1:$exp" "$mnt" -f -n -s -o "port=$port,no_such_option=1"
    same "$(mounts)" ''
    /sbin/mount.9pfs "127.0.0.1:$exp" "$mnt" -q 2> "$work/err" || rc=$?
    same "$rc" 1
    grep -q "unknown option '-q'" "$work/err"
}
flags() { findmnt -n -o OPTIONS "$mnt" | tr , '\n' | grep -x -e ro -e rw -e noexec -e nosuid -e nodev | tr '\n' ' '; }
case_remount() {
    local rc=0
    line "port=$port,_netdev,nosuid,timeo=30"
    mount_all
    echo x > "$mnt/f"
    same "$(flags)" 'rw nosuid '
    mount -o remount,ro "$mnt" # mount(8) passes what the kernel shows
    same "$(flags)" 'ro nosuid '
    fails touch "$mnt/f" 2> "$work/err"
    grep -q 'Read-only file system' "$work/err"
    mount -T "$fstab" -o remount,rw,noexec "$mnt" # and what fstab has
    same "$(flags)" 'rw nosuid noexec '
    echo y > "$mnt/f"
    for o in port=1 timeo=31 cache=none soft aname=/x; do
        rc=0
        mount -o "remount,$o" "$mnt" 2> "$work/err" || rc=$?
        same "$rc" 32
        cat "$work/err"
        grep -q "option $o cannot change while it is mounted: unmount it and mount it again" "$work/err"
    done
    mount -o "remount,timeo=30,exec,port=$port" "$mnt" # as it was
    same "$(flags)" 'rw nosuid '
    "$P9FS" -o remount,ro "127.0.0.1:$exp" "$mnt"
    same "$(flags)" 'ro nosuid '
    mount -o remount,rw "$mnt"
    same "$(flags)" 'rw nosuid '
    unmount
    mount --bind "$exp" "$mnt"
    /sbin/mount.9pfs "127.0.0.1:$exp" "$mnt" -o remount,ro 2> "$work/err" && fail 'it should have failed'
    grep -q 'not of 9pfs' "$work/err"
    umount "$mnt"
    /sbin/mount.9pfs "127.0.0.1:$exp" "$mnt" -o remount,ro 2> "$work/err" && fail 'it should have failed'
    grep -q 'not a mount point' "$work/err"
}
case_another_namespace() { # mount -N
    unshare -m sleep 100 &
    local other=$!
    helper_pids+=" $other"
    wait_until 20 differs "$(readlink /proc/self/ns/mnt)" "$other"
    /sbin/mount.9pfs "127.0.0.1:$exp" "$mnt" -N "$other" -o "port=$port"
    same "$(mounts)" ''
    grep -q " $mnt fuse.9pfs" "/proc/$other/mounts"
    nsenter -t "$other" -m umount "$mnt"
    wait_until 20 ended
    kill "$other"
}
differs() { [ "$(readlink "/proc/$2/ns/mnt")" != "$1" ]; }
case_nofail() {
    line "port=$(free_port),nofail"
    mount_all 2> "$work/err" || true # of util-linux 2.38 it is systemd that looks at nofail
    same "$(mounts)" ''
    same "$(wc -l < "$work/err")" 1
}

# ---- a server that is not there yet -------------------------------------------

case_retry() {
    local p
    p=$(free_port)
    echo text > "$exp/file"
    mount -t 9pfs "127.0.0.1:$exp" "$mnt" -o "port=$p,retry=5" 2> "$work/err" &
    wait_until 20 grep -q 'trying again' "$work/err"
    fails is_mounted
    local mounting=$!
    start_diod "$exp" "$p"
    wait "$mounting"
    same "$(cat "$mnt/file")" text
    unmount
    stop
}
case_bg() {
    local p d
    p=$(free_port)
    echo text > "$exp/file"
    mount -t 9pfs "127.0.0.1:$exp" "$mnt" -o "port=$p,bg" 2> "$work/err"
    grep -q 'Connection refused; trying again' "$work/err"
    fails is_mounted
    d=$(daemon_of "$mnt")
    start_diod "$exp" "$p"
    wait_until 60 is_mounted
    same "$(cat "$mnt/file")" text
    same "$(daemon_of "$mnt")" "$d"
    unmount
    mount -t 9pfs "127.0.0.1:/no/such/export" "$mnt" -o "port=$p,bg" 2> "$work/err" && fail 'it should have failed'
    grep -q 'cannot attach' "$work/err"
    stop
}
case_bg_does_not_hide_a_mistake() {
    local p
    p=$(free_port)
    mount -t 9pfs "$exp" "$mnt" -o bg 2> "$work/err" && fail 'it should have failed' # waiting makes no socket of it
    grep -q "it is a directory, not a socket" "$work/err"
    mount -t 9pfs "127.0.0.1:$p" "$mnt" -o "port=$p,bg" 2> "$work/err"
    kill "$(daemon_of "$mnt")"
    same "$(wc -l < "$work/err")" 1
    grep -q "Connection refused; trying again (if $p is the port, use -o port=$p)" "$work/err"
    wait_until 20 ended
}
case_bg_with_a_command() { # which fails until the server can be reached
    echo text > "$exp/file"
    mount -t 9pfs "127.0.0.1:$exp" "$mnt" \
        -o "bg,command=test -e $work/up && exec diod -f -n -N -e $exp -r 0 -w 1" 2> "$work/err"
    cat "$work/err"
    grep -q 'exited with status 1; trying again' "$work/err"
    fails is_mounted
    : > "$work/up"
    wait_until 60 is_mounted
    same "$(cat "$mnt/file")" text
    chmod 755 "$work" "$exp"
    fails as 65534 cat "$mnt/file" # a command's server acts as one user, who lets in no others
    unmount
    rm "$work/up"
}
both_hold_the_folder() { [ "$(for p in $(daemon_of "$mnt"); do readlink "/proc/$p/fd/"*; done | grep -cx "$work")" = 2 ]; }
case_bg_twice() { # as mount -a does before the server is there: one mount
    local p
    p=$(free_port)
    mount -t 9pfs "127.0.0.1:$exp" "$mnt" -o "port=$p,bg" 2> /dev/null
    mount -t 9pfs "127.0.0.1:$exp" "$mnt" -o "port=$p,bg" 2> /dev/null
    same "$(daemon_of "$mnt" | wc -l)" 2
    exec 7< "$work"
    flock 7 # so that both are about to mount
    start_diod "$exp" "$p"
    wait_until 60 both_hold_the_folder
    same "$(mounts)" ''
    flock -u 7
    wait_until 60 is_mounted
    wait_until 60 one_daemon
    same "$(mounts)" "$mnt"
    unmount
    exec 7<&-
    stop
}
case_bg_can_be_ended() {
    mount -t 9pfs "127.0.0.1:$exp" "$mnt" -o "port=$(free_port),bg" 2> /dev/null
    kill "$(daemon_of "$mnt")"
    wait_until 20 ended
    same "$(mounts)" ''
}

start_server diod
use_helpers
run_cases
