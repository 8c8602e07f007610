#!/bin/bash
# ganesha.sh: the mount tests on Debian's nfs-ganesha (9P2000.L).
. "${SRCDIR:?}/tests/mount/lib.sh"
. "$SRCDIR/tests/mount/posix.sh"
. "$SRCDIR/tests/mount/able.sh"
. "$SRCDIR/tests/mount/programs.sh"
# Tmknod of a character device fails with EINVAL. Setting the times of a symlink succeeds without
# effect. To set a time to now, the server passes the time of its own clock, which only the owner
# may do. Truncating an open file, and changing an open directory, are checked by path. A file that
# is neither open nor named is gone. An attribute is first set to what the server's memory happens
# to hold, which is an error unless that is by chance a valid default ACL or capability.
cannot='devices symlink-times default-acls touch ftruncate directory-files reopen-unnamed capabilities'
by_chance='default-acls capabilities'
start_server ganesha
run_cases
