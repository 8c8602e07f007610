#!/bin/bash
# privileges.sh: what root's mount can still do once it serves, and what it never does: pass what a
# server or a path says to a shell.
. "${SRCDIR:?}/tests/mount/lib.sh"

# The bits of capabilities, from <linux/capability.h>
dac_override=$((1 << 1)) dac_read_search=$((1 << 2)) kill=$((1 << 5)) sys_admin=$((1 << 21)) sys_ptrace=$((1 << 19))

# has FIELD VALUE: in the status of each thread of the mount
has() {
    local t
    for t in "/proc/$(daemon_of "$mnt")/task"/*; do
        same "$1 $(sed -n "s/^$1:[[:space:]]*//p" "$t/status")" "$1 $2"
    done
}
hex() { printf %016x "$1"; }
# holds_soon CHECK ARGS...: a thread that has not run yet still has what the one that made it had
holds_soon() { wait_until 10 quietly "$@" || "$@"; }
quietly() { ("$@") > /dev/null 2>&1; }
# keeps AT_MOST: of root's capabilities; the threads that do not serve may have less
keeps() { holds_soon keeps_now "$1"; }
keeps_now() {
    local t set pid=$(daemon_of "$mnt")
    same "$(sed -n 's/^CapEff:[[:space:]]*//p' "/proc/$pid/status")" "$(hex "$1")"
    for t in "/proc/$pid/task"/*; do
        for set in CapEff CapPrm; do
            same "$((0x$(sed -n "s/^$set:[[:space:]]*//p" "$t/status") & ~$1))" 0
        done
    done
    has CapInh "$(hex 0)"
    has CapAmb "$(hex 0)"
}
# cannot_gain_more_than SET: whatever it executes
cannot_gain_more_than() { holds_soon cannot_gain "$1"; }
cannot_gain() {
    local t
    has NoNewPrivs 1
    for t in "/proc/$(daemon_of "$mnt")/task"/*; do
        same "$((0x$(sed -n 's/^CapBnd:[[:space:]]*//p' "$t/status") & ~$1))" 0
    done
}
use_mount() {
    echo x > "$mnt/f"
    same "$(cat "$mnt/f")" x
    same "$(ls "$mnt")" f
    rm "$mnt/f"
}
# Ends the mount as SIGTERM does, whose directory only the other process can still unmount.
ends_by_a_signal() {
    local pid=$(daemon_of "$mnt") unmounter
    unmounter=$(unmounter_of "$pid")
    kill "$pid"
    wait_until 20 test ! -e "/proc/$pid"
    fails mountpoint -q "$mnt"
    wait_until 20 test ! -e "/proc/$unmounter"
}
# The next mount is then the only one there
end_mount() {
    umount "$mnt"
    wait_until 20 prints '' daemon_of "$mnt"
}
unmounter_of() { # PID
    local p
    for p in $(cat "/proc/$1/task"/*/children); do
        [ "$(cat "/proc/$p/comm")" != 9pfs-unmount ] || echo "$p"
    done
}

case_no_capability_stays() {
    serve PORT "$exp"
    attach allow_other
    keeps 0
    cannot_gain_more_than 0
    use_mount
    ends_by_a_signal
    attach
    local unmounter; unmounter=$(unmounter_of "$(daemon_of "$mnt")")
    end_mount
    wait_until 20 test ! -e "/proc/$unmounter"
    stop
}

can_only_unmount() { # PID
    same "$(ls "/proc/$1/fd")" 0
    same "$(sed -n 's/^CapPrm:[[:space:]]*//p' "/proc/$1/status")" "$(hex $((sys_admin | dac_read_search)))"
    same "$(sed -n 's/^NoNewPrivs:[[:space:]]*//p' "/proc/$1/status")" 1
}
case_the_process_that_unmounts() { # has no descriptor but its pipe, and no more capabilities than it needs
    serve PORT "$exp"
    attach
    local p; p=$(unmounter_of "$(daemon_of "$mnt")")
    holds_soon can_only_unmount "$p"
    kill -TERM "$p" # a service manager ends all processes of a service
    ends_by_a_signal
    # what is mounted there after an umount is not this mount
    attach
    umount "$mnt"
    mount -t tmpfs none "$mnt"
    wait_until 20 test ! -e "/proc/$p"
    wait_until 20 prints '' daemon_of "$mnt"
    mountpoint -q "$mnt"
    umount "$mnt"
    stop
}

case_below_a_directory_of_another_user() {
    serve PORT "$exp"
    install -d -o 12345 -m 700 "$work/home"
    install -d -o 12345 "$work/home/mnt"
    (
        mnt=$work/home/mnt
        attach
        use_mount
        ends_by_a_signal
    )
    rm -r "$work/home"
    stop
}

case_descriptors_of_other_users() { # are looked for where close(2) clunks
    serve -v u PORT "$exp"
    attach
    keeps $((sys_ptrace | dac_read_search))
    cannot_gain_more_than $((sys_ptrace | dac_read_search))
    use_mount
    end_mount
    stop
    serve -v u PORT # synthetic files
    attach allow_other
    chmod 711 "$work"
    # Two processes of another user have the file: the first close is not the last.
    as 12345 bash -ec 'exec 5> "$1/commit"; echo x >&5; (exec 5>&-); echo y >&5' bash "$mnt" ||
        fail "the first close clunked the file"
    chmod 755 "$work"
    end_mount
    stop
}

case_another_users_socket() {
    rm -rf "${work:?}/ns"
    install -d -o 12345 -m 700 "$work/ns"
    diod_at "$exp" "$work/ns/s" 2> "$work/diod.log" &
    trap "kill $!" EXIT
    wait_until 20 listens_at "$work/ns/s"
    "$P9FS" "$work/ns/s" "$mnt" -o "aname=$exp"
    keeps $dac_override
    cannot_gain_more_than $dac_override
    use_mount
    end_mount
    chown -R 0 "$work/ns"
    "$P9FS" "$work/ns/s" "$mnt" -o "aname=$exp"
    keeps 0
    end_mount
    rm -r "$work/ns"
}

case_a_port_that_only_root_may_use() { # and takes again when the connection is lost
    serve -v L PORT "$exp"
    attach privport
    keeps $((1 << 10))
    use_mount
    kill "$server_pid"
    wait "$server_pid" 2> /dev/null || true
    start_test_server -v L "$port" "$exp"
    wait_until 20 listening "$port"
    use_mount
    # local address, remote address, state 01: established
    awk -v p=":$(printf %04X "$port")$" '$3 ~ p && $4 == "01" { sub(/.*:/, "", $2); print $2 }' /proc/net/tcp > "$work/ports"
    cat "$work/ports"
    [ "$((0x$(cat "$work/ports")))" -lt 1024 ]
    end_mount
    stop
}
case_two_mounts_from_such_ports() { # of one server
    serve -v L PORT "$exp"
    attach_twice privport
    use_mount
    echo x > "$work/mnt2/f"
    same "$(cat "$exp/f")" x
    umount "$work/mnt2"
    rm "$exp/f"
    end_mount
    stop
}
case_processes_that_proc_hides() {
    serve PORT "$exp"
    unshare -m sh -c 'mount -t proc -o hidepid=2 proc /proc && exec "$@"' sh \
        "$P9FS" -f "127.0.0.1:$exp" "$mnt" -o "port=$port" 2> "$work/messages" &
    local pid=$!
    wait_until 20 grep -q '^9pfs: mounted' "$work/messages"
    same "$(sed -n 's/^CapEff:[[:space:]]*//p' "/proc/$pid/status")" "$(hex $sys_ptrace)"
    kill "$pid"
    wait "$pid"
    stop
}

case_an_authentication_command_is_executed_as_ever() { # with all that root's programs have
    serve -a sesame PORT "$exp"
    attach "auth=cat /proc/self/status > $work/status; printf sesame,allow_other,access=user"
    keeps $kill
    has NoNewPrivs 0
    same "$(sed -n '/^Max core file size/s/[[:space:]]*bytes//p' "/proc/$(daemon_of "$mnt")/limits" | tr -s ' ')" \
        'Max core file size 0 0 '
    local before; before=$(sed -n '/^Cap[EPB]/p' "$work/status")
    same "$before" "$(sed -n '/^Cap[EPB]/p' /proc/self/status)"
    rm "$work/status"
    chmod 777 "$work"
    as 12345 ls "$mnt" # attaches, by a thread that serves
    chmod 755 "$work"
    same "$(sed -n '/^Cap[EPB]/p' "$work/status")" "$before"
    ends_by_a_signal
    rm "$work/status"
    stop
}

case_a_user_has_nothing_to_give_up() { # fusermount3 mounts and unmounts, which gains privileges
    command -v fusermount3 > /dev/null && as 1 sh -c ': <> /dev/fuse && test -x "$0"' "$P9FS" 2> /dev/null || return 0
    serve PORT "$exp"
    chown 1 "$mnt"
    as 1 "$P9FS" "127.0.0.1:$exp" "$mnt" -o "port=$port"
    has NoNewPrivs 0
    same "$(unmounter_of "$(daemon_of "$mnt")")" ''
    as 1 fusermount3 -u "$mnt"
    chown 0 "$mnt"
    stop
}

case_no_shell_sees_what_others_wrote() { # neither a server's bytes nor the names of users and exports
    local text="\$(touch $work/made) \`touch $work/made\`; touch $work/made; '\" & touch $work/made"
    cat > "$work/command" <<'CMD'
#!/bin/sh
read -r line
echo "$P9_UNAME|$P9_ANAME|$line" > "$SAYS"
printf sesame
CMD
    chmod 755 "$work/command"
    serve -a sesame -f "Tattach error=1" PORT "$exp"
    SAYS=$work/says "$P9FS" 127.0.0.1 "$mnt" -o "port=$port,uname=$text,aname=$text,auth=$work/command" 2> "$work/err" || true
    same "$(cat "$work/says")" "$text|$text|say the secret"
    [ ! -e "$work/made" ] || fail "a shell has executed it"
    stop
    serve -a sesame -c "$text"$'\n' PORT "$exp"
    SAYS=$work/says attach "auth=$work/command"
    same "$(cat "$work/says")" "root|$exp|$text"
    : > "$mnt/x; touch $(basename "$work")"
    ls -l "$mnt" > "$work/out"
    [ ! -e "$work/made" ] || fail "a shell has executed it"
    end_mount
    rm "$work/says" "$work/command"
    stop
}

need_fuse
run_cases
