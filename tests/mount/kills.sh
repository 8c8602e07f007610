#!/bin/bash
# kills.sh: the server is killed and started again under programs, which all go on and succeed.
#
# KILLS=N: how often it is killed under all of them at once; the pause before a kill is random.
. "${SRCDIR:?}/tests/mount/lib.sh"

if [ -n "${SANITIZED:-}" ]; then # slow enough
    : "${KILLS:=2}" "${CASES:=a_write a_lock an_untar sqlite all_at_once few_at_once_on_9p2000_u}"
fi
: "${KILLS:=3}" "${AWAY:=3}" # seconds between a kill and the next start

# Each case has a server of its own.
begin_server() {
    port=$(free_port)
    "start_$kind" "$exp" "$port"
    wait_until 60 listening "$port"
}
# The server ends at once, and is back after AWAY seconds.
kill_server() {
    kill -KILL "$server_pid"
    wait "$server_pid" 2>/dev/null || true
    sleep "$AWAY"
    "start_$kind" "$exp" "$port"
    wait_until 60 listening "$port"
}

# ---- programs: NAME_begin prepares, NAME runs, NAME_end checks ------------------

write_begin() { head -c "$((${WRITE_MIB:-256} * 1048576))" /dev/urandom > "$work/data"; }
write() { dd if="$work/data" of="$mnt/data" bs=1M conv=fsync status=none; }
write_end() { cmp "$work/data" "$exp/data"; }

untar_begin() {
    rm -rf "$work/tree"
    mkdir "$work/tree"
    (cd "$work/tree" && for d in $(seq 20); do mkdir "$d"; for f in $(seq 100); do echo "$d $f" > "$d/$f"; done; done)
    tar cf "$work/tree.tar" -C "$work" tree
}
untar() { tar xf "$work/tree.tar" -C "$mnt"; }
untar_end() { diff -r "$work/tree" "$mnt/tree" && diff -r "$work/tree" "$exp/tree"; }

clone_begin() {
    rm -rf "$work/repo"
    git init -q "$work/repo"
    (
        cd "$work/repo" || exit 1
        cp -r "$SRCDIR/src" "$SRCDIR/tests" .
        git add -A
        git -c user.name=n -c user.email=e commit -qm all
    )
}
clone() { git clone -q "file://$work/repo" "$mnt/clone"; }
clone_end() { git -C "$mnt/clone" fsck --strict 2>&1 && diff -r "$work/repo/src" "$mnt/clone/src"; }

readers_begin() { for i in 1 2 3 4 5 6 7 8; do head -c 20000000 /dev/urandom > "$exp/r$i"; done; }
readers() {
    local i pids=''
    for i in 1 2 3 4 5 6 7 8; do (for n in 1 2 3; do cmp "$mnt/r$i" "$exp/r$i" || exit 1; done) & pids+=" $!"; done
    for i in $pids; do wait "$i" || return 1; done
}
readers_end() { :; }

find_all_begin() {
    mkdir "$exp/many"
    (cd "$exp/many" && for d in $(seq 10); do mkdir "$d"; (cd "$d" && seq 1000 | xargs touch); done)
    find "$exp/many" -printf '%P\n' | sort > "$work/many"
}
find_all() {
    local n
    for n in 1 2 3; do
        find "$mnt/many" -printf '%P\n' | sort > "$work/found" && cmp "$work/many" "$work/found" || return 1
    done
}
find_all_end() { :; }

sqlite_begin() { sqlite3 "$mnt/db" 'create table t(writer, i);'; }
sqlite() {
    local w i pids=''
    for w in 1 2; do
        for i in $(seq 30); do printf '.timeout 60000\ninsert into t values(%s, %s);\n' $w $i; done | sqlite3 "$mnt/db" & pids+=" $!"
    done
    for i in $pids; do wait "$i" || return 1; done
}
sqlite_end() { same "$(sqlite3 "$mnt/db" 'select count(*), sum(i) from t; pragma integrity_check')" "$(printf '60|930\nok')"; }

# The holder of a lock, and one who waits for it.
lock_begin() { : > "$mnt/lock"; }
lock() {
    (
        exec 9<> "$mnt/lock"
        flock -x 9
        for i in $(seq "${LOCK_TURNS:-5}"); do echo "$i" >&9; sleep 1; done
        exec 9>&-
    ) &
    local holder=$!
    wait_until 60 fails_quietly flock -n "$mnt/lock" true || true
    flock -x "$mnt/lock" wc -l "$mnt/lock" > "$work/seen" || return 1
    wait "$holder"
}
fails_quietly() { ! "$@"; }
lock_end() { same "$(cut -d' ' -f1 "$work/seen")" "${LOCK_TURNS:-5}"; }

build_begin() {
    mkdir "$exp/build"
    for i in $(seq 20); do printf '#include <stdio.h>\nint f%s(void) { return printf("%s");}\n' "$i" "$i" > "$exp/build/f$i.c"; done
    printf 'o = $(patsubst %%.c,%%.o,$(sort $(wildcard f*.c)))\nlib.a: $(o)\n\tar cr $@ $(o)\n' > "$exp/build/Makefile"
}
build() { make -s -j2 -C "$mnt/build" lib.a; }
build_end() { same "$(ar t "$exp/build/lib.a" | wc -l)" 20; }

# ---- one at a time ---------------------------------------------------------------

# under PROGRAM: kills the server once while it runs
under() {
    local pid
    begin_server
    attach
    "$1_begin"
    "$1" &
    pid=$!
    sleep 0.5
    kill_server
    wait "$pid" || fail "$1 failed"
    "$1_end" || fail "$1: what it left is wrong"
    detach
}
case_a_write() { under write; }
case_a_build() { under build; }
case_a_clone() { under clone; }
case_a_find() { under find_all; }
case_a_lock() { under lock; }
case_an_untar() { under untar; }
case_readers() { under readers; }
case_sqlite() { under sqlite; }

postgres() { setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/tmp PGHOST="$work/run" "$@"; }
case_postgres() {
    local bin pid; bin=$(echo /usr/lib/postgresql/*/bin)
    begin_server
    attach allow_other
    mkdir -p "$mnt/db" "$work/run"
    chown postgres:postgres "$mnt/db" "$work/run"
    cd /
    postgres "$bin/initdb" -D "$mnt/db" > /dev/null
    (exec setpriv --reuid=postgres --regid=postgres --init-groups "$bin/postgres" -D "$mnt/db" \
        -c listen_addresses= -k "$work/run") >> "$work/run/log" 2>&1 &
    postmaster=$!
    trap 'kill -INT $postmaster; wait $postmaster; kill $server_pid' EXIT
    wait_until 120 postgres "$bin/pg_isready" -q
    postgres "$bin/createdb" bench
    postgres "$bin/pgbench" -q -i -s 1 bench 2>&1 | tail -n 1
    postgres "$bin/pgbench" -n -c 4 -T 10 bench > "$work/run/out" &
    pid=$!
    sleep 2
    kill_server
    wait "$pid" || fail 'pgbench failed'
    grep -q 'number of failed transactions: 0 ' "$work/run/out"
    same "$(postgres psql -qAt bench -c "select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history)")" t
    trap 'kill $server_pid' EXIT
    kill -INT $postmaster
    wait $postmaster || true
    rm -rf "$work/run"
    detach
}

# ---- all at once ------------------------------------------------------------------

all() { # PROGRAM...
    local p i pids=()
    begin_server
    attach
    for p; do "${p}_begin"; done
    for p; do
        (
            for i in $(seq "$KILLS"); do # as long as the server is killed
                "$p" || exit 1
                if [ "$i" = "$KILLS" ] || [ -e "$work/enough" ]; then break; fi
                clear_of "$p"
            done
        ) > "$work/$p.log" 2>&1 &
        pids+=($!)
    done
    for i in $(seq "$KILLS"); do
        sleep "$((RANDOM % 2)).$((RANDOM % 10))"
        kill_server
    done
    : > "$work/enough"
    i=0
    for p; do
        wait "${pids[i]}" || fail "$p failed: $(tail -n 5 "$work/$p.log")"
        i=$((i + 1))
    done
    for p; do "${p}_end" || fail "$p: what it left is wrong"; done
    rm "$work/enough"
    detach
}
# Removes what the program made, so that it can run again.
clear_of() {
    case $1 in
    write) rm "$mnt/data" ;;
    untar) rm -r "$mnt/tree" ;;
    clone) rm -rf "$mnt/clone" ;;
    build) rm "$mnt/build/lib.a" "$mnt"/build/*.o ;;
    sqlite) sqlite3 "$mnt/db" 'delete from t;' ;;
    esac
}
case_all_at_once() { WRITE_MIB=64 LOCK_TURNS=3 all write untar clone readers find_all sqlite lock build; }
few_at_once() { # KIND PROGRAM...
    local kind=$1; shift
    KILLS=2 WRITE_MIB=32 all "$@"
}
case_few_at_once_on_ganesha() { few_at_once ganesha write untar readers lock build; }
case_few_at_once_on_9p2000_l() { few_at_once test_l write untar clone find_all sqlite build; }
case_few_at_once_on_9p2000_u() { few_at_once test_u write untar clone find_all build; }
case_few_at_once_on_9p2000() { few_at_once test_old write untar readers find_all build; }

need_fuse
kind=diod
run_cases
