/*
 * tls_server.c: the server of tls_server.h.
 */
#include "unit/session/tls_server.h"

#include <arpa/inet.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "unit/test.h"

static void sign(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
    assert_int_equal(
        gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0), 0);
    gnutls_x509_crt_set_version(crt, 3);
    gnutls_x509_crt_set_serial(crt, "\1", 1);
    gnutls_x509_crt_set_activation_time(crt, time(NULL) - 3600);
    gnutls_x509_crt_set_expiration_time(crt, time(NULL) + 3600);
    gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, "server.test", 11, 0);
    gnutls_x509_crt_set_dn(crt, "CN=server.test", NULL);
    gnutls_x509_crt_set_key(crt, key);
    assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0), 0);
}

void tls_server_listen(struct tls_server *s, int receive_buffer)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;

    memset(s, 0, sizeof *s);
    s->fd = -1;
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (receive_buffer > 0)
        setsockopt(s->listener, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(s->listener, 4), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&sa, &len), 0);
    snprintf(s->port, sizeof s->port, "%u", ntohs(sa.sin_port));

    assert_int_equal(gnutls_global_init(), 0);
    gnutls_certificate_allocate_credentials(&s->credentials);
    gnutls_x509_privkey_init(&key);
    gnutls_x509_crt_init(&crt);
    sign(crt, key);
    assert_int_equal(gnutls_certificate_set_x509_key(s->credentials, &crt, 1, key), 0);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
}

int tls_server_accept(struct tls_server *s, const char *versions)
{
    int rc;

    s->fd = accept(s->listener, NULL, NULL);
    gnutls_init(&s->session, GNUTLS_SERVER | GNUTLS_NO_SIGNAL);
    gnutls_priority_set_direct(s->session, versions, NULL);
    gnutls_credentials_set(s->session, GNUTLS_CRD_CERTIFICATE, s->credentials);
    gnutls_transport_set_int(s->session, s->fd);
    do
        rc = gnutls_handshake(s->session);
    while (rc < 0 && !gnutls_error_is_fatal(rc));
    return rc;
}

void tls_server_hang_up(struct tls_server *s)
{
    close(s->fd);
    gnutls_deinit(s->session);
    s->fd = -1;
}

void tls_server_end(struct tls_server *s)
{
    close(s->listener);
    gnutls_certificate_free_credentials(s->credentials);
    gnutls_global_deinit();
}

struct p9_tls *trusting_all(void)
{
    const struct p9_tls_options o = {.verify = P9_TLS_NONE};
    struct p9_why why;
    int err;
    struct p9_tls *tls = p9_tls_new(&o, &err, &why);

    assert_non_null(tls);
    return tls;
}
