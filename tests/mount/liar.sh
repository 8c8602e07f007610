# liar.sh: what lies*.sh share: the mount of a server that lies, and what it has to bear that for.
# Sourced after lib.sh.
#
# The end of the connection is that of the mount; with LIES_AGAIN=1 each mount has lost its connection
# once before the lie, and goes on after it. LIES_OPTIONS are more options for each mount. A lie begins when `on` is called, and a case decides
# what still works then; but no program waits for ever, errors are such as a program can expect, and
# the mount ends with status 0, with all its processes, once it is unmounted.

switch=$work/lying
on() { : > "$switch${1:+.$1}"; }
off() { rm -f "$switch"*; }
daemon='' victims='' cutter_pid=''
: "${LIES_AGAIN:=}"
[ -n "$LIES_AGAIN" ] || base_options=noreconnect

# All requests of 9P2000.L that a mount makes, but for those that end one
requests='Twalk Tgetattr Tlopen Tread Treaddir Tlcreate Twrite Tclunk Tsetattr Tmkdir Tmknod Tsymlink Treadlink
    Tlink Trenameat Tunlinkat Tstatfs Tfsync Txattrwalk Txattrcreate Tlock Tgetlock'

if [ -n "$LIES_AGAIN" ]; then # some of them
    requests="Twalk Tlcreate"
    [ -n "${SANITIZED:-}" ] || requests+=" Tgetattr Tlopen Treaddir Twrite Trenameat Tlock"
fi

make_export() {
    off # an earlier case may have failed
    mkdir "$exp/d"
    echo content > "$exp/d/f"
    echo other > "$exp/d/g"
    ln -s f "$exp/d/l"
    setfattr -n user.a -v value "$exp/d/f"
}

end_case() {
    local p
    for p in $victims $daemon $cutter_pid; do kill -KILL "$p" 2> /dev/null || true; done
    [ "$server_pid" = "$files_server" ] || kill "$server_pid"
}
# believe [OPTIONS]: mounts what the server of `serve` says; its messages are in $work/messages
believe() {
    trap end_case EXIT
    if [ -n "$LIES_AGAIN" ]; then
        [ -z "$cutter_pid" ] || kill "$cutter_pid"
        start_cutter
    fi
    : > "$work/messages" # those of the mount before
    "$P9FS" -f "127.0.0.1:$exp" "$mnt" \
        -o "port=$port,attr_timeout=0,entry_timeout=0${base_options:+,$base_options}${1:+,$1}${LIES_OPTIONS:+,$LIES_OPTIONS}" 2> "$work/messages" &
    daemon=$!
    wait_until 30 has_begun
    if [ -n "$LIES_AGAIN" ] && is_mounted; then
        tell fin request 1 > /dev/null
        wait_until 30 has_lost_one
    fi
}
has_lost_one() {
    ls "$mnt" > /dev/null 2>&1 || true
    grep -q 'connected to .* again' "$work/messages"
}
is_mounted() { grep -q '^9pfs: mounted' "$work/messages"; } # a stat of it may fail
has_begun() { is_mounted || ! kill -0 "$daemon" 2> /dev/null; }
# Unmounts. The daemon ends with STATUS, or 0
end_mount() {
    local rc=0
    off
    umount "$mnt"
    wait "$daemon" || rc=$?
    daemon=''
    grep -v '^9pfs: mounted' "$work/messages" || true
    same "$rc" "${1:-0}"
}

# bounded COMMAND...: its status; what it prints is in $work/out and $work/err. It ends, and its
# errors are among those that a lie may cause
bounded() {
    local rc=0
    timeout -k 1 60 "$@" > "$work/out" 2> "$work/err" || rc=$?
    { [ $rc != 124 ] && [ $rc != 137 ]; } || fail "no end of: $*"
    if grep -Ev "$expected" "$work/err"; then fail "an unexpected error of: $*"; fi
    return $rc
}
expected='Protocol error|Input/output error|No such file or directory|Not a directory|Is a directory|Stale file handle|'
expected+='Connection reset by peer|Operation not supported|Permission denied|Value too large|Argument list too long|'
expected+='File exists|Too many levels of symbolic links|Invalid argument|No locks available|Numerical result|'
expected+='File too large|No data available|No such attribute|Directory not empty|failed to close|error writing|closing file|^$'

# provoke TYPE: has the kernel ask for something that takes this request
provoke() {
    local rc=0
    case $1 in
    Twalk | Tgetattr) bounded stat "$mnt/d/f" || rc=$? ;;
    Tlopen | Tread | Tclunk) bounded cat "$mnt/d/f" || rc=$? ;;
    Treaddir) bounded ls "$mnt/d" || rc=$? ;;
    Tlcreate) bounded dd if=/dev/null of="$mnt/made" status=none || rc=$? ;;
    Twrite | Tfsync) bounded dd of="$mnt/d/g" conv=fsync status=none <<< y || rc=$? ;;
    Tsetattr) bounded chmod 600 "$mnt/d/f" || rc=$? ;;
    Tmkdir) bounded mkdir "$mnt/made.d" || rc=$? ;;
    Tmknod) bounded mkfifo "$mnt/made.p" || rc=$? ;;
    Tsymlink) bounded ln -s x "$mnt/made.l" || rc=$? ;;
    Treadlink) bounded readlink -v "$mnt/d/l" || rc=$? ;;
    Tlink) bounded ln "$mnt/d/f" "$mnt/made.h" || rc=$? ;;
    Trenameat) bounded mv -fT "$mnt/d/g" "$mnt/d/l" || rc=$? ;;
    Tunlinkat) bounded rm -f "$mnt/d/l" || rc=$? ;;
    Tstatfs) bounded stat -f "$mnt" || rc=$? ;;
    Txattrwalk) bounded getfattr --absolute-names --only-values -n user.a "$mnt/d/f" || rc=$? ;;
    Txattrcreate) bounded setfattr -n user.b -v value "$mnt/d/f" || rc=$? ;;
    Tlock) bounded "$TOOLS/locker" "$mnt/d/f" wr:0:1 un:0:1 || rc=$? ;;
    Tgetlock) bounded "$TOOLS/locker" "$mnt/d/f" get:0:1 || rc=$? ;;
    *) fail "no command sends $1" ;;
    esac
    return $rc
}
# What lies may have made in the export, as make_export left it
restore() {
    rm -rf "$exp"/made* "$exp/d"
    make_export
}
# After the lie: the connection is still there, and what the server says now is what programs see,
# once nothing is cached any more
works() {
    off
    wait_until 60 sees_the_truth || { cat "$work/truth"; fail "the mount does not show what the server has"; }
    timeout 60 bash -ec 'echo new > "$1/new"; rm "$1/new"' bash "$mnt"
}
sees_the_truth() {
    ls "$mnt/d" "$mnt/d/l" > "$work/truth" 2>&1 && [ "$(tr '\n' ' ' < "$work/truth")" = "$mnt/d/l  $mnt/d: f g l " ] &&
        [ "$(cat "$mnt/d/f" "$mnt/d/g" 2>&1 | tr '\n' ' ')" = 'content other ' ]
}
# After the lie: the connection has ended, and all that is asked for says so at once, or goes on
is_cut() {
    if [ -n "$LIES_AGAIN" ]; then
        restore
        works
        grep -q "^9pfs: connection to .* lost: $1" "$work/messages" || fail "no such reason in the log: $1"
        return
    fi
    off
    bounded stat "$mnt/d/f" && fail "the connection should have ended"
    bounded ls "$mnt/d" && fail "the connection should have ended"
    grep -q "^9pfs: connection lost: $1" "$work/messages" || fail "no such reason in the log: $1"
}
