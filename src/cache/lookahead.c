/*
 * lookahead.c: the names of directories listed lately, and what is known of them.
 */
#include "cache/lookahead_impl.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_LISTINGS = 256,
    MAX_NAMES = 100000, /* of all listings */
    MAX_KEPT = 512,     /* directories read ahead */
    LISTING_MS = 30000, /* a listing nobody looked at for so long is over: the names alone are kept so long */
    OPENED_MS = 10000,  /* directories opened at longer intervals are no sign that a tree is gone through */
};

/* What ls -l, cp -p and others ask of every file; the last of directories alone. */
static const char *const usual_xattrs[] = {"security.selinux", "system.posix_acl_access", "system.posix_acl_default"};
enum { USUAL_OF_FILES = 2, USUAL_XATTRS };

struct lookahead *lookahead_new(struct cache *t, unsigned lifetime_ms)
{
    struct lookahead *a = calloc(1, sizeof *a);

    if (a == NULL)
        return NULL;
    a->cache = t;
    a->lifetime_ms = lifetime_ms;
    for (unsigned x = 0; x < USUAL_XATTRS; x++)
        a->xattrs[x] = strdup(usual_xattrs[x]);
    pthread_mutex_init(&a->mtx, NULL);
    pthread_cond_init(&a->arrived, NULL);
    a->background = background_new(a);
    return a;
}

/* ---- listings; all called with the lock --------------------------------- */

void lookahead_let_go(struct lookahead *a, struct listing *l, struct entry *e, enum state to)
{
    if (e->state == THERE) {
        a->open -= e->open;
        e->open = false;
        l->held--;
        a->held--;
        a->lost++;
        p9_fid_put(e->fid);
        if (e->below != NULL)
            lookahead_listing_end(a, e->below);
        e->below = NULL;
    }
    e->state = to;
}

static void raw_free(struct lookahead *a, struct listing *l)
{
    if (l->raw != NULL)
        a->held--;
    p9_listing_free(l->raw);
    l->raw = NULL;
}

static void listing_free(struct lookahead *a, struct listing *l)
{
    struct entry *e, *next;

    a->nnames -= HASH_COUNT(l->names);
    HASH_CLEAR(hh, l->names);
    HASH_CLEAR(folded, l->folded);
    LL_FOREACH_SAFE(l->first, e, next)
    {
        lookahead_let_go(a, l, e, GONE);
        free(e);
    }
    raw_free(a, l);
    if (l->dir != NULL)
        cache_forget(a->cache, l->dir, 1);
    free(l);
}

void lookahead_listing_end(struct lookahead *a, struct listing *l)
{
    if (l->asking == 0)
        listing_free(a, l);
    else
        l->dropped = true;
}

static void listing_drop(struct lookahead *a, struct listing *l)
{
    LL_DELETE(a->listings, l);
    a->nlistings--;
    lookahead_listing_end(a, l);
}

struct listing *lookahead_listing_of(struct lookahead *a, const struct inode *dir, const struct user *user)
{
    struct listing *l;

    for (l = a->listings; l != NULL && (l->dir != dir || l->user != user); l = l->next)
        ;
    return l;
}

bool lookahead_is_fresh(const struct lookahead *a, const struct entry *e, uint64_t now)
{
    return now - e->asked_ms < a->lifetime_ms;
}

/* Fids are not held for what nobody came for. */
static void let_go_old(struct lookahead *a, struct listing *l, uint64_t now)
{
    struct entry *e;

    LL_FOREACH(l->first, e)
    {
        if (e->state != THERE || lookahead_is_fresh(a, e, now))
            continue;
        lookahead_let_go(a, l, e, UNASKED);
        l->expired = true;
    }
}

static void kept_drop(struct lookahead *a, struct kept *k)
{
    DL_DELETE(a->kept, k);
    a->nkept--;
    if (k->below != NULL)
        lookahead_listing_end(a, k->below);
    cache_forget(a->cache, k->dir, 1);
    free(k);
}

void lookahead_drop_old(struct lookahead *a, uint64_t now)
{
    struct listing *l, *next;

    while (a->kept != NULL && now - a->kept->below->asked_ms > a->lifetime_ms)
        kept_drop(a, a->kept);
    LL_FOREACH_SAFE(a->listings, l, next)
    {
        if (now - l->used_ms > LISTING_MS)
            listing_drop(a, l);
        else if (l->held > 0 && now - l->used_ms > a->lifetime_ms)
            let_go_old(a, l, now);
    }
}

void lookahead_free(struct lookahead *a)
{
    struct listing *l, *next;

    if (a == NULL)
        return;
    background_free(a);
    LL_FOREACH_SAFE(a->listings, l, next)
    {
        listing_drop(a, l);
    }
    while (a->kept != NULL)
        kept_drop(a, a->kept);
    for (unsigned x = 0; x < P9_XATTRS; x++)
        free(a->xattrs[x]);
    pthread_cond_destroy(&a->arrived);
    pthread_mutex_destroy(&a->mtx);
    free(a);
}

/* ---- noting names ------------------------------------------------------- */

struct listing *lookahead_listing_new(struct user *user, uint64_t asked_ms)
{
    struct listing *l = calloc(1, sizeof *l);

    if (l == NULL)
        return NULL;
    *l = (struct listing){.user = user, .last = &l->first, .batch = 1, .asked_ms = asked_ms};
    l->used_ms = cache_now_ms();
    return l;
}

/* Whether directories in it are opened one after the other. */
static bool is_gone_through(const struct listing *l)
{
    return l != NULL && l->opened > 0 && cache_now_ms() - l->opened_ms < OPENED_MS;
}

static void want(struct lookahead *a, struct listing *l, bool of_dir, unsigned xattr)
{
    const char **names = of_dir ? l->xattrs.of_dir : l->xattrs.of_file;
    unsigned n = 0;

    names[xattr] = a->xattrs[xattr];
    for (unsigned x = 0; x < P9_XATTRS; x++)
        n += names[x] != NULL;
    if (n > l->nxattrs)
        l->nxattrs = n;
}

/* A directory that was asked for its extended attributes just before it is listed: ls -l goes on with what is in it. */
static void expect_usual_xattrs(struct lookahead *a, struct listing *l, struct inode *dir)
{
    for (unsigned x = 0; x < USUAL_XATTRS; x++)
        if (cache_lacks(a->cache, dir, x) == 0)
            return;
    for (unsigned x = 0; x < USUAL_XATTRS; x++) {
        want(a, l, true, x);
        if (x < USUAL_OF_FILES)
            want(a, l, false, x);
    }
    l->batch = LOOKAHEAD_FIRST_BATCH;
    l->expects = true;
}

/* From now on it is the one of that directory. */
static void listing_attach(struct lookahead *a, struct listing *l, struct inode *dir)
{
    struct listing *old = lookahead_listing_of(a, dir, l->user), *above;

    if (old != NULL)
        listing_drop(a, old);
    lookahead_drop_old(a, cache_now_ms());
    above = lookahead_listing_of(a, cache_parent(a->cache, dir), l->user);
    while (a->nlistings >= MAX_LISTINGS) {
        struct listing *oldest = a->listings, *other;
        LL_FOREACH(a->listings, other)
        {
            if (other->used_ms <= oldest->used_ms)
                oldest = other;
        }
        above = oldest == above ? NULL : above;
        listing_drop(a, oldest);
    }
    if (is_gone_through(above)) {
        l->opened = above->opened;
        l->opened_ms = above->opened_ms;
        l->batch = LOOKAHEAD_FIRST_BATCH;
        l->expects = above->expects || above->files > 0;
        l->xattrs = above->xattrs;
        l->nxattrs = above->nxattrs;
    } else {
        expect_usual_xattrs(a, l, dir);
    }
    cache_remember(a->cache, dir);
    l->dir = dir;
    l->number = ++a->last_number;
    l->used_ms = cache_now_ms();
    LL_PREPEND(a->listings, l);
    a->nlistings++;
}

static struct listing *listing_add(struct lookahead *a, struct inode *dir, struct user *user, uint64_t asked_ms)
{
    struct listing *l = user != NULL ? lookahead_listing_new(user, asked_ms) : NULL;

    if (l != NULL)
        listing_attach(a, l, dir);
    return l;
}

uint64_t lookahead_begin(struct lookahead *a, struct inode *dir, struct user *user, uint64_t changes, uint64_t asked_ms)
{
    uint64_t number = 0;

    pthread_mutex_lock(&a->mtx);
    struct listing *l = listing_add(a, dir, user, asked_ms);
    if (l != NULL) {
        l->partial = cache_changes(a->cache, dir) > changes;
        number = l->number;
    }
    pthread_mutex_unlock(&a->mtx);
    return number;
}

void lookahead_made(struct lookahead *a, struct inode *dir, struct user *user, uint64_t asked_ms)
{
    pthread_mutex_lock(&a->mtx);
    struct listing *l = listing_add(a, dir, user, asked_ms);
    if (l != NULL)
        l->whole = l->made = true;
    pthread_mutex_unlock(&a->mtx);
}

struct listing *lookahead_by_number(struct lookahead *a, uint64_t number)
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

void lookahead_add_name(struct lookahead *a, struct listing *l, const char *name, size_t n, enum state state,
                        bool is_dir)
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
    l->unsorted++;
    HASH_ADD_KEYPTR(hh, l->names, e->name, n, e);
    HASH_ADD_KEYPTR(folded, l->folded, e->name + n + 1, n, e);
    *l->last = e;
    l->last = &e->next;
}

void lookahead_name(struct lookahead *a, uint64_t listing, struct p9_str name, bool is_dir)
{
    pthread_mutex_lock(&a->mtx);
    struct listing *l = lookahead_by_number(a, listing);
    if (l != NULL) {
        lookahead_add_name(a, l, name.s, name.len, UNASKED, is_dir);
        l->used_ms = cache_now_ms();
    }
    pthread_mutex_unlock(&a->mtx);
}

void lookahead_end(struct lookahead *a, uint64_t listing)
{
    pthread_mutex_lock(&a->mtx);
    struct listing *l = lookahead_by_number(a, listing);
    if (l != NULL)
        l->whole = !l->partial;
    pthread_mutex_unlock(&a->mtx);
}

void lookahead_forget(struct lookahead *a, struct inode *dir, const char *name)
{
    pthread_mutex_lock(&a->mtx);
    for (struct listing *l = a->listings; l != NULL; l = l->next) {
        struct entry *e = NULL;
        if (l->dir != dir)
            continue;
        HASH_FIND_STR(l->names, name, e);
        if (e != NULL)
            lookahead_let_go(a, l, e, GONE); /* also what is under way: it is not taken any more */
        else
            lookahead_add_name(a, l, name, strlen(name), GONE, false); /* it may be there now */
    }
    pthread_mutex_unlock(&a->mtx);
}

void lookahead_doubt(struct lookahead *a)
{
    pthread_mutex_lock(&a->mtx);
    for (struct listing *l = a->listings; l != NULL; l = l->next) {
        l->whole = false;
        l->partial = true;
    }
    pthread_mutex_unlock(&a->mtx);
}

static bool lacks(const struct lookahead *a, const struct listing *l, const char *name)
{
    char folded[P9_MAXNAME + 1];
    struct entry *e;
    size_t n = strlen(name);

    if (!l->whole || n > P9_MAXNAME || cache_now_ms() - l->asked_ms >= a->lifetime_ms || (!l->made && name[0] == '.'))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] >= 128)
            return false;
    fold(folded, name, n);
    HASH_FIND(folded, l->folded, folded, n, e);
    return e == NULL;
}

bool lookahead_absent(struct lookahead *a, struct inode *dir, struct user *user, const char *name)
{
    pthread_mutex_lock(&a->mtx);
    struct listing *l = lookahead_listing_of(a, dir, user);
    bool absent = l != NULL && lacks(a, l, name);
    if (absent) {
        l->used_ms = cache_now_ms();
        l->denied = true;
    }
    pthread_mutex_unlock(&a->mtx);
    return absent;
}

/* ---- extended attributes ------------------------------------------------ */

int lookahead_xattr(struct lookahead *a, const char *name)
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

void lookahead_xattrs_too(const struct lookahead *a, bool of_dir, unsigned number, const char *names[P9_XATTRS])
{
    unsigned n = number >= USUAL_XATTRS ? 0 : of_dir ? USUAL_XATTRS : USUAL_OF_FILES;

    for (unsigned x = 0; x < P9_XATTRS; x++)
        names[x] = x < n && x != number ? a->xattrs[x] : NULL;
}

void lookahead_wants(struct lookahead *a, const struct inode *dir, struct user *user, bool of_dir, unsigned xattr)
{
    pthread_mutex_lock(&a->mtx);
    struct listing *l = lookahead_listing_of(a, dir, user);
    if (l != NULL)
        want(a, l, of_dir, xattr);
    pthread_mutex_unlock(&a->mtx);
}

/* ---- directories read ahead --------------------------------------------- */

void lookahead_add_kept(struct lookahead *a, struct inode *dir, struct user *user, struct listing *below,
                        uint64_t changes)
{
    struct kept *k = malloc(sizeof *k);

    if (k == NULL) {
        lookahead_listing_end(a, below);
        return;
    }
    if (a->nkept >= MAX_KEPT)
        kept_drop(a, a->kept);
    *k = (struct kept){.dir = dir, .user = user, .below = below, .changes = changes};
    cache_remember(a->cache, dir);
    DL_APPEND(a->kept, k);
    a->nkept++;
}

void lookahead_keep(struct lookahead *a, struct inode *dir, struct user *user, const struct lookahead_found *found,
                    uint64_t changes)
{
    if (found->below == NULL)
        return;
    pthread_mutex_lock(&a->mtx);
    lookahead_add_kept(a, dir, user, found->below, changes);
    pthread_mutex_unlock(&a->mtx);
}

void lookahead_no_use(struct lookahead *a, const struct lookahead_found *found)
{
    if (found->below == NULL)
        return;
    pthread_mutex_lock(&a->mtx);
    lookahead_listing_end(a, found->below);
    pthread_mutex_unlock(&a->mtx);
}

static struct kept *kept_of(struct lookahead *a, const struct inode *dir, const struct user *user)
{
    struct kept *k = a->kept;

    while (k != NULL && (k->dir != dir || k->user != user))
        k = k->next;
    return k;
}

bool lookahead_lags(struct lookahead *a, struct inode *dir, struct user *user)
{
    pthread_mutex_lock(&a->mtx);
    struct listing *above = lookahead_listing_of(a, cache_parent(a->cache, dir), user);
    bool lags = is_gone_through(above) && above->opened > 1 && kept_of(a, dir, user) == NULL;
    pthread_mutex_unlock(&a->mtx);
    return lags;
}

struct p9_listing *lookahead_open(struct lookahead *a, struct inode *dir, struct user *user, uint64_t *changes,
                                  uint64_t *number)
{
    struct p9_listing *raw = NULL;
    struct kept *k;

    pthread_mutex_lock(&a->mtx);
    uint64_t now = cache_now_ms();
    struct listing *above = lookahead_listing_of(a, cache_parent(a->cache, dir), user);
    if (above != NULL) {
        above->opened = is_gone_through(above) ? above->opened + 1 : 1;
        above->opened_ms = now;
    }
    while ((k = kept_of(a, dir, user)) != NULL) {
        struct listing *l = k->below;
        bool good = raw == NULL && now - l->asked_ms < a->lifetime_ms && cache_changes(a->cache, dir) <= k->changes;
        if (good) {
            *changes = k->changes;
            k->below = NULL;
        }
        kept_drop(a, k);
        if (!good)
            continue;
        raw = l->raw;
        l->raw = NULL;
        a->held--;
        listing_attach(a, l, dir);
        *number = l->number;
    }
    pthread_mutex_unlock(&a->mtx);
    return raw;
}
