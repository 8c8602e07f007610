# options.awk: reads options.list, and prints what -v make= names: the table or the help as C, or the template that
# is named after the list (page, bash, zsh or fish) with its lines @OPTIONS@ and @V9FS@ replaced. For any POSIX awk.

function fail(text) {
    printf "options.list:%d: %s\n", FNR, text > "/dev/stderr"
    failed = 1
    exit 1
}

function rest(n,    i, text) { # the words from the n-th on
    text = $0
    sub(/^ */, "", text)
    for (i = 1; i < n; i++)
        sub(/^[^ ]+ */, "", text)
    return text
}

# ---- reading: entry i has kind[i], name[i], arg[i] and what is set below -----------------------------------------

function entry(what, text,    at) {
    n++
    kind[n] = what
    section[n] = sections
    at = index(text, "=")
    name[n] = at ? substr(text, 1, at - 1) : text
    arg[n] = at ? substr(text, at + 1) : ""
    initial[n] = type[n] = help[n] = man[n] = v9fs[n] = shell[n] = ""
}

NR != FNR { # the template
    if ($0 == "@OPTIONS@")
        make_options()
    else if ($0 == "@V9FS@")
        make_v9fs()
    else
        print
    next
}
/^#/ { next }
in_man && /^$/ { in_man = 0; next }
in_man {
    if (n > of_section[sections])
        man[n] = man[n] $0 "\n"
    else
        intro[sections] = intro[sections] $0 "\n"
    next
}
/^$/ { next }
$1 == "man" { in_man = 1; next }
$1 == "section" { title[++sections] = rest(2); of_section[sections] = n; next }
$1 == "option" { entry("option", $2); next }
$1 == "switch" { entry("switch", rest(2)); next }
$1 == "pass" || $1 == "drop" {
    for (i = 2; i <= NF; i++) {
        entry($1, $i)
        if ($i ~ /=$/)
            arg[n] = "VALUE"
    }
    next
}
$1 == "value" { # a part of the option before it
    for (i = n; kind[i] == "value"; i--)
        ;
    option = name[i]
    entry("value", option "=" $2)
    next
}
$1 == "help" {
    text = rest(2)
    gsub(/%d/, initial[n], text)
    help[n] = help[n] (help[n] == "" ? "" : "\n") text
    next
}
$1 == "v9fs" { v9fs[n] = rest(2); next }
$1 == "shell" { shell[n] = rest(2); next }
$1 == "ignore" { type[n] = "ignore"; ignored[n] = $2; min[n] = $3; max[n] = $4; next }
$1 == "flag" { type[n] = "flag"; field[n] = $2; value[n] = NF > 2 ? $3 : 1; next }
$1 == "text" { type[n] = "text"; field[n] = $2; next }
$1 == "number" { type[n] = "number"; field[n] = $2; min[n] = $3; max[n] = $4; initial[n] = $5; unit[n] = $6; next }
$1 == "seconds" { type[n] = "seconds"; field[n] = $2; initial[n] = $3; next }
$1 == "key" { type[n] = "key"; field[n] = $2; next }
$1 == "pass-on" { type[n] = "pass"; next }
{ fail("unknown word '" $1 "'") }

# ---- C -------------------------------------------------------------------------------------------------------------

function table_line(i,    line) {
    line = sprintf("    {\"%s\", %s, ", name[i], arg[i] == "" ? "NULL" : "\"" arg[i] "\"")
    if (kind[i] == "pass" || type[i] == "pass")
        return line ".kind = OPTION_PASS},"
    if (kind[i] == "drop")
        return line ".kind = OPTION_DROP},"
    if (type[i] == "ignore")
        return line (ignored[i] == "number" ? ".kind = OPTION_CHECKED, .min = " min[i] ", .max = " max[i] "}," : \
                     ".kind = OPTION_DROP},")
    if (type[i] == "key")
        return line ".kind = OPTION_KEY, .min = KEY_" field[i] "},"
    line = line ".offset = offsetof(struct options, " field[i] "), "
    if (type[i] == "flag")
        return line ".kind = OPTION_FLAG, .min = " value[i] "},"
    if (type[i] == "text")
        return line ".kind = OPTION_TEXT},"
    if (type[i] == "number")
        return line sprintf(".kind = OPTION_NUMBER, .min = %s, .max = %s, .initial = %sLL, .unit = \"%s\"},", min[i],
                            max[i], initial[i], unit[i])
    if (type[i] == "seconds")
        return line ".kind = OPTION_SECONDS, .initial = " (initial[i] == "-" ? "NOT_GIVEN" : initial[i] * 1000) "},"
    fail("option " name[i] " has no type")
}

function make_table(    i) {
    print "/*\n * options_table.h: made from options.list by options.awk.\n */"
    print "static const struct option_spec table[] = {"
    for (i = 1; i <= n; i++)
        if (kind[i] != "switch" && kind[i] != "value")
            print table_line(i)
    print "};"
}

# "-d   -o debug", "-o port=PORT", or several of them that share a text.
function label(i) {
    if (kind[i] == "switch")
        return name[i]
    return "-o " name[i] (arg[i] == "" ? "" : "=" arg[i])
}

function c_string(text) {
    gsub(/\\/, "\\\\", text)
    gsub(/"/, "\\\"", text)
    return "    \"" text "\\n\""
}

function help_lines(left, text,    parts, k, count) {
    count = split(text, parts, "\n")
    for (k = 1; k <= count; k++) {
        if (k == 1 && length(left) > 22) {
            print c_string("    " left "  " parts[k])
            continue
        }
        print c_string(sprintf("    %-22s %s", k == 1 ? left : "", parts[k]))
    }
}

function make_help(    i, left, last) {
    print "/*\n * options_help.h: made from options.list by options.awk.\n */"
    print "static const char options_text[] ="
    for (i = 1; i <= n; i++) {
        if (kind[i] == "pass" || kind[i] == "drop" || type[i] == "ignore" || (help[i] == "" && shares(i) == 0))
            continue
        if (section[i] != last) {
            last = section[i]
            print c_string("")
            print c_string(title[last] (last == 1 ? "" : " (defaults in parentheses)") ":")
        }
        left = left (left == "" ? "" : kind[i - 1] == "switch" ? "  " : ",") \
               (left != "" && kind[i - 1] != "switch" ? substr(label(i), 4) : label(i))
        if (help[i] == "")
            continue
        help_lines(left, help[i])
        left = ""
    }
    print c_string("")
    print c_string("Options of FUSE and of mount(8), such as ro, are passed on; 9pfs(8) has them all.")
    print "    ;"
}

# ---- the manual ---------------------------------------------------------------------------------------------------

function roff(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    return text
}

# The text of entry i is that of the next one: 0, or 1.
function shares(i) {
    return man[i] == "" && type[i] != "ignore" && kind[i + 1] != "value" && section[i + 1] == section[i] &&
           kind[i + 1] != "pass" && kind[i + 1] != "drop"
}

function man_label(i) {
    if (kind[i] == "switch")
        return ".B \"" roff(name[i]) "\""
    if (arg[i] == "")
        return ".B \"" roff("-o " name[i]) "\""
    if (kind[i] == "value" && arg[i] !~ /^[A-Z]+$/)
        return ".B \"" roff("-o " name[i] "=" arg[i]) "\""
    return ".BI \"" roff("-o " name[i] "=") "\" " arg[i]
}

function names_of(what,    i, names, count, k) {
    count = 0
    for (i = 1; i <= n; i++)
        if (kind[i] == what)
            names[++count] = name[i] (arg[i] == "" ? "" : "=")
    for (k = 1; k <= count; k++)
        print k < count - 1 ? ".BR " names[k] " ," : k < count ? ".B " names[k] "\nand" : ".BR " names[k] " ."
}

function make_man(    i, s, together) {
    for (s = 1; s <= sections; s++) {
        if (title[s] ~ /v9fs/)
            continue
        printf ".SS %s\n%s", title[s], intro[s]
        for (i = of_section[s] + 1; i <= n && section[i] == s; i++) {
            if (kind[i] == "pass" || kind[i] == "drop" || (man[i] == "" && !shares(i)))
                continue
            printf ".%s\n%s\n%s", together ? "TQ" : "TP", man_label(i), man[i]
            together = man[i] == ""
        }
    }
    print ".PP\nThese go to FUSE and to the kernel, and mean what\n.BR mount.fuse3 (8)\nand\n.BR mount (8)\nsay:"
    names_of("pass")
    print ".PP\nThese are for\n.BR mount (8)\nand\n.BR systemd.mount (5),\nand have no effect here,\nand so has what begins with\n.BR x\\- :"
    names_of("drop")
}

function wrapped(text,    words, count, k, line) {
    count = split(text, words, " ")
    for (k = 1; k <= count; k++) {
        if (length(line) + length(words[k]) > 78) {
            print line
            line = ""
        }
        line = line (line == "" ? "" : " ") words[k]
    }
    print line
}

function make_v9fs(    i, text) {
    for (i = 1; i <= n; i++) {
        if (v9fs[i] == "")
            continue
        text = v9fs[i]
        sub(/^(mapped|ignored) /, "&: ", text)
        sub(/ : /, ": ", text)
        print ".TP\n.B " roff(name[i])
        wrapped(toupper(substr(text, 1, 1)) roff(substr(text, 2)) ".")
    }
}

# ---- the shells ---------------------------------------------------------------------------------------------------

# What follows NAME=, as words; "" if nothing is known.
function proposals(i,    words, k) {
    if (shell[i] != "")
        return shell[i]
    for (k = i + 1; kind[k] == "value"; k++)
        if (arg[k] !~ /^[A-Z]+$/)
            words = words (words == "" ? "" : " ") arg[k]
    return words
}

function is_option(i) {
    return kind[i] == "option" || kind[i] == "pass" || kind[i] == "drop"
}

function switches(    i, k, words, count, all) {
    for (i = 1; i <= n; i++)
        if (kind[i] == "switch") {
            count = split(name[i], words, " ")
            for (k = 1; k <= count; k++)
                if (words[k] ~ /^-/)
                    all = all (all == "" ? "" : " ") words[k]
        }
    return all
}

function first_help(i,    parts) {
    split(help[i] != "" ? help[i] : kind[i + 1] == "value" ? title[section[i]] : help[i + 1], parts, "\n")
    return parts[1]
}

function make_bash(    i, p) {
    print "# Completion of 9pfs for bash. Made from options.list."
    print "_9pfs_values() {\n    case $1 in"
    for (i = 1; i <= n; i++) {
        if (!is_option(i) || arg[i] == "" || (p = proposals(i)) == "")
            continue
        print "    " name[i] ") " (p == "file" ? "compgen -f -- \"$2\"" : p == "directory" ? "compgen -d -- \"$2\"" : \
                                  p == "user" ? "compgen -u -- \"$2\"" : p == "command" ? "compgen -c -- \"$2\"" : \
                                  "compgen -W '" p "' -- \"$2\"") " ;;"
    }
    print "    esac\n}"
    printf "_9pfs_options='"
    for (i = 1; i <= n; i++)
        if (is_option(i))
            printf "%s ", name[i] (arg[i] == "" ? "" : "=")
    print "'"
    print "_9pfs_switches='" switches() " -o'"
}

function quoted(text) {
    gsub(/'/, "'\\''", text)
    return text
}

function make_zsh(    i, p, text) {
    print "# Completion of 9pfs for zsh. Made from options.list."
    print "local -a _9pfs_options=("
    for (i = 1; i <= n; i++) {
        if (!is_option(i))
            continue
        text = first_help(i)
        gsub(/[\[\]:]/, " ", text)
        p = proposals(i)
        p = p == "file" ? "_files" : p == "directory" ? "_files -/" : p == "user" ? "_users" : \
            p == "command" ? "_command_names -e" : p == "" ? " " : "(" p ")"
        print "    '" quoted(name[i] (text == "" ? "" : "[" text "]") (arg[i] == "" ? "" : ":" arg[i] ":" p)) "'"
    }
    print ")\nlocal -a _9pfs_switches=("
    for (i = 1; i <= n; i++)
        if (kind[i] == "switch")
            print "    " zsh_switch(i)
    print ")"
}

function zsh_switch(i,    words, count, text) {
    count = split(name[i], words, " ")
    for (k = i; help[k] == ""; k++)
        ;
    text = first_help(k)
    gsub(/[\[\]:]/, " ", text)
    if (count > 1 && words[2] ~ /^-/)
        return "'(" words[1] " " words[2] ")'{" words[1] "," words[2] "}'" quoted("[" text "]") "'"
    return "'" quoted(words[1] "[" text "]" (count > 1 ? ":" words[2] ":" : "")) "'"
}

function make_fish(    i, k, p, words, count) {
    print "# Completion of 9pfs for fish. Made from options.list."
    for (i = 1; i <= n; i++)
        if (kind[i] == "switch") {
            count = split(name[i], words, " ")
            printf "complete -c 9pfs"
            for (k = 1; k <= count; k++)
                if (words[k] ~ /^-/)
                    printf " -%s %s", words[k] ~ /^--/ ? "l" : "s", substr(words[k], words[k] ~ /^--/ ? 3 : 2)
            for (k = i; help[k] == ""; k++)
                ;
            printf " -d '%s'\n", quoted(first_help(k))
        }
    print "function __9pfs_options"
    for (i = 1; i <= n; i++)
        if (is_option(i))
            printf "    printf '%%s\\t%%s\\n' '%s' '%s'\n", name[i] (arg[i] == "" ? "" : "="), quoted(first_help(i))
    print "end\nfunction __9pfs_values\n    switch $argv[1]"
    for (i = 1; i <= n; i++) {
        if (!is_option(i) || arg[i] == "" || (p = proposals(i)) == "")
            continue
        print "        case " name[i]
        print "            " (p == "file" ? "__fish_complete_path $argv[2]" : \
                               p == "directory" ? "__fish_complete_directories $argv[2]" : \
                               p == "user" ? "__fish_complete_users" : \
                               p == "command" ? "__fish_complete_command" : "string split ' ' '" p "'")
    }
    print "    end\nend"
}

function make_options() {
    if (make == "page")
        make_man()
    else if (make == "bash")
        make_bash()
    else if (make == "zsh")
        make_zsh()
    else if (make == "fish")
        make_fish()
}

END {
    if (failed)
        exit 1
    if (make == "table")
        make_table()
    else if (make == "help")
        make_help()
}
