/*
 * test_command.c: a command as a transport: what it gets, what is said when it ends, and that
 * nothing of it stays.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "9p/transport.h"
#include "unit/test.h"

/* ---- the log -------------------------------------------------------------- */

static pthread_mutex_t log_mtx = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool log_is_slow;
static char logged[4096]; /* a line each; what does not fit is left out */

void __wrap_log_error(const char *fmt, ...);
void __wrap_log_error(const char *fmt, ...)
{
    va_list ap;

    if (atomic_load(&log_is_slow))
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    pthread_mutex_lock(&log_mtx);
    size_t n = strlen(logged), room = sizeof logged - n;
    va_start(ap, fmt);
    size_t length = (size_t)vsnprintf(logged + n, room, fmt, ap);
    va_end(ap);
    strcpy(logged + n + (length + 1 < room ? length : 0), length + 1 < room ? "\n" : "");
    pthread_mutex_unlock(&log_mtx);
}

static bool is_logged(const char *text)
{
    pthread_mutex_lock(&log_mtx);
    bool is = strstr(logged, text) != NULL;
    pthread_mutex_unlock(&log_mtx);
    return is;
}

/* ---- helpers -------------------------------------------------------------- */

static void instant(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

static struct p9_starter *starter_of(const char *command)
{
    int err;
    struct p9_starter *s = p9_starter_new(command, &err);

    logged[0] = 0;
    assert_non_null(s);
    assert_int_equal(err, 0);
    return s;
}

static struct transport *start(struct p9_starter *s)
{
    struct p9_why why;
    int err;
    struct transport *t = transport_command(s, &err, &why);

    assert_non_null(t);
    return t;
}

static ssize_t read_some(struct transport *t, char *buf, size_t n)
{
    return transport_read(t, &(struct iovec){buf, n}, 1, false);
}

/* Reads up to the end, which it returns. */
static ssize_t read_all(struct transport *t, char *buf, size_t size)
{
    ssize_t n;

    *buf = 0;
    for (size_t got = 0; (n = read_some(t, buf + got, size - 1 - got)) > 0; buf[got] = 0)
        got += (size_t)n;
    return n;
}

static void write_text(struct transport *t, const char *text)
{
    assert_int_equal(transport_write(t, &(struct iovec){(char *)text, strlen(text)}, 1), strlen(text));
}

/* ---- tests ---------------------------------------------------------------- */

static void its_input_and_output_are_the_connection(void **state)
{
    struct p9_starter *s = starter_of("cat");
    char buf[64];

    (void)state;
    for (int i = 0; i < 3; i++) { /* and again */
        struct transport *t = start(s);
        write_text(t, "hello");
        assert_int_equal(read_some(t, buf, sizeof buf), 5);
        assert_memory_equal(buf, "hello", 5);
        if (i == 1)
            p9_starter_settle(s);
        transport_shutdown(t);
        assert_int_equal(read_some(t, buf, sizeof buf), 0);
        assert_null(transport_why(t));
        transport_close(t);
    }
    p9_starter_free(s);
}

/* Nothing blocked or ignored, nothing open, the root directory, a process group of its own. */
/* Signals 32 and 33 are the C library's: no program can change what it inherits of them. */
static void it_starts_as_from_a_shell(void **state)
{
    struct p9_starter *s = starter_of("for set in SigBlk SigIgn; do "
                                      "  n=$(sed -n \"s/^$set:[[:space:]]*//p\" /proc/self/status); "
                                      "  echo $set $((0x$n & ~0x180000000)); "
                                      "done; ls /proc/self/fd; pwd; "
                                      "[ \"$(cut -d' ' -f5 /proc/self/stat)\" = $$ ] && echo group");
    char buf[1024];

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct transport *t = start(s);
        assert_int_equal(read_all(t, buf, sizeof buf), 0);
        assert_string_equal(buf, "SigBlk 0\nSigIgn 0\n"
                                 "0\n1\n2\n3\n/\ngroup\n"); /* 3 is of ls */
        transport_close(t);
        p9_starter_settle(s);
    }
    p9_starter_free(s);
}

static void the_reason_has_status_and_last_line(void **state)
{
    static const struct {
        const char *command, *why, *logged;
        int err;
    } cases[] = {
        {"sh -c 'exit 3'", "command 'sh -c 'exit 3'' exited with status 3", "", -ENOLINK},
        {"echo one >&2; echo two >&2; exit 255",
         "command 'echo one >&2; echo two >&2; exit 255' exited with status 255: two", "command: one\n", -ENOLINK},
        {"printf 'no newline' >&2; exit 1",
         "command 'printf 'no newline' >&2; exit 1' exited with status 1: no newline", "", -ENOLINK},
        {"kill -9 $$", "command 'kill -9 $$' was killed by signal 9", "", -ENOLINK},
        {"true", "command 'true' exited with status 0", "", 0},
        {"/nowhere/x", "cannot run command '/nowhere/x': No such file or directory", "", -ENOLINK},
        {"/tmp", "cannot run command '/tmp': Permission denied", "", -ENOLINK},
        {"true 3456789012345678901234567890123456789012345678901234567890; false",
         "command 'true 3456789012345678901234567890123456789012345678901234567...' exited with status 1", "",
         -ENOLINK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct p9_starter *s = starter_of(cases[i].command);
        struct transport *t = start(s);
        char buf[64];
        assert_int_equal(read_all(t, buf, sizeof buf), cases[i].err);
        assert_non_null(transport_why(t));
        assert_string_equal(transport_why(t), cases[i].why);
        transport_close(t);
        p9_starter_free(s);
        assert_string_equal(logged, cases[i].logged);
    }
}

/* A write that fails first does not hide it. */
static void a_write_to_it_fails_and_the_reason_is_known(void **state)
{
    struct p9_starter *s = starter_of("exec <&- >&-; read x < /proc/self/cmdline; exit 4");
    struct transport *t = start(s);
    char buf[64];
    ssize_t n;

    (void)state;
    while ((n = transport_write(t, &(struct iovec){"x", 1}, 1)) >= 0)
        instant();
    assert_true(n == -EPIPE || n == -ECONNRESET);
    transport_shutdown(t);
    assert_int_equal(read_all(t, buf, sizeof buf), -ENOLINK);
    assert_non_null(strstr(transport_why(t), "exited with status 4"));
    transport_close(t);
    p9_starter_free(s);
}

static void its_messages_are_logged_once_the_server_speaks(void **state)
{
    struct p9_starter *s = starter_of("echo early >&2; echo R; read x; echo late >&2; echo S; read x");
    struct transport *t = start(s);
    char buf[8];

    (void)state;
    assert_int_equal(read_some(t, buf, sizeof buf), 2);
    write_text(t, "\n");
    assert_int_equal(read_some(t, buf, sizeof buf), 2);
    while (!is_logged("command: late\n"))
        instant();
    assert_true(is_logged("command: early\n"));
    transport_close(t);
    p9_starter_free(s);
}

static void a_long_line_is_several(void **state)
{
    struct p9_starter *s = starter_of("printf %0450d 7 >&2; exit 1");
    struct transport *t = start(s);
    char buf[8], expected[1024], zeros[201];

    (void)state;
    memset(zeros, '0', 200);
    zeros[200] = 0;
    assert_int_equal(read_all(t, buf, sizeof buf), -ENOLINK);
    snprintf(expected, sizeof expected, ": %.49s7", zeros);
    assert_string_equal(strrchr(transport_why(t), ':'), expected);
    transport_close(t);
    p9_starter_free(s);
    snprintf(expected, sizeof expected, "command: %s\ncommand: %s\n", zeros, zeros);
    assert_string_equal(logged, expected);
}

static void many_lines_do_not_fill_the_log(void **state)
{
    struct p9_starter *s = starter_of("seq 20000 >&2; exit 1");
    struct transport *t = start(s);
    char buf[8];

    (void)state;
    assert_int_equal(read_all(t, buf, sizeof buf), -ENOLINK);
    assert_string_equal(strrchr(transport_why(t), ':'), ": 20000");
    transport_close(t);
    p9_starter_free(s);
    assert_non_null(strstr(logged, "command: 1\n"));
    assert_non_null(strstr(logged, " more lines\n"));
}

/* Faster than the log takes it, and outside of the command's process group. */
static void what_it_has_left_may_go_on_writing(void **state)
{
    struct p9_starter *s = starter_of("setsid sh -c 'echo R; exec yes 678901234567890123456789012345678901234567890 "
                                      ">&2 <&-' & read x; exit 4");
    struct transport *t = start(s);
    char buf[8];

    (void)state;
    atomic_store(&log_is_slow, true);
    assert_int_equal(read_some(t, buf, sizeof buf), 2);
    while (!is_logged("command: 678901234567890123456789012345678901234567890\n"))
        instant();
    write_text(t, "\n");
    assert_true(read_all(t, buf, sizeof buf) <= 0);
    transport_close(t);
    atomic_store(&log_is_slow, false);
    p9_starter_free(s);
}

/* Or a zombie, which not every process 1 reaps. */
static bool is_gone(const char *pid)
{
    char path[64], state = 'Z';

    snprintf(path, sizeof path, "/proc/%d/stat", atoi(pid));
    FILE *f = fopen(path, "re");
    if (f != NULL && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    if (f != NULL)
        fclose(f);
    return state == 'Z' || state == 'X';
}

/* Neither it, though it takes no notice, nor what it has started. */
static void nothing_of_it_stays(void **state)
{
    struct p9_starter *s = starter_of("trap '' TERM HUP INT; sleep 1000 & echo $$ $!; sleep 1001");
    char buf[64] = "";

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct transport *t = start(s);
        ssize_t n = read_some(t, buf, sizeof buf - 1);
        assert_true(n > 0);
        buf[n] = 0;
        const char *child = strchr(buf, ' ') + 1;
        assert_false(is_gone(buf));
        assert_false(is_gone(child));
        transport_shutdown(t);
        transport_close(t);
        if (i == 1)
            p9_starter_free(s);
        else
            p9_starter_settle(s);
        while (!is_gone(buf) || !is_gone(child))
            instant();
    }
}

/* As if 9pfs were killed. */
static void it_ends_with_the_process_that_serves(void **state)
{
    int fds[2];
    char buf[64] = "";

    (void)state;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct p9_starter *s = starter_of("echo $$; exec sleep 1000");
        struct transport *t = start(s);
        ssize_t n = read_some(t, buf, sizeof buf);
        if (write(fds[1], buf, (size_t)n) != n)
            _exit(1);
        pause();
        transport_close(t);
    }
    assert_true(read(fds[0], buf, sizeof buf - 1) > 0);
    assert_false(is_gone(buf));
    kill(pid, SIGKILL);
    while (!is_gone(buf))
        instant();
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_input_and_output_are_the_connection),
        cmocka_unit_test(it_starts_as_from_a_shell),
        cmocka_unit_test(the_reason_has_status_and_last_line),
        cmocka_unit_test(a_write_to_it_fails_and_the_reason_is_known),
        cmocka_unit_test(its_messages_are_logged_once_the_server_speaks),
        cmocka_unit_test(a_long_line_is_several),
        cmocka_unit_test(many_lines_do_not_fill_the_log),
        cmocka_unit_test(what_it_has_left_may_go_on_writing),
        cmocka_unit_test(nothing_of_it_stays),
        cmocka_unit_test(it_ends_with_the_process_that_serves),
    };

    signal(SIGPIPE, SIG_IGN); /* as 9pfs has it */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
