/*
 * test_options_trans.c: sources and options that choose vsock, a command or TLS.
 */
#include <string.h>

#include "unit/command/parsed.h"

static void vsock_addresses(void **state)
{
    static const struct {
        const char *opts, *source;
        unsigned cid, port;
        const char *aname;
    } cases[] = {
        {"ro", "vsock:2", 2, 564, ""},
        {"ro", "vsock:host", 2, 564, ""},
        {"ro", "vsock:local:5640", 1, 5640, ""},
        {"ro", "vsock:hypervisor", 0, 564, ""},
        {"ro", "vsock:4294967294:4294967294", 4294967294u, 4294967294u, ""},
        {"port=99", "vsock:3", 3, 99, ""},
        {"port=99", "vsock:3:5640", 3, 5640, ""},
        {"ro", "vsock:3:5640:/export", 3, 5640, "/export"},
        {"ro", "vsock:3:/export", 3, 564, "/export"},
        {"ro", "vsock:3:5640:77", 3, 5640, "77"},
        {"ro", "vsock:3:77x", 3, 564, "77x"},
        {"ro", "vsock:3::a:b", 3, 564, ":a:b"},
        {"aname=/x", "vsock:3:5640:/export", 3, 5640, "/x"},
        {"trans=vsock", "3", 3, 564, ""},
        {"trans=vsock", "host:/export", 2, 564, "/export"},
        {"trans=vsock", "3:5640:/export", 3, 5640, "/export"},
        {"trans=vsock", "vsock:3:/export", 3, 564, "/export"},
        {"trans=vsock", "root@3:/export", 3, 564, "/export"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options o;
        struct p9_why why;
        assert_int_equal(parse(&o, &why, cases[i].opts, cases[i].source), 0);
        assert_int_equal(o.dial, DIAL_VSOCK);
        assert_int_equal(o.cid, cases[i].cid);
        assert_int_equal(o.vsock_port, cases[i].port);
        assert_string_equal(o.aname, cases[i].aname);
        options_free(&o);
    }
}

/* A host may have the name. */
static void a_host_called_vsock(void **state)
{
    static const char *const sources[] = {"vsock", "vsock:/export", "vsock:name", "vsock:"};

    (void)state;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        struct options o;
        struct p9_why why;
        assert_int_equal(parse(&o, &why, "ro", sources[i]), 0);
        assert_int_equal(o.dial, DIAL_TCP);
        assert_string_equal(o.host, "vsock");
        options_free(&o);
    }
}

/* The source is then only a name, in which uname and aname are found. */
static void a_command_needs_no_host(void **state)
{
    static const struct {
        const char *source, *aname, *uname;
    } cases[] = {
        {"server:/export", "/export", NULL},
        {"daemon@server:/export", "/export", "daemon"},
        {"9p://daemon@server/x", "/x", "daemon"},
        {"anything!at all", "", NULL},
        {"/a/path", "", NULL},
        {":/export", "/export", NULL},
        {"[::1", "", NULL},
        {"vsock:2:/x", "2:/x", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options o;
        struct p9_why why;
        assert_int_equal(parse(&o, &why, "command=ssh server 'a\\, b'", cases[i].source), 0);
        assert_int_equal(o.dial, DIAL_COMMAND);
        assert_string_equal(o.command, "ssh server 'a, b'");
        assert_string_equal(o.aname, cases[i].aname);
        if (cases[i].uname != NULL)
            assert_string_equal(o.uname, cases[i].uname);
        options_free(&o);
    }
}

static void tls_options(void **state)
{
    struct options o;
    struct p9_why why;

    (void)state;
    assert_int_equal(parse(&o, &why, "trans=tls", "server:/x"), 0);
    assert_int_equal(o.dial, DIAL_TLS);
    assert_string_equal(o.host, "server");
    assert_int_equal(o.tls.verify, P9_TLS_FULL);
    assert_null(o.tls.ca);
    options_free(&o);
    assert_int_equal(parse(&o, &why,
                           "trans=tls,tls_ca=/ca,tls_cert=/cert,tls_key=/key,tls_crl=/crl,tls_name=n,tls_verify=ca,"
                           "port=99",
                           "9p://server/x"),
                     0);
    assert_string_equal(o.tls.ca, "/ca");
    assert_string_equal(o.tls.cert, "/cert");
    assert_string_equal(o.tls.key, "/key");
    assert_string_equal(o.tls.crl, "/crl");
    assert_string_equal(o.tls.name, "n");
    assert_int_equal(o.tls.verify, P9_TLS_CA);
    assert_string_equal(o.port, "99");
    options_free(&o);
}

static void an_error_names_the_bad_option(void **state)
{
    static const struct {
        const char *opts, *source, *says;
    } cases[] = {
        {"trans=vsock", "server:/x", "source 'server:/x'"},
        {"trans=vsock", "4294967295", "source '4294967295'"},
        {"port=ninep", "vsock:2", "port=ninep"},
        {"command=", "server", "command="},
        {"command=a 'b", "server", "command=a 'b"},
        {"command=a,trans=tcp", "server", "trans=tcp"},
        {"command=a,rfdno=1", "server", "rfdno="},
        {"tls_ca=/ca", "server", "tls_ca=: only with trans=tls"},
        {"tls_verify=none", "server", "tls_verify=: only with trans=tls"},
        {"command=a,tls_name=b", "server", "tls_name=: only with trans=tls"},
        {"trans=tls,tls_cert=/c", "server", "tls_key= is missing"},
        {"trans=tls,tls_key=/c", "server", "tls_cert= is missing"},
        {"trans=tls,tls_verify=some", "server", "tls_verify=some: expected full, ca or none"},
        {"trans=tls", "/run/socket", "source '/run/socket'"},
        {"trans=tls", "vsock!2!3", "'vsock'"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(cases[i].opts, cases[i].source, cases[i].says);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vsock_addresses),
        cmocka_unit_test(a_host_called_vsock),
        cmocka_unit_test(a_command_needs_no_host),
        cmocka_unit_test(tls_options),
        cmocka_unit_test(an_error_names_the_bad_option),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
