/*
 * lookahead_open.c: files that are opened one after the other: those that come next are opened with them.
 *
 * As with names, in the order of the listing or of the names. A file that the kernel does not know yet is opened by the fid that came
 * with its attributes, and waits in its entry; one that it knows, by the fid of its inode, where it is kept.
 */
#include <stdlib.h>
#include <string.h>

#include "cache/lookahead_impl.h"

enum { NEAR = 8 /* names further on are not the next */ };

struct lookahead_file {
    struct entry *entry;
    bool known; /* to the kernel */
    struct p9_attr attr;
    uint64_t walked;
};

static struct entry *next_of(const struct entry *e, bool sorted)
{
    return sorted ? e->next_sorted : e->next;
}

static bool follows(const struct entry *e, const struct entry *file, bool sorted)
{
    unsigned n = 0;

    while (file != NULL && file != e && n++ < NEAR)
        file = next_of(file, sorted);
    return n > 0 && file == e;
}

/* Whether files are opened one after the other, and in which order. */
static bool is_in_turn(struct listing *l, struct entry *e, bool *sorted)
{
    struct entry *before = l->file;

    l->file = e;
    *sorted = false;
    if (before == NULL || before == e)
        return false;
    if (!follows(e, before, false)) {
        lookahead_sort(l);
        *sorted = follows(e, before, true);
        if (!*sorted) {
            l->in_turn = 0;
            return false;
        }
    }
    return ++l->in_turn > 1;
}

static bool was_opened(const struct lookahead *a, const struct entry *e, uint64_t now)
{
    return e->opened_ms != 0 && now - e->opened_ms < cache_keep_ms(a->cache);
}

/* Takes the fid of the entry, or of its inode. */
static void add(struct lookahead *a, struct listing *l, struct entry *e, struct lookahead_files *f, uint64_t now)
{
    struct lookahead_file *file = malloc(sizeof *file);
    struct p9_fid *fid = NULL;

    if (file == NULL)
        return;
    *file = (struct lookahead_file){.entry = e};
    if (e->state == THERE && !e->open && lookahead_is_fresh(a, e, now) && cache_may_keep(a->cache, &e->attr)) {
        fid = e->fid;
        e->state = ASKED;
        l->held--;
        a->held--;
    } else if (e->state == GONE) {
        file->known = true;
        fid = cache_take_to_keep(a->cache, l->dir, e->name, l->user, &file->attr, &file->walked);
    }
    if (fid == NULL) {
        free(file);
        return;
    }
    e->opened_ms = now;
    l->asking++;
    f->files[f->n] = file;
    f->fids[f->n++] = fid;
}

void lookahead_files_begin(struct lookahead *a, struct inode *dir, struct user *user, const char *name,
                           struct lookahead_files *f)
{
    struct entry *e = NULL;
    bool sorted;

    pthread_mutex_lock(&a->mtx);
    struct listing *l = lookahead_listing_of(a, dir, user);
    if (l != NULL)
        HASH_FIND_STR(l->names, name, e);
    if (e != NULL && is_in_turn(l, e, &sorted)) {
        uint64_t now = cache_now_ms();
        unsigned n = 0;
        f->listing = l;
        for (e = next_of(e, sorted); e != NULL && n++ < P9_OPEN_TOO; e = next_of(e, sorted)) {
            if (e->is_dir)
                continue;
            if (was_opened(a, e, now))
                break;
            add(a, l, e, f, now);
        }
    }
    pthread_mutex_unlock(&a->mtx);
}

static void take_back(struct lookahead *a, struct listing *l, const struct lookahead_file *file, struct p9_fid *fid)
{
    struct entry *e = file->entry;

    if (file->known) {
        struct inode *inode = fid != NULL && fid->iounit > 0 ? cache_known(a->cache, l->dir, e->name) : NULL;
        if (inode != NULL && qid_same_file(&inode->qid, &file->attr.qid))
            cache_keep_open(a->cache, inode, l->user, p9_fid_get(fid), file->walked, &file->attr);
        if (inode != NULL)
            cache_forget(a->cache, inode, 1);
        p9_fid_put(fid);
    } else if (fid != NULL && e->state == ASKED) {
        e->state = THERE;
        e->open = fid->iounit > 0;
        a->open += e->open;
        l->held++;
        a->held++;
    } else { /* it failed, or was forgotten meanwhile */
        e->state = GONE;
        p9_fid_put(fid);
    }
}

void lookahead_files_end(struct lookahead *a, struct lookahead_files *f)
{
    if (f->n == 0)
        return;
    pthread_mutex_lock(&a->mtx);
    struct listing *l = f->listing;
    for (size_t i = 0; i < f->n; i++) {
        take_back(a, l, f->files[i], f->fids[i]);
        free(f->files[i]);
        if (--l->asking == 0 && l->dropped)
            lookahead_listing_end(a, l);
    }
    pthread_cond_broadcast(&a->arrived);
    pthread_mutex_unlock(&a->mtx);
}

void lookahead_close(struct lookahead *a, struct inode *dir, const char *name)
{
    pthread_mutex_lock(&a->mtx);
    for (struct listing *l = a->open > 0 ? a->listings : NULL; l != NULL; l = l->next) {
        struct entry *e = NULL;
        if (l->dir != dir)
            continue;
        HASH_FIND_STR(l->names, name, e);
        if (e != NULL && e->open)
            lookahead_let_go(a, l, e, UNASKED);
    }
    pthread_mutex_unlock(&a->mtx);
}

unsigned lookahead_close_old(struct lookahead *a)
{
    pthread_mutex_lock(&a->mtx);
    uint64_t now = cache_now_ms();
    for (struct listing *l = a->open > 0 ? a->listings : NULL; l != NULL; l = l->next)
        for (struct entry *e = l->held > 0 ? l->first : NULL; e != NULL; e = e->next)
            if (e->open && !was_opened(a, e, now))
                lookahead_let_go(a, l, e, UNASKED);
    unsigned left = a->open > 0 ? cache_keep_ms(a->cache) : 0;
    pthread_mutex_unlock(&a->mtx);
    return left;
}
