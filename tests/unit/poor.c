/*
 * poor.c: see poor.h.
 */
#include "unit/poor.h"

#include <stdlib.h>
#include <unistd.h>

#include "unit/test.h"

static struct p9_client *start(int fd)
{
    const struct p9_client_options o = {.session = {.msize = 8192 + P9_IOHDRSZ, .dialect = P9_2000L, .max_tags = 512},
                                        .max_fids = 256};
    struct p9_client *c = NULL;
    struct p9_why why;
    int err;
    struct transport *t = transport_fds(fd, fd, &err, &why);

    if (t != NULL)
        c = p9_client_start(t, &o, &err, &why);
    else
        close(fd);
    if (!nomem_got(c))
        assert_int_equal(err, -ENOMEM);
    return c;
}

struct poor poor_begin(void (*prepare)(struct srv *s))
{
    struct poor p = {.client = NULL};

    nomem_pause();
    p.srv = calloc(1, sizeof *p.srv);
    p.srv->in_thread = nomem_spare_thread;
    p.srv->easy = true;
    int fd = srv_listen(p.srv);
    prepare(p.srv);
    nomem_resume();
    p.client = start(fd);
    if (p.client != NULL && !nomem_is(p9_attach(NULL, p.client, "root", 0, "", NULL, &p.root), 0))
        p.root = NULL;
    return p;
}

void poor_end(struct poor *p)
{
    p9_fid_put(p->root);
    if (p->client != NULL) {
        srv_settle(p->srv, p->client);
        p9_client_stop(p->client);
    }
    assert_int_equal(p->srv->live, 0); /* every fid was clunked */
    assert_int_equal(p->srv->bad, 0);
    srv_stop(p->srv);
}
