/*
 * test_tls_handshake.c: a peer that does not speak TLS is an error, in words and in time.
 */
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/session/tls_server.h"
#include "unit/test.h"

/* What the other end does instead of a handshake. */
static void *say(void *arg)
{
    struct tls_server *s = arg;
    static const char garbage[] = "\x15\0\0\0e\xff\xff\0\0\x10\0\x06\0009P2000";
    int fd = accept(s->listener, NULL, NULL);

    if (write(fd, garbage, sizeof garbage) < 0)
        return NULL;
    char c;
    while (read(fd, &c, 1) > 0)
        ;
    close(fd);
    return NULL;
}

static void *hang_up(void *arg)
{
    struct tls_server *s = arg;
    char c;
    int fd = accept(s->listener, NULL, NULL);

    if (read(fd, &c, 1) < 0)
        return NULL;
    close(fd);
    return NULL;
}

static void a_peer_without_tls(void **state)
{
    static const struct {
        void *(*peer)(void *);
        int timeout_ms, err;
        const char *why;
    } cases[] = {
        {say, 60000, -EPROTO, "the server does not speak TLS"},
        {hang_up, 60000, -ECONNABORTED, "closed the connection: it may not speak TLS"},
        {NULL, 50, -ETIMEDOUT, "does not answer: it may not speak TLS"},
    };
    struct p9_tls *tls = trusting_all();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tls_server s;
        pthread_t peer;
        struct p9_why why;
        int err;
        tls_server_listen(&s, 0);
        if (cases[i].peer != NULL)
            assert_int_equal(pthread_create(&peer, NULL, cases[i].peer, &s), 0);
        assert_null(
            transport_tls(tls, &(struct p9_address){"127.0.0.1", s.port, false, cases[i].timeout_ms}, &err, &why));
        assert_int_equal(err, cases[i].err);
        assert_non_null(strstr(why.text, cases[i].why));
        if (cases[i].peer != NULL)
            pthread_join(peer, NULL);
        tls_server_end(&s);
    }
    p9_tls_free(tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_without_tls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
