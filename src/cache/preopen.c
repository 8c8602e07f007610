/*
 * preopen.c: files that are opened in turn: those that come next are opened with them.
 *
 * As with names, in the directory's order or by name. Each is opened by its idle fid, and becomes
 * an idle open.
 */
#include <stdlib.h>

#include "cache/lookahead_impl.h"

enum { NEAR = 8 /* names further on are not the next */ };

struct preopened {
    struct inode *inode; /* one reference */
    struct p9_attr attr;
    uint64_t version, walked;
};

static struct dentry *next_of(const struct dentry *d, bool sorted)
{
    return sorted ? d->next_sorted : d->next;
}

static bool follows(const struct dentry *d, const struct dentry *file, bool sorted)
{
    unsigned n = 0;

    while (file != NULL && file != d && n++ < NEAR)
        file = next_of(file, sorted);
    return n > 0 && file == d;
}

/* Whether files are opened in turn, and in which order. */
static bool is_in_turn(struct listing *l, struct dentry *d, bool *sorted)
{
    struct dentry *before = l->file;

    l->file = d;
    *sorted = false;
    if (before == NULL || before == d)
        return false;
    if (!follows(d, before, false)) {
        listing_sort(l);
        *sorted = follows(d, before, true);
        if (!*sorted) {
            l->in_turn = 0;
            return false;
        }
    }
    return ++l->in_turn > 1;
}

static bool was_opened(const struct cache *c, const struct inode *inode, uint64_t now)
{
    return inode->preopened_ms != 0 && now - inode->preopened_ms < cache_idle_open_ms(c);
}

static void add(struct cache *c, struct inode *inode, struct user *user, struct preopen *p, uint64_t now)
{
    struct preopened *file;
    bool holds = inode->fetched == NULL || inode->attr_until > now;

    if (!holds || inode->hidden || idle_open_exists(c, inode, user) || !idle_open_allowed(c, &inode->attr) ||
        (file = malloc(sizeof *file)) == NULL)
        return;
    *file = (struct preopened){.inode = inode, .attr = inode->attr, .version = inode->version};
    struct p9_fid *fid = fid_take_idle(c, inode, user, &file->walked);
    if (fid == NULL) {
        free(file);
        return;
    }
    inode->nlookup++;
    inode->preopened_ms = now;
    p->files[p->n] = file;
    p->fids[p->n++] = fid;
}

void lookahead_preopen_begin(struct cache *c, struct inode *dir, struct user *user, const char *name, struct preopen *p)
{
    bool sorted;

    LOCKED(c);
    struct listing *l = listing_of(dir, user);
    struct dentry *d = listing_find(c, l, name);
    if (d != NULL && is_in_turn(l, d, &sorted)) {
        uint64_t now = clock_ms();
        unsigned n = 0;
        for (d = next_of(d, sorted); d != NULL && n++ < P9_OPEN_TOO; d = next_of(d, sorted)) {
            if (d->is_dir || d->inode == NULL)
                continue;
            if (was_opened(c, d->inode, now))
                break;
            add(c, d->inode, user, p, now);
        }
    }
}

void lookahead_preopen_end(struct cache *c, struct user *user, struct preopen *p)
{
    LOCKED(c);
    for (size_t i = 0; i < p->n; i++) {
        struct preopened *file = p->files[i];
        struct inode *inode = file->inode;
        struct p9_fid *fid = p->fids[i];
        if (fid == NULL && inode->fetched != NULL) /* something has changed */
            lookahead_drop(c, inode->fetched, DENTRY_UNKNOWN);
        else if (fid != NULL && inode->version != file->version)
            p9_fid_put(fid);
        else if (fid != NULL && fid->iounit > 0)
            idle_open_add(c, inode, user, fid, file->walked, &file->attr);
        else if (fid != NULL)
            fid_cache(c, inode, user, fid, file->walked);
        inode->nlookup--;
        inode_release(c, inode);
        free(file);
    }
}
