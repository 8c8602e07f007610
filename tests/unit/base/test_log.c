/*
 * test_log.c: levels of messages, and the lines of the trace.
 */
#include "base/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/trace.h"
#include "unit/test.h"

enum { TEXT = 1 << 20 };

static int real_stderr;
static char path[64], text[TEXT];

/* stderr becomes a file. */
static int begin(void **state)
{
    (void)state;
    strcpy(path, "/tmp/9pfs-log.XXXXXX");
    int fd = mkstemp(path);
    fflush(stderr);
    real_stderr = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
    return 0;
}

static const char *content(const char *of)
{
    int fd = open(of, O_RDONLY);
    ssize_t n = read(fd, text, TEXT - 1);

    close(fd);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static int end(void **state)
{
    (void)state;
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    unlink(path);
    log_set_level(log_level_named("info"));
    return 0;
}

static void log_all(void)
{
    log_error("%d", 1);
    log_warning("%d", 2);
    log_notice("%d", 3);
    log_info("%d", 4);
    log_debug("%d", 5);
}

static void levels_leave_out_what_is_below(void **state)
{
    static const struct {
        const char *name, *lines;
    } cases[] = {
        {"error", "9pfs: 1\n"},
        {"warning", "9pfs: 1\n9pfs: 2\n"},
        {"notice", "9pfs: 1\n9pfs: 2\n9pfs: 3\n"},
        {"info", "9pfs: 1\n9pfs: 2\n9pfs: 3\n9pfs: 4\n"},
        {"debug", "9pfs: 1\n9pfs: 2\n9pfs: 3\n9pfs: 4\n9pfs: 5\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ftruncate(STDERR_FILENO, 0), 0);
        lseek(STDERR_FILENO, 0, SEEK_SET);
        log_set_level(log_level_named(cases[i].name));
        log_all();
        assert_string_equal(content(path), cases[i].lines);
    }
    assert_int_equal(log_level_named("loud"), -1);
    assert_int_equal(log_level_named(""), -1);
}

static void info_is_the_least_at_first(void **state)
{
    (void)state;
    log_all();
    assert_string_equal(content(path), "9pfs: 1\n9pfs: 2\n9pfs: 3\n9pfs: 4\n");
}

/* "2026-01-31 23:59:59.123456 " */
static const char *after_time(const char *line)
{
    static const char form[] = "0000-00-00 00:00:00.000000 ";

    for (size_t i = 0; form[i] != 0; i++)
        if (form[i] == '0' ? line[i] < '0' || line[i] > '9' : line[i] != form[i])
            return "no time";
    return line + sizeof form - 1;
}

static void a_trace_goes_to_stderr(void **state)
{
    (void)state;
    trace_line("-> Tversion");
    assert_string_equal(after_time(content(path)), "-> Tversion\n");
}

static void a_trace_goes_to_the_log_at_any_level(void **state)
{
    (void)state;
    log_set_level(log_level_named("error"));
    trace_to_log();
    trace_line("-> Tversion");
    assert_memory_equal(content(path), "9pfs: ", 6);
    assert_string_equal(after_time(content(path) + 6), "-> Tversion\n");
}

enum { THREADS = 4, LINES = 500 };

static void *write_lines(void *arg)
{
    char line[2000];

    memset(line, *(char *)arg, sizeof line);
    line[1000 + *(char *)arg] = 0;
    for (int i = 0; i < LINES; i++)
        trace_line(line);
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    char file[80], names[THREADS] = "abcd", *copy, *save;
    pthread_t t[THREADS];
    struct stat st;
    int seen = 0;

    (void)state;
    snprintf(file, sizeof file, "%s.trace", path);
    assert_int_equal(trace_to_file("/nowhere/at/all"), -ENOENT);
    assert_int_equal(trace_to_file(file), 0);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, write_lines, &names[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    FILE *f = fopen(file, "r");
    copy = malloc(4096);
    while (fgets(copy, 4096, f) != NULL) {
        save = (char *)after_time(copy);
        assert_int_equal(strspn(save, (char[]){save[0], 0}), 1000 + save[0]);
        assert_string_equal(save + 1000 + save[0], "\n");
        seen++;
    }
    assert_int_equal(seen, THREADS * LINES);
    free(copy);
    fclose(f);
    unlink(file);
}

/* The rest of a line that was cut does not become the beginning of another. */
static void a_full_disk_is_told_once(void **state)
{
    char file[80];
    struct rlimit before, full;

    (void)state;
    assert_int_equal(trace_to_file("/dev/full"), 0);
    trace_line("lost");
    trace_line("lost, too");
    assert_string_equal(content(path),
                        "9pfs: cannot write the trace, some of which is missing: No space left on device\n");
    snprintf(file, sizeof file, "%s.trace", path);
    assert_int_equal(trace_to_file(file), 0);
    getrlimit(RLIMIT_FSIZE, &before);
    full = before;
    full.rlim_cur = 10;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &full);
    trace_line("first");
    trace_line("second");
    trace_line("third");
    setrlimit(RLIMIT_FSIZE, &before);
    trace_line("fourth");
    const char *line = strchr(content(file), '\n');
    assert_true(line != NULL);
    assert_string_equal(after_time(line + 1), "fourth\n");
    unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(info_is_the_least_at_first, begin, end),
        cmocka_unit_test_setup_teardown(levels_leave_out_what_is_below, begin, end),
        cmocka_unit_test_setup_teardown(a_trace_goes_to_stderr, begin, end),
        cmocka_unit_test_setup_teardown(a_trace_goes_to_the_log_at_any_level, begin, end),
        cmocka_unit_test_setup_teardown(lines_of_threads_do_not_mix, begin, end),
        cmocka_unit_test_setup_teardown(a_full_disk_is_told_once, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
