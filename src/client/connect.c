/*
 * connect.c: a client over as many connections as it takes to agree on a dialect.
 *
 * Of a version that they do not know, servers think differently: most answer, and are asked for a lower one there and
 * then; some hang up, take no second question, or say nothing at all (knusbaum/go9p). These are asked anew.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "9p/client.h"

static bool may_be_the_version(int err)
{
    return err == -ECONNRESET || err == -ETIMEDOUT || err == -EPROTONOSUPPORT;
}

static void add_tried(struct p9_why *tried, enum p9_dialect d)
{
    size_t n = strlen(tried->text);

    snprintf(tried->text + n, sizeof tried->text - n, "%s%s", n > 0 ? ", " : "", p9_dialect_name(d));
}

/* The first answer says most; which dialects it was about is said where there were several. */
static void conclude(struct p9_why *why, const struct p9_why *first, const struct p9_why *tried)
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
        if (first.text[0] != 0) /* it had its time: a lower one is known at once, or not at all */
            co.session.setup_timeout_ms = (o->session.setup_timeout_ms + 1) / 2;
        if (t != NULL) {
            c = p9_client_start(t, &co, &err, why);
            add_tried(&tried, dialect);
        }
        if (c == NULL && first.text[0] == 0)
            first = *why;
        dialect = p9_dialect_below(dialect);
        again = c == NULL && t != NULL && may_be_the_version(err) && !o->session.only && !d->once && dialect != 0;
    }
    if (c != NULL)
        p9_session_timeout(p9_client_session(c), o->session.setup_timeout_ms);
    else
        conclude(why, &first, &tried);
    return c;
}
