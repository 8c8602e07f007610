#!/bin/bash
# test_old.sh: the mount tests on the test server, which speaks 9P2000.
. "${SRCDIR:?}/tests/mount/lib.sh"
. "$SRCDIR/tests/mount/posix.sh"
cannot=''
start_server test_old
run_cases
