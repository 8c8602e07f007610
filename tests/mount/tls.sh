#!/bin/bash
# tls.sh: TLS, by stunnel in front of diod: what certificates are accepted, what is refused and in which
# words, that nothing is lost when the terminator ends, and that it costs no more round trips than TLS
# itself.
. "${SRCDIR:?}/tests/mount/lib.sh"

pki=$work/pki

# ---- certificates: an authority, and what it has signed ------------------------------

# certificate NAME LINES [AUTHORITY]: $pki/NAME.crt and .key; self-signed without an authority
certificate() {
    printf '%b\n' "cn = $1" "$2" > "$pki/$1.template"
    certtool --generate-privkey --key-type=ecdsa --outfile "$pki/$1.key"
    if [ -n "${3:-}" ]; then
        certtool --generate-certificate --load-privkey "$pki/$1.key" --template "$pki/$1.template" \
            --load-ca-certificate "$pki/$3.crt" --load-ca-privkey "$pki/$3.key" --outfile "$pki/$1.crt"
    else
        certtool --generate-self-signed --load-privkey "$pki/$1.key" --template "$pki/$1.template" --outfile "$pki/$1.crt"
    fi
} 2>> "$work/certtool.log"

make_certificates() {
    local here='dns_name = localhost\nip_address = 127.0.0.1\ntls_www_server'
    mkdir "$pki"
    certificate ca 'ca\ncert_signing_key\ncrl_signing_key\nexpiration_days = 10'
    certificate stranger 'ca\ncert_signing_key\nexpiration_days = 10'
    certificate good "$here\nexpiration_days = 10" ca
    certificate expired "$here\nactivation_date = \"2020-01-01 00:00:00\"\nexpiration_date = \"2021-02-03 00:00:00\"" ca
    certificate early "$here\nactivation_date = \"2090-01-01 00:00:00\"\nexpiration_date = \"2091-01-01 00:00:00\"" ca
    certificate elsewhere 'dns_name = elsewhere.test\ndns_name = *.other.test\nip_address = 192.0.2.1\ntls_www_server\nexpiration_days = 10' ca
    certificate alone "$here\nexpiration_days = 10"
    certificate strange "$here\nexpiration_days = 10" stranger
    certificate revoked "$here\nexpiration_days = 10" ca
    certificate client 'tls_www_client\nexpiration_days = 10' ca
    certificate for_clients 'ip_address = 127.0.0.1\ntls_www_client\nexpiration_days = 10' ca
    revocations crl 'crl_next_update = 10'
    revocations old_crl 'crl_this_update_date = "2020-01-01 00:00:00"\ncrl_next_update_date = "2020-02-03 00:00:00"'
}
revocations() { # NAME LINES
    printf '%b\n' "$2" 'crl_number = 1' > "$pki/crl.template"
    certtool --generate-crl --load-ca-privkey "$pki/ca.key" --load-ca-certificate "$pki/ca.crt" \
        --load-certificate "$pki/revoked.crt" --template "$pki/crl.template" --outfile "$pki/$1" 2>> "$work/certtool.log"
}

# ---- the terminator ------------------------------------------------------------------

terminator=''
# terminate CERTIFICATE [LINES]: starts it at $tls_port
terminate() {
    cat > "$work/stunnel.conf" <<CONF
foreground = yes
pid =
debug = 3
[9p]
accept = 127.0.0.1:$tls_port
connect = 127.0.0.1:$port
TIMEOUTclose = 0
cert = $pki/$1.crt
key = $pki/$1.key
${2:-}
CONF
    stunnel4 "$work/stunnel.conf" > "$work/stunnel.log" 2>&1 &
    terminator=$!
    trap end_terminator EXIT
    wait_until 20 listening "$tls_port"
}
end_terminator() {
    kill -KILL "$terminator"
    wait "$terminator" 2> /dev/null || true
}
# by_tls [OPTIONS] [HOST]: mounts the export
by_tls() { "$P9FS" "${2:-127.0.0.1}:$exp" "$mnt" -o "trans=tls,port=$tls_port,tls_ca=$pki/ca.crt${1:+,$1}"; }
use_mount() {
    echo x > "$mnt/f"
    same "$(cat "$exp/f")" x
    rm "$mnt/f"
}
works() { # ARGUMENTS of by_tls
    by_tls "$@"
    use_mount
    umount "$mnt"
}

# ---- cases ---------------------------------------------------------------------------

case_a_good_certificate() {
    terminate good
    works
    works '' localhost
    works "tls_crl=$pki/crl"
    works tls_name=localhost
    works tls_verify=ca
    works tls_verify=none
    end_terminator
    terminate good 'sslVersionMax = TLSv1.2'
    works
}

case_refused_certificates() { # name of the certificate; what is said; what the option is that allows it
    terminate expired
    refused 'the certificate of 127.0.0.1 is refused: it has expired on 2021-02-03' by_tls
    works tls_verify=none
    end_terminator
    terminate early
    refused 'is refused: it is not valid yet but from 2090-01-01' by_tls
    end_terminator
    terminate elsewhere
    refused "is refused: it is not for '127.0.0.1', but for elsewhere.test, *.other.test, 192.0.2.1" by_tls
    refused "is refused: it is not for 'localhost', but for elsewhere.test" by_tls '' localhost
    refused "is refused: it is not for 'a.b.other.test'" by_tls tls_name=a.b.other.test
    works tls_name=elsewhere.test
    works tls_name=a.other.test
    works tls_name=192.0.2.1
    works tls_verify=ca
    end_terminator
    terminate alone
    refused 'is refused: it is self-signed, and not trusted here' by_tls
    refused 'is refused: it is self-signed, and not trusted here' by_tls tls_verify=ca
    works "tls_ca=$pki/alone.crt"
    end_terminator
    terminate strange
    refused 'is refused: no authority that is trusted here has signed it' by_tls
    end_terminator
    terminate revoked
    refused 'is refused: it is revoked' by_tls "tls_crl=$pki/crl"
    works
    end_terminator
    terminate for_clients
    refused 'is refused: it is not for servers' by_tls
}

case_the_trust_of_the_system() { # does not include ours
    terminate good
    refused 'no authority that is trusted here has signed it' "$P9FS" "127.0.0.1:$exp" "$mnt" -o "trans=tls,port=$tls_port"
}

case_a_certificate_of_the_client() {
    terminate good "requireCert = yes
verifyChain = yes
CAfile = $pki/ca.crt"
    works "tls_cert=$pki/client.crt,tls_key=$pki/client.key"
    refused 'the server ended TLS: Certificate is required (options tls_cert= and tls_key=)' by_tls
    refused 'the server ended TLS: Certificate is required (it takes none of the authority of tls_cert=)' \
        by_tls "tls_cert=$pki/alone.crt,tls_key=$pki/alone.key"
    end_terminator
    terminate good "requireCert = yes
verifyChain = yes
sslVersionMax = TLSv1.2
CAfile = $pki/ca.crt"
    works "tls_cert=$pki/client.crt,tls_key=$pki/client.key"
    refused 'the server ended TLS: ' by_tls
}

case_wrong_files() {
    terminate good
    refused "option tls_ca=/nowhere: No such file or directory" by_tls tls_ca=/nowhere
    refused "option tls_ca=$pki/good.key: there is no certificate in this file" by_tls "tls_ca=$pki/good.key"
    refused "option tls_crl=$pki/good.crt: there is no list of revoked certificates in this file" by_tls "tls_crl=$pki/good.crt"
    refused "option tls_crl=$pki/old_crl: the list is out of date since 2020-02-03" by_tls "tls_crl=$pki/old_crl"
    refused "option tls_key=/nowhere" by_tls "tls_cert=$pki/client.crt,tls_key=/nowhere"
    refused "tls_key=$pki/good.key: " by_tls "tls_cert=$pki/client.crt,tls_key=$pki/good.key"
    certtool --to-p8 --load-privkey "$pki/client.key" --password secret --outfile "$work/locked.key" 2> /dev/null
    refused "option tls_key=$work/locked.key: a key with a password cannot be used" \
        by_tls "tls_cert=$pki/client.crt,tls_key=$work/locked.key"
    refused "tls_key= is missing" by_tls "tls_cert=$pki/client.crt"
}

case_a_server_without_tls() {
    refused "it may not speak TLS" "$P9FS" "127.0.0.1:$exp" "$mnt" -o "trans=tls,port=$port,tls_ca=$pki/ca.crt"
    serve -f 'Tversion silent' PORT "$exp"
    refused "speak TLS" "$P9FS" "127.0.0.1:$exp" "$mnt" -o "trans=tls,port=$port,tls_ca=$pki/ca.crt"
    stop
}

case_a_tls_server_spoken_to_plainly() {
    terminate good
    refused "not speak 9P" "$P9FS" "127.0.0.1:$exp" "$mnt" -o "port=$tls_port"
}

case_the_terminator_ends_under_load() {
    local i kills=0 rsync
    mkdir "$work/tree"
    for i in $(seq 150); do head -c $((i * 1500)) /dev/urandom > "$work/tree/f$i"; done
    terminate good
    by_tls probe=1
    rsync -r --bwlimit=5m "$work/tree/" "$mnt/copy/" &
    rsync=$!
    for i in 20 60 100 140; do # once so many files are there
        while kill -0 $rsync && [ "$(find "$exp/copy" -name 'f*' | wc -l)" -lt "$i" ]; do sleep 0.02; done
        kill -0 $rsync || break
        end_terminator
        terminate good
        kills=$((kills + 1))
    done 2> /dev/null
    wait $rsync
    [ $kills -ge 2 ] || fail "the terminator ended $kills times"
    diff -r "$work/tree" "$mnt/copy"
    umount "$mnt"
    diff -r "$work/tree" "$exp/copy"
    rm -r "$work/tree"
}

case_the_key_is_not_needed_again() { # nor is the authority's certificate
    local files="$work/own"
    wait_until 20 prints '' daemon_of "$mnt"
    mkdir "$files"
    cp "$pki/client.crt" "$pki/client.key" "$pki/ca.crt" "$files"
    terminate good "requireCert = yes
verifyChain = yes
CAfile = $pki/ca.crt"
    by_tls "tls_ca=$files/ca.crt,tls_cert=$files/client.crt,tls_key=$files/client.key"
    rm -r "$files"
    end_terminator
    terminate good "requireCert = yes
verifyChain = yes
CAfile = $pki/ca.crt"
    use_mount
    same "$(sed -n 's/^CapEff:[[:space:]]*//p' "/proc/$(daemon_of "$mnt")/status")" 0000000000000000
    umount "$mnt"
}

case_the_certificate_is_checked_again() {
    terminate good
    by_tls
    local pid
    pid=$(daemon_of "$mnt")
    end_terminator
    terminate alone
    timeout 3 ls "$mnt" && fail "it went on with a certificate that is not trusted"
    end_terminator
    terminate good
    use_mount
    umount "$mnt"
    wait_until 20 test ! -e "/proc/$pid"
}

# setup_rounds PORT OPTIONS: through a relay that counts whatever is sent
setup_rounds() {
    local relay p; p=$(free_port)
    "$TOOLS/relay" "$p" "bytes:$((p + 1))" "$1" $rtt_ms &
    relay=$!
    wait_until 10 listening $((p + 1))
    control=$((p + 1))
    traffic > /dev/null
    "$P9FS" "127.0.0.1:$exp" "$mnt" -o "port=$p,$2"
    rounds=$(traffic)
    umount "$mnt"
    kill $relay
    wait $relay || true
    rounds=${rounds#rounds }
    echo "$2: $rounds round trips"
}
case_round_trips_of_the_setup() {
    local plain
    terminate good
    setup_rounds "$port" ro
    plain=$rounds
    [ "$plain" -gt 1 ] || fail "none are counted"
    setup_rounds "$tls_port" "ro,trans=tls,tls_ca=$pki/ca.crt"
    [ "$rounds" -le $((plain + 2)) ] || fail "more than that of TLS and one more"
}

start_server diod
if "$P9FS" 127.0.0.1:/ "$mnt" -o trans=tls 2>&1 | grep -q 'built without TLS'; then
    echo "1..0 # SKIP this 9pfs is built without TLS"
    exit 0
fi
tls_port=$((port + 2))
make_certificates
run_cases
