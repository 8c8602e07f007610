# programs.sh: demanding programs on a mount. Sourced after lib.sh by the script for a server.
# HEAVY_SECONDS is the running time of each program that takes one.

: "${HEAVY_SECONDS:=10}"

run_dbench() { cd "$1" && dbench -t "$HEAVY_SECONDS" -c /usr/share/dbench/client.txt 8; }
run_stress_ng() {
    cd "$1" && stress-ng --temp-path "$1" --timeout "$HEAVY_SECONDS" --verify --hdd 2 --hdd-bytes 32m --dentry 2 --dentries 256 \
        --rename 2 --link 2 --symlink 2 --flock 2 --lockf 2 --fcntl 2 --dir 2 --dir-dirs 256 --chmod 2 --utime 2 \
        --mmap 2 --mmap-file --mmap-bytes 16m
}
run_bonnie() { bonnie++ -d "$1" -u root -s 64 -r 32 -n 2 -q -f; } # -f: not byte by byte
run_fio() {
    local engine
    for engine in psync 'psync --direct=1' mmap; do
        # shellcheck disable=SC2086 # an engine and its option
        fio --name=v --directory="$1" --numjobs=4 --thread --rw=randrw --bsrange=4k-1m --size=16m --verify=crc32c \
            --do_verify=1 --ioengine=$engine || return 1
        find "$1" -mindepth 1 -delete
    done
}

case_heavy_programs_in_parallel() {
    attach
    local p pids=() failed=''
    for p in dbench stress_ng bonnie fio; do
        mkdir "$mnt/$p"
        (trap - EXIT; "run_$p" "$mnt/$p") > "$work/$p.out" 2>&1 &
        pids+=($!)
    done
    for p in dbench stress_ng bonnie fio; do
        wait "${pids[0]}" || failed+=" $p"
        pids=("${pids[@]:1}")
    done
    [ -z "$failed" ] || { for p in $failed; do tail -n 15 "$work/$p.out"; done; fail "failed:$failed"; }
    rm "$work"/*.out
}

case_sqlite_two_writers() {
    attach
    local mode
    for mode in wal delete; do
        sqlite3 "$mnt/$mode.db" "pragma journal_mode = $mode; create table t(writer, i);" > /dev/null
        for writer in 1 2; do
            for i in $(seq 40); do
                echo ".timeout 60000"
                echo "insert into t values($writer, $i);"
            done | sqlite3 "$mnt/$mode.db" &
        done
        wait
        same "$(sqlite3 "$mnt/$mode.db" 'select count(*), sum(i) from t; pragma integrity_check')" "$(printf '80|1640\nok')"
    done
}

case_ping_pong() { # one client opens the file that the other has closed
    attach_twice
    local i a=$mnt b=$work/mnt2 c
    local rounds=1000; [ -z "${SANITIZED:-}" ] || rounds=200
    for i in $(seq $rounds); do
        head -c $((i * 37 % 9000)) /dev/zero | tr '\0' "$((i % 10))" > "$a/f"
        echo "end $i" >> "$a/f"
        same "$(tail -n 1 "$b/f" | tr -d '0-9' ; stat -c %s "$b/f")" "$(printf 'end \n%s' "$(stat -c %s "$exp/f")")"
        cmp "$b/f" "$exp/f"
        echo "$i" > "$b/new"
        mv "$b/new" "$b/g"
        same "$(cat "$a/g")" "$i"
        rm "$a/g"
        ! cat "$b/g" 2>/dev/null || fail "round $i: a removed file was opened"
        c=$a a=$b b=$c
    done
    detach_second
}

case_build_gives_the_same_objects() {
    attach
    mkdir "$work/disk"
    (cd "$SRCDIR" && tar c src include) | tee >(tar x -C "$work/disk") | tar x -C "$mnt"
    local d
    for d in "$work/disk" "$mnt"; do
        (cd "$d" && printf '%s\n' src/wire/*.c src/session/*.c src/client/*.c |
            xargs -P4 -I{} gcc -D_GNU_SOURCE -O2 -Iinclude -Isrc -c {} -o {}.o)
    done
    for o in "$work"/disk/src/*/*.o; do cmp "$o" "$mnt/${o#"$work/disk/"}"; done
    rm -rf "$work/disk"
}

postgres() { setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/tmp PGHOST="$work/run" "$@"; }

is_in() { readlink /proc/[0-9]*/cwd | grep -qxF "$1"; } # a process is in this folder
case_postgres() {
    local bin; bin=$(echo /usr/lib/postgresql/*/bin)
    attach allow_other
    mkdir -p "$mnt/db" "$work/run"
    chown postgres:postgres "$mnt/db" "$work/run"
    cd /
    postgres "$bin/initdb" -D "$mnt/db" > /dev/null
    start() { # as a child of this shell, which waits for its end after the kill
        (exec setpriv --reuid=postgres --regid=postgres --init-groups "$bin/postgres" -D "$mnt/db" \
            -c listen_addresses= -k "$work/run") >> "$work/run/log" 2>&1 &
        postmaster=$!
        wait_until 120 postgres "$bin/pg_isready" -q || { cat "$work/run/log"; exit 1; }
    }
    start
    trap 'kill -INT $postmaster; wait $postmaster' EXIT
    postgres "$bin/createdb" bench
    postgres "$bin/pgbench" -q -i -s "${PG_SCALE:-2}" bench 2>&1 | tail -n 1
    postgres "$bin/pgbench" -n -c 4 -T "$HEAVY_SECONDS" bench > "$work/run/out"
    grep -q 'number of failed transactions: 0 ' "$work/run/out"
    postgres "$bin/pgbench" -n -c 4 -T 60 bench > /dev/null 2>&1 &
    sleep 3
    kill -KILL $postmaster
    wait || true # for the server and pgbench
    wait_until 60 eval '! is_in "$mnt/db"' # its own children end
    start
    # The balances of pgbench agree, and every index matches its table.
    same "$(postgres psql -qAt bench -c "select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history),
        (select sum(bbalance) from pgbench_branches) = (select sum(tbalance) from pgbench_tellers)")" 't|t'
    postgres psql -q bench -c 'create extension amcheck' -c "select count(bt_index_check(c.oid, true)) from pg_class c
        join pg_am a on a.oid = c.relam where a.amname = 'btree' and c.relkind = 'i' and c.relpersistence = 'p'" > /dev/null
    trap - EXIT
    kill -INT $postmaster
    wait $postmaster
    rm -rf "$work/run"
}
