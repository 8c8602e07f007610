#!/bin/bash
# wrong.sh: wrong command lines: each is one clear line that names what is wrong, status 1, and no mount.
. "${SRCDIR:?}/tests/mount/lib.sh"

# says TEXT ARGS...: 9pfs ARGS prints one line that has TEXT
says() { refused "$1" timeout 60 "$P9FS" "${@:2}"; }
# option_says TEXT OPTION
option_says() { says "$1" "127.0.0.1:$exp" "$mnt" -o "port=$port,$2"; }

case_names_of_options() {
    option_says "unknown option 'prot=5': did you mean 'port=PORT'?" prot=5
    option_says "unknown option 'cahce=none': did you mean 'cache=MODE'?" cahce=none
    option_says "unknown option 'allow-other': did you mean 'allow_other'?" allow-other
    option_says "unknown option 'no_such_thing' (see 9pfs --help)" no_such_thing
    says "unknown option '--port=5': did you mean '-o port=PORT'?" h:/x "$mnt" --port=5
    says "unknown option '-x'" h:/x "$mnt" -x
    says "unknown option '-p': use -o port=PORT" h:/x "$mnt" -p 5640
    option_says "unknown option 'uid=1000': files have the owners that the server says" uid=1000
    says "unknown option '--json': only with --stats" "$mnt" --json
}
case_values_of_options() {
    option_says 'option msize=64k: expected 4096 to 67108864 bytes' msize=64k
    option_says 'option msize=1: expected 4096' msize=1
    option_says 'option msize=99999999999999999999: expected' msize=99999999999999999999
    option_says 'option max_threads=1: expected 2 to 4096' max_threads=1
    option_says 'option timeo=1min: expected seconds, 0 to 1000000' timeo=1min
    option_says 'option attr_timeout=-1: expected seconds' attr_timeout=-1
    option_says 'timeo=0: soft needs more than 0 seconds' soft,timeo=0
    option_says 'option version=9P3000: expected 9P2000.L, 9P2000.u or 9P2000' version=9P3000
    option_says 'option cache=lose: expected none, cto or loose' cache=lose
    option_says 'option access=joe: expected user, client, any or a user ID' access=joe
    option_says "option trans=virtio: only the kernel's client has it" trans=virtio
    option_says 'option trans=udp: expected' trans=udp
    option_says 'option dfltuid=joe: expected 0 to' dfltuid=joe
    option_says 'option locktimeout=0: expected 1' locktimeout=0
    option_says 'option retry=soon: expected 0 to 1000000 minutes' retry=soon
    option_says 'option setuid=no-such-user: there is no such user' setuid=no-such-user
    option_says 'option soft=1: soft takes no value' soft=1
    option_says 'option uname needs a value: uname=USER' uname
    option_says "port '70000': expected 1 to 65535" port=70000
    option_says 'trans=fd needs both rfdno= and wfdno=' trans=fd,rfdno=0
    option_says 'descriptor 99 is not open' rfdno=99,wfdno=99
}
case_arguments() {
    says 'no SOURCE given'
    says 'no MOUNTPOINT given' h:/x
    says "unexpected argument 'more'" h:/x "$mnt" more
    says "missing argument after" h:/x "$mnt" -o
    says 'No such file or directory' "127.0.0.1:$exp" "$work/none" -o "port=$port"
    says 'No such file or directory (SOURCE comes before MOUNTPOINT)' "$mnt" "127.0.0.1:$exp" -o "port=$port"
    : > "$work/file"
    says 'Not a directory' "127.0.0.1:$exp" "$work/file" -o "port=$port"
}
case_sources() {
    local p
    p=$(free_port)
    says "the host is missing" :/x "$mnt"
    says "cannot find port 9pp: it is no number, and no service has the name" h:/x "$mnt" -o port=9pp
    says "source '[::1': expected" '[::1' "$mnt"
    says "unknown network 'ipx'" 'ipx!h!1' "$mnt"
    says "a URL begins with 9p://" tcp://h/x "$mnt"
    says "source '9p://[::1/x': expected" '9p://[::1/x' "$mnt"
    says "Connection refused (if $p is the port, use -o port=$p)" "127.0.0.1:$p" "$mnt" -o "port=$p"
    says "(if 12345 is the port, use -o port=12345)" 127.0.0.1:12345 "$mnt" -o "port=$port"
    says "(if 12345 is the port, use -o port=12345)" 127.0.0.1:12345:/x "$mnt" -o "port=$port"
    says "(there may be no such export, or not for this user)" 127.0.0.1:/none "$mnt" -o "port=$port"
    says "the server may want the name of an export" 127.0.0.1 "$mnt" -o "port=$port"
    says "cannot attach to '/none' on 127.0.0.1:/none as root" 127.0.0.1:/none "$mnt" -o "port=$port"
    says "cannot find no-such-host.invalid" no-such-host.invalid:/x "$mnt"
    says "(it is a directory, not a socket" "$exp" "$mnt"
    says "No such file or directory" "unix!$work/none" "$mnt"
    says "the path of a socket has at most 107 bytes" "/$(printf %0200d 0)" "$mnt"
}
case_libfuse_adds_no_line() { option_says 'max_read=1' max_read=1; }

start_server diod
run_cases
