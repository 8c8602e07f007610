#!/bin/bash
# ganesha.sh: the mount tests on Debian's nfs-ganesha (9P2000.L).
. "${SRCDIR:?}/tests/mount/lib.sh"
. "$SRCDIR/tests/mount/posix.sh"
. "$SRCDIR/tests/mount/able.sh"
. "$SRCDIR/tests/mount/programs.sh"
# Tmknod of a character device is EINVAL, times of symlinks are set, it says, and are not; default
# ACLs are EINVAL; times of now are set by a clock of its own, which only the owner may; truncating by a file's
# descriptor, and changing a directory by one, are judged by the path; a file that is neither open nor named is gone;
# an attribute is set to zeros first, which is no capability.
cannot='devices symlink-times default-acls touch ftruncate directory-files reopen-unnamed capabilities'
start_server ganesha
run_cases
