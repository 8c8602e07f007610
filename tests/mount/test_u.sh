#!/bin/bash
# test_u.sh: the mount tests on the test server, which speaks 9P2000.u.
. "${SRCDIR:?}/tests/mount/lib.sh"
. "$SRCDIR/tests/mount/posix.sh"
. "$SRCDIR/tests/mount/able.sh"
cannot='nlink nanoseconds touch directory-files rename-across default-acls xattrs locks space long-paths
    reopen-unnamed capabilities'
start_server test_u
run_cases
