#!/bin/bash
# layout.sh: the rules of the source tree: which folder includes which, how long files and comment
# lines are, how a file begins. Needs neither root nor a mount.
#
# Each check_* prints the offenders in $tree, one "FILE:LINE: why" a line, and is a test case of its
# own. A case before it runs it on a scratch tree with one offender of each kind.
set -u
export LC_ALL=C
srcdir=${SRCDIR:-$(cd "$(dirname "$0")/.." && pwd)}
scratch=$(mktemp -d /tmp/9pfs-layout.XXXXXX)
trap 'rm -rf "$scratch"' EXIT

# The folders of src. Each includes its own headers and those of the folders before it.
layers='base wire session client cache fuse command'
# The headers in include/9p, each with the folder that defines what it declares.
public='codec.h:wire messages.h:wire proto.h:wire session.h:session stats.h:session transport.h:session client.h:client idmap.h:client
    recovery.h:client'
max_lines=400 max_columns=100

# ---- what the checks share --------------------------------------------------

# awk_on FOLDERS PATTERNS AWK-PROGRAM: the program on the files in FOLDERS whose names match
awk_on() {
    local pattern match=(-false)
    set -f
    for pattern in $2; do match+=(-o -name "$pattern"); done
    # shellcheck disable=SC2086 # a list
    (cd "$tree" && find $1 -type f \( "${match[@]}" \) | sort |
        xargs -r awk -v layers="$layers" -v public="$public" -v max_lines=$max_lines -v max_columns=$max_columns "$3")
    set +f
}

# Goes before a program on #include lines. Sets `name`, what is included, and `angle`, whether in <>.
# layer() is the rank of a path or a name, from 1, or 0; ours() excludes other libraries' headers.
includes='
    BEGIN {
        n = split(layers, list, " ")
        for (i = 1; i <= n; i++)
            rank[list[i]] = i
        n = split(public, list, " ")
        for (i = 1; i <= n; i++) {
            split(list[i], pair, ":")
            home[pair[1]] = pair[2]
        }
    }
    function folder(path) {
        sub(/^src\//, "", path)
        if (sub(/^(include\/)?9p\//, "", path))
            return path in home ? home[path] : ""
        return sub(/\/.*/, "", path) ? path : ""
    }
    function layer(path) { return folder(path) in rank ? rank[folder(path)] : 0 }
    function ours() { return name ~ /\// && (!angle || name ~ /^9p\// || layer(name) > 0) }
    function offends(why) { print FILENAME ":" FNR ": " why }
    { name = "" }
    /^[ \t]*#[ \t]*include/ {
        name = $0
        sub(/^[ \t]*#[ \t]*include[ \t]*/, "", name)
        angle = name ~ /^</
        sub(/^[<"]/, "", name)
        sub(/[>"].*/, "", name)
    }'

# ---- the rules --------------------------------------------------------------

check_every_file_has_a_layer() {
    awk_on 'src include' '*.[ch]' "$includes"'
        FNR == 1 && layer(FILENAME) == 0 { offends("neither its folder nor it is in the list of this script") }'
}

check_includes_go_down() {
    awk_on 'src include' '*.[ch]' "$includes"'
        ours() && layer(name) == 0 { offends("no layer has " name) }
        ours() && layer(FILENAME) > 0 && layer(name) > layer(FILENAME) { offends(folder(FILENAME) " includes " name) }'
}

check_includes_name_a_folder() {
    awk_on 'src include' '*.[ch]' "$includes"'
        name != "" && !angle && name !~ /\// && name != "config.h" { offends(name) }'
}

check_only_fuse_and_command_include_libfuse() {
    awk_on 'src include' '*.[ch]' "$includes"'
        name ~ /^fuse/ && !ours() && FILENAME !~ /^src\/(fuse|command)\// { offends(name) }'
}

# Whoever includes a public header needs those that it includes, too.
check_public_headers_have_two_users() {
    awk_on 'src include' '*.[ch]' "$includes"'
        FILENAME ~ /^include\// { header[substr(FILENAME, 9)] = 1 }
        name ~ /^9p\// && FILENAME ~ /^include\// { needing[++n_needs] = substr(FILENAME, 9); needed[n_needs] = name }
        name ~ /^9p\// && FILENAME ~ /^src\// { uses[name, folder(FILENAME)] = 1 }
        END {
            do {
                more = 0
                for (i = 1; i <= n_needs; i++)
                    for (f in rank)
                        if ((needing[i], f) in uses && !((needed[i], f) in uses))
                            more = uses[needed[i], f] = 1
            } while (more)
            for (h in header) {
                n = 0
                for (f in rank)
                    if ((h, f) in uses) {
                        n++
                        only = f
                    }
                if (n < 2)
                    print "include/" h ":1: it has " (n == 1 ? "one user, src/" only : "no user")
            }
        }' | sort
}

check_no_file_is_too_long() {
    awk_on 'src include tests' '*.c *.h *.sh' 'FNR == max_lines + 1 { print FILENAME ":" FNR ": longer than " max_lines }'
}

# Of lines that have nothing but a comment: the width of code, with what follows it, is clang-format's.
check_comment_lines_are_short() {
    awk_on 'src include tests' '*.[ch]' '
        FNR == 1 { inside = 0 }
        {
            rest = $0
            code = ""
            comment = inside
            while (rest != "")
                if (inside) {
                    end = index(rest, "*/")
                    inside = end == 0
                    rest = inside ? "" : substr(rest, end + 2)
                } else if (match(rest, /"([^"\\]|\\.)*"|\047([^\047\\]|\\.)*\047|\/\*|\/\//)) {
                    code = code substr(rest, 1, RSTART - 1)
                    start = substr(rest, RSTART, 2)
                    inside = start == "/*"
                    comment = comment || inside || start == "//"
                    if (!inside && start != "//")
                        code = code "literal"
                    rest = start == "//" ? "" : substr(rest, RSTART + RLENGTH)
                } else {
                    code = code rest
                    rest = ""
                }
        }
        comment && code ~ /^[ \t]*$/ && length($0) > max_columns { print FILENAME ":" FNR ": " length($0) " columns" }'
}

check_files_begin_with_what_they_are_for() {
    awk_on 'src include tests' '*.[ch]' '
        FNR == 1 {
            name = FILENAME
            sub(/.*\//, "", name)
            first = $0
        }
        FNR == 1 && $0 !~ /^\/\*$/ || FNR == 2 && first ~ /^\/\*$/ {
            text = $0
            if (FNR == 1 && !sub(/^\/\* /, "", text) || FNR == 2 && !sub(/^ \* /, "", text) ||
                index(text, name ": ") != 1 || length(text) < length(name) + 3)
                print FILENAME ":" FNR ": not \"" name ": what it is for\""
        }'
}

# ---- the scratch tree -------------------------------------------------------

# plant FILE: the lines of stdin, after the comment that a file begins with
plant() {
    mkdir -p "$scratch/${1%/*}"
    { echo "/* ${1##*/}: planted. */"; cat; } > "$scratch/$1"
}

plant_what_is_fine() {
    rm -rf "${scratch:?}"/*
    printf '#include "%s"\n' 9p/messages.h | plant include/9p/codec.h
    plant include/9p/messages.h < /dev/null
    plant src/base/log.h < /dev/null
    plant src/wire/only_here.h < /dev/null
    printf '#include %s\n' '<stdio.h>' '<sys/stat.h>' '"config.h"' '"9p/codec.h"' '"wire/only_here.h"' '"base/log.h"' |
        plant src/wire/codec.c
    printf '#include %s\n' '<fuse_lowlevel.h>' '"9p/codec.h"' '"fuse/fs.h"' | plant src/fuse/op.c
    printf '#include %s\n' '<fuse_log.h>' '"fuse/fs.h"' | plant src/command/main.c
    seq $((max_lines - 1)) | sed 's,.*,int n&;,' | plant tests/unit/test.c # with its comment, as long as may be
    seq $max_lines > "$scratch/tests/run.sh"
    {
        printf '/*%*s*/\n' $((max_columns - 4)) ''
        printf 'int n; /*%*s*/\n' $((max_columns - 4)) ''                # code, and a comment
        printf 'char *s = "/*%*s*/", c[] = {%s};\n' $max_columns '' "'\"'" # no comment
    } | plant src/base/wide.c
    printf '/*\n * two.c: on the second line.\n */\n' > "$scratch/src/base/two.c"
}

plant_offenders() {
    plant_what_is_fine
    plant include/9p/unknown.h < /dev/null
    plant include/9p/proto.h < /dev/null # only src/wire has it
    printf '#include "%s"\n' 9p/proto.h 9p/unknown.h | plant src/wire/text.c
    printf '#include "%s"\n' 9p/unknown.h | plant src/client/text.c
    plant src/other/x.c < /dev/null
    printf '#include "%s"\n' 9p/client.h | plant include/9p/session.h
    printf '#include "%s"\n' 9p/session.h 9p/client.h | plant src/command/main.c
    printf '#include "%s"\n' 9p/session.h 9p/client.h | plant src/fuse/op.c
    plant include/9p/client.h < /dev/null
    printf '#include "%s"\n' fuse/fs.h | plant src/cache/up.c
    printf '  #  include <%s>\n' client/fid.h | plant src/session/up.h # <> is no way around
    printf '#include "%s"\n' ../cache/x.h | plant src/cache/dots.c
    printf '#include "%s"\n' log.h | plant src/base/bare.c
    printf '#include <%s>\n' fuse.h fuse3/fuse_opt.h | plant src/cache/libfuse.c
    seq $max_lines | sed 's,.*,int n&;,' | plant src/base/long.c
    seq $((max_lines + 1)) > "$scratch/tests/long.sh"
    {
        printf '/*%*s*/\n' $((max_columns - 3)) ''
        printf 'int n; /* begins\n%*s */\n' $max_columns ''
        printf '    //%*s\n' $max_columns ''
    } | plant tests/unit/wide.h
    echo 'int n;' > "$scratch/src/base/none.c"
    echo '/* other.c: its name is another. */' > "$scratch/src/base/name.c"
    printf '/*\n * says.c:\n */\n' > "$scratch/src/base/says.c"
}

# finds CHECK FILE:LINE...: these, of the scratch tree, are all the offenders
finds() {
    local check=$1 found; shift
    tree=$scratch
    plant_what_is_fine
    found=$("check_$check")
    [ -z "$found" ] || { echo "$found"; return 1; }
    plant_offenders
    found=$("check_$check" | cut -d: -f1,2 | tr '\n' ' ')
    [ "$found" = "$* " ] || { echo "found $found"; echo "not   $*"; return 1; }
}

# ---- the cases --------------------------------------------------------------

[ -d "$srcdir/src" ] && [ -d "$srcdir/include/9p" ] && [ -d "$srcdir/tests" ] || {
    echo "Bail out! $srcdir is not the source tree"
    exit 1
}

count=0
report() { # NAME OFFENDERS
    count=$((count + 1))
    if [ -z "$2" ]; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        while IFS= read -r line; do echo "# $line"; done <<< "$2"
    fi
}
# rule CHECK FILE:LINE...: the check finds these in the scratch tree, and nothing in the sources
rule() {
    report "found: $1" "$(finds "$@")"
    tree=$srcdir
    report "$1" "$("check_$1")"
}

rule every_file_has_a_layer include/9p/unknown.h:1 src/other/x.c:1
rule includes_go_down include/9p/session.h:2 src/cache/dots.c:2 src/cache/up.c:2 src/client/text.c:2 \
    src/session/up.h:2 src/wire/text.c:3
rule includes_name_a_folder src/base/bare.c:2
rule only_fuse_and_command_include_libfuse src/cache/libfuse.c:2 src/cache/libfuse.c:3
rule public_headers_have_two_users include/9p/codec.h:1 include/9p/messages.h:1 include/9p/proto.h:1
rule no_file_is_too_long src/base/long.c:$((max_lines + 1)) tests/long.sh:$((max_lines + 1))
rule comment_lines_are_short tests/unit/wide.h:2 tests/unit/wide.h:4 tests/unit/wide.h:5
rule files_begin_with_what_they_are_for src/base/name.c:1 src/base/none.c:1 src/base/says.c:2
echo "1..$count"
