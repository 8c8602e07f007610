#!/bin/bash
# lies_values_again.sh: the lies of lies_values.sh on the second connection of a mount.
LIES_AGAIN=1 exec bash "${SRCDIR:?}/tests/mount/lies_values.sh"
