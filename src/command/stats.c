/*
 * stats.c: 9pfs --stats MOUNTPOINT [--json] [--watch[=SECONDS]].
 */
#include "command/stats.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum { LEAST_MS = 10, MOST_SECONDS = 86400 };

struct question {
    const char *mountpoint;
    bool json, watch;
    unsigned ms; /* from one answer to the next */
};

bool stats_wanted(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--stats") == 0)
            return true;
    return false;
}

/* ---- the command line ------------------------------------------------------ */

static bool parse_interval(const char *text, unsigned *ms)
{
    char *end;
    double seconds = strtod(text, &end);

    if (*text == 0 || *end != 0 || !(seconds * 1000 >= LEAST_MS && seconds <= MOST_SECONDS)) {
        log_error("option --watch=%s: expected seconds, 0.01 to %d", text, MOST_SECONDS);
        return false;
    }
    *ms = (unsigned)(seconds * 1000 + 0.5);
    return true;
}

static bool parse_one(struct question *q, const char *arg)
{
    static const char watch[] = "--watch=";

    if (strcmp(arg, "--stats") == 0)
        return true;
    if (strcmp(arg, "--json") == 0) {
        q->json = true;
        return true;
    }
    if (strcmp(arg, "--watch") == 0 || strncmp(arg, watch, strlen(watch)) == 0) {
        q->watch = true;
        return arg[strlen(watch) - 1] == 0 || parse_interval(arg + strlen(watch), &q->ms);
    }
    if (*arg == '-' || q->mountpoint != NULL) {
        log_error("unexpected argument '%s' with --stats, which takes MOUNTPOINT, --json and --watch", arg);
        return false;
    }
    q->mountpoint = arg;
    return true;
}

static bool parse(struct question *q, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!parse_one(q, argv[i]))
            return false;
    if (q->mountpoint == NULL)
        log_error("--stats needs a MOUNTPOINT (see 9pfs --help)");
    return q->mountpoint != NULL;
}

/* ---- printing -------------------------------------------------------------- */

/* Draws over what is on the terminal, as many lines as it has. */
static void redraw(const char *text)
{
    struct winsize w = {.ws_row = 0};
    unsigned rows = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 1 ? w.ws_row - 1u : 1000;

    fputs("\033[H", stdout);
    for (; *text != 0 && rows > 0; rows--) {
        size_t n = strcspn(text, "\n");
        printf("%.*s\033[K\n", (int)n, text);
        text += n + (text[n] != 0);
    }
    fputs("\033[J", stdout);
}

static bool print_table(const struct question *q, const struct stats_values *now, const struct stats_values *before)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (f == NULL)
        return false;
    stats_print(f, q->mountpoint, now, before);
    fclose(f);
    if (q->watch && isatty(STDOUT_FILENO))
        redraw(text);
    else
        printf("%s%s", text, q->watch ? "\n" : "");
    free(text);
    return true;
}

/* One answer, printed. *last: the values of the one before, and then of this. */
static bool show(const struct question *q, struct stats_values **last)
{
    struct p9_why why;
    char *json = stats_ask(q->mountpoint, &why);
    struct stats_values *now = json != NULL ? stats_values_new(json) : NULL;
    bool good = now != NULL;

    if (json == NULL)
        log_error("%s", why.text);
    else if (!good)
        log_error("%s: the answer is not one of 9pfs", q->mountpoint);
    else if (q->json)
        printf("%s\n", json);
    else
        good = print_table(q, now, *last);
    free(json);
    stats_values_free(*last);
    *last = now;
    return fflush(stdout) == 0 && good;
}

int stats_main(int argc, char **argv)
{
    struct question q = {.ms = 1000};
    struct stats_values *last = NULL;

    if (!parse(&q, argc, argv))
        return 1;
    if (q.watch && !q.json && isatty(STDOUT_FILENO))
        fputs("\033[2J", stdout);
    bool good = show(&q, &last);
    while (good && q.watch) {
        const struct timespec ts = {q.ms / 1000, q.ms % 1000 * 1000000L};
        nanosleep(&ts, NULL);
        good = show(&q, &last);
    }
    stats_values_free(last);
    return good ? 0 : 1;
}
