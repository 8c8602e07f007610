/*
 * lookahead_fetch.c: a name that is looked at takes others along.
 *
 * Which: those that come next, in the order in which names were looked at so far; directories alone where nothing else was looked
 * at. Where directories are opened one after the other they are read as well, and what is in them is asked for in its turn.
 */
#include "cache/lookahead_impl.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    GROWTH = 64,     /* each batch is so many times the one before: one look is no reason for more, two are */
    SLOW_GROWTH = 2, /* once some came too early */
    FIDS_SHARE = 4,  /* at most this part of the fids that the server allows, and that no open file holds */
    MAX_DEPTH = 2,   /* levels below the directory that is looked at */
    KNOWN_BATCH = 64,
    FAR_US = 500,    /* round trips that are worth hiding */
    NAME_US = 40,    /* about what a program takes for a name */
    POLL_MS = 50,    /* an interrupt is seen so soon */
    SORTED_PART = 4, /* names are sorted again once so great a part of them is new */
};

/* ---- what to ask for ---------------------------------------------------- */

struct batch {
    size_t n;
    struct entry *entries[LOOKAHEAD_BATCH];
    struct listing *listings[LOOKAHEAD_BATCH]; /* that they are of, each counted as asking */
    struct p9_found found[LOOKAHEAD_BATCH];    /* each with a reference to `from` */
};

static int by_name(const void *x, const void *y)
{
    struct entry *const *a = x, *const *b = y;

    return strcmp((*a)->name, (*b)->name);
}

void lookahead_sort(struct listing *l)
{
    size_t n = HASH_COUNT(l->names), i = 0;

    if (l->sorted && l->unsorted <= n / SORTED_PART)
        return;
    struct entry **all = calloc(n, sizeof(struct entry *)), *e;
    if (all == NULL)
        return;
    LL_FOREACH(l->first, e)
    {
        all[i++] = e;
    }
    qsort(all, n, sizeof(struct entry *), by_name);
    for (i = 0; i < n; i++)
        all[i]->next_sorted = i + 1 < n ? all[i + 1] : NULL;
    free(all);
    l->sorted = true;
    l->unsorted = 0;
}

/* In which order they are looked at: a shell sorts names, ls -l asks as it reads. */
static void note_order(struct listing *l, struct entry *e)
{
    struct entry *before = l->looked;

    *(e->is_dir ? &l->dirs : &l->files) += 1;
    l->looked = e;
    if (before == NULL || before == e)
        return;
    if (before->next == e) {
        l->in_order++;
        return;
    }
    lookahead_sort(l);
    l->in_sorted += before->next_sorted == e;
}

/* How many names may be asked for, by the fids that are left for this. */
static unsigned room_for_names(struct lookahead *a, const struct listing *l)
{
    unsigned most = p9_client_room(a->cache->client) / FIDS_SHARE, room = most > a->held ? most - a->held : 0;

    return room / (1 + l->nxattrs);
}

static unsigned latency(const struct lookahead *a)
{
    return p9_session_latency(p9_client_session(a->cache->client));
}

/* As many names as a program goes through in the two round trips that they are asked for in: more only keep the server busy, and who
 * else waits for it. */
static unsigned worth(const struct lookahead *a, bool whole_tree)
{
    unsigned us = latency(a), n = 2 * us / NAME_US;

    if (us < FAR_US || (n < FULL_BATCH && !whole_tree))
        return FULL_BATCH;
    return whole_tree || n > LOOKAHEAD_BATCH ? LOOKAHEAD_BATCH : n;
}

/* The size of a batch: more each time, but not more than was used of one before it was too old. */
static unsigned next_size(struct lookahead *a, struct listing *l)
{
    if (l->expired) {
        l->batch = l->taken > 0 ? l->taken : 1;
        l->slow = true;
    }
    unsigned room = room_for_names(a, l) + 1, size = l->batch < room ? l->batch : room, most = worth(a, l->opened > 0);
    if (size > most)
        size = most;
    unsigned next = l->batch * (l->slow ? SLOW_GROWTH : GROWTH);
    l->batch = next < LOOKAHEAD_BATCH ? next : LOOKAHEAD_BATCH;
    l->expired = false;
    l->taken = 0;
    l->size = size;
    return size;
}

static void batch_add(struct lookahead *a, struct batch *b, struct listing *l, struct entry *e, struct p9_fid *from,
                      bool list)
{
    e->state = ASKED;
    e->content = l->dir != NULL ? cache_content_of(a->cache, l->dir, e->name) : UINT64_MAX;
    l->asking++;
    b->found[b->n] = (struct p9_found){.from = p9_fid_get(from), .name = e->name, .is_dir = e->is_dir, .list = list};
    b->listings[b->n] = l;
    b->entries[b->n++] = e;
}

/* `wanted`, and those likely to be next. */
static void choose(struct lookahead *a, struct listing *l, struct entry *wanted, bool only_dirs, struct p9_fid *dirfid,
                   struct batch *b)
{
    unsigned size = next_size(a, l);
    bool sorted = l->sorted && l->in_sorted > l->in_order;
    uint64_t now = cache_now_ms();

    for (struct entry *e = wanted; e != NULL && b->n < size; e = sorted ? e->next_sorted : e->next) {
        if (e->state == THERE && !lookahead_is_fresh(a, e, now))
            lookahead_let_go(a, l, e, UNASKED);
        if (e->state == UNASKED && (!only_dirs || e->is_dir))
            batch_add(a, b, l, e, dirfid, e->is_dir && l->opened > 0);
    }
}

/* What is in the directories that came with the batch above. */
static void choose_below(struct lookahead *a, const struct batch *above, bool only_dirs, bool list, struct batch *b)
{
    unsigned most = worth(a, true);

    for (size_t i = 0; i < above->n; i++) {
        const struct entry *dir = above->entries[i];
        struct listing *l = dir->state == THERE ? dir->below : NULL;
        unsigned room = l != NULL ? room_for_names(a, l) : 0;
        for (struct entry *e = l != NULL ? l->first : NULL; e != NULL && b->n < most && b->n < room; e = e->next)
            if (e->state == UNASKED && (!only_dirs || e->is_dir))
                batch_add(a, b, l, e, dir->fid, e->is_dir && list);
    }
}

static void batch_end(struct lookahead *a, struct batch *b)
{
    pthread_cond_broadcast(&a->arrived);
    for (size_t i = 0; i < b->n; i++) {
        struct listing *l = b->listings[i];
        p9_fid_put(b->found[i].from);
        if (--l->asking == 0 && l->dropped)
            lookahead_listing_end(a, l);
    }
    free(b);
}

/* ---- asking ------------------------------------------------------------- */

/* A listing of what was read of a directory, which it takes. */
static struct listing *listing_of_raw(struct lookahead *a, const struct listing *above, struct p9_listing *raw,
                                      uint64_t now)
{
    struct listing *l = lookahead_listing_new(above->user, now);
    struct p9_dirent de;

    if (l == NULL) {
        p9_listing_free(raw);
        return NULL;
    }
    l->raw = raw;
    a->held++;
    l->xattrs = above->xattrs;
    l->nxattrs = above->nxattrs;
    for (size_t at = 0, used = 1; at < raw->len && used > 0; at += used) {
        used = p9_dirent_unpack(raw->entries + at, raw->len - at, &de);
        if (used > 0 && de.name.len > 0 && !p9_str_eq(de.name, ".") && !p9_str_eq(de.name, ".."))
            lookahead_add_name(a, l, de.name.s, de.name.len, UNASKED, (de.qid.type & P9_QTDIR) != 0);
    }
    return l;
}

/* holds: the names were those of the directory to the end. */
static void take_in(struct lookahead *a, struct batch *b, bool holds, uint64_t walked, uint64_t snapshot, uint64_t now)
{
    for (size_t i = 0; i < b->n; i++) {
        struct entry *e = b->entries[i];
        struct listing *l = b->listings[i];
        const struct p9_found *f = &b->found[i];
        if (f->rc == 0 && holds && e->state == ASKED && !l->dropped) {
            e->attr = f->attr;
            e->fid = f->fid;
            memcpy(e->lacks, f->lacks, sizeof e->lacks);
            e->walked = walked;
            e->snapshot = snapshot;
            e->asked_ms = now;
            e->below = f->listing != NULL ? listing_of_raw(a, l, f->listing, now) : NULL;
            e->state = THERE;
            l->held++;
            a->held++;
            continue;
        }
        if (f->rc == 0) /* forgotten meanwhile, or another's */
            p9_fid_put(f->fid);
        p9_listing_free(f->listing);
        e->state = GONE;
    }
}

/* Who asks, and the fid of the listing's directory, walked when the tree's clock was that. */
struct by {
    struct p9_scope *sc;
    struct p9_fid *dirfid;
    uint64_t walked;
};

/* Asks for the batch, which is of l or below it. Gives the lock up meanwhile. */
static void send(struct lookahead *a, const struct by *by, const struct listing *l, struct batch *b)
{
    uint64_t snapshot = cache_all_changes(a->cache), now = cache_now_ms();
    struct p9_xattrs xattrs = l->xattrs;

    pthread_mutex_unlock(&a->mtx);
    p9_find_many(by->sc, a->cache->client, b->n, &xattrs, b->found);
    pthread_mutex_lock(&a->mtx);
    take_in(a, b, cache_fid_holds(a->cache, l->dir, by->dirfid, by->walked), by->walked, snapshot, now);
    pthread_cond_broadcast(&a->arrived);
}

/* Asks for the batch, then for what is in the directories that come with it, so many levels down. */
static void ask_down(struct lookahead *a, const struct by *by, const struct listing *l, struct batch *b, bool only_dirs,
                     unsigned depth)
{
    struct batch *above = b, *below;

    send(a, by, l, b);
    for (; depth > 0 && (below = calloc(1, sizeof *below)) != NULL; depth--) {
        choose_below(a, above, only_dirs, depth > 1 || only_dirs, below);
        if (above != b)
            batch_end(a, above);
        above = below;
        if (below->n == 0)
            break;
        send(a, by, l, below);
    }
    if (above != b)
        batch_end(a, above);
}

static bool wants_only_dirs(const struct listing *l, const struct entry *wanted)
{
    return wanted->is_dir && l->files == 0 && (l->dirs > 1 || l->opened > 0);
}

/* How many levels below are worth it: none for files that are gone through so slowly that what comes ahead is too old. */
static unsigned levels_below(struct lookahead *a, const struct listing *l, bool only_dirs)
{
    for (; a->lost + a->taken > 2 * LOOKAHEAD_BATCH; a->taken /= 2)
        a->lost /= 2;
    if (!only_dirs && a->lost > a->taken)
        return 0;
    return l->opened < MAX_DEPTH ? l->opened : MAX_DEPTH;
}

/* Called with the lock, which it gives up meanwhile: the listing may be gone. */
static void ask(struct lookahead *a, const struct by *by, struct listing *l, struct entry *wanted)
{
    struct batch *b = calloc(1, sizeof *b);
    bool only_dirs = wants_only_dirs(l, wanted);

    if (b == NULL) {
        wanted->state = GONE;
        return;
    }
    choose(a, l, wanted, only_dirs, by->dirfid, b);
    if (b->n > 0)
        ask_down(a, by, l, b, only_dirs, levels_below(a, l, only_dirs));
    else
        l->size = 0; /* there are no more */
    batch_end(a, b);
}

/* For lookahead_background. */
static void ask_next(struct lookahead *a, const struct lookahead_job *job)
{
    struct listing *l = lookahead_by_number(a, job->listing);

    if (l == NULL)
        return;
    l->going_on = false;
    if (l->asking == 0)
        ask(a, &(struct by){.dirfid = job->dir, .walked = job->walked}, l, l->looked);
}

/* Who takes one batch will want the next: it is asked for before he waits for it. */
static void go_on(struct lookahead *a, struct listing *l, const struct by *by)
{
    bool steady = l->size >= FULL_BATCH && l->opened == 0 && !l->slow && !l->expired;

    if (!steady || l->going_on || l->asking > 0 || l->held > worth(a, false) / 2 || latency(a) < FAR_US)
        return;
    l->going_on = lookahead_background(a, l, by->dirfid, by->walked, ask_next);
}

/* ---- directories that are known already --------------------------------- */

/* Those that follow in the listing, from `first` on, and are not read yet. */
static void choose_known(struct lookahead *a, struct listing *l, struct entry *first, struct p9_fid *fid,
                         struct batch *b)
{
    unsigned room = room_for_names(a, l) + 1;

    for (struct entry *e = first; e != NULL && b->n < KNOWN_BATCH && b->n < room; e = e->next) {
        if (!e->is_dir || e->state == ASKED || e->below != NULL)
            continue;
        lookahead_let_go(a, l, e, UNASKED);
        batch_add(a, b, l, e, fid, true);
    }
}

/* What came of those that the kernel has is for their inodes. */
static void keep_known(struct lookahead *a, struct listing *l, struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        struct entry *e = b->entries[i];
        struct inode *dir = e->state == THERE ? cache_known(a->cache, l->dir, e->name) : NULL;
        if (dir == NULL)
            continue;
        if (e->below != NULL && qid_same_file(&dir->qid, &e->attr.qid) && cache_changes(a->cache, dir) <= e->snapshot) {
            lookahead_add_kept(a, dir, l->user, e->below, e->snapshot);
            e->below = NULL;
        }
        cache_forget(a->cache, dir, 1);
        lookahead_let_go(a, l, e, GONE);
    }
}

void lookahead_read_on(struct lookahead *a, struct p9_scope *sc, struct inode *above, struct user *user,
                       struct p9_fid *abovefid, uint64_t walked, const char *name)
{
    struct batch *b = calloc(1, sizeof *b);
    struct entry *e = NULL;

    pthread_mutex_lock(&a->mtx);
    struct listing *l = lookahead_listing_of(a, above, user);
    if (l != NULL)
        HASH_FIND_STR(l->names, name, e);
    if (b != NULL && e != NULL) {
        choose_known(a, l, e, abovefid, b);
        if (b->n > 0)
            ask_down(a, &(struct by){sc, abovefid, walked}, l, b, l->files == 0, levels_below(a, l, l->files == 0));
        keep_known(a, l, b);
        batch_end(a, b);
        b = NULL;
    }
    pthread_mutex_unlock(&a->mtx);
    free(b);
}

/* ---- looking ------------------------------------------------------------ */

/* Whether what was told is still so, as far as we did anything, or were told other attributes since. A inode that we changed and that was forgotten since would not
 * tell. */
static bool holds(struct lookahead *a, const struct listing *l, const struct entry *e, uint64_t now)
{
    return lookahead_is_fresh(a, e, now) && (S_ISDIR(e->attr.mode) || e->attr.nlink < 2) &&
           cache_content_of(a->cache, l->dir, e->name) == e->content &&
           cache_changes_forgotten(a->cache) <= e->snapshot;
}

static bool take(struct lookahead *a, struct listing *l, struct entry *e, struct lookahead_found *found)
{
    uint64_t now = cache_now_ms();

    if (e->state != THERE)
        return false;
    if (!holds(a, l, e, now)) {
        lookahead_let_go(a, l, e, GONE);
        return false;
    }
    *found = (struct lookahead_found){
        .attr = e->attr, .fid = e->fid, .walked = e->walked, .below = e->below, .asked_ms = e->asked_ms};
    found->left_ms = a->lifetime_ms - (unsigned)(now - e->asked_ms);
    memcpy(found->lacks, e->lacks, sizeof found->lacks);
    found->open = e->open;
    a->open -= e->open;
    e->open = false;
    e->below = NULL;
    l->held--;
    a->held--;
    a->taken++;
    l->taken++;
    e->state = GONE;
    return true;
}

static struct entry *find(struct lookahead *a, const struct inode *dir, const struct user *user, const char *name,
                          struct listing **l)
{
    struct entry *e = NULL;

    *l = lookahead_listing_of(a, dir, user);
    if (*l != NULL)
        HASH_FIND_STR((*l)->names, name, e);
    return e;
}

/* For what another thread asks for. With the lock. */
static void wait_a_little(struct lookahead *a)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += POLL_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&a->arrived, &a->mtx, &until);
}

/* With the lock, as a program looks at it. */
static bool look_and_take(struct lookahead *a, const struct by *by, struct listing *l, struct entry *e,
                          struct lookahead_found *found)
{
    l->used_ms = cache_now_ms();
    if (!take(a, l, e, found))
        return false;
    go_on(a, l, by);
    return true;
}

bool lookahead_look(struct lookahead *a, struct p9_scope *sc, struct inode *dir, struct user *user,
                    struct p9_fid *dirfid, uint64_t walked, const char *name, struct lookahead_found *found)
{
    const struct by by = {sc, dirfid, walked};
    struct listing *l;

    pthread_mutex_lock(&a->mtx);
    lookahead_drop_old(a, cache_now_ms());
    struct entry *e = find(a, dir, user, name, &l);
    if (e != NULL) {
        note_order(l, e);
        if (e->state == THERE && !lookahead_is_fresh(a, e, cache_now_ms())) {
            lookahead_let_go(a, l, e, UNASKED);
            l->expired = true;
        }
    }
    if (e != NULL && e->state == UNASKED) {
        ask(a, &by, l, e);
        e = find(a, dir, user, name, &l);
    }
    while (e != NULL && e->state == ASKED && (sc == NULL || !sc->interrupted)) {
        wait_a_little(a);
        e = find(a, dir, user, name, &l);
    }
    bool taken = e != NULL && look_and_take(a, &by, l, e, found);
    pthread_mutex_unlock(&a->mtx);
    return taken;
}

bool lookahead_take(struct lookahead *a, struct inode *dir, struct user *user, struct p9_fid *dirfid, uint64_t walked,
                    const char *name, struct lookahead_found *found)
{
    const struct by by = {NULL, dirfid, walked};
    struct listing *l;

    pthread_mutex_lock(&a->mtx);
    struct entry *e = find(a, dir, user, name, &l);
    bool there = e != NULL && e->state == THERE && lookahead_is_fresh(a, e, cache_now_ms());
    if (there) {
        note_order(l, e);
        there = look_and_take(a, &by, l, e, found);
    }
    pthread_mutex_unlock(&a->mtx);
    return there;
}

bool lookahead_has_some(struct lookahead *a, const struct inode *dir, const struct user *user)
{
    pthread_mutex_lock(&a->mtx);
    const struct listing *l = lookahead_listing_of(a, dir, user);
    bool some = l != NULL && l->held > 0;
    pthread_mutex_unlock(&a->mtx);
    return some;
}

bool lookahead_expects(struct lookahead *a, const struct inode *dir, const struct user *user)
{
    pthread_mutex_lock(&a->mtx);
    const struct listing *l = lookahead_listing_of(a, dir, user);
    bool expects = l != NULL && l->expects;
    pthread_mutex_unlock(&a->mtx);
    return expects;
}
