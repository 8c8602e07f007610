/*
 * fetch.c: fetches attributes of names that are likely to be looked up next.
 *
 * Which: those that follow, in the order in which names were looked up so far; directories alone
 * where nothing else was looked up. Where directories are opened in turn they are read as well, and
 * what is in them is fetched in its turn.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cache/lookahead_impl.h"

enum {
    GROWTH = 64,     /* of each batch: one lookup is no reason for more, two are */
    SLOW_GROWTH = 2, /* once some came too early */
    FIDS_SHARE = 4,  /* this part, at most, of the fids that no open file holds */
    MAX_DEPTH = 2,   /* levels below the directory of the lookup */
    KNOWN_BATCH = 64,
    FAR_US = 500, /* round trips that are worth hiding */
    NAME_US = 40, /* about what a program takes for a name */
};

/* Names in flight. */
struct batch {
    uint32_t number;
    size_t n, nlist;                        /* names, and those whose directories are read */
    struct inode *dirs[LOOKAHEAD_BATCH];    /* that they are in, each with a reference, */
    uint64_t listings[LOOKAHEAD_BATCH];     /* the listing's number, where they count as in flight, */
    struct inode *stored[LOOKAHEAD_BATCH];  /* and the inode that the answer is in, or NULL */
    struct p9_found found[LOOKAHEAD_BATCH]; /* each with a reference to `from`, and its own name */
};

/* ---- how many ------------------------------------------------------------------- */

/* How many names may be fetched, by the fids that are left for this. */
static unsigned room_for_names(struct cache *c, const struct listing *l)
{
    unsigned most = p9_client_room(c->client) / FIDS_SHARE, held = c->lookahead->nfetched + c->lookahead->npending;

    return (most > held ? most - held : 0) / (1 + l->nxattrs);
}

static unsigned latency(const struct cache *c)
{
    return p9_session_latency(p9_client_session(c->client));
}

/* As many names as a program goes through in the two round trips that they are fetched in: more
 * only keep the server busy, and others waiting for it. */
static unsigned worth(const struct cache *c, bool whole_tree)
{
    unsigned us = latency(c), n = 2 * us / NAME_US;

    if (us < FAR_US || (n < FULL_BATCH && !whole_tree))
        return FULL_BATCH;
    return whole_tree || n > LOOKAHEAD_BATCH ? LOOKAHEAD_BATCH : n;
}

/* The size of a batch: more each time, but not more than was used of one before it expired. */
static unsigned next_size(struct cache *c, struct listing *l)
{
    if (l->expired) {
        l->batch = l->used > 0 ? l->used : 1;
        l->slow = true;
    }
    unsigned room = room_for_names(c, l) + 1, size = l->batch < room ? l->batch : room, most = worth(c, l->opened > 0);
    if (size > most)
        size = most;
    unsigned next = l->batch * (l->slow ? SLOW_GROWTH : GROWTH);
    l->batch = next < LOOKAHEAD_BATCH ? next : LOOKAHEAD_BATCH;
    l->expired = false;
    l->used = 0;
    l->size = size;
    return size;
}

/* ---- which ------------------------------------------------------------------------ */

static struct batch *batch_new(struct cache *c)
{
    struct batch *b = calloc(1, sizeof *b);

    if (b != NULL)
        b->number = ++c->lookahead->nbatches;
    return b;
}

static void batch_add(const struct cache *c, struct batch *b, struct listing *l, struct dentry *d, struct p9_fid *from,
                      bool list)
{
    char *name = strdup(d->name);

    list = list && listing_may_be_read(c, b->nlist);

    if (name == NULL)
        return;
    d->state = DENTRY_IN_FLIGHT;
    d->batch = b->number;
    l->in_flight++;
    l->dir->nlookup++;
    b->dirs[b->n] = l->dir;
    b->listings[b->n] = l->number;
    b->stored[b->n] = NULL;
    b->nlist += list;
    b->found[b->n++] = (struct p9_found){.from = p9_fid_get(from), .name = name, .is_dir = d->is_dir, .list = list};
}

static void batch_end(struct cache *c, struct batch *b)
{
    pthread_cond_broadcast(&c->lookahead->arrived);
    for (size_t i = 0; i < b->n; i++) {
        struct listing *l = listing_by_number(b->dirs[i], b->listings[i]);
        if (l != NULL)
            l->in_flight--;
        p9_fid_put(b->found[i].from);
        free((char *)b->found[i].name);
        b->dirs[i]->nlookup--;
        inode_release(c, b->dirs[i]);
    }
    free(b);
}

/* `wanted`, and those likely to be next. */
static void choose(struct cache *c, struct listing *l, struct dentry *wanted, bool only_dirs, struct p9_fid *dirfid,
                   struct batch *b)
{
    unsigned size = next_size(c, l);
    bool sorted = l->sorted && l->in_sorted > l->in_order;
    uint64_t now = clock_ms();

    for (struct dentry *d = wanted; d != NULL && b->n < size; d = sorted ? d->next_sorted : d->next) {
        if (d->state == DENTRY_FETCHED && d->inode->fetched_until <= now)
            lookahead_drop(c, d, DENTRY_LISTED);
        if (d->state == DENTRY_LISTED && (!only_dirs || d->is_dir))
            batch_add(c, b, l, d, dirfid, d->is_dir && l->opened > 0);
    }
}

/* What is in the directories that came with the batch above. */
static void choose_below(struct cache *c, const struct batch *above, struct user *user, bool only_dirs, bool list,
                         struct batch *b)
{
    unsigned most = worth(c, true);

    for (size_t i = 0; i < above->n; i++) {
        struct listing *l = above->stored[i] != NULL ? listing_of(above->stored[i], user) : NULL;
        struct p9_fid *fid = l != NULL && l->raw != NULL ? fid_idle(c, l->dir, user) : NULL;
        unsigned room = fid != NULL ? room_for_names(c, l) : 0;
        for (struct dentry *d = fid != NULL ? l->first : NULL; d != NULL && b->n < most && b->n < room; d = d->next)
            if (d->state == DENTRY_LISTED && (!only_dirs || d->is_dir))
                batch_add(c, b, l, d, fid, d->is_dir && list);
        p9_fid_put(fid);
    }
}

/* ---- what arrives -------------------------------------------------------------------- */

/* When it was asked for. */
struct question {
    const struct asker *by;
    uint64_t version, ms;
};

/* What was read ahead of a directory, which it takes. */
static void store_listing(struct cache *c, struct inode *dir, const struct listing *above, struct p9_listing *raw,
                          const struct question *q)
{
    const struct listing *old = dir->listing;
    struct listing *l = NULL;
    uint64_t next = 0;

    if (raw != NULL && listing_may_be_read(c, 0) && dir->names_version <= q->version &&
        (old == NULL || old->in_flight == 0))
        l = listing_new(c, dir, above->user, q->ms, raw, q->version);
    if (l == NULL) {
        p9_listing_free(raw);
        return;
    }
    l->xattrs = above->xattrs;
    l->nxattrs = above->nxattrs;
    listing_add_entries(c, l, raw->entries, raw->len, &next);
}

static bool is_open_to_write(const struct inode *inode)
{
    const struct handle *h = inode->handles;

    while (h != NULL && (h->flags & O_ACCMODE) == O_RDONLY)
        h = h->next;
    return h != NULL;
}

/* The inode that the answer may be stored in: that of the name, a new one, or NULL. Names of a
 * file with several may share one: they are looked up. So is what is another file by now: the
 * kernel has the old one in use. What is open for writing has a size that is known here alone. */
static struct inode *inode_for(struct cache *c, struct dentry *d, const struct p9_attr *attr, uint64_t asked)
{
    struct inode *inode = d->inode;
    uint32_t space = identity_space(c, d->parent, d->name, S_ISDIR(attr->mode));

    if (!S_ISDIR(attr->mode) && attr->nlink >= 2)
        return NULL;
    if (inode == NULL) {
        inode = inode_new(c, attr, space);
        if (inode != NULL)
            dentry_attach(c, d, inode);
        return inode;
    }
    bool same = qid_same_file(&inode->qid, &attr->qid) && (!d->is_dir || inode->space == space);
    return same && inode->version <= asked && !inode->hidden && !is_open_to_write(inode) ? inode : NULL;
}

/* d is in flight. Takes the fid and the listing. */
static struct inode *store(struct cache *c, struct listing *l, struct dentry *d, struct p9_found *f,
                           const struct question *q)
{
    struct lookahead *la = c->lookahead;
    struct inode *inode = inode_for(c, d, &f->attr, q->version);

    d->state = DENTRY_UNKNOWN;
    if (inode == NULL) {
        p9_fid_put(f->fid);
        p9_listing_free(f->listing);
        return NULL;
    }
    bool known = inode->nlookup > 0; /* to the kernel */
    inode_learn(c, inode, &f->attr);
    inode->fetched_until = q->ms + la->lifetime_ms;
    if (inode->attr_until < inode->fetched_until)
        inode->attr_until = inode->fetched_until;
    inode_set_lacks(inode, f->lacks, inode->fetched_until);
    if (inode->confirmed_ms < q->ms)
        inode->confirmed_ms = q->ms;
    fid_cache(c, inode, l->user, f->fid, q->by->walked);
    if (inode->fetched == NULL && !(q->by->known_dirs && known)) {
        d->state = DENTRY_FETCHED;
        inode->fetched = d;
        DL_APPEND2(la->fetched, inode, prev_fetched, next_fetched);
        la->nfetched++;
        l->fetched++;
    }
    store_listing(c, inode, l, f->listing, q);
    return inode;
}

static void take_in(struct cache *c, struct batch *b, const struct question *q)
{
    for (size_t i = 0; i < b->n; i++) {
        struct p9_found *f = &b->found[i];
        struct listing *l = listing_by_number(b->dirs[i], b->listings[i]);
        struct dentry *d = listing_find(c, l, f->name);
        if (d != NULL && (d->state != DENTRY_IN_FLIGHT || d->batch != b->number)) /* it was changed meanwhile */
            d = NULL;
        if (f->rc == 0 && d != NULL && fid_is_good(c, b->dirs[i], f->from, q->by->walked)) {
            b->stored[i] = store(c, l, d, f, q);
            continue;
        }
        if (f->rc == 0)
            p9_fid_put(f->fid);
        p9_listing_free(f->listing);
        if (d != NULL)
            d->state = DENTRY_UNKNOWN;
    }
}

/* ---- asking ---------------------------------------------------------------------------- */

static void send(struct cache *c, const struct asker *by, struct p9_xattrs xattrs, struct batch *b)
{
    const struct question q = {.by = by, .version = c->version, .ms = clock_ms()};

    pthread_mutex_unlock(&c->mtx);
    p9_find_many(by->sc, c->client, b->n, &xattrs, b->found);
    pthread_mutex_lock(&c->mtx);
    take_in(c, b, &q);
    pthread_cond_broadcast(&c->lookahead->arrived);
}

/* Asks for the batch, which is of l, then for what is in the directories that come with it, so
 * many levels down. l may be gone after the first. */
static void ask_down(struct cache *c, const struct asker *by, const struct listing *l, struct batch *b, bool only_dirs,
                     unsigned depth)
{
    struct batch *above = b, *below;
    struct p9_xattrs xattrs = l->xattrs;
    struct user *user = l->user;

    send(c, by, xattrs, b);
    for (; depth > 0 && (below = batch_new(c)) != NULL; depth--) {
        choose_below(c, above, user, only_dirs, depth > 1 || only_dirs, below);
        batch_end(c, above);
        above = below;
        if (below->n == 0)
            break;
        send(c, by, xattrs, below);
    }
    batch_end(c, above);
}

static bool wants_only_dirs(const struct listing *l, const struct dentry *wanted)
{
    return wanted->is_dir && l->files == 0 && (l->dirs > 1 || l->opened > 0);
}

/* How many levels below are worth it: none for files that are walked so slowly that what is
 * fetched expires. */
static unsigned levels_below(struct lookahead *la, const struct listing *l, bool only_dirs)
{
    for (; la->wasted + la->used > 2 * LOOKAHEAD_BATCH; la->used /= 2)
        la->wasted /= 2;
    if (!only_dirs && la->wasted > la->used)
        return 0;
    return l->opened < MAX_DEPTH ? l->opened : MAX_DEPTH;
}

void lookahead_fetch(struct cache *c, const struct asker *by, struct listing *l, struct dentry *wanted)
{
    struct batch *b = batch_new(c);
    bool only_dirs = wants_only_dirs(l, wanted);

    if (b == NULL) {
        lookahead_drop(c, wanted, DENTRY_UNKNOWN);
        return;
    }
    choose(c, l, wanted, only_dirs, by->dirfid, b);
    if (b->n > 0) {
        ask_down(c, by, l, b, only_dirs, levels_below(c->lookahead, l, only_dirs));
        return;
    }
    l->size = 0; /* there are no more */
    batch_end(c, b);
}

/* For background_do. */
static void fetch_next(struct cache *c, const struct job *job)
{
    struct listing *l = listing_by_number(job->dir, job->listing);

    if (l == NULL)
        return;
    l->going_on = false;
    if (l->in_flight == 0)
        lookahead_fetch(c, &(struct asker){.dirfid = job->fid, .walked = job->walked}, l, l->looked);
}

void lookahead_go_on(struct cache *c, struct listing *l, const struct asker *by)
{
    bool steady = l->size >= FULL_BATCH && l->opened == 0 && !l->slow && !l->expired;

    if (!steady || l->going_on || l->in_flight > 0 || l->fetched > worth(c, false) / 2 || latency(c) < FAR_US)
        return;
    l->going_on = background_do(
        c,
        &(struct job){.run = fetch_next, .dir = l->dir, .listing = l->number, .fid = by->dirfid, .walked = by->walked});
}

/* Those that follow in the listing and are not read yet. */
static void choose_known(struct cache *c, struct listing *l, struct dentry *first, struct p9_fid *fid, struct batch *b)
{
    unsigned room = room_for_names(c, l) + 1;

    for (struct dentry *d = first; d != NULL && b->n < KNOWN_BATCH && b->n < room; d = d->next) {
        const struct listing *below = d->inode != NULL ? d->inode->listing : NULL;
        if (!d->is_dir || d->state == DENTRY_IN_FLIGHT || (below != NULL && below->raw != NULL))
            continue;
        lookahead_drop(c, d, DENTRY_LISTED);
        batch_add(c, b, l, d, fid, true);
    }
}

void lookahead_fetch_known_dirs(struct cache *c, const struct asker *by, struct listing *l, struct dentry *first)
{
    struct batch *b = batch_new(c);
    bool only_dirs = l->files == 0;

    if (b == NULL)
        return;
    choose_known(c, l, first, by->dirfid, b);
    if (b->n > 0)
        ask_down(c, by, l, b, only_dirs, levels_below(c->lookahead, l, only_dirs));
    else
        batch_end(c, b);
}
