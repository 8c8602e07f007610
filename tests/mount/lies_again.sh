#!/bin/bash
# lies_again.sh: the lies of lies.sh on the second connection of a mount: it goes on after each.
LIES_AGAIN=1 exec bash "${SRCDIR:?}/tests/mount/lies.sh"
