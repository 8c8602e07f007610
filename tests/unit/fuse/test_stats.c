/*
 * test_stats.c: the statistics of a mount as JSON, at their largest, taken apart again.
 */
#include "fuse/stats.h"

#include <stdlib.h>
#include <string.h>

#include "command/stats.h"
#include "fuse/stats_answer.h"
#include "unit/cache/world.h"

enum { HOSTILE = 100000 };

static char buf[STATS_BYTES];

/* Everything has happened as often as it can. */
static void fill(struct fs *fs, struct p9_session_stats *s)
{
    memset(s, 0xff, sizeof *s);
    s->dialect = P9_2000L;
    s->ended = s->away = false;
    for (unsigned i = 0; i < P9_REQUEST_TYPES; i++)
        if (p9_type_name(2 * i) == NULL)
            s->messages[i].sent = 0;
    for (size_t i = 0; i < COUNTS; i++)
        atomic_init(&fs->counts[i], UINT64_MAX);
}

static size_t render(struct fs *fs, const struct p9_session_stats *s, size_t size)
{
    size_t n = stats_render(fs, s, buf, size);

    assert_int_equal(strlen(buf), n);
    return n;
}

static void the_largest_fits(void **state)
{
    struct world w = begin(64);
    struct fs fs = {.client = w.client, .cache = w.cache};
    struct p9_session_stats s;
    char *hostile = malloc(HOSTILE + 1);

    (void)state;
    fill(&fs, &s);
    for (size_t i = 0; i < HOSTILE; i++)
        hostile[i] = "\"\\\n\377{}:,\001"[i % 9];
    hostile[HOSTILE] = 0;
    fs.source = fs.server = fs.port = fs.aname = hostile;
    size_t n = render(&fs, &s, STATS_BYTES - 1);
    assert_true(n < STATS_BYTES / 2);
    assert_memory_equal(buf, STATS_BEGIN, strlen(STATS_BEGIN));
    assert_int_equal(buf[n - 1], '}');
    struct stats_values *v = stats_values_new(buf);
    assert_non_null(v);
    assert_memory_equal(stats_text(v, "source"), "\"\\?\?{}:,?\"\\", 11);
    assert_true(stats_number(v, "messages.Tlopen.max_us") == UINT64_MAX);
    assert_true(stats_number(v, "operations.interrupted") == UINT64_MAX);
    assert_int_equal(stats_number(v, "cache.max_fids"), 64);
    assert_int_equal(stats_number(v, "cache.inodes"), 1);
    assert_string_equal(stats_text(v, "connection.state"), "up");
    stats_values_free(v);
    free(hostile);
    end(&w);
}

/* No part of a text is taken for the whole. */
static void what_is_cut_is_refused(void **state)
{
    struct world w = begin(64);
    struct fs fs = {.client = w.client, .cache = w.cache, .source = "a\"b\n"};
    struct p9_session_stats s = {.dialect = P9_2000L, .messages[P9_Tread / 2].sent = 1};

    (void)state;
    size_t n = render(&fs, &s, STATS_BYTES - 1);
    for (size_t i = 0; i < n; i++) {
        char c = buf[i];
        buf[i] = 0;
        assert_null(stats_values_new(buf));
        buf[i] = c;
    }
    strcat(buf, "x");
    assert_null(stats_values_new(buf));
    end(&w);
}

/* What another program answers reaches neither the terminal nor the end of the stack. */
static void what_9pfs_does_not_send_is_refused(void **state)
{
    enum { DEEP = 10000 };
    static const char *const unseen[] = {"\033", "\n", "\177", "\302\233", "\377"};
    char *deep = calloc(DEEP, sizeof "{\"\":" + 1), json[64];

    (void)state;
    for (size_t i = 0; i < sizeof unseen / sizeof *unseen; i++) {
        snprintf(json, sizeof json, "{\"a\":\"%s\"}", unseen[i]);
        assert_null(stats_values_new(json));
        snprintf(json, sizeof json, "{\"%s\":1}", unseen[i]);
        assert_null(stats_values_new(json));
    }
    struct stats_values *v = stats_values_new("{\"a\":\"\303\244\"}");
    assert_string_equal(stats_text(v, "a"), "\303\244");
    stats_values_free(v);
    for (size_t i = 0; i < DEEP; i++)
        strcpy(deep + i * strlen("{\"\":"), "{\"\":");
    strcat(deep, "1");
    memset(deep + strlen(deep), '}', DEEP);
    assert_null(stats_values_new(deep));
    free(deep);
}

static void round_trips_saved_are_those_without_a_request(void **state)
{
    struct world w = begin(64);
    struct fs fs = {.client = w.client, .cache = w.cache};
    struct p9_session_stats s = {.dialect = P9_2000L};

    (void)state;
    fs_count(&fs, LOOKUPS_KNOWN);
    fs_count(&fs, LOOKUPS_ABSENT);
    fs_count(&fs, WRITES_BEHIND);
    fs_count(&fs, LOOKUPS_ASKED);
    fs_count(&fs, REQUESTS_lookup);
    render(&fs, &s, STATS_BYTES - 1);
    struct stats_values *v = stats_values_new(buf);
    assert_int_equal(stats_number(v, "cache.round_trips_saved"), 3);
    assert_int_equal(stats_number(v, "operations.lookup"), 1);
    assert_string_equal(stats_text(v, "operations.open"), "");
    stats_values_free(v);
    end(&w);
}

static void states_of_the_connection(void **state)
{
    struct world w = begin(64);
    struct fs fs = {.client = w.client, .cache = w.cache};
    struct p9_session_stats s = {.dialect = P9_2000L, .away = true};

    (void)state;
    render(&fs, &s, STATS_BYTES - 1);
    assert_non_null(strstr(buf, "\"state\":\"away\""));
    s.ended = true;
    render(&fs, &s, STATS_BYTES - 1);
    assert_non_null(strstr(buf, "\"state\":\"ended\""));
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_fits),
        cmocka_unit_test(what_is_cut_is_refused),
        cmocka_unit_test(what_9pfs_does_not_send_is_refused),
        cmocka_unit_test(round_trips_saved_are_those_without_a_request),
        cmocka_unit_test(states_of_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
