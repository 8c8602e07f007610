# posix.sh: the cases for every server: system calls and ordinary programs. A script for each server
# sources this after lib.sh, and able.sh after this.

open_to_all() { chmod "$(able modes && echo 1777 || echo 777)" "$@"; }

# calls CHECK: a check of the program calls, in an empty directory of the mount
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
