#!/bin/bash
# command.sh: how 9pfs starts and ends: descriptors, the waiting parent, little memory, messages.
. "${SRCDIR:?}/tests/mount/lib.sh"

gone() { ! kill -0 "$1" 2>/dev/null; }
is_mounted() { mountpoint -q "$mnt"; }
not_mounted() { ! is_mounted; }
is_sanitized() { grep -q '__[at]san_init' "$P9FS"; }

# ---- status 0: the mount works ----------------------------------------------

case_server_ends_before_the_mount() {
    local rule
    for rule in 'Twalk close' 'Twalk silent' 'Twalk cut=5' 'Tgetattr close' 'Tattach close'; do
        serve -f "$rule" PORT "$exp"
        refused "" attach
        stop
    done
}
case_every_failure_is_reported() { # also when the waiting parent begins to wait late
    local i
    for i in $(seq 30); do refused "Connection refused" "$P9FS" 127.0.0.1:/ "$mnt" -o port=1; done
}
case_a_failed_command_is_reported_once() {
    serve -a sesame PORT "$exp"
    refused "" attach "auth=exit 3"
    grep -q "as root: Permission denied (the authentication command ended with status 3)" "$work/err"
    stop
}
case_other_loops() { # one thread, and libfuse's own loop, with a descriptor for each thread
    local option
    : > "$exp/file"
    for option in -s -oclone_fd; do
        "$P9FS" $option "127.0.0.1:$exp" "$mnt" -o "port=$port"
        same "$(ls "$mnt")" file
        echo x > "$mnt/new"
        same "$(cat "$exp/new")" x
        rm "$mnt/new"
        umount "$mnt"
        "$P9FS" -f $option "127.0.0.1:$exp" "$mnt" -o "port=$port" 2> /dev/null &
        wait_until 20 is_mounted
        kill -TERM $!
        wait $! || fail "it ended with status $?"
        not_mounted
    done
}
case_server_ends_while_a_command_writes() { # one line reports it
    serve -a sesame -f 'Tread close' PORT "$exp"
    refused "" attach "auth=cat > /dev/null"
    stop
}

# ---- descriptors ------------------------------------------------------------

case_closed_descriptors() {
    : > "$exp/file"
    local rc=0
    timeout 20 "$P9FS" "127.0.0.1:$exp" "$mnt" -o "port=$port" <&- >&- 2>&- || rc=$?
    same "$rc" 0
    same "$(ls "$mnt")" file
    umount "$mnt"
    timeout 20 "$P9FS" "127.0.0.1:$exp" "$mnt" -o "port=$port" 2>&- || rc=$?
    same "$(ls "$mnt")" file
    umount "$mnt"
    timeout 20 "$P9FS" "127.0.0.1:$exp" "$mnt/nowhere" -o "port=$port" <&- >&- 2>&- || rc=$?
    same "$rc" 1
}
case_inherited_descriptors_are_closed() {
    exec 9> "$work/lock"
    flock -n 9
    attach
    exec 9>&-
    flock -n "$work/lock" true || fail "the lock is still held"
    umount "$mnt"
    exec 9> "$work/lock"
    flock -n 9
    "$P9FS" -f "127.0.0.1:$exp" "$mnt" -o "port=$port" 2> /dev/null &
    wait_until 20 is_mounted
    exec 9>&-
    fails flock -n "$work/lock" true # in the foreground, 9pfs inherits descriptors
    umount "$mnt"
    wait $!
}
# A command that prints its open descriptors and blocked signals to $LIST, and then the secret
see_descriptors='l=; for i in 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ ! -e /proc/$$/fd/$i ] || l="$l $i"; done
    echo "$l" $(sed -n "s/^SigBlk:[^0]*//p" /proc/self/status) > $LIST; printf sesame'
case_a_command_gets_no_descriptors() {
    serve -a sesame PORT "$exp"
    exec 7<> "/dev/tcp/127.0.0.1/$port" 9> "$work/lock"
    LIST=$work/list "$P9FS" x "$mnt" -o "rfdno=7,wfdno=7,aname=$exp,auth=$see_descriptors,allow_other,access=user"
    exec 7>&- 9>&-
    same "$(cat "$work/list")" ' 0000000000000000'
    rm "$work/list"
    chmod 777 "$work"
    setpriv --reuid 12345 --clear-groups ls "$mnt" > "$work/out"
    same "$(cat "$work/list")" ' 0000000000000000'
    umount "$mnt"
    rm "$work/list"
    chmod 755 "$work"
    stop
}
case_without_proc() { # in a chroot, or early in the boot
    ! is_sanitized || return 0 # the sanitizer needs /proc
    same "$(unshare -m sh -c 'umount -l /proc && exec "$0" -V' "$P9FS" | sed -n '1s/ .*//p')" 9pfs
    unshare -m sh -c 'umount -l /proc && exec "$0" 127.0.0.1:/none "$1" -o "port=$2"' "$P9FS" "$mnt" "$port" 2> "$work/err" && fail "no error"
    grep -q "cannot attach to '/none'" "$work/err"
}
case_few_descriptors() { # one clear line, or a mount that works, and ends
    ! is_sanitized || return 0 # the sanitizer opens some
    local n rc works=
    : > "$exp/file"
    for n in 4 5 6 7 8 9 10; do
        : > "$work/err"
        (only_three; ulimit -n $n; exec "$P9FS" -f "127.0.0.1:$exp" "$mnt" -o "port=$port") 2> "$work/err" &
        rc=0
        wait_until 20 test -s "$work/err" # the dialect, or the error
        if grep -q '^9pfs: mounted ' "$work/err"; then
            same "$(ls "$mnt")" file
            umount "$mnt"
            wait $! || rc=$?
            same "$rc" 0
            works=y
        else
            wait $! || rc=$?
            same "$rc" 1
            same "$(grep -c '^9pfs: .*Too many open files$' "$work/err")" 1
        fi
        same "$(grep -c . "$work/err")" 1
        rc=0
        (only_three; ulimit -n $n; exec "$P9FS" "127.0.0.1:$exp" "$mnt" -o "port=$port") 2> "$work/err" || rc=$?
        if [ $rc = 0 ]; then
            same "$(ls "$mnt")" file
            umount "$mnt"
        else
            same "$rc" 1
            same "$(grep -c '^9pfs: .*Too many open files$' "$work/err")" 1
        fi
    done
    same "$works" y
}
case_a_descriptor_of_mount_fuse3() { # which mounts, and passes the descriptor of /dev/fuse
    command -v mount.fuse3 > /dev/null || return 0
    : > "$exp/file"
    mount.fuse3 "$P9FS#127.0.0.1:$exp" "$mnt" -o "port=$port,drop_privileges"
    same "$(ls "$mnt")" file
    umount "$mnt"
}

# ---- the parent -------------------------------------------------------------

# Mounts in the background; the authentication command waits until $work/go exists. Sets parent and
# child.
start_slowly() {
    rm -f "$work/go" "$work/asked"
    attach "auth=: > $work/asked; until [ -e $work/go ]; do sleep 0.1; done; printf sesame" &
    parent=$!
    wait_until 20 test -e "$work/asked"
    parent=$(pgrep -P $parent -f "$mnt" || echo $parent)
    child=$(pgrep -P "$parent")
    same "$(wc -w <<< "$child")" 1
}
case_killed_while_it_mounts() {
    serve -a sesame PORT "$exp"
    start_slowly
    kill -KILL "$parent"
    wait_until 20 gone "$child"
    : > "$work/go"
    not_mounted
    stop
}
case_killed_while_the_child_ignores_signals() { # the child notices at the end that the parent is gone
    serve -a sesame PORT "$exp"
    trap '' TERM
    start_slowly
    trap - TERM
    kill -KILL "$parent"
    gone "$child" && fail "it should have ignored the signal"
    : > "$work/go"
    wait_until 20 gone "$child"
    not_mounted
    stop
}

# ---- memory -----------------------------------------------------------------

case_no_memory_for_requests() { # a mount stays, and recovers
    ! is_sanitized || return 0 # the sanitizer has a malloc of its own
    local i readers=
    serve -f "Tlopen silent when=$work/hang" PORT "$exp"
    for i in 1 2 3 4 5 6; do echo x > "$exp/$i"; done
    : > "$work/nomem"
    NOMEM=$work/nomem LD_PRELOAD=$TOOLS/nomem.so refused "" timeout 30 "$P9FS" "127.0.0.1:$exp" "$mnt" -o "port=$port"
    rm "$work/nomem"
    NOMEM=$work/nomem LD_PRELOAD=$TOOLS/nomem.so attach
    same "$(cat "$mnt/1")" x
    : > "$work/nomem"
    : > "$work/hang"
    for i in 1 2 3 4 5 6; do cat "$mnt/$i" 2> /dev/null & readers+=" $!"; done
    wait_until 20 eval '! timeout 5 stat -f "$mnt" > /dev/null 2>&1' # no thread is left to answer
    rm "$work/nomem" "$work/hang"
    is_mounted
    same "$(timeout 20 ls "$mnt" | tr '\n' ' ')" '1 2 3 4 5 6 '
    kill -KILL $readers 2> /dev/null || true
    umount -l "$mnt"
    stop
}

# ---- messages ---------------------------------------------------------------

case_text_from_the_server_is_escaped() {
    local esc=$'\e[31m'
    serve -v u -f "Tattach error=0 text=${esc}no" PORT "$exp"
    fails attach 2> "$work/err"
    cat -v "$work/err"
    fails grep -q $'\e' "$work/err"
    grep -qF '\x1b[31mno' "$work/err"
    stop
    serve -v u PORT "$exp"
    : > "$exp/$esc"
    "$P9FS" -d "127.0.0.1:$exp" "$mnt" -o "port=$port" 2> "$work/err" &
    wait_until 20 is_mounted
    ls "$mnt" > /dev/null
    cat "$mnt/$esc"
    umount "$mnt"
    wait $!
    fails grep -q $'\e' "$work/err"
    grep -qF '\x1b[31m' "$work/err"
    stop
}
case_a_socket_without_a_slash() {
    mkdir "$work/ns"
    : > "$exp/file"
    diod_at "$exp" "$work/ns/ram" 2> "$work/diod.log" &
    trap "kill $!" EXIT
    wait_until 20 listens_at "$work/ns/ram"
    (cd "$work" && "$P9FS" ns/ram mnt -o "aname=$exp")
    same "$(ls "$mnt")" file
    umount "$mnt"
    (cd "$work/ns" && "$P9FS" ram ../mnt -o "aname=$exp")
    same "$(ls "$mnt")" file
    umount "$mnt"
    rm -r "$work/ns"
}

start_server diod
server=
run_cases
