#!/bin/bash
# ganesha.sh: the mount tests on Debian's nfs-ganesha (9P2000.L).
. "${SRCDIR:?}/tests/mount/lib.sh"
. "$SRCDIR/tests/mount/posix.sh"
. "$SRCDIR/tests/mount/programs.sh"
start_server ganesha
run_cases
