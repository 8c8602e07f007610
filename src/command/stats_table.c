/*
 * stats_table.c: the statistics as a table for people.
 */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "command/stats.h"

struct table {
    FILE *f;
    const struct stats_values *now, *before; /* before may be NULL */
    double seconds;                          /* from one to the other */
};

static uint64_t number(const struct table *t, const char *name)
{
    return stats_number(t->now, name);
}

/* How much it grows in a second. */
static double rate(const struct table *t, const char *name)
{
    uint64_t now = number(t, name), before = stats_number(t->before, name);

    return t->seconds > 0 && now > before ? (double)(now - before) / t->seconds : 0;
}

/* ---- units ----------------------------------------------------------------- */

struct word {
    char text[32];
};

static struct word bytes(double n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    struct word w;
    size_t i = 0;

    for (; n >= 1024 && i < sizeof units / sizeof *units - 1; i++)
        n /= 1024;
    snprintf(w.text, sizeof w.text, i == 0 ? "%.0f %s" : "%.1f %s", n, units[i]);
    return w;
}

static struct word duration(uint64_t ms)
{
    uint64_t s = ms / 1000;
    struct word w;

    if (s < 60)
        snprintf(w.text, sizeof w.text, "%" PRIu64 ".%" PRIu64 " s", s, ms % 1000 / 100);
    else if (s < 86400)
        snprintf(w.text, sizeof w.text, "%" PRIu64 ":%02d:%02d", s / 3600, (int)(s / 60 % 60), (int)(s % 60));
    else
        snprintf(w.text, sizeof w.text, "%" PRIu64 " d %d:%02d", s / 86400, (int)(s / 3600 % 24), (int)(s / 60 % 60));
    return w;
}

/* ---- the parts ------------------------------------------------------------- */

static void print_head(const struct table *t, const char *mountpoint)
{
    char source[512], at[512];

    text_escape(source, sizeof source, stats_text(t->now, "source"));
    text_escape(at, sizeof at, mountpoint);
    fprintf(t->f, "%s at %s: %s, msize %" PRIu64 ", for %s\n", source, at, stats_text(t->now, "dialect"),
            number(t, "msize"), duration(number(t, "uptime_ms")).text);
    fprintf(t->f, "connection    %s for %s, %" PRIu64 " reconnects", stats_text(t->now, "connection.state"),
            duration(number(t, "connection.since_ms")).text, number(t, "connection.reconnects"));
    if (number(t, "connection.silent_ms") >= 1000)
        fprintf(t->f, ", silent for %s", duration(number(t, "connection.silent_ms")).text);
    fprintf(t->f,
            "\nrequests      %" PRIu64 " in flight, %" PRIu64 " waiting, %" PRIu64 " given up, %" PRIu64 " flushed\n",
            number(t, "requests.in_flight"), number(t, "requests.waiting"), number(t, "requests.given_up"),
            number(t, "requests.flushed"));
    fprintf(t->f, "bytes         %s out, %s in", bytes((double)number(t, "bytes.out")).text,
            bytes((double)number(t, "bytes.in")).text);
    if (t->before != NULL)
        fprintf(t->f, "; %s/s out, %s/s in", bytes(rate(t, "bytes.out")).text, bytes(rate(t, "bytes.in")).text);
    fputs("\n\n", t->f);
}

static void print_message(const struct table *t, const char *type, size_t n)
{
    static const struct {
        const char *name;
        int width;
    } columns[] = {{"sent", 10},  {"errors", 8}, {"bytes_out", 13}, {"bytes_in", 13},
                   {"p50_us", 8}, {"p90_us", 8}, {"p99_us", 8},     {"max_us", 9}};
    char name[STATS_NAME];

    fprintf(t->f, "%-13.*s", (int)n, type);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        snprintf(name, sizeof name, "messages.%.*s.%s", (int)n, type, columns[i].name);
        fprintf(t->f, " %*" PRIu64, columns[i].width, number(t, name));
    }
    snprintf(name, sizeof name, "messages.%.*s.sent", (int)n, type);
    if (t->before != NULL)
        fprintf(t->f, " %9.1f", rate(t, name));
    fputc('\n', t->f);
}

static void print_messages(const struct table *t)
{
    static const char prefix[] = "messages.", suffix[] = ".sent";

    fprintf(t->f, "%-13s %10s %8s %13s %13s %8s %8s %8s %9s%s\n", "message", "sent", "errors", "bytes out", "bytes in",
            "p50 us", "p90 us", "p99 us", "max us", t->before != NULL ? "    sent/s" : "");
    for (size_t i = 0; i < t->now->n; i++) {
        const char *name = t->now->values[i].name;
        size_t len = strlen(name);
        if (strncmp(name, prefix, strlen(prefix)) == 0 && strcmp(name + len - strlen(suffix), suffix) == 0)
            print_message(t, name + strlen(prefix), len - strlen(prefix) - strlen(suffix));
    }
}

static void print_outcomes(const struct table *t)
{
    static const struct {
        const char *what, *without, *with;
    } rows[] = {
        {"lookups", "cache.lookups_known", "cache.lookups_asked"},
        {"absent names", "cache.lookups_absent", ""},
        {"listed with attributes", "cache.entries_with_attributes", ""},
        {"attributes", "cache.attributes_known", "cache.attributes_asked"},
        {"extended attributes", "cache.xattrs_known", "cache.xattrs_asked"},
        {"directories opened", "cache.listings_known", "cache.listings_asked"},
        {"files opened", "cache.opens_ahead", "cache.opens_asked"},
        {"reads", "cache.reads_ahead", "cache.reads_asked"},
        {"writes", "cache.writes_behind", "cache.writes_waited"},
    };

    fprintf(t->f, "\n%-24s %18s %12s\n", "answered", "without a request", "with one");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fprintf(t->f, "%-24s %18" PRIu64, rows[i].what, number(t, rows[i].without));
        if (rows[i].with[0] != 0)
            fprintf(t->f, " %12" PRIu64, number(t, rows[i].with));
        fputc('\n', t->f);
    }
    fprintf(t->f, "%-24s %18" PRIu64 "\n", "round trips saved", number(t, "cache.round_trips_saved"));
}

static void print_state(const struct table *t)
{
    fprintf(
        t->f, "\nread-ahead    %s used, %s wasted, %s held\n", bytes((double)number(t, "readahead.used_bytes")).text,
        bytes((double)number(t, "readahead.wasted_bytes")).text, bytes((double)number(t, "readahead.held_bytes")).text);
    fprintf(t->f, "write-behind  %s dirty\n", bytes((double)number(t, "writebehind.dirty_bytes")).text);
    fprintf(t->f, "cache         %" PRIu64 " inodes, %" PRIu64 " names, %" PRIu64 " of %" PRIu64 " fids\n",
            number(t, "cache.inodes"), number(t, "cache.names"), number(t, "cache.fids"), number(t, "cache.max_fids"));
}

/* What the kernel has asked for, by kind. */
static void print_operations(const struct table *t)
{
    static const char prefix[] = "operations.";
    int column = fprintf(t->f, "kernel       ");

    for (size_t i = 0; i < t->now->n; i++) {
        const char *name = t->now->values[i].name;
        if (strncmp(name, prefix, strlen(prefix)) != 0)
            continue;
        if (column > 72)
            column = fprintf(t->f, "\n             ") - 1;
        column += fprintf(t->f, " %s %" PRIu64, name + strlen(prefix), number(t, name));
    }
    fputc('\n', t->f);
}

void stats_print(FILE *f, const char *mountpoint, const struct stats_values *v, const struct stats_values *before)
{
    struct table t = {.f = f, .now = v, .before = before};

    if (before != NULL)
        t.seconds = ((double)number(&t, "uptime_ms") - (double)stats_number(before, "uptime_ms")) / 1000;
    print_head(&t, mountpoint);
    print_messages(&t);
    print_outcomes(&t);
    print_state(&t);
    print_operations(&t);
}
