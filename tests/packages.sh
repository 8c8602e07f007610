#!/bin/bash
# packages.sh: the archive of a release, and the packages of Debian and of rpm made from it, are built,
# checked, installed, used and purged.
#
# Nothing of the system is changed: the package is installed in a root directory that lies over the
# system's (overlay, in a mount namespace of this script), where a 9pfs of /usr/local is not seen. What
# an installation writes, and a purge leaves, is what is found in the upper layer.
set -u
export LC_ALL=C
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL # of the make check that runs this
: "${SRCDIR:?the source tree}"

skip() {
    if [ -n "${REQUIRE_MOUNT:-}" ] && [ "${2:-}" != always ]; then
        echo "Bail out! $1, and the packages must be tested here"
        exit 1
    fi
    echo "1..0 # SKIP $1: NO PACKAGE WAS TESTED"
    echo "*** $1: NO PACKAGE WAS TESTED ***" >&2
    exit 0
}
[ -z "${SANITIZED:-}" ] || skip 'packages have no sanitizers' always
[ "${MOUNT_TESTS:-yes}" != no ] || skip 'this build is configured without the tests that mount'
[ "$(id -u)" = 0 ] || skip 'this is not root'
[ -c /dev/fuse ] || skip 'there is no /dev/fuse'
for tool in dpkg-buildpackage dh lintian rpmbuild rpmlint mandoc man diod systemd-analyze runuser script zsh fish; do
    command -v $tool > /dev/null || skip "there is no $tool"
done
[ ! -e "$SRCDIR/config.status" ] || skip "$SRCDIR is configured itself, and cannot be for another directory"
[ -n "${PRIVATE:-}" ] || PRIVATE=1 exec unshare -m --propagation private "$0"
unset REQUIRE_MOUNT # the packages' own tests do not mount

work=$(mktemp -d /tmp/9pfs-packages.XXXXXX)
root=$work/root upper=$work/layer/upper
clean_up() {
    trap - EXIT
    trap '' PIPE
    cd /
    umount -R -l "$root" 2> /dev/null
    umount -l "$work/layer" 2> /dev/null
    rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM
fail() { echo "$*"; return 1; }
in_root() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "$@"; }
why_not() { grep -aE '^(FAIL|ERROR)|error: |Error [0-9]' "$work/$1.log" | head -n 20; tail -n 10 "$work/$1.log"; return 1; }

# ---- the cases, each of which needs those before it ------------------------------

version=$(sed -n 's/^AC_INIT(\[9pfs\], \[\(.*\)\])$/\1/p' "$SRCDIR/configure.ac")
archive=$work/build/9pfs-$version.tar.gz out=$work/packages

case_archive() {
    mkdir "$work/build"
    cd "$work/build"
    "$SRCDIR/configure" --quiet
    make -s dist
    tar tf "$archive" > "$work/listed"
    grep -qx "9pfs-$version/configure" "$work/listed"
}
case_archive_is_the_same_whoever_makes_it() {
    mkdir "$work/again"
    cd "$work/again"
    tar xf "$archive"
    chown -R 65534:65534 .
    export SOURCE_DATE_EPOCH; SOURCE_DATE_EPOCH=$(stat -c %Y "9pfs-$version/NEWS")
    (umask 077 && mkdir build && cd build && "../9pfs-$version/configure" --quiet && make -s dist)
    cmp "$archive" "build/9pfs-$version.tar.gz"
}
# The length of a line of the source is no defect of a page.
case_pages_are_clean() {
    local page
    make -s -C "$work/build" src/9pfs.8
    for page in "$work/build/src/9pfs.8" "$SRCDIR/src/mount.9pfs.8" "$SRCDIR/src/9pfs-troubleshooting.7"; do
        mandoc -T lint "$page" > "$work/lint" || true
        ! grep -v 'STYLE: input text line longer than 80 bytes' "$work/lint" || fail "in $page"
    done
}
case_debian_package_is_built_and_runs_the_unit_tests() {
    "$SRCDIR/contrib/package-deb" "$archive" "$out" > "$work/deb.log" 2>&1 || why_not deb
    grep -q '^PASS: tests/unit/' "$work/deb.log" || fail 'no unit test has run'
    grep -c '^SKIP: tests/mount/' "$work/deb.log"
    ls "$out"/9pfs_*.deb "$out"/9pfs_*.dsc "$out/9pfs_$version.orig.tar.gz"
}
case_lintian_has_no_errors_or_warnings() {
    lintian --fail-on error,warning --allow-root "$out"/9pfs_*.changes
}
case_dependencies() { # and none of the tests' or of the build's
    dpkg-deb -f "$out"/9pfs_*.deb Depends | tr , '\n' | sed 's/ *(.*//;s/^ *//' | sort | tee "$work/depends"
    grep -qx fuse3 "$work/depends" && grep -qx 'libc6' "$work/depends" && grep -qx 'libfuse3-3' "$work/depends"
    ! grep -q 'cmocka\|uthash' "$work/depends" || fail 'it depends on what only a build needs'
}
case_rpm_package_is_built() {
    "$SRCDIR/contrib/package-rpm" "$archive" "$out" --nodeps --nocheck > "$work/rpm.log" 2>&1 || why_not rpm
    rpm -qpl "$out"/*/9pfs-*.rpm > "$work/rpm.list"
    grep -qx /usr/bin/9pfs "$work/rpm.list" && grep -qx /usr/sbin/mount.9pfs "$work/rpm.list"
}
# A distribution has its own licences, compression of pages, groups, packagers and signatures.
case_rpmlint_has_no_errors() {
    printf '%s\n' 'CompressExtension = ""' 'ValidLicenses = ["MIT"]' \
        'Filters = ["no-signature", "no-packager-tag", "no-group-tag"]' > "$work/rpmlint.toml"
    rpmlint -c "$work/rpmlint.toml" "$SRCDIR/contrib/9pfs.spec" "$out"/*.src.rpm "$out"/*/9pfs-*.rpm | tee "$work/rpmlint.log"
    grep -q ' 2 packages and 1 specfiles checked; 0 errors' "$work/rpmlint.log"
}

case_package_is_installed() {
    mkdir "$work/layer" "$root"
    mount -t tmpfs -o mode=755 none "$work/layer"
    mkdir "$upper" "$work/layer/work"
    mount -t overlay none -o "lowerdir=/,upperdir=$upper,workdir=$work/layer/work" "$root"
    local t
    for t in tmp run; do mount -t tmpfs -o mode=1777 none "$root/$t"; done
    mount --rbind /dev "$root/dev"
    mount --bind /proc "$root/proc"
    mknod -m 666 "$work/layer/fuse" c 10 229
    mount --bind "$work/layer/fuse" "$root/dev/fuse" # where users may open it, as where udev is
    ! dpkg-query -W 9pfs 2> /dev/null || in_root dpkg --purge 9pfs
    find "$root/usr/local" "$root/usr/sbin" -name '*9pfs*' -prune -exec rm -rf {} + # of a make install
    cp "$out"/9pfs_*.deb "$SRCDIR/contrib/debian/tests/mount" "$root/tmp"
    # An image of Debian may be configured to leave out pages and documents.
    in_root sh -c 'dpkg -i --path-include="/usr/share/*" /tmp/9pfs_*.deb'
    left > "$work/written"
    cat "$work/written"
    grep -qx usr/bin/9pfs "$work/written" && grep -qx usr/sbin/mount.9pfs "$work/written"
}
# What is in the upper layer and not the system's, but for logs, caches and dpkg's own.
left() {
    (cd "$upper" && find . ! -type d ! -type c -printf '%P\n') | grep -vE '^var/(log|cache|lib/dpkg)/' | sort |
        while IFS= read -r f; do [ -e "/$f" ] && cmp -s "/$f" "$upper/$f" || echo "$f"; done
    (cd "$upper" && find . -type d -printf '%P\n') | grep -vE '^(|var/(log|cache|lib/dpkg)(/.*)?)$' |
        while IFS= read -r f; do [ -d "/$f" ] || echo "$f"; done
}
case_man_finds_the_pages() {
    local p
    for p in 9pfs mount.9pfs mount.fuse.9pfs; do
        [[ "$(in_root man -w 8 $p)" = /usr/share/man/man8/*9pfs.8.gz ]] || fail "no page of $p"
        in_root man -P cat 8 $p > "$work/page" && grep -q SYNOPSIS "$work/page"
    done
}
case_systemd_accepts_the_examples() {
    local verify='cd /usr/share/doc/9pfs/examples && XDG_RUNTIME_DIR=/run systemd-analyze'
    in_root sh -c "$verify --man=yes verify srv-9p.mount srv-9p.automount" 2>&1 | tee "$work/verify"
    in_root sh -c "$verify --user --man=yes verify 9pfs@.service" 2>&1 | tee -a "$work/verify"
    ! grep -E '9p|Failed' "$work/verify" || fail 'in the examples'
}
# A shell on a terminal completes what stands before a TAB. ask SHELL... writes what 9pfs is then given.
ask() {
    printf '#!/bin/sh\necho "$*" >> /tmp/asked\n' > "$root/tmp/bin/9pfs"
    chmod +x "$root/tmp/bin/9pfs"
    rm -f "$root/tmp/asked"
    printf '9pfs -o cache=loo\t h: /m\n9pfs -o ro,direc\t h: /m\nexit\n' |
        in_root HOME=/tmp ZDOTDIR=/tmp PATH=/tmp/bin:/usr/bin TERM=xterm script -qec "$*" /dev/null
    cat "$root/tmp/asked"
    printf '%s\n' '-o cache=loose h: /m' '-o ro,directio h: /m' | cmp - "$root/tmp/asked"
}
case_bash_completes() {
    mkdir -p "$root/tmp/bin"
    echo '. /usr/share/bash-completion/completions/9pfs.bash' > "$root/tmp/bashrc"
    ask bash --rcfile /tmp/bashrc -i
}
case_zsh_completes() {
    mkdir -p "$root/tmp/bin"
    echo 'autoload -U compinit; compinit -u -D' > "$root/tmp/.zshrc"
    ask zsh -i
}
case_fish_completes() {
    in_root HOME=/tmp fish -c 'complete -C "9pfs -o cache=loo"; complete -C "9pfs -o ro,direc"' | cut -f1 > "$work/fish"
    printf '%s\n' cache=loose ro,directio | diff - "$work/fish"
}
case_package_mounts_for_root_and_for_users() { # exit status 77: a part was not tested
    in_root /tmp/mount
}
case_purge_leaves_nothing() {
    in_root dpkg --purge 9pfs
    left > "$work/left"
    ! grep . "$work/left" || fail 'is left'
}

# ---- the run ---------------------------------------------------------------------

cases='archive archive_is_the_same_whoever_makes_it pages_are_clean debian_package_is_built_and_runs_the_unit_tests
    lintian_has_no_errors_or_warnings dependencies rpm_package_is_built rpmlint_has_no_errors package_is_installed
    man_finds_the_pages systemd_accepts_the_examples bash_completes zsh_completes fish_completes package_mounts_for_root_and_for_users
    purge_leaves_nothing'
count=0
for c in $cases; do
    count=$((count + 1))
    (set -e -o pipefail; trap - EXIT; cd "$work"; "case_$c") > "$work/log" 2>&1 # not in a condition: set -e holds
    rc=$?
    if [ $rc = 0 ]; then
        echo "ok $count - $c"
    else
        echo "not ok $count - $c"
        sed 's/^/# /' "$work/log" | tail -n 60
    fi
done
echo "1..$count"
