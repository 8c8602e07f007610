/*
 * tls_server.h: the other end of a TLS transport: a socket that listens, and a session on a
 * connection, with a certificate of its own.
 */
#ifndef TLS_SERVER_H
#define TLS_SERVER_H

#include <gnutls/gnutls.h>

#include "9p/transport.h"

struct tls_server {
    int listener;
    char port[8];
    int fd;                   /* the connection */
    gnutls_session_t session; /* on it */
    gnutls_certificate_credentials_t credentials;
};

/* Listens on a port of 127.0.0.1; receive_buffer: of each connection, bytes; 0: the usual. */
void tls_server_listen(struct tls_server *s, int receive_buffer);
/* Accepts a connection and shakes hands, with these versions of TLS, as a priority of GnuTLS. 0, or
 * the error of GnuTLS. Blocks. */
int tls_server_accept(struct tls_server *s, const char *versions);
void tls_server_hang_up(struct tls_server *s);
void tls_server_end(struct tls_server *s);

/* For clients: credentials that accept any certificate. */
struct p9_tls *trusting_all(void);

#endif
