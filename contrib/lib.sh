# lib.sh: shared by contrib/bench, demo and test: installs packages, builds outside the source tree.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_packages=(autoconf automake make gcc libc6-dev pkg-config libfuse3-dev fuse3 uthash-dev libcmocka-dev)

say() { echo "== $*"; }

# install PACKAGE...: installs those that are missing, without starting their services
install() {
    local p missing=() policy=/usr/sbin/policy-rc.d
    for p; do
        [ "$(dpkg-query -W -f '${Status}' "$p" 2>/dev/null)" = 'install ok installed' ] || missing+=("$p")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    (
        if [ ! -e $policy ]; then
            printf '#!/bin/sh\nexit 101\n' > $policy
            chmod +x $policy
            trap 'rm -f $policy' EXIT
        fi
        export DEBIAN_FRONTEND=noninteractive
        apt-get -o Acquire::Retries=3 update -qq &&
            apt-get -o Acquire::Retries=3 install -y -qq --no-install-recommends "${missing[@]}"
    ) >&2
}

# show_failures DIR: what the tests in this build directory that have failed have printed
show_failures() {
    local trs log
    find "$1/tests" -name '*.trs' -exec grep -lE '^:test-(global-)?result: (FAIL|ERROR|XPASS)' {} + 2>/dev/null |
        while read -r trs; do
            log=${trs%.trs}.log
            say "$log"
            # of a program that has died, the end
            { sed -nE '/^(not ok|Bail out)/,/^ok/ { /^ok/!p }' "$log" | grep . || cat "$log"; } | tail -n 60
        done
}

# build DIR CONFIGURE-ARGS...: configures and builds in DIR
build() {
    local dir=$1; shift
    say "building in $dir"
    mkdir -p "$dir"
    (cd "$top" && autoreconf -fi) > "$dir/autoreconf.log" 2>&1 || { cat "$dir/autoreconf.log"; return 1; }
    (cd "$dir" && "$top/configure" --quiet "$@" && make -s -j"$(nproc)") || return 1
}
