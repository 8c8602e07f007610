/*
 * connect.c: a client over as many connections as it takes to negotiate a dialect.
 *
 * Servers react differently to a version that they do not know. Most answer, and receive the next
 * lower one on the same connection. Some hang up, refuse a second Tversion, or do not answer
 * (knusbaum/go9p); they receive it on a new connection.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "9p/client.h"

static bool may_be_version_error(int err)
{
    return err == -ECONNRESET || err == -ETIMEDOUT || err == -EPROTONOSUPPORT;
}

static void add_tried(struct p9_why *tried, enum p9_dialect d)
{
    size_t n = strlen(tried->text);

    snprintf(tried->text + n, sizeof tried->text - n, "%s%s", n > 0 ? ", " : "", p9_dialect_name(d));
}

/* Reports the first failure, which is the most specific, and the dialects if several were tried. */
static void set_why(struct p9_why *why, const struct p9_why *first, const struct p9_why *tried)
{
    if (strchr(tried->text, ',') != NULL)
        snprintf(why->text, sizeof why->text, "%.160s (asked for %.80s)", first->text, tried->text);
    else
        *why = *first;
}

struct p9_client *p9_client_connect(const struct p9_dialer *d, const struct p9_client_options *o, struct p9_why *why)
{
    enum p9_dialect dialect = o->session.dialect;
    struct p9_why first = {.text = ""}, tried = {.text = ""};
    struct p9_client *c = NULL;
    bool again = true;

    why->text[0] = 0;
    while (again) {
        int err;
        struct transport *t = d->dial(d->arg, &err, why);
        struct p9_client_options co = *o;
        co.session.dialect = dialect;
        co.session.last = d->once;
        if (first.text[0] != 0) /* a server that has a lower dialect answers at once */
            co.session.setup_timeout_ms = (o->session.setup_timeout_ms + 1) / 2;
        if (t != NULL) {
            c = p9_client_start(t, &co, &err, why);
            add_tried(&tried, dialect);
        }
        if (c == NULL && first.text[0] == 0)
            first = *why;
        dialect = p9_dialect_below(dialect);
        again = c == NULL && t != NULL && may_be_version_error(err) && !o->session.only && !d->once && dialect != 0;
    }
    if (c != NULL)
        p9_session_timeout(p9_client_session(c), o->session.setup_timeout_ms);
    else
        set_why(why, &first, &tried);
    return c;
}
