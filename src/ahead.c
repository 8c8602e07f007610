/*
 * ahead.c: the names of directories listed lately, and attributes asked for many at once.
 */
#include "ahead.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

enum {
    MAX_LISTINGS = 256,
    MAX_NAMES = 100000, /* of all listings */
    MAX_BATCH = 512,
    MAX_KEPT = 64,      /* directories read ahead, of all and in one batch */
    FIRST_BATCH = 128,  /* where a whole tree is looked at */
    GROWTH = 8,         /* each batch is so many times the one before */
    LISTING_MS = 30000, /* a listing nobody looked at for so long is over: the names alone are kept so long */
    FIDS_SHARE = 4,     /* at most this part of the fids that the server allows */
};

enum state { UNASKED, ASKED, THERE, GONE };

struct entry {
    UT_hash_handle hh, folded; /* by name, and by that in lower case */
    enum state state;
    struct entry *next, *next_sorted; /* in the order of the listing, and of the names */
    struct p9_attr attr;
    struct p9_fid *fid;
    uint64_t walked, changes; /* of the node when it was asked for; none: UINT64_MAX */
    uint64_t asked_ms;
    int lacks[P9_XATTRS];
    bool is_dir;
    struct p9_listing *listing;
    char name[]; /* and after its end the same in lower case */
};

struct listing {
    struct listing *next;
    uint64_t number;
    struct node *dir; /* one reference */
    struct user *user;
    struct entry *names, *folded, *first, **last; /* hashes, and in order */
    struct entry *looked;                         /* the last that was looked at */
    bool sorted;                                  /* next_sorted holds */
    unsigned in_order, in_sorted;                 /* how often the next look was at the next one */
    unsigned held;                                /* entries that are there */
    unsigned batch, taken;                        /* size of the next batch; what was of use since the last */
    bool expired;                                 /* of the last batch something came to nothing */
    unsigned asking;                              /* batches under way */
    uint64_t used_ms, asked_ms;
    bool partial, whole;     /* a name may be missing; else, at the end, none is */
    bool made;               /* by us */
    struct p9_xattrs xattrs; /* to ask for, too */
    unsigned nxattrs;
    unsigned files, dirs, opened; /* looked at; and directories in it that were opened */
    bool dropped;                 /* to be freed by the last who asks */
};

/* A directory read ahead, known to the kernel by now, but not opened yet. */
struct kept {
    struct kept *prev, *next;
    struct node *dir; /* one reference */
    struct user *user;
    struct p9_listing *listing;
    uint64_t changes, asked_ms;
};

struct ahead {
    struct tree *tree;
    unsigned lifetime_ms;
    pthread_mutex_t mtx;
    struct listing *listings; /* the last used first */
    uint64_t last_number;
    char *xattrs[P9_XATTRS]; /* by their numbers */
    struct kept *kept;       /* the oldest first */
    unsigned nkept;
    unsigned nlistings, nnames, held; /* fids held */
};

struct ahead *ahead_new(struct tree *t, unsigned lifetime_ms)
{
    struct ahead *a = calloc(1, sizeof *a);

    if (a == NULL)
        return NULL;
    a->tree = t;
    a->lifetime_ms = lifetime_ms;
    pthread_mutex_init(&a->mtx, NULL);
    return a;
}

/* ---- listings; all called with the lock --------------------------------- */

static void entry_let_go(struct ahead *a, struct listing *l, struct entry *e, enum state to)
{
    if (e->state == THERE) {
        l->held--;
        a->held -= 1 + (e->listing != NULL);
        p9_fid_put(e->fid);
        p9_listing_free(e->listing);
        e->listing = NULL;
    }
    e->state = to;
}

static void listing_free(struct ahead *a, struct listing *l)
{
    struct entry *e, *next;

    a->nnames -= HASH_COUNT(l->names);
    HASH_CLEAR(hh, l->names);
    HASH_CLEAR(folded, l->folded);
    LL_FOREACH_SAFE(l->first, e, next)
    {
        entry_let_go(a, l, e, GONE);
        free(e);
    }
    tree_forget(a->tree, l->dir, 1);
    free(l);
}

static void listing_drop(struct ahead *a, struct listing *l)
{
    LL_DELETE(a->listings, l);
    a->nlistings--;
    l->dropped = true;
    if (l->asking == 0)
        listing_free(a, l);
}

static struct listing *listing_of(struct ahead *a, const struct node *dir, const struct user *user)
{
    struct listing *l;

    for (l = a->listings; l != NULL && (l->dir != dir || l->user != user); l = l->next)
        ;
    return l;
}

static bool is_fresh(const struct ahead *a, const struct entry *e, uint64_t now)
{
    return now - e->asked_ms < a->lifetime_ms;
}

/* Fids are not held for what nobody came for. */
static void let_go_old(struct ahead *a, struct listing *l, uint64_t now)
{
    struct entry *e;

    LL_FOREACH(l->first, e)
    {
        if (e->state != THERE || is_fresh(a, e, now))
            continue;
        entry_let_go(a, l, e, UNASKED);
        l->expired = true;
    }
}

static void kept_drop(struct ahead *a, struct kept *k)
{
    DL_DELETE(a->kept, k);
    a->nkept--;
    if (k->listing != NULL)
        a->held--;
    p9_listing_free(k->listing);
    tree_forget(a->tree, k->dir, 1);
    free(k);
}

static void drop_old(struct ahead *a, uint64_t now)
{
    struct listing *l, *next;

    while (a->kept != NULL && now - a->kept->asked_ms > a->lifetime_ms)
        kept_drop(a, a->kept);

    LL_FOREACH_SAFE(a->listings, l, next)
    {
        if (now - l->used_ms > LISTING_MS)
            listing_drop(a, l);
        else if (l->held > 0 && now - l->used_ms > a->lifetime_ms)
            let_go_old(a, l, now);
    }
}

void ahead_free(struct ahead *a)
{
    struct listing *l, *next;

    if (a == NULL)
        return;
    LL_FOREACH_SAFE(a->listings, l, next)
    {
        listing_drop(a, l);
    }
    while (a->kept != NULL)
        kept_drop(a, a->kept);
    for (unsigned x = 0; x < P9_XATTRS; x++)
        free(a->xattrs[x]);
    pthread_mutex_destroy(&a->mtx);
    free(a);
}

/* ---- noting names ------------------------------------------------------- */

static struct listing *listing_add(struct ahead *a, struct node *dir, struct user *user, uint64_t asked_ms)
{
    struct listing *l = calloc(1, sizeof *l), *old = listing_of(a, dir, user);

    if (old != NULL)
        listing_drop(a, old);
    drop_old(a, tree_now_ms());
    while (a->nlistings >= MAX_LISTINGS) {
        struct listing *oldest = a->listings, *other;
        LL_FOREACH(a->listings, other)
        {
            if (other->used_ms <= oldest->used_ms)
                oldest = other;
        }
        listing_drop(a, oldest);
    }
    if (l == NULL)
        return NULL;
    *l = (struct listing){.dir = dir, .user = user, .last = &l->first, .batch = 1, .number = ++a->last_number};
    l->used_ms = tree_now_ms();
    l->asked_ms = asked_ms;
    tree_remember(a->tree, dir);
    LL_PREPEND(a->listings, l);
    a->nlistings++;
    return l;
}

uint64_t ahead_begin(struct ahead *a, struct node *dir, struct user *user, uint64_t changes, uint64_t asked_ms)
{
    uint64_t number = 0;

    if (user == NULL)
        return 0;
    pthread_mutex_lock(&a->mtx);
    struct listing *l = listing_add(a, dir, user, asked_ms);
    if (l != NULL) {
        struct listing *above = listing_of(a, tree_parent(a->tree, dir), user);
        if (above != NULL && above->opened > 0) { /* it is a tree that is gone through */
            l->opened = 1;
            l->batch = FIRST_BATCH;
            l->xattrs = above->xattrs;
            l->nxattrs = above->nxattrs;
        }
        l->partial = tree_changes(a->tree, dir) > changes;
        number = l->number;
    }
    pthread_mutex_unlock(&a->mtx);
    return number;
}

void ahead_made(struct ahead *a, struct node *dir, struct user *user, uint64_t asked_ms)
{
    pthread_mutex_lock(&a->mtx);
    struct listing *l = user != NULL ? listing_add(a, dir, user, asked_ms) : NULL;
    if (l != NULL)
        l->whole = l->made = true;
    pthread_mutex_unlock(&a->mtx);
}

static struct listing *by_number(struct ahead *a, uint64_t number)
{
    struct listing *l;

    for (l = a->listings; l != NULL && l->number != number; l = l->next)
        ;
    return l;
}

static void fold(char *to, const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + ('a' - 'A') : name[i]);
    to[n] = 0;
}

/* Called with the lock. */
static void add_name(struct ahead *a, struct listing *l, const char *name, size_t n, enum state state, bool is_dir)
{
    struct entry *e, *known;

    HASH_FIND(hh, l->names, name, n, known);
    if (known != NULL)
        return;
    e = a->nnames < MAX_NAMES ? calloc(1, sizeof *e + 2 * (n + 1)) : NULL;
    if (e == NULL) {
        l->partial = true;
        l->whole = false;
        return;
    }
    memcpy(e->name, name, n);
    fold(e->name + n + 1, name, n);
    e->state = state;
    e->is_dir = is_dir;
    a->nnames++;
    l->sorted = false;
    HASH_ADD_KEYPTR(hh, l->names, e->name, n, e);
    HASH_ADD_KEYPTR(folded, l->folded, e->name + n + 1, n, e);
    *l->last = e;
    l->last = &e->next;
}

void ahead_name(struct ahead *a, uint64_t listing, struct p9_str name, bool is_dir)
{
    pthread_mutex_lock(&a->mtx);
    struct listing *l = by_number(a, listing);
    if (l != NULL) {
        add_name(a, l, name.s, name.len, UNASKED, is_dir);
        l->used_ms = tree_now_ms();
    }
    pthread_mutex_unlock(&a->mtx);
}

void ahead_end(struct ahead *a, uint64_t listing)
{
    pthread_mutex_lock(&a->mtx);
    struct listing *l = by_number(a, listing);
    if (l != NULL)
        l->whole = !l->partial;
    pthread_mutex_unlock(&a->mtx);
}

void ahead_forget(struct ahead *a, struct node *dir, const char *name)
{
    pthread_mutex_lock(&a->mtx);
    for (struct listing *l = a->listings; l != NULL; l = l->next) {
        struct entry *e = NULL;
        if (l->dir != dir)
            continue;
        HASH_FIND_STR(l->names, name, e);
        if (e != NULL)
            entry_let_go(a, l, e, GONE); /* also what is under way: it is not taken any more */
        else
            add_name(a, l, name, strlen(name), GONE, false); /* it may be there now */
    }
    pthread_mutex_unlock(&a->mtx);
}

void ahead_doubt(struct ahead *a)
{
    pthread_mutex_lock(&a->mtx);
    for (struct listing *l = a->listings; l != NULL; l = l->next) {
        l->whole = false;
        l->partial = true;
    }
    pthread_mutex_unlock(&a->mtx);
}

static bool lacks(const struct ahead *a, const struct listing *l, const char *name)
{
    char folded[P9_MAXNAME + 1];
    struct entry *e;
    size_t n = strlen(name);

    if (!l->whole || n > P9_MAXNAME || tree_now_ms() - l->asked_ms >= a->lifetime_ms || (!l->made && name[0] == '.'))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] >= 128)
            return false;
    fold(folded, name, n);
    HASH_FIND(folded, l->folded, folded, n, e);
    return e == NULL;
}

bool ahead_absent(struct ahead *a, struct node *dir, struct user *user, const char *name)
{
    pthread_mutex_lock(&a->mtx);
    struct listing *l = listing_of(a, dir, user);
    bool absent = l != NULL && lacks(a, l, name);
    if (absent)
        l->used_ms = tree_now_ms();
    pthread_mutex_unlock(&a->mtx);
    return absent;
}

/* ---- asking ------------------------------------------------------------- */

struct batch {
    size_t n;
    struct entry *entries[MAX_BATCH];
    const char *names[MAX_BATCH];
    struct p9_found found[MAX_BATCH];
};

static int by_name(const void *x, const void *y)
{
    struct entry *const *a = x, *const *b = y;

    return strcmp((*a)->name, (*b)->name);
}

static void sort(struct listing *l)
{
    size_t n = HASH_COUNT(l->names), i = 0;
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
    if (!l->sorted)
        sort(l);
    l->in_sorted += before->next_sorted == e;
}

/* The size of a batch: more each time, but not more than was used of one before it was too old. */
static unsigned next_size(struct ahead *a, struct listing *l)
{
    unsigned live, bound;

    if (l->expired)
        l->batch = l->taken > 0 ? l->taken : 1;
    p9_client_fids(a->tree->client, &live, &bound);
    unsigned room = bound / FIDS_SHARE > a->held ? bound / FIDS_SHARE - a->held : 1;
    room = room / (1 + l->nxattrs) + 1;
    unsigned size = l->batch < room ? l->batch : room;
    l->batch = l->batch * GROWTH < MAX_BATCH ? l->batch * GROWTH : MAX_BATCH;
    l->expired = false;
    l->taken = 0;
    return size;
}

/* What to ask for: `wanted`, and those likely to be next. Called with the lock. */
static void choose(struct ahead *a, struct listing *l, struct entry *wanted, struct batch *b)
{
    unsigned size = next_size(a, l), listings = 0;
    bool only_dirs = wanted->is_dir && l->files == 0 && (l->dirs > 1 || l->opened > 0);
    bool sorted = l->sorted && l->in_sorted > l->in_order;
    uint64_t now = tree_now_ms();

    b->n = 0;
    for (struct entry *e = wanted; e != NULL && b->n < size; e = sorted ? e->next_sorted : e->next) {
        if (e->state == THERE && !is_fresh(a, e, now))
            entry_let_go(a, l, e, UNASKED);
        if (e->state != UNASKED || (only_dirs && !e->is_dir))
            continue;
        e->state = ASKED;
        b->found[b->n].list = e->is_dir && l->opened > 0 && ++listings + a->nkept <= MAX_KEPT;
        b->entries[b->n++] = e;
    }
    for (size_t i = 0; i < b->n; i++) {
        b->names[i] = b->entries[i]->name;
        b->entries[i]->changes = tree_changes_of(a->tree, l->dir, b->names[i]);
    }
}

/* Called with the lock. */
static void take_in(struct ahead *a, struct listing *l, struct batch *b, uint64_t walked, uint64_t now)
{
    for (size_t i = 0; i < b->n; i++) {
        struct entry *e = b->entries[i];
        const struct p9_found *f = &b->found[i];
        if (f->rc == 0 && e->state == ASKED) {
            e->attr = f->attr;
            e->fid = f->fid;
            memcpy(e->lacks, f->lacks, sizeof e->lacks);
            e->walked = walked;
            e->asked_ms = now;
            e->listing = f->listing;
            e->state = THERE;
            l->held++;
            a->held += 1 + (e->listing != NULL);
            continue;
        }
        if (f->rc == 0) /* forgotten meanwhile */
            p9_fid_put(f->fid);
        p9_listing_free(f->listing);
        e->state = GONE;
    }
}

/* Called with the lock, which is released meanwhile. False: the listing is gone. */
static bool ask(struct ahead *a, struct p9_scope *sc, struct listing *l, struct entry *wanted, struct p9_fid *dirfid,
                uint64_t walked)
{
    struct batch *b = malloc(sizeof *b);

    if (b == NULL) {
        wanted->state = GONE;
        return true;
    }
    choose(a, l, wanted, b);
    struct p9_xattrs xattrs = l->xattrs;
    l->asking++;
    pthread_mutex_unlock(&a->mtx);
    uint64_t now = tree_now_ms();
    p9_find_many(sc, dirfid, b->n, b->names, &xattrs, b->found);
    pthread_mutex_lock(&a->mtx);
    take_in(a, l, b, walked, now);
    free(b);
    bool gone = l->dropped;
    if (--l->asking == 0 && gone)
        listing_free(a, l);
    return !gone;
}

int ahead_xattr(struct ahead *a, const char *name)
{
    int number = -1;

    if (strncmp(name, "system.", 7) != 0 && strncmp(name, "security.", 9) != 0)
        return -1;
    pthread_mutex_lock(&a->mtx);
    for (int x = 0; x < P9_XATTRS && number < 0; x++) {
        if (a->xattrs[x] == NULL)
            a->xattrs[x] = strdup(name);
        if (a->xattrs[x] != NULL && strcmp(a->xattrs[x], name) == 0)
            number = x;
    }
    pthread_mutex_unlock(&a->mtx);
    return number;
}

void ahead_wants(struct ahead *a, const struct node *dir, struct user *user, bool of_dir, unsigned xattr)
{
    pthread_mutex_lock(&a->mtx);
    struct listing *l = listing_of(a, dir, user);
    const char **slot = l == NULL ? NULL : of_dir ? &l->xattrs.of_dir[xattr] : &l->xattrs.of_file[xattr];
    if (slot != NULL && *slot == NULL) {
        *slot = a->xattrs[xattr];
        l->nxattrs++;
    }
    pthread_mutex_unlock(&a->mtx);
}

/* Whether what was told is still so, as far as we did anything. Called with the lock. */
static bool holds(struct ahead *a, const struct listing *l, const struct entry *e, uint64_t now)
{
    return is_fresh(a, e, now) && (S_ISDIR(e->attr.mode) || e->attr.nlink < 2) &&
           tree_changes_of(a->tree, l->dir, e->name) == e->changes;
}

static bool take(struct ahead *a, struct listing *l, struct entry *e, struct ahead_found *found)
{
    uint64_t now = tree_now_ms();

    if (e->state != THERE) /* nor is what another thread asks for waited for: that could not be interrupted */
        return false;
    if (!holds(a, l, e, now)) {
        entry_let_go(a, l, e, GONE);
        return false;
    }
    *found = (struct ahead_found){
        .attr = e->attr, .fid = e->fid, .walked = e->walked, .left_ms = a->lifetime_ms - (unsigned)(now - e->asked_ms)};
    memcpy(found->lacks, e->lacks, sizeof found->lacks);
    found->listing = e->listing;
    a->held -= 1 + (e->listing != NULL);
    e->listing = NULL;
    l->held--;
    l->taken++;
    e->state = GONE;
    return true;
}

bool ahead_look(struct ahead *a, struct p9_scope *sc, struct node *dir, struct user *user, struct p9_fid *dirfid,
                uint64_t walked, const char *name, struct ahead_found *found)
{
    struct entry *e = NULL;
    bool taken = false;

    pthread_mutex_lock(&a->mtx);
    drop_old(a, tree_now_ms());
    struct listing *l = listing_of(a, dir, user);
    if (l != NULL)
        HASH_FIND_STR(l->names, name, e);
    if (e != NULL) {
        note_order(l, e);
        if (e->state == THERE && !is_fresh(a, e, tree_now_ms())) {
            entry_let_go(a, l, e, UNASKED);
            l->expired = true;
        }
    }
    if (e != NULL && e->state == UNASKED && !ask(a, sc, l, e, dirfid, walked))
        e = NULL;
    if (e != NULL) {
        l->used_ms = tree_now_ms();
        taken = take(a, l, e, found);
    }
    pthread_mutex_unlock(&a->mtx);
    return taken;
}

/* ---- directories read ahead --------------------------------------------- */

void ahead_keep(struct ahead *a, struct node *dir, struct user *user, const struct ahead_found *found, uint64_t changes)
{
    struct kept *k = found->listing != NULL ? malloc(sizeof *k) : NULL;

    if (k == NULL) {
        p9_listing_free(found->listing);
        return;
    }
    pthread_mutex_lock(&a->mtx);
    if (a->nkept >= MAX_KEPT)
        kept_drop(a, a->kept);
    uint64_t age = a->lifetime_ms - found->left_ms;
    *k = (struct kept){.dir = dir, .user = user, .listing = found->listing, .changes = changes};
    k->asked_ms = tree_now_ms() - age;
    tree_remember(a->tree, dir);
    DL_APPEND(a->kept, k);
    a->nkept++;
    a->held++;
    pthread_mutex_unlock(&a->mtx);
}

struct p9_listing *ahead_open(struct ahead *a, struct node *dir, struct user *user, uint64_t *changes,
                              uint64_t *asked_ms)
{
    struct p9_listing *found = NULL;
    struct kept *k, *next;

    pthread_mutex_lock(&a->mtx);
    uint64_t now = tree_now_ms();
    struct listing *above = listing_of(a, tree_parent(a->tree, dir), user);
    if (above != NULL)
        above->opened++;
    DL_FOREACH_SAFE (a->kept, k, next) {
        if (k->dir != dir || k->user != user)
            continue;
        if (found == NULL && now - k->asked_ms < a->lifetime_ms && tree_changes(a->tree, dir) <= k->changes) {
            found = k->listing;
            *changes = k->changes;
            *asked_ms = k->asked_ms;
            k->listing = NULL;
            a->held--;
        }
        kept_drop(a, k);
    }
    pthread_mutex_unlock(&a->mtx);
    return found;
}
