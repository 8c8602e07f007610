# helpers.sh: a mount namespace in which mount(8) finds the 9pfs under test as the helper of its types.
#
# A script calls in_own_namespace before anything else, and use_helpers after lib.sh.

in_own_namespace() { # "$@" of the script
    [ -n "${OWN_NAMESPACE:-}" ] || OWN_NAMESPACE=1 exec unshare -m --propagation private bash "$0" "$@"
}

# A tmpfs covers the directory of helpers, with links to all that was there.
use_helpers() {
    local dir f
    dir=$(readlink -f /sbin)
    helpers_over=$dir
    helpers=$(mktemp -d /tmp/9pfs-sbin.XXXXXX)
    trap 'umount -l "$helpers_over" "$helpers"; rmdir "$helpers"; clean_up' EXIT
    mount --bind "$dir" "$helpers"
    mount -t tmpfs helpers "$dir"
    for f in "$helpers"/*; do ln -s "$f" "$dir/"; done
    ln -sfn "$P9FS" "$dir/mount.9pfs"
    ln -sfn "$P9FS" "$dir/mount.fuse.9pfs"
}
