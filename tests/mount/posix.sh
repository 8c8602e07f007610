# posix.sh: what ordinary programs and system calls find on a mount. Sourced, after lib.sh, by a file for each server.

open_to_all() { chmod "$(able modes && echo 1777 || echo 777)" "$@"; }
as() { local uid=$1; shift; setpriv --reuid="$uid" --regid="$uid" --clear-groups "$@"; }

# One check of calls.c in an empty directory of the mount
calls() {
    attach
    mkdir "$mnt/empty"
    "$TOOLS/calls" "$1" "$mnt/empty"
    rmdir "$mnt/empty"
}

. "$SRCDIR/tests/mount/posix_access.sh"
. "$SRCDIR/tests/mount/posix_files.sh"
. "$SRCDIR/tests/mount/posix_names.sh"
. "$SRCDIR/tests/mount/posix_open.sh"
. "$SRCDIR/tests/mount/posix_xattrs.sh"
. "$SRCDIR/tests/mount/posix_locks.sh"
. "$SRCDIR/tests/mount/posix_programs.sh"
