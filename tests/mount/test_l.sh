#!/bin/bash
# test_l.sh: the mount tests on the test server, which speaks 9P2000.L.
. "${SRCDIR:?}/tests/mount/lib.sh"
. "$SRCDIR/tests/mount/posix.sh"
. "$SRCDIR/tests/mount/able.sh"
cannot='directory-files'
start_server test_l
run_cases
