/*
 * options_table.c: one option, found in the table that is made from options.list, checked, and
 * stored in its field. What is wrong is said with what would be right.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/options_impl.h"

enum option_kind {
    OPTION_FLAG,    /* the field becomes min */
    OPTION_TEXT,    /* a copy of the value */
    OPTION_NUMBER,  /* min to max */
    OPTION_SECONDS, /* in milliseconds */
    OPTION_KEY,     /* min is what the caller does */
    OPTION_CHECKED, /* a number that is checked and ignored */
    OPTION_PASS,    /* for libfuse */
    OPTION_DROP,    /* for mount(8) */
};

struct option_spec {
    const char *name, *arg; /* arg NULL: without a value */
    enum option_kind kind;
    size_t offset; /* in struct options, of an int, unsigned or char * */
    long long min, max, initial;
    const char *unit;
};

#include "command/options_table.h"

enum { N_OPTIONS = sizeof table / sizeof *table };

static char *field(struct options *o, const struct option_spec *s)
{
    return (char *)o + s->offset;
}

static void set_number(struct options *o, const struct option_spec *s, long long value)
{
    const unsigned stored = (unsigned)value;

    memcpy(field(o, s), &stored, sizeof stored);
}

void options_init(struct options *o)
{
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (table[i].kind == OPTION_NUMBER || table[i].kind == OPTION_SECONDS)
            set_number(o, &table[i], table[i].initial);
}

/* ---- unknown options ---------------------------------------------------- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters are to be changed, added, removed or exchanged with the next. */
static size_t distance(const char *a, size_t an, const char *b)
{
    enum { MAX = 32 };
    size_t rows[3][MAX + 1], bn = strlen(b);

    if (an > MAX || bn > MAX)
        return MAX;
    for (size_t i = 0; i <= an; i++) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *two_before = rows[(i + 1) % 3];
        for (size_t k = 0; k <= bn; k++) {
            if (i == 0 || k == 0) {
                now[k] = i + k;
                continue;
            }
            now[k] = least(before[k - 1] + (a[i - 1] != b[k - 1]), least(before[k], now[k - 1]) + 1);
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                now[k] = least(now[k], two_before[k - 2] + 1);
        }
    }
    return rows[an % 3][bn];
}

/* The option that was probably meant, or NULL. */
static const struct option_spec *nearest(const char *name, size_t n)
{
    const struct option_spec *found = NULL;
    size_t best = (n + 1) / 3; /* and more is another word */

    for (size_t i = 0; i < N_OPTIONS; i++) {
        size_t d = distance(name, n, table[i].name);
        if (d < best || (d == best && found == NULL)) {
            best = d;
            found = &table[i];
        }
    }
    return found;
}

/* For "timeo 30" and "--port=5": the whole of what was given, and what may be right. What sshfs and
 * NFS know is told apart. */
int options_unknown(const char *arg, struct p9_why *why)
{
    static const struct {
        const char *name, *says;
    } of_others[] = {
        {"p", "use -o port=PORT"},
        {"uid=", "files have the owners that the server says"},
        {"gid=", "files have the groups that the server says"},
        {"umask=", "files have the modes that the server says"},
        {"idmap=", "files have the owners that the server says"},
        {"retrans=", "see soft and timeo="},
        {"nolock", "locks need no option"},
        {"json", "only with --stats"},
        {"watch", "only with --stats"},
    };
    const char *word = arg + strspn(arg, "-");

    for (size_t i = 0; i < sizeof of_others / sizeof *of_others; i++) {
        size_t k = strlen(of_others[i].name);
        bool has_value = of_others[i].name[k - 1] == '=';
        if (strncmp(word, of_others[i].name, k) == 0 && (has_value || word[k] == 0 || word[k] == '='))
            return options_fail(why, "unknown option '%s': %s", arg, of_others[i].says);
    }
    const struct option_spec *s = nearest(word, strcspn(word, "=: "));

    if (s == NULL)
        return options_fail(why, "unknown option '%s' (see 9pfs --help)", arg);
    return options_fail(why, "unknown option '%s': did you mean '%s%s%s%s'?", arg, *arg == '-' ? "-o " : "", s->name,
                        s->arg != NULL ? "=" : "", s->arg != NULL ? s->arg : "");
}

/* ---- values ------------------------------------------------------------- */

int options_parse_seconds(const char *option, const char *text, unsigned *ms, struct p9_why *why)
{
    char *end;
    double seconds = strtod(text, &end);

    if (*text == 0 || *end != 0 || !(seconds >= 0 && seconds <= MAX_SECONDS))
        return options_fail(why, "option %s=%s: expected seconds, 0 to %u", option, text, MAX_SECONDS);
    *ms = (unsigned)(seconds * 1000 + 0.5);
    return 0;
}

/* Decimal, or hexadecimal after 0x. */
static int parse_number(const struct option_spec *s, const char *text, long long *value, struct p9_why *why)
{
    const char *digits = text + (*text == '-');
    const char *unit = s->unit != NULL ? s->unit : "";
    char *end;

    errno = 0;
    *value = strtoll(text, &end, strncasecmp(digits, "0x", 2) == 0 ? 16 : 10);
    if (*digits < '0' || *digits > '9' || *end != 0 || errno != 0 || *value < s->min || *value > s->max)
        return options_fail(why, "option %s=%s: expected %lld to %lld%s%s", s->name, text, s->min, s->max,
                            *unit != 0 ? " " : "", unit);
    return 0;
}

static int store(struct options *o, const struct option_spec *s, const char *text, struct p9_why *why)
{
    long long number = 0;
    unsigned ms;

    switch (s->kind) {
    case OPTION_FLAG:
        set_number(o, s, s->min);
        return 0;
    case OPTION_TEXT: {
        char **copy = (char **)(void *)field(o, s);
        options_set(copy, text, strlen(text));
        return *copy != NULL ? 0 : options_fail(why, "%s", strerror(ENOMEM));
    }
    case OPTION_NUMBER:
        if (parse_number(s, text, &number, why) != 0)
            return -1;
        set_number(o, s, number);
        return 0;
    case OPTION_CHECKED:
        return parse_number(s, text, &number, why);
    case OPTION_SECONDS:
        if (options_parse_seconds(s->name, text, &ms, why) != 0)
            return -1;
        set_number(o, s, ms);
        return 0;
    default:
        return 0;
    }
}

bool options_is_dropped(const char *arg)
{
    size_t n = strcspn(arg, "=");

    for (size_t i = 0; i < N_OPTIONS; i++)
        if (table[i].kind == OPTION_DROP && strlen(table[i].name) == n && strncmp(table[i].name, arg, n) == 0)
            return true;
    return strncasecmp(arg, "x-", 2) == 0;
}

int options_store(struct options *o, const char *arg, struct p9_why *why)
{
    size_t n = strcspn(arg, "=");
    const char *value = arg[n] == '=' ? arg + n + 1 : NULL;
    const struct option_spec *other = NULL;

    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option_spec *s = &table[i];
        if (strlen(s->name) != n || strncmp(s->name, arg, n) != 0)
            continue;
        if ((s->arg != NULL) != (value != NULL)) {
            other = s;
            continue;
        }
        if (value != NULL && *value == 0 && strcmp(s->name, "aname") != 0 && s->kind != OPTION_DROP)
            return options_fail(why, "option %s needs a value: %s=%s", arg, s->name, s->arg);
        if (store(o, s, value, why) != 0)
            return -1;
        return s->kind == OPTION_PASS ? OPTION_FOR_LIBFUSE : s->kind == OPTION_KEY ? (int)s->min : 0;
    }
    if (options_is_dropped(arg))
        return 0;
    if (other == NULL)
        return OPTION_UNKNOWN;
    return other->arg != NULL ? options_fail(why, "option %s needs a value: %s=%s", arg, other->name, other->arg)
                              : options_fail(why, "option %s: %s takes no value", arg, other->name);
}
