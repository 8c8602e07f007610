/*
 * transport_tls.h: the certificates of TLS: what is read from files, and the check of the server's.
 */
#ifndef TRANSPORT_TLS_H
#define TRANSPORT_TLS_H

#include <gnutls/gnutls.h>

#include "9p/transport.h"

struct p9_tls {
    gnutls_certificate_credentials_t credentials;
    char *name; /* or NULL: the host */
    enum p9_tls_verify verify;
    bool has_own; /* a certificate to show */
};

/* What the check of a connection's certificate needs, and tells. For gnutls_session_set_ptr. */
struct tls_check {
    enum p9_tls_verify verify;
    bool has_own;
    const char *name;
    char refusal[160]; /* why the certificate is not accepted */
};

/* For gnutls_certificate_set_verify_function. */
int tls_check_certificate(gnutls_session_t session);

#endif
