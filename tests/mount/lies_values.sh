#!/bin/bash
# lies_values.sh: valid replies whose contents cannot be true.
. "${SRCDIR:?}/tests/mount/lib.sh"
. "$SRCDIR/tests/mount/liar.sh"

# u32 N, u64 N: its bytes, for text=
u32() { local n=$1 i; for i in 1 2 3 4; do printf '%%%02x' $((n & 255)); n=$((n >> 8)); done; }
u64() { local n=$1 i; for i in 1 2 3 4 5 6 7 8; do printf '%%%02x' $((n & 255)); n=$((n >> 8)); done; }
# says TYPE ACTION COMMAND...: the command while each reply to TYPE says that. Its status is in $rc
says() {
    local type=$1 action=$2; shift 2
    echo "$type $action: $*"
    serve -m 200000 -f "$type when=$switch $action" PORT "$exp"
    believe
    on
    rc=0
    bounded "$@" || rc=$?
}
# What says began, where all but that still works
and_works() {
    restore
    works
    end_mount
    stop
}
error() { grep -q "$1" "$work/err" || fail "no error '$1' but: $(cat "$work/err" "$work/out")"; }

case_an_msize_that_cannot_be() {
    local msize
    for msize in 0 1 23 4095 2147483648 4294967295; do
        serve -f "Tversion patch=7 text=$(u32 "$msize")" PORT "$exp"
        believe
        fails is_mounted
        rc=0
        wait "$daemon" || rc=$?
        daemon=''
        same "$rc" 1
        same "$(wc -l < "$work/messages")" 1
        grep -q '^9pfs: cannot mount .* msize' "$work/messages"
        stop
    done
}
case_a_version_that_nobody_asked_for() {
    local version
    for version in 9P3000 9P2001 unknow %00%00%00%00%00%00; do # and what follows it: .L, .u, or nothing
        serve -f "Tversion patch=13 text=$version" PORT "$exp"
        believe
        fails is_mounted
        wait "$daemon" && fail "it should have failed"
        daemon=''
        same "$(wc -l < "$work/messages")" 1
        stop
    done
}

case_more_qids_than_names() {
    local n
    make_export
    for n in qids=16 qids=2 'patch=7 text=%11%00' 'patch=7 text=%ff%ff'; do
        says Twalk "$n" stat "$mnt/d/f"
        same "$rc" 1
        error 'Protocol error'
        and_works
    done
}

case_a_root_that_is_a_file() {
    make_export
    serve -f "Tattach patch=7 text=%00" -f "Tgetattr patch=28 text=$(u32 $((0100644)))" PORT "$exp"
    believe
    fails is_mounted
    wait "$daemon" && fail "it should have failed"
    daemon=''
    grep -q 'Not a directory' "$work/messages"
    stop
}

# The type in the qid of Rwalk, Rgetattr, Rlopen and Rlcreate; the mode in Rgetattr
case_types_that_differ() {
    local type
    make_export
    for type in %80 %02 %04 %40 %ff; do
        for lie in Twalk=9 Tgetattr=15 Tlopen=7 Tlcreate=7; do
            says "${lie%=*}" "patch=${lie#*=} text=$type" cat "$mnt/d/f"
            bounded ls -l "$mnt/d" || true
            bounded dd if=/dev/null of="$mnt/made" status=none || true
            and_works
        done
    done
}
case_a_mode_that_changes() { # a file becomes a directory and all that, while it is open
    local mode
    make_export
    for mode in 0040755 0120777 0010644 0060644 0000644 0177777 037777777777; do
        says Tgetattr "patch=28 text=$(u32 $((mode)))" cat "$mnt/d/f"
        bounded ls -l "$mnt/d" || true
        off
        exec 9< "$mnt/d/f"
        on
        bounded stat -L /proc/self/fd/9 || true
        bounded cat <&9 || true
        exec 9<&-
        and_works
    done
}
case_a_qid_that_changes() { # each time another file: Rwalk, Rgetattr, Rlopen
    local lie
    make_export
    for lie in Twalk=14 Tgetattr=20 Tlopen=12; do
        says "${lie%=*}" "patch=${lie#*=} text=$(u64 77)" cat "$mnt/d/f"
        bounded ls -l "$mnt/d" || true
        bounded cat "$mnt/d/g" || true
        and_works
    done
}
case_attributes_that_cannot_be() {
    local lie
    make_export
    # links, device, size, block size, blocks, times
    for lie in 40 48 56 64 72 80 88 96 104 112 120; do
        says Tgetattr "patch=$lie text=$(u64 -1)" stat "$mnt/d/f"
        bounded cat "$mnt/d/f" || true
        bounded ls -l "$mnt/d" || true
        bounded dd of="$mnt/d/g" conv=notrunc,fsync status=none <<< y || true
        and_works
    done
    says Tgetattr "patch=56 text=$(u64 0x7fffffffffffffff)" dd if="$mnt/d/f" bs=1M count=1 status=none
    same "$(cat "$work/out")" content
    and_works
    says Tgetattr "patch=56 text=$(u64 0x7fffffffffffffff)" bash -c 'echo y >> "$1/d/g"' bash "$mnt"
    and_works
    says Tgetattr "patch=7 text=$(u64 0)" ls -l "$mnt/d" # nothing is valid
    and_works
}

case_extended_attributes_of_any_size() {
    local size
    make_export
    for size in 0 1 4 6 65536 65537 0x7fffffff 0xffffffff 0x7fffffffffffffff -1; do
        says Txattrwalk "patch=7 text=$(u64 "$size")" getfattr --absolute-names --only-values -n user.a "$mnt/d/f"
        [ $rc != 0 ] || [ "$(wc -c < "$work/out")" -le 5 ] || fail "$size bytes: $(cat "$work/out")"
        bounded getfattr --absolute-names -d "$mnt/d/f" || true
        and_works
    done
}
case_other_replies_that_cannot_be() {
    local lie
    make_export
    for lie in 'Tlock 7 %07' 'Tlock 7 %ff' 'Tgetlock 7 %09' "Tgetlock 8 $(u64 -1)$(u64 -1)" \
        "Tstatfs 11 $(u32 0)" "Tstatfs 11 $(u32 -1)" "Tstatfs 15 $(u64 -1)$(u64 -1)$(u64 -1)" "Tstatfs 63 $(u32 -1)" \
        "Tlopen 20 $(u32 -1)" "Tlcreate 20 $(u32 -1)" "Twrite 7 $(u32 -1)" "Twrite 7 $(u32 0)" \
        'Treadlink 7 %00%00' 'Treadlink 7 %ff%ff' 'Treadlink 9 %00' 'Tread 7 %ff%ff%ff%ff' 'Tread 7 %00%00%00%00' \
        'Treaddir 7 %ff%ff%ff%ff'; do
        set -- $lie
        echo "$lie"
        serve -f "$1 when=$switch patch=$2 text=$3" PORT "$exp"
        believe
        on
        provoke "$1" || true
        restore
        works
        end_mount
        stop
    done
}
case_more_data_than_asked() {
    make_export
    local type
    for type in Tread Treaddir Twrite; do
        serve -f "$type when=$switch more=1" PORT "$exp"
        believe
        on
        provoke $type || true
        restore
        works
        end_mount
        stop
    done
    says Tread more=1 cat "$mnt/d/f"
    same "$rc" 1
    error 'Protocol error'
    and_works
    says Treaddir fill ls "$mnt/d"
    same "$(tr '\n' ' ' < "$work/out")" 'f g l '
    and_works
}

need_fuse
run_cases
