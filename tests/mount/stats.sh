#!/bin/bash
# stats.sh: 9pfs --stats and the trace, in front of diod and of the test server. A relay counts what
# passes.
. "${SRCDIR:?}/tests/mount/lib.sh"

stats() { "$P9FS" --stats "$@"; }
json() { stats "${2:-$mnt}" --json | jq -e "$1"; }
# holds EXPRESSION [MOUNTPOINT]: whether jq finds it true
holds() { [ "$(json "$@")" = true ]; }
# refused TEXT ARGS...: one line with that text, and status 1
refused() {
    local rc=0 text=$1; shift
    "$P9FS" "$@" > "$work/out" 2> "$work/err" || rc=$?
    same $rc 1
    same "$(wc -l < "$work/err")" 1
    same "$(cat "$work/out")" ''
    grep -qF -- "$text" "$work/err" || fail "expected '$text' in: $(cat "$work/err")"
}

freeze() {
    trap 'rc=$?; thaw; exit $rc' EXIT
    send STOP "$server_pid"
}
thaw() { kill -CONT "$server_pid"; }

# What the mount has counted, in the form of totals: requests, their replies and Rlerror
counted() {
    stats "$mnt" --json | jq -r '.messages | to_entries[] | "\(.key) \(.value.sent) \(.value.bytes_out)",
        "R\(.key[1:]) \(.value.replies - .value.errors)"' | sort
    stats "$mnt" --json | jq -r '"Rlerror \([.messages[].errors] | add)", "in \(.bytes.in)", "out \(.bytes.out)"'
}
relayed() {
    totals > "$work/relayed"
    awk '/^T/ { print; print "R" substr($1, 2), 0 }' "$work/relayed" | # each request has a line of replies
        awk 'NR == FNR { if (/^R/) n[$1] = $2; next } /^R/ { $2 = n[$1] + 0 } { print }' "$work/relayed" - | sort
    awk '$1 == "Rlerror" { e = $2 } /^R/ { i += $3 } /^T/ { o += $3 } END { print "Rlerror", e + 0; print "in", i; print "out", o }' "$work/relayed"
}
agree() { counted > "$work/counted"; relayed > "$work/as_relayed"; cmp -s "$work/counted" "$work/as_relayed"; }

load() { # some of everything
    mkdir "$mnt/d" && cp -r "$SRCDIR/src" "$mnt/d/" && ls -lR "$mnt" && grep -r session "$mnt/d" && mv "$mnt/d/src" "$mnt/e"
    cat "$mnt/no such file" || true
    dd if=/dev/zero of="$mnt/big" bs=64k count=64 && cat "$mnt/big" && rm -r "$mnt/d" "$mnt/big"
}

case_equal_to_what_passes() {
    rtt_ms=0
    start_relay
    trap 'kill "$relay_pid"' EXIT
    attach
    load > /dev/null 2>&1 &
    local pid=$! n=0
    while kill -0 $pid 2>/dev/null; do # valid while it changes
        json '.messages.Tversion.sent == 1' > /dev/null
        n=$((n + 1))
    done
    wait $pid
    [ $n -gt 3 ] || fail "only $n answers"
    wait_until 20 agree || { diff "$work/counted" "$work/as_relayed"; fail "they differ"; }
    grep -q '^Tlcreate' "$work/counted"
    wait_until 20 holds '[.messages[] | select(.sent != .replies)] == [] and .requests.in_flight == 0' # a Tclunk may be
    holds '[.messages[] | select(.p50_us > .p90_us or .p90_us > .p99_us or .p99_us > .max_us)] == []'
}

case_the_table() {
    attach
    echo text > "$mnt/f"
    cat "$mnt/f" > /dev/null
    stats "$mnt" > "$work/out"
    grep -qF "127.0.0.1:$exp at $mnt: 9P2000.L, msize " "$work/out"
    grep -q '^connection  *up for ' "$work/out"
    grep -q '^Tversion  *1  *0  *21 ' "$work/out"
    grep -q '^writes  *1  *0$' "$work/out"
    grep -Eq ' create 1( |$)' "$work/out"
}

case_hits_and_misses() {
    seq 5 > "$exp/f"
    attach attr_timeout=30,entry_timeout=30
    stat "$mnt/f" > /dev/null
    holds '.cache.lookups_asked == 1 and .cache.lookups_known == 0'
    ls -l "$mnt" > /dev/null
    fails stat "$mnt/none" 2> /dev/null # the listing shows that
    holds '.cache.lookups_absent == 1'
    holds '.cache.inodes == 2 and .cache.fids > 0 and .cache.fids < .cache.max_fids'
    holds '.cache.round_trips_saved >= 1'
}

case_read_ahead_and_dirty_bytes() {
    dd if=/dev/zero of="$exp/big" bs=1M count=8 status=none
    attach
    cat "$mnt/big" > /dev/null
    wait_until 10 holds '.readahead | .held_bytes == 0 and .used_bytes > 0 and .wasted_bytes + .used_bytes < 9000000'
    holds '.cache.reads_ahead > 0'
    exec 5> "$mnt/new"
    echo >&5 # after that nothing is asked before a write
    freeze
    printf '%1000s' x >&5 & # its end waits for the server
    local pid=$!
    wait_until 10 holds '.writebehind.dirty_bytes == 1000 and .cache.writes_behind == 2'
    thaw
    wait $pid
    exec 5>&-
    holds '.writebehind.dirty_bytes == 0'
}

case_server_frozen() {
    echo text > "$exp/f"
    attach
    freeze
    cat "$mnt/f" > "$work/got" &
    wait_until 10 holds '.requests.in_flight > 0'
    holds '.connection.state == "up"'
    wait_until 10 holds '.connection.silent_ms > 0'
    stats "$mnt" > /dev/null
    thaw
    wait $!
    same "$(cat "$work/got")" text
    wait_until 10 holds '.requests.in_flight == 0 and .connection.silent_ms == 0'
}

case_server_away() {
    serve -v L PORT "$exp"
    attach
    kill -KILL "$server_pid"
    wait "$server_pid" || true
    server_pid=$files_server
    wait_until 10 holds '.connection.state == "away"'
    stat "$mnt/f" > "$work/stat.log" 2>&1 &
    local waiting=$!
    wait_until 10 holds '.requests.waiting > 0'
    stats "$mnt" | grep -q '^connection  *away for '
    start_test_server -v L "$port" "$exp"
    wait_until 30 holds '.connection | .state == "up" and .reconnects == 1'
    wait $waiting || true
    detach
    stop
}

# Nothing but the root has it; it is not listed, and cannot be changed.
case_an_attribute_of_the_root() {
    : > "$exp/f"
    attach
    getfattr --absolute-names --only-values -n system.9pfs.stats "$mnt" | jq -e '."9pfs_stats" == 1'
    same "$(getfattr --absolute-names -d -m - "$mnt")" ''
    fails setfattr -n system.9pfs.stats -v x "$mnt" 2> "$work/err"
    grep -q 'not permitted' "$work/err"
    fails setfattr -x system.9pfs.stats "$mnt"
    fails getfattr -n system.9pfs.stats "$mnt/f"
    holds '.operations.getxattr > 0'
}

# The kernel asks for no extended attribute any more, once it was told so.
case_a_server_without_extended_attributes() {
    serve -v 0 PORT "$exp"
    attach
    holds '.dialect == "9P2000"'
    fails getfattr -n user.a "$mnt"
    holds '.dialect == "9P2000"'
    fails getfattr --absolute-names -n system.9pfs.stats "$mnt" # as told above
    same "$(getfattr --absolute-names -d -m - "$mnt" 2>/dev/null)" ''
    detach
    stop
}

case_hostile_names() {
    local name=$'a "quoted\\ \303\251\377\033 name'
    mkdir "$work/$name"
    serve -v L PORT "$work/$name"
    "$P9FS" "127.0.0.1:$work/$name" "$mnt" -o "port=$port"
    holds '.aname | endswith("a \"quoted\\ \u00e9\u00ff\u001b name")'
    stats "$mnt" > "$work/out"
    fails grep -q $'\033' "$work/out"
    detach
    stop
    rmdir "$work/$name"
}

case_what_is_no_mount() {
    attach
    mkdir "$mnt/below"
    refused "$work is not a mount point" --stats "$work"
    refused "$mnt/below is not a mount point" --stats "$mnt/below"
    refused '/proc is a mount of type proc' --stats /proc
    refused "$work/none: No such file" --stats "$work/none"
    refused 'needs a MOUNTPOINT' --stats
    refused "'--jsn'" --stats "$mnt" --jsn
    refused "'second'" --stats "$mnt" second
    refused '--watch=x' --stats "$mnt" --watch=x
    refused '--watch=0' --stats "$mnt" --watch=0
}

# A user may mount where /dev/fuse is everybody's, which it is in this namespace.
as_users() { # COMMAND of bash
    local node=$work/node
    mkdir "$node"
    unshare -m bash -c '
        set -e
        mount -t tmpfs -o dev,mode=755 none "$0"
        mknod -m 666 "$0/fuse" c 10 229
        mount --bind "$0/fuse" /dev/fuse
        . "$1"' "$node" "$work/commands"
    rmdir "$node"
}

case_mounts_of_users() {
    local program=$work/9pfs # where users come to
    local files_port=$port old_port
    cp "$P9FS" "$program"
    serve -v 0 PORT "$exp"
    old_port=$port port=$files_port
    chown 1:1 "$mnt"
    declare -f as same > "$work/commands"
    cat >> "$work/commands" <<COMMANDS
as 1 "$program" "127.0.0.1:$exp" "$mnt" -o "port=$port"
same "\$(as 1 "$program" --stats "$mnt" --json | jq .msize)" "\$("$program" --stats "$mnt" --json | jq .msize)"
"$program" --stats "$mnt" --json | jq -e '.messages.Tversion.sent == 1'
! as 2 "$program" --stats "$mnt" 2> "$work/err" || exit 1
grep -q "the mount is another user's" "$work/err"
as 1 fusermount3 -u "$mnt"
as 1 "$program" "127.0.0.1:$exp" "$mnt" -o "port=$old_port"
! as 1 getfattr -n user.a "$mnt" || exit 1 # no attributes: a list answers, which even root may not ask for
"$program" --stats "$mnt" --json | jq -e '.dialect == "9P2000"'
! as 2 "$program" --stats "$mnt" || exit 1
as 1 fusermount3 -u "$mnt"
echo done
COMMANDS
    same "$(as_users | tail -n 1)" done
    stop
    chown 0:0 "$mnt"
    rm "$program"
}

redrawn() { [ "$(grep -ao $'\033\[H' "$work/typescript" | wc -l)" -ge "$1" ]; }
case_watching_on_a_terminal() {
    attach
    script -qefc "exec '$P9FS' --stats '$mnt' --watch=0.05" "$work/typescript" < /dev/null > /dev/null &
    local pid=$!
    wait_until 20 redrawn 4
    grep -aq 'sent/s' "$work/typescript" # rates, from the second on
    wait_until 20 detach # which is busy in the moment of a question; its end is that of the watch
    fails wait $pid
    grep -aq 'not a mount point\|not connected' "$work/typescript"
}

case_watching_without_a_terminal() {
    attach
    "$P9FS" --stats "$mnt" --watch=0.02 --json 2> "$work/err" | head -n 3 > "$work/out" || true
    same "$(jq -c '.messages.Tversion.sent' "$work/out" | tr '\n' ' ')" '1 1 1 '
    "$P9FS" --stats "$mnt" --watch=0.02 2> "$work/err" | sed '/^kernel/{n;/^$/q}' > "$work/out" || true
    fails grep -q $'\033' "$work/out"
    grep -q '^message' "$work/out"
    same "$(cat "$work/err")" ''
}

# ---- the trace --------------------------------------------------------------

# Each reply has a duration, and a request with its tag before it, of its type.
check_trace() { # FILE
    awk -v time='^[0-9]+-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9][.][0-9]+ ' '
        function bad(why) { print NR ": " why ": " $0; failed = 1 }
        $0 !~ time { bad("no time"); next }
        $3 == "->" { if ($6 in asked) bad("a tag in use"); asked[$6] = $4; next }
        $3 == "<-" {
            if ($0 !~ / after [0-9]+ us$/) bad("no duration")
            if (!($6 in asked)) bad("no request")
            else if ($4 != "Rlerror" && substr($4, 2) != substr(asked[$6], 2)) bad("of another type")
            else if ($4 == "Rlerror" && $0 !~ " to " asked[$6] " after") bad("an error of another type")
            delete asked[$6]; n++; next
        }
        { bad("what is it?") }
        END { exit failed || n < 10 }' "$1"
}

case_trace_in_a_file() {
    (cd "$work" && attach trace=trace.log)
    load > /dev/null 2>&1
    same "$(stat -c %a "$work/trace.log")" 600
    detach
    wait_until 20 prints '' daemon_of "$mnt"
    check_trace "$work/trace.log"
    grep -q 'Twrite tag [0-9]* fid [0-9]* offset [0-9]* count [0-9]*$' "$work/trace.log"
    grep -q 'Rread tag [0-9]* count [0-9]* after' "$work/trace.log"
    local lines; lines=$(wc -l < "$work/trace.log")
    attach "trace=$work/trace.log" # appends
    detach
    [ "$(wc -l < "$work/trace.log")" -gt "$lines" ]
    refused 'option trace=/no/such/file: No such file' "127.0.0.1:$exp" "$mnt" -o "port=$port,trace=/no/such/file"
}

case_trace_of_another_connection() {
    start_cutter
    echo text > "$exp/f"
    attach "trace=$work/trace.log"
    tell fin reply 1 > /dev/null
    same "$(cat "$mnt/f")" text
    detach
    grep -q ' -- connection lost: ' "$work/trace.log"
    grep -q ' -- another connection$' "$work/trace.log"
    grep -q -- '-> Twalk .* (sent again)$' "$work/trace.log"
}

case_a_full_disk_loses_the_trace_alone() {
    attach trace=/dev/full
    load > /dev/null 2>&1
    detach
    "$P9FS" -f "127.0.0.1:$exp" "$mnt" -o "port=$port,trace=/dev/full" 2> "$work/err" &
    wait_until 10 mountpoint -q "$mnt"
    ls -l "$mnt" > /dev/null
    detach
    wait $!
    same "$(grep -c 'cannot write the trace' "$work/err")" 1
}

in_foreground() { # OPTIONS; its stderr is in $work/err
    "$P9FS" -f "127.0.0.1:$exp" "$mnt" -o "port=$port,$1" 2> "$work/err" &
    wait_until 10 mountpoint -q "$mnt"
    stat "$mnt" > /dev/null
    detach
    wait $!
}
case_levels_and_masks() {
    in_foreground loglevel=info
    grep -q '^9pfs: mounted ' "$work/err"
    in_foreground loglevel=error
    same "$(cat "$work/err")" ''
    in_foreground debug=0x1
    fails grep -q Tversion "$work/err"
    in_foreground debug=260,loglevel=error
    grep -q '^9pfs: .* -> Tversion ' "$work/err"
    fails grep -q mounted "$work/err"
    refused 'loglevel=loud: expected error, warning, notice, info or debug' "127.0.0.1:$exp" "$mnt" -o "port=$port,loglevel=loud"
    refused 'debug=yes: expected 0 to 65535' "127.0.0.1:$exp" "$mnt" -o "port=$port,debug=yes"
}

start_server diod
run_cases
