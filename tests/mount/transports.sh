#!/bin/bash
# transports.sh: a command as the connection, by ssh as well, a unix socket, and vsock.
. "${SRCDIR:?}/tests/mount/lib.sh"

diod_here="diod -f -n -N -e $exp -r 0 -w 1 -L stderr"
mounted() { grep -q " $mnt " /proc/self/mounts; }
gone() { ! kill -0 "$1" 2> /dev/null; }
escaped() { sed 's/[\\,]/\\&/g' <<< "$1"; }
# by COMMAND [OPTIONS]: mounts the export
by() { "$P9FS" "here:$exp" "$mnt" -o "command=$(escaped "$1")${2:+,$2}"; }
# children_of PID: their numbers, and those of theirs
children_of() {
    local p
    for p in $(cat "/proc/$1/task"/*/children 2> /dev/null); do echo "$p"; children_of "$p"; done
}
# command_of NAME: the process of that name which the mount's command is, or has started
command_of() {
    local p
    for p in $(children_of "$(daemon_of "$mnt")"); do
        [ "$(cat "/proc/$p/comm" 2> /dev/null)" != "$1" ] || echo "$p"
    done | tail -n 1
}
# The next mount is then the only one there.
end_mount() {
    umount "$mnt"
    wait_until 20 prints '' daemon_of "$mnt"
}
use_mount() {
    echo x > "$mnt/f"
    same "$(cat "$exp/f")" x
    rm "$mnt/f"
}

# ---- a command ----------------------------------------------------------------------

case_diod_as_a_command() {
    : > "$exp/file"
    by "$diod_here"
    same "$(ls "$mnt")" file
    same "$(findmnt -no SOURCE "$mnt")" "here:$exp"
    use_mount
    local diod; diod=$(command_of diod)
    end_mount
    wait_until 20 gone "$diod"
    wait_until 20 prints '' daemon_of "$mnt"
}

case_words_and_a_shell() {
    mkdir -p "$work/a dir"
    cp "$(command -v diod)" "$work/a dir/my diod"
    local quoted="'$work/a dir/my diod' -f -n -N -e \"$exp\" -r 0 -w 1 -L stderr"
    by "$quoted"
    use_mount
    same "$(readlink "/proc/$(command_of 'my diod')/exe")" "$work/a dir/my diod"
    end_mount
    by "x=1; $quoted"
    use_mount
    end_mount
    rm -r "$work/a dir"
}

case_wrong_commands() {
    refused "cannot run command 'no-such-command -x': No such file or directory" by 'no-such-command -x'
    refused "command 'sh -c 'exit 7'' exited with status 7" by "sh -c 'exit 7'"
    refused "exited with status 1: it does not work" by 'echo it does not work >&2; exit 1'
    refused "was killed by signal 9" by 'kill -9 $$'
    refused "exited with status 0" by true
    refused "the server does not speak 9P" by 'echo Welcome to this machine; sleep 100'
    refused "not closed" by "sh -c 'exit"
    refused "option command= needs a value: command=COMMAND" by ''
    refused "option command=: expected a command" by ' '
    refused "option trans=tcp" by true trans=tcp
    refused "rfdno=" by true rfdno=0
}

case_started_again() { # and what it says is in the log
    : > "$exp/file"
    "$P9FS" -f "here:$exp" "$mnt" -o "command=echo of the command >&2; exec $(escaped "$diod_here")" 2> "$work/err" &
    local p9fs=$!
    wait_until 20 mounted
    local i diod
    for i in 1 2 3; do
        diod=$(command_of diod)
        kill -KILL "$diod" # it takes no notice of SIGTERM
        wait_until 20 gone "$diod"
        same "$(ls "$mnt")" file
    done
    umount "$mnt"
    wait "$p9fs"
    cat "$work/err"
    wait_until 20 grep -q '^9pfs: command: of the command' "$work/err"
    grep -q "lost: command '.*' was killed by signal 9" "$work/err"
}

case_it_may_take_as_long_as_the_first_time() { # to connect
    local diod
    by "echo started >> $work/starts; [ \$(wc -l < $work/starts) != 2 ] || sleep 11; exec $diod_here"
    diod=$(command_of diod)
    kill -KILL "$diod"
    wait_until 20 gone "$diod"
    use_mount
    same "$(wc -l < "$work/starts")" 2
    end_mount
    rm "$work/starts"
}

case_nothing_stays_when_9pfs_is_killed() { # not even a command that does not end with its input
    by "trap '' HUP TERM; $diod_here; sleep 1000"
    local pid diod shell
    pid=$(daemon_of "$mnt")
    diod=$(command_of diod)
    shell=$(command_of sh)
    kill -KILL "$pid"
    wait_until 20 gone "$diod"
    wait_until 20 gone "$shell"
    umount -l "$mnt"
}

case_the_interrupt_key_does_not_reach_it() { # of a terminal in which 9pfs is in the foreground: it unmounts in order
    # The tests may run in the background of a shell, which ignores the signal.
    env --default-signal=INT "$P9FS" "here:$exp" "$mnt" -o "command=$(escaped "$diod_here")"
    local pid diod
    pid=$(daemon_of "$mnt")
    diod=$(command_of diod)
    [ "$(cut -d" " -f5 "/proc/$diod/stat")" -eq "$diod" ] || fail "it is in another's process group"
    echo data > "$mnt/f"
    kill -INT "$pid"
    wait_until 20 gone "$pid"
    same "$(cat "$exp/f")" data
    wait_until 20 gone "$diod"
}

case_a_terminal_for_a_password() { # it can be asked for, and is given back
    command -v script > /dev/null || return 0
    cat > "$work/ask" <<ASK
#!/bin/bash
printf 'Password: ' > /dev/tty
read -r word < /dev/tty
[ "\$word" = sesame ] || { echo "wrong word" >&2; exit 5; }
exec $diod_here
ASK
    cat > "$work/session" <<SESSION
"$P9FS" "here:$exp" "$mnt" -o "command=$work/ask"
echo "status \$?"
read -r line
echo "read \$line"
SESSION
    chmod +x "$work/ask"
    mkfifo "$work/keys"
    script -qec "bash $work/session" /dev/null < "$work/keys" > "$work/screen" 2>&1 &
    local terminal=$!
    exec 7> "$work/keys"
    wait_until 20 grep -q Password: "$work/screen"
    echo sesame >&7
    wait_until 20 grep -q 'status 0' "$work/screen"
    use_mount
    echo again >&7
    wait_until 20 grep -q 'read again' "$work/screen"
    exec 7>&-
    wait "$terminal"
    use_mount # after the terminal is gone
    end_mount
    rm "$work/keys"
}

case_root_gives_up_its_privileges() { # the command has them, the first time as later
    by "echo CapEff \$(sed -n s/^CapEff:[[:space:]]*//p /proc/self/status) >> $work/caps; exec $diod_here"
    local pid diod
    pid=$(daemon_of "$mnt")
    same "$(sed -n 's/^CapEff:[[:space:]]*//p' "/proc/$pid/status")" 0000000000000000
    same "$(sed -n 's/^NoNewPrivs:[[:space:]]*//p' "/proc/$pid/status")" 1
    diod=$(command_of diod)
    kill -KILL "$diod" # it takes no notice of SIGTERM
    wait_until 20 gone "$diod"
    use_mount
    end_mount
    same "$(wc -l < "$work/caps")" 2
    same "$(sort -u "$work/caps")" "CapEff $(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)"
    rm "$work/caps"
}

# ---- ssh ------------------------------------------------------------------------------

ssh_port=
start_sshd() {
    ssh_port=$(free_port)
    mkdir -p "$work/ssh"
    chmod 700 "$work/ssh"
    rm -f "$work/ssh"/*
    local key
    for key in host key other; do ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/$key"; done
    cp "$work/ssh/key.pub" "$work/ssh/authorized"
    cat > "$work/ssh/config" <<CONFIG
ListenAddress 127.0.0.1:$ssh_port
HostKey $work/ssh/host
AuthorizedKeysFile $work/ssh/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
CONFIG
    [ -d /run/sshd ] || mkdir -p /run/sshd
    /usr/sbin/sshd -D -e -f "$work/ssh/config" 2> "$work/ssh/log" &
    sshd=$!
    trap 'kill $sshd; wait $sshd || true' EXIT
    wait_until 20 listening "$ssh_port"
}
# ssh_with KEY: the command
ssh_with() {
    echo "ssh -F none -p $ssh_port -i $work/ssh/$1 -o IdentitiesOnly=yes -o BatchMode=yes" \
        "-o UserKnownHostsFile=$work/ssh/known -o StrictHostKeyChecking=accept-new -o LogLevel=ERROR 127.0.0.1"
}

case_through_ssh() {
    start_sshd
    by "$(ssh_with key) $diod_here"
    use_mount
    local ssh; ssh=$(command_of ssh)
    end_mount
    wait_until 20 gone "$ssh"
    refused "exited with status 255: root@127.0.0.1: Permission denied" by "$(ssh_with other) $diod_here"
    refused "exited with status 127" by "$(ssh_with key) no-such-server"
}

case_ssh_killed_under_load() {
    start_sshd
    mkdir "$work/tree"
    local i ssh kills=0 rsync
    for i in $(seq 150); do head -c $((i * 1500)) /dev/urandom > "$work/tree/f$i"; done
    by "$(ssh_with key) $diod_here"
    rsync -r --bwlimit=5m "$work/tree/" "$mnt/copy/" &
    rsync=$!
    for i in 20 60 100 140; do # once so many files are there
        while kill -0 $rsync 2> /dev/null && [ "$(find "$exp/copy" -name 'f*' | wc -l)" -lt "$i" ]; do sleep 0.02; done
        ssh=$(command_of ssh)
        [ -z "$ssh" ] || { kill -KILL "$ssh" && kills=$((kills + 1)); }
    done 2> /dev/null
    wait $rsync
    [ $kills -ge 2 ] || fail "ssh was killed $kills times"
    diff -r "$work/tree" "$mnt/copy"
    end_mount
    diff -r "$work/tree" "$exp/copy"
    rm -r "$work/tree"
}

# ---- a unix socket --------------------------------------------------------------------

# The background is in another directory.
case_a_relative_path_of_a_socket() {
    local turn
    cd "$work"
    echo text > "$exp/file"
    for turn in first second; do
        diod_at "$exp" "$work/sock" 2> /dev/null &
        server_of_socket=$!
        helper_pids+=" $server_of_socket"
        wait_until 20 listens_at "$work/sock"
        [ $turn = second ] || "$P9FS" ./sock "$mnt" -o "aname=$exp,cache=none,soft,timeo=20"
        same "$(cat "$mnt/file")" text
        kill "$server_of_socket"
        wait "$server_of_socket" || true
        rm -f sock
    done
    umount -l "$mnt"
}

# ---- vsock ----------------------------------------------------------------------------

# Whether there is a loopback
has_vsock() { "$P9FS" vsock:local:1 "$mnt" 2>&1 | grep -q 'nothing listens'; }

case_vsock() {
    command -v socat > /dev/null || fail "there is no socat"
    if ! has_vsock; then
        echo "*** there is no vsock loopback here: vsock IS NOT TESTED ***"
        refused "vsock CID 1 port 1" "$P9FS" vsock:local:1 "$mnt"
        return
    fi
    socat "VSOCK-LISTEN:$port,fork" "TCP:127.0.0.1:$port" &
    relay_pid=$!
    trap 'kill $relay_pid' EXIT
    wait_until 20 vsock_listens
    local source
    for source in "vsock:local:$port:$exp" "vsock:1:$port:$exp"; do
        "$P9FS" "$source" "$mnt"
        use_mount
        same "$(findmnt -no SOURCE "$mnt")" "$source"
        end_mount
    done
    "$P9FS" "local:$exp" "$mnt" -o "trans=vsock,port=$port"
    head -c 3000000 /dev/urandom > "$work/big"
    cp "$work/big" "$mnt/big"
    cmp "$work/big" "$mnt/big"
    kill $relay_pid # the connections end; the mount waits for the next listener
    wait $relay_pid || true
    socat "VSOCK-LISTEN:$port,fork" "TCP:127.0.0.1:$port" &
    relay_pid=$!
    wait_until 20 vsock_listens
    use_mount
    end_mount
    refused "nothing listens on this port" "$P9FS" vsock:local:1 "$mnt"
    refused "no such machine" "$P9FS" vsock:77:1 "$mnt"
}
vsock_listens() { socat -u OPEN:/dev/null "VSOCK-CONNECT:1:$port" 2> /dev/null; }

start_server diod
run_cases
