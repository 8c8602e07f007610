/*
 * attached.c: who was attached to what, for attaching again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/fid_numbers.h"
#include "client/track.h"

static void attached_free(struct p9_attached *a)
{
    if (a == NULL)
        return;
    free(a->uname);
    free(a->aname);
    free(a);
}

static struct p9_attached *attached_new(const char *uname, uint32_t n_uname, const char *aname)
{
    struct p9_attached *a = calloc(1, sizeof *a);

    if (a == NULL)
        return NULL;
    a->uname = strdup(uname);
    a->aname = strdup(aname);
    a->n_uname = n_uname;
    if (a->uname != NULL && a->aname != NULL)
        return a;
    attached_free(a);
    return NULL;
}

int track_attach(struct p9_fid *fid, const char *uname, uint32_t n_uname, const char *aname)
{
    struct p9_client *c = fid->client;
    struct p9_attached *a, *new = attached_new(uname, n_uname, aname);

    if (new == NULL)
        return -ENOMEM;
    pthread_mutex_lock(&c->fids->mtx);
    for (a = c->attaches; a != NULL; a = a->next)
        if (a->n_uname == n_uname && strcmp(a->uname, uname) == 0 && strcmp(a->aname, aname) == 0)
            break;
    fid->attached = a != NULL ? a : new;
    if (a == NULL) {
        new->next = c->attaches;
        c->attaches = new;
    }
    pthread_mutex_unlock(&c->fids->mtx);
    if (a != NULL)
        attached_free(new);
    return 0;
}

void track_free_attaches(struct p9_client *c)
{
    for (struct p9_attached *a = c->attaches, *next; a != NULL; a = next) {
        next = a->next;
        attached_free(a);
    }
}
