#!/bin/bash
# run.sh: runs each of TARGETS for SECONDS_EACH, from its seeds in CORPUS. New inputs go to a temporary folder,
# which stays if one of them is a finding.
set -u
found=$(mktemp -d /tmp/9pfs-fuzz.XXXXXX)
passed=0 failed=0
for target in $TARGETS; do
    name=${target##*/}
    mkdir "$found/$name"
    if "$target" -max_total_time="$SECONDS_EACH" -timeout=10 -rss_limit_mb=2048 -len_control=0 -max_len=4096 -verbosity=0 \
        -artifact_prefix="$found/$name-" "$found/$name" "$CORPUS/$name" > "$found/$name.log" 2>&1; then
        echo "PASS: $name"
        passed=$((passed + 1))
    else
        tail -n 60 "$found/$name.log"
        echo "FAIL: $name: see $found/$name-*"
        failed=$((failed + 1))
    fi
done
[ "$failed" -gt 0 ] || rm -rf "$found"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
