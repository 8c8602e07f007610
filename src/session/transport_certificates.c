/*
 * transport_certificates.c: reads certificates, keys and revocations, and checks a server's
 * certificate.
 */
#include "session/transport_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "session/transport_impl.h"

/* The library is set up by p9_tls_new: a mount without TLS does not wait for it. */
GNUTLS_SKIP_GLOBAL_INIT

/* ---- what the user gives -------------------------------------------------- */

/* GnuTLS does not say why a file cannot be read. 0 or -EINVAL: trying again does not help. */
static int check_readable(const char *option, const char *path, struct p9_why *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return p9_set_why(why, -EINVAL, "option %s=%s: %s", option, path, strerror(errno));
    close(fd);
    return 0;
}

/* count: what was read, or an error of GnuTLS. */
static int check_read(const char *option, const char *path, const char *what, int count, struct p9_why *why)
{
    if (count > 0)
        return 0;
    return p9_set_why(why, -EINVAL, "option %s=%s: there is no %s in this file%s%s", option, path, what,
                      count < 0 ? ": " : "", count < 0 ? gnutls_strerror(count) : "");
}

static int read_authorities(struct p9_tls *tls, const struct p9_tls_options *o, struct p9_why *why)
{
    if (o->ca == NULL) {
        int n = gnutls_certificate_set_x509_system_trust(tls->credentials);
        if (n > 0 || o->verify == P9_TLS_NONE)
            return 0;
        return p9_set_why(why, -EINVAL, "this system trusts no certificate authority: use option tls_ca=FILE");
    }
    int err = check_readable("tls_ca", o->ca, why);
    return err != 0
               ? err
               : check_read("tls_ca", o->ca, "certificate",
                            gnutls_certificate_set_x509_trust_file(tls->credentials, o->ca, GNUTLS_X509_FMT_PEM), why);
}

static void day(char *buf, size_t size, time_t t)
{
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL || strftime(buf, size, "%Y-%m-%d", &tm) == 0)
        *buf = 0;
}

/* GnuTLS accepts a list that is out of date, which lacks what was revoked since. */
static int check_up_to_date(const char *path, struct p9_why *why)
{
    gnutls_x509_crl_t *lists = NULL;
    gnutls_datum_t text;
    time_t now = time(NULL);
    unsigned n = 0;
    char date[16];
    int err = 0, rc = gnutls_load_file(path, &text);

    if (rc != 0)
        return check_read("tls_crl", path, "list of revoked certificates", rc, why);
    rc = gnutls_x509_crl_list_import2(&lists, &n, &text, GNUTLS_X509_FMT_PEM, 0);
    gnutls_free(text.data);
    if (rc < 0)
        return check_read("tls_crl", path, "list of revoked certificates", rc, why);
    for (unsigned i = 0; i < n; i++) {
        time_t next = gnutls_x509_crl_get_next_update(lists[i]);
        day(date, sizeof date, next);
        if (next != (time_t)-1 && next < now)
            err = p9_set_why(why, -EINVAL, "option tls_crl=%s: the list is out of date since %s", path, date);
        gnutls_x509_crl_deinit(lists[i]);
    }
    gnutls_free(lists);
    return err;
}

static int read_revocations(struct p9_tls *tls, const struct p9_tls_options *o, struct p9_why *why)
{
    int err = o->crl != NULL ? check_readable("tls_crl", o->crl, why) : 0;

    if (o->crl == NULL || err != 0)
        return err;
    err = check_read("tls_crl", o->crl, "list of revoked certificates",
                     gnutls_certificate_set_x509_crl_file(tls->credentials, o->crl, GNUTLS_X509_FMT_PEM), why);
    return err == 0 ? check_up_to_date(o->crl, why) : err;
}

static int read_own(struct p9_tls *tls, const struct p9_tls_options *o, struct p9_why *why)
{
    int err = o->cert != NULL ? check_readable("tls_cert", o->cert, why) : 0;

    if (err == 0 && o->cert != NULL)
        err = check_readable("tls_key", o->key, why);
    if (o->cert == NULL || err != 0)
        return err;
    int rc = gnutls_certificate_set_x509_key_file(tls->credentials, o->cert, o->key, GNUTLS_X509_FMT_PEM);
    if (rc >= 0)
        return 0;
    if (rc == GNUTLS_E_DECRYPTION_FAILED)
        return p9_set_why(why, -EINVAL, "option tls_key=%s: a key with a password cannot be used", o->key);
    return p9_set_why(why, -EINVAL, "options tls_cert=%s, tls_key=%s: %s", o->cert, o->key, gnutls_strerror(rc));
}

struct p9_tls *p9_tls_new(const struct p9_tls_options *o, int *err, struct p9_why *why)
{
    struct p9_tls *tls = calloc(1, sizeof *tls);
    int rc = gnutls_global_init();

    if (rc == 0 && tls != NULL)
        rc = gnutls_certificate_allocate_credentials(&tls->credentials);
    if (rc != 0 || tls == NULL) {
        *err = p9_set_why(why, -ENOMEM, "cannot use TLS: %s", rc != 0 ? gnutls_strerror(rc) : strerror(ENOMEM));
        free(tls);
        return NULL;
    }
    gnutls_certificate_set_verify_function(tls->credentials, tls_check_certificate);
    tls->verify = o->verify;
    tls->has_own = o->cert != NULL;
    tls->name = o->name != NULL ? strdup(o->name) : NULL;
    *err = o->name != NULL && tls->name == NULL ? p9_set_why(why, -ENOMEM, "%s", strerror(ENOMEM)) : 0;
    if (*err == 0)
        *err = read_authorities(tls, o, why);
    if (*err == 0)
        *err = read_revocations(tls, o, why);
    if (*err == 0)
        *err = read_own(tls, o, why);
    if (*err == 0)
        return tls;
    p9_tls_free(tls);
    return NULL;
}

void p9_tls_free(struct p9_tls *tls)
{
    if (tls == NULL)
        return;
    gnutls_certificate_free_credentials(tls->credentials);
    free(tls->name);
    free(tls);
    gnutls_global_deinit();
}

/* ---- the server's certificate --------------------------------------------- */

/* The name of a certificate, number i, as text. False when there is none. */
static bool name_of(gnutls_x509_crt_t crt, unsigned i, char *buf, size_t size)
{
    size_t n = size - 1;
    int type = gnutls_x509_crt_get_subject_alt_name(crt, i, buf, &n, NULL);

    if (type == GNUTLS_SAN_IPADDRESS) {
        char address[16];
        memcpy(address, buf, n < sizeof address ? n : sizeof address);
        return inet_ntop(n == 4 ? AF_INET : AF_INET6, address, buf, (socklen_t)size) != NULL;
    }
    if (type >= 0) {
        buf[n] = 0;
        return true;
    }
    n = size;
    return i == 0 && type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE &&
           gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, buf, &n) == 0;
}

static bool has_name(gnutls_x509_crt_t crt, const char *name)
{
    struct in6_addr address;

    if (inet_pton(AF_INET, name, &address) == 1)
        return gnutls_x509_crt_check_ip(crt, (unsigned char *)&address, 4, 0) != 0;
    if (inet_pton(AF_INET6, name, &address) == 1)
        return gnutls_x509_crt_check_ip(crt, (unsigned char *)&address, 16, 0) != 0;
    return gnutls_x509_crt_check_hostname2(crt, name, 0) != 0;
}

static void refuse_name(struct tls_check *c, gnutls_x509_crt_t crt)
{
    char name[64];
    size_t n = (size_t)snprintf(c->refusal, sizeof c->refusal, "it is not for '%.64s', but for", c->name), before = n;

    for (unsigned i = 0; name_of(crt, i, name, sizeof name) && n + strlen(name) + 8 < sizeof c->refusal; i++)
        n += (size_t)snprintf(c->refusal + n, sizeof c->refusal - n, "%s %s", i > 0 ? "," : "", name);
    if (n == before)
        snprintf(c->refusal + n, sizeof c->refusal - n, " no name");
}

/* status: GnuTLS's verdict. */
static void refuse_chain(struct tls_check *c, gnutls_x509_crt_t crt, unsigned status)
{
    time_t now = time(NULL), from = gnutls_x509_crt_get_activation_time(crt),
           until = gnutls_x509_crt_get_expiration_time(crt);
    char date[16];

    if (status & GNUTLS_CERT_REVOKED) {
        snprintf(c->refusal, sizeof c->refusal, "it is revoked");
    } else if (status & GNUTLS_CERT_EXPIRED) {
        day(date, sizeof date, until);
        snprintf(c->refusal, sizeof c->refusal, "%s expired%s%s", until < now ? "it has" : "one that has signed it has",
                 until < now ? " on " : "", until < now ? date : "");
    } else if (status & GNUTLS_CERT_NOT_ACTIVATED) {
        day(date, sizeof date, from);
        snprintf(c->refusal, sizeof c->refusal, "%s not valid yet%s%s",
                 from > now ? "it is" : "one that has signed it is", from > now ? " but from " : "",
                 from > now ? date : "");
    } else if (status & GNUTLS_CERT_SIGNER_NOT_FOUND) {
        bool self = gnutls_x509_crt_check_issuer(crt, crt) != 0;
        snprintf(c->refusal, sizeof c->refusal, "%s",
                 self ? "it is self-signed, and not trusted here" : "no authority that is trusted here has signed it");
    } else if (status & GNUTLS_CERT_PURPOSE_MISMATCH) {
        snprintf(c->refusal, sizeof c->refusal, "it is not for servers");
    } else {
        gnutls_datum_t text;
        if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) != 0)
            return;
        snprintf(c->refusal, sizeof c->refusal, "%s", (char *)text.data);
        gnutls_free(text.data);
    }
}

static int check(gnutls_session_t session, struct tls_check *c, gnutls_x509_crt_t crt)
{
    gnutls_typed_vdata_st purpose = {GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)GNUTLS_KP_TLS_WWW_SERVER, 0};
    unsigned status = 0;

    if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) != 0)
        snprintf(c->refusal, sizeof c->refusal, "it cannot be checked");
    else if (status != 0)
        refuse_chain(c, crt, status);
    else if (c->verify == P9_TLS_FULL && !has_name(crt, c->name))
        refuse_name(c, crt);
    else
        return 0;
    return -1;
}

int tls_check_certificate(gnutls_session_t session)
{
    struct tls_check *c = gnutls_session_get_ptr(session);
    gnutls_x509_crt_t crt;
    unsigned n;
    int rc = -1;

    if (c->verify == P9_TLS_NONE)
        return 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);
    if (chain == NULL || n == 0 || gnutls_x509_crt_init(&crt) != 0)
        return -1;
    if (gnutls_x509_crt_import(crt, chain, GNUTLS_X509_FMT_DER) == 0)
        rc = check(session, c, crt);
    else
        snprintf(c->refusal, sizeof c->refusal, "it is malformed");
    gnutls_x509_crt_deinit(crt);
    return rc;
}
