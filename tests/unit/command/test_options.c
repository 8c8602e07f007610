/*
 * test_options.c: sources, options, and the errors of bad ones.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "unit/command/parsed.h"

static void sources(void **state)
{
    static const struct {
        const char *source;
        enum dial dial;
        const char *host, *port, *aname, *uname;
    } cases[] = {
        {"server:/export", DIAL_TCP, "server", "564", "/export", NULL},
        {"server", DIAL_TCP, "server", "564", "", NULL},
        {"server:tag", DIAL_TCP, "server", "564", "tag", NULL},
        {"root@10.0.0.1:/a:b", DIAL_TCP, "10.0.0.1", "564", "/a:b", "root"},
        {"[fe80::1]:/export", DIAL_TCP, "fe80::1", "564", "/export", NULL},
        {"root@[::1]", DIAL_TCP, "::1", "564", "", "root"},
        {"::1", DIAL_TCP, "::1", "564", "", NULL},
        {"tcp!server!5640", DIAL_TCP, "server", "5640", "", NULL},
        {"tcp!server", DIAL_TCP, "server", "564", "", NULL},
        {"unix!/run/9p", DIAL_UNIX, "/run/9p", "564", "", NULL},
        {"/run/9p", DIAL_UNIX, "/run/9p", "564", "", NULL},
        {"9p://root@server:5640/export/x", DIAL_TCP, "server", "5640", "/export/x", "root"},
        {"9p://[::1]/x", DIAL_TCP, "::1", "564", "/x", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options o;
        struct p9_why why;
        assert_int_equal(parse(&o, &why, "ro", cases[i].source), 0);
        assert_int_equal(o.dial, cases[i].dial);
        assert_string_equal(o.host, cases[i].host);
        assert_string_equal(o.port, cases[i].port);
        assert_string_equal(o.aname, cases[i].aname);
        if (cases[i].uname != NULL)
            assert_string_equal(o.uname, cases[i].uname);
        assert_string_equal(o.source, cases[i].source);
        options_free(&o);
    }
}

/* In a directory with the sockets "ram" and "a:b" and the file "plain". */
static void the_name_of_a_socket_is_a_path(void **state)
{
    static const struct {
        const char *opts, *source;
        enum dial dial;
    } cases[] = {{"ro", "ram", DIAL_UNIX},       {"ro", "x/ram", DIAL_UNIX}, {"ro", "nowhere/x:y", DIAL_UNIX},
                 {"ro", "plain", DIAL_TCP},      {"ro", "none", DIAL_TCP},   {"ro", "ram:", DIAL_TCP},
                 {"trans=tcp", "ram", DIAL_TCP}, {"ro", "a:b", DIAL_TCP},    {"ro", "./a:b", DIAL_UNIX},
                 {"ro", "host:x/ram", DIAL_TCP}};
    struct sockaddr_un ram = {AF_UNIX, "ram"}, colon = {AF_UNIX, "a:b"};
    char dir[] = "/tmp/9pfs-test.XXXXXX";
    int s = socket(AF_UNIX, SOCK_STREAM, 0), t = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(bind(s, (struct sockaddr *)&ram, sizeof ram), 0);
    assert_int_equal(bind(t, (struct sockaddr *)&colon, sizeof colon), 0);
    close(creat("plain", 0644));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options o;
        struct p9_why why;
        assert_int_equal(parse(&o, &why, cases[i].opts, cases[i].source), 0);
        assert_int_equal(o.dial, cases[i].dial);
        if (o.dial == DIAL_UNIX)
            assert_string_equal(o.host, cases[i].source);
        options_free(&o);
    }
    close(s);
    close(t);
    assert_int_equal(unlink("ram") | unlink("a:b") | unlink("plain"), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(dir), 0);
}

/* The source is parsed unless the transport is rfdno= and wfdno=. */
static void trans_decides_whether_the_source_is_parsed(void **state)
{
    static const struct {
        const char *opts;
        enum dial dial;
        const char *host;
    } cases[] = {{"trans=tcp,rfdno=0", DIAL_TCP, "server"},
                 {"trans=unix,wfdno=1", DIAL_UNIX, "server"},
                 {"trans=fd,rfdno=0,wfdno=1", DIAL_FDS, NULL},
                 {"rfdno=0,wfdno=1", DIAL_FDS, NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options o;
        struct p9_why why;
        assert_int_equal(parse(&o, &why, cases[i].opts, "server"), 0);
        assert_int_equal(o.dial, cases[i].dial);
        if (cases[i].host != NULL) {
            assert_non_null(o.host);
            assert_string_equal(o.host, cases[i].host);
        }
        options_free(&o);
    }
}

static void an_error_names_the_bad_option(void **state)
{
    static const struct {
        const char *opts, *source, *says;
    } cases[] = {
        {"ro", "ipx!server", "'ipx'"},
        {"ro", "[::1", "'[::1'"},
        {"ro", ":/export", "host is missing"},
        {"msize=100", "server", "msize=100"},
        {"max_fids=1", "server", "max_fids=1"},
        {"version=9P2000.X", "server", "version=9P2000.X"},
        {"trans=rdma", "server", "trans=rdma"},
        {"trans=fd,rfdno=3", "server", "wfdno"},
        {"cache=all", "server", "cache=all"},
        {"attr_timeout=x", "server", "attr_timeout=x"},
        {"actimeo=-1", "server", "actimeo=-1"},
        {"entry_timeout=", "server", "entry_timeout="},
        {"negative_timeout=nan", "server", "negative_timeout=nan"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(cases[i].opts, cases[i].source, cases[i].says);
}

static void a_wrong_option_is_told_what_would_be_right(void **state)
{
    static const struct {
        const char *opts, *says;
    } cases[] = {
        {"msize=", "option msize= needs a value: msize=BYTES"},
        {"uname=", "option uname= needs a value: uname=USER"},
        {"fsname=", "option fsname= needs a value: fsname=NAME"},
        {"msize=64k", "option msize=64k: expected 4096 to 67108864 bytes"},
        {"msize=0x", "option msize=0x: expected"},
        {"msize= 8192", "option msize= 8192: expected"},
        {"max_fids=99999999999999999999", "option max_fids=99999999999999999999: expected 64 to 16777216"},
        {"dfltuid=-1", "option dfltuid=-1: expected 0 to 4294967294"},
        {"msize", "option msize needs a value: msize=BYTES"},
        {"soft=1", "option soft=1: soft takes no value"},
        {"prot=1", "unknown option 'prot=1': did you mean 'port=PORT'?"},
        {"mszie=8192", "unknown option 'mszie=8192': did you mean 'msize=BYTES'?"},
        {"allow-other", "unknown option 'allow-other': did you mean 'allow_other'?"},
        {"caches", "unknown option 'caches': did you mean 'cache=MODE'?"},
        {"x", "unknown option 'x' (see 9pfs --help)"},
        {"no_such_option_at_all_and_much_too_long_for_the_table", "(see 9pfs --help)"},
        {"port=0", "port '0': expected 1 to 65535, or the name of a service"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(cases[i].opts, "server", cases[i].says);
}

static void numbers_may_be_hexadecimal(void **state)
{
    struct options o;
    struct p9_why why;

    (void)state;
    assert_int_equal(parse(&o, &why, "msize=0x10000,dfltuid=4294967294,negtimeout=-5", "server"), 0);
    assert_int_equal(o.msize, 65536);
    assert_true(o.dfltuid == (uid_t)4294967294);
    assert_int_equal(o.negative_ms, 3600000);
    options_free(&o);
}

static void sloppy_ignores_what_is_unknown(void **state)
{
    char *argv[] = {"9pfs", "-o", "no_such=1,msize=8192", "server", "/", NULL};
    struct options o;
    struct p9_why why;

    (void)state;
    assert_int_equal(options_parse(&o, 5, argv, OPTIONS_SLOPPY, &why), 0);
    assert_int_equal(o.msize, 8192);
    options_free(&o);
    argv[2] = "msize=1";
    assert_int_equal(options_parse(&o, 5, argv, OPTIONS_SLOPPY, &why), -1);
    options_free(&o);
}

static void what_is_traced_and_logged(void **state)
{
    static const struct {
        const char *opts, *level;
        bool trace, foreground;
    } cases[] = {
        {"ro", "info", false, false},
        {"debug", "info", true, true},
        {"debug=0", "info", false, false},
        {"debug=0x104", "info", true, false},
        {"debug=4", "info", true, false},
        {"debug=1024", "info", true, false},
        {"debug=0x1", "debug", false, false},
        {"debug=0x5", "debug", true, false},
        {"debug=1,loglevel=error", "error", false, false},
        {"trace=/x", "info", true, false},
        {"loglevel=warning", "warning", false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options o;
        struct p9_why why;
        assert_int_equal(parse(&o, &why, cases[i].opts, "server"), 0);
        assert_int_equal(o.level, log_level_named(cases[i].level));
        assert_int_equal(o.trace, cases[i].trace);
        assert_int_equal(o.foreground, cases[i].foreground);
        options_free(&o);
    }
}

static void a_bit_mask_is_a_cache_mode(void **state)
{
    static const struct {
        const char *opts;
        enum cache_mode cache;
    } cases[] = {{"cache=0", CACHE_NONE},   {"cache=0x0", CACHE_NONE},    {"cache=1", CACHE_CTO},
                 {"cache=0x5", CACHE_CTO},  {"cache=0b1111", CACHE_NONE}, {"cache=0xf", CACHE_LOOSE},
                 {"cache=15", CACHE_LOOSE}, {"cache=0x8f", CACHE_LOOSE}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options o;
        struct p9_why why;
        bool binary = strstr(cases[i].opts, "0b") != NULL;
        assert_int_equal(parse(&o, &why, cases[i].opts, "server"), binary ? -1 : 0);
        if (!binary)
            assert_int_equal(o.cache, cases[i].cache);
        options_free(&o);
    }
}

static void options_override_the_source(void **state)
{
    struct options o;
    struct p9_why why;

    (void)state;
    assert_int_equal(parse(&o, &why, "port=99,aname=/x,uname=daemon,msize=65536,version=9p2000.L", "server:/y"), 0);
    assert_string_equal(o.port, "99");
    assert_string_equal(o.aname, "/x");
    assert_string_equal(o.uname, "daemon");
    assert_int_equal(o.n_uname, 1);
    assert_int_equal(o.msize, 65536);
    options_free(&o);
    assert_int_equal(parse(&o, &why, "uname=4711", "server:/y"), 0);
    assert_int_equal(o.n_uname, 4711);
    options_free(&o);
}

static void lifetimes(void **state)
{
    static const struct {
        const char *opts;
        enum cache_mode cache;
        unsigned attr_ms, entry_ms;
        int negative_ms;
    } cases[] = {
        {"ro", CACHE_CTO, 1000, 1000, -1},
        {"cache=none", CACHE_NONE, 0, 0, -1},
        {"cache=mmap", CACHE_CTO, 1000, 1000, -1},
        {"cache=fscache", CACHE_LOOSE, 3600000, 3600000, -1},
        {"cache=loose,actimeo=5", CACHE_LOOSE, 5000, 5000, -1},
        {"noac", CACHE_CTO, 0, 0, -1},
        {"actimeo=3,entry_timeout=0.25", CACHE_CTO, 3000, 250, -1},
        {"attr_timeout=2.5,negative_timeout=0", CACHE_CTO, 2500, 1000, 0},
        {"negtimeout=200", CACHE_CTO, 1000, 1000, 200},
        {"negtimeout=-1", CACHE_CTO, 1000, 1000, 3600000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options o;
        struct p9_why why;
        assert_int_equal(parse(&o, &why, cases[i].opts, "server"), 0);
        assert_int_equal(o.cache, cases[i].cache);
        assert_int_equal(o.attr_ms, cases[i].attr_ms);
        assert_int_equal(o.entry_ms, cases[i].entry_ms);
        assert_int_equal(o.negative_ms, cases[i].negative_ms);
        options_free(&o);
    }
}

static void options_of_mount8_are_accepted(void **state)
{
    struct options o;
    struct p9_why why;

    (void)state;
    assert_int_equal(parse(&o, &why, "_netdev,,noauto,nofail,user,x-systemd.automount,comment=a,defaults,ro", "server"),
                     0);
    for (int i = 0; i < o.args.argc; i++)
        assert_null(strstr(o.args.argv[i], "x-systemd"));
    options_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources),
        cmocka_unit_test(the_name_of_a_socket_is_a_path),
        cmocka_unit_test(trans_decides_whether_the_source_is_parsed),
        cmocka_unit_test(an_error_names_the_bad_option),
        cmocka_unit_test(a_wrong_option_is_told_what_would_be_right),
        cmocka_unit_test(numbers_may_be_hexadecimal),
        cmocka_unit_test(sloppy_ignores_what_is_unknown),
        cmocka_unit_test(what_is_traced_and_logged),
        cmocka_unit_test(a_bit_mask_is_a_cache_mode),
        cmocka_unit_test(options_override_the_source),
        cmocka_unit_test(lifetimes),
        cmocka_unit_test(options_of_mount8_are_accepted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
