/*
 * fids.c: the fids of a connection.
 */
#include <stdlib.h>
#include <unistd.h>

#include "server/server.h"

struct sfid *fid_find(struct conn *c, uint32_t num)
{
    struct sfid *f = c->fids;

    while (f != NULL && f->num != num)
        f = f->next;
    return f;
}

struct sfid *fid_new(struct conn *c, uint32_t num, uid_t uid)
{
    if (fid_find(c, num) != NULL)
        return NULL;
    struct sfid *f = calloc(1, sizeof *f);
    *f = (struct sfid){.num = num, .uid = uid, .path = -1, .file = -1, .next = c->fids};
    c->fids = f;
    return f;
}

void fid_close_files(struct sfid *f)
{
    if (f->dir != NULL)
        closedir(f->dir);
    if (f->file >= 0)
        close(f->file);
    if (f->path >= 0)
        close(f->path);
}

static void drop_waiting(struct conn *c, const struct sfid *f)
{
    for (struct waiting **p = &c->waiting, *w; (w = *p) != NULL;) {
        if (w->fid != f) {
            p = &w->next;
            continue;
        }
        *p = w->next;
        free(w);
    }
}

void fid_drop(struct conn *c, struct sfid *f)
{
    struct sfid **p = &c->fids;

    drop_waiting(c, f);

    while (*p != f)
        p = &(*p)->next;
    *p = f->next;
    fid_close_files(f);
    free(f->xattr);
    free(f->value);
    free(f);
}
