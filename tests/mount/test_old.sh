#!/bin/bash
# test_old.sh: the mount tests on the test server, which speaks 9P2000.
. "${SRCDIR:?}/tests/mount/lib.sh"
. "$SRCDIR/tests/mount/posix.sh"
. "$SRCDIR/tests/mount/able.sh"
cannot='devices special symlinks links nlink modes owners nanoseconds symlink-times touch directory-files
    rename-across default-acls xattrs locks space long-paths reopen-unnamed capabilities'
start_server test_old
run_cases
