/*
 * transport_no_tls.c: in place of transport_tls.c where 9pfs is built without TLS.
 */
#include "session/transport_impl.h"

#include <errno.h>

struct p9_tls *p9_tls_new(const struct p9_tls_options *o, int *err, struct p9_why *why)
{
    (void)o;
    *err = p9_set_why(why, -ENOSYS, "option trans=tls: this 9pfs was built without TLS");
    return NULL;
}

void p9_tls_free(struct p9_tls *tls)
{
    (void)tls;
}

struct transport *transport_tls(struct p9_tls *tls, const struct p9_address *a, int *err, struct p9_why *why)
{
    (void)tls;
    (void)a;
    *err = p9_set_why(why, -ENOSYS, "this 9pfs was built without TLS");
    return NULL;
}
