/*
 * lock_ranges.c: finds out whether the server locks ranges or whole files.
 */
#include <errno.h>
#include <fcntl.h>

#include "fuse/lock_server.h"

static struct lock_range one_byte(uint64_t at, enum lock_type type)
{
    return (struct lock_range){.start = at, .end = at, .type = type};
}

static enum lock_type other_type(enum lock_type type)
{
    return type == LK_WRITE ? LK_READ : LK_WRITE;
}

/* Whether the server still refuses the first byte of this mount's lock to another owner. */
static bool still_excludes(struct locking *k, struct p9_fid *fid, const struct lock_range *ours)
{
    const struct lock_range theirs = one_byte(ours->start, other_type(ours->type));
    const struct lock_range none = one_byte(ours->start, LK_NONE);
    int rc = lock_send(k, fid, 1, &theirs, false);

    if (rc == 0)
        lock_send(k, fid, 1, &none, false);
    return rc == -EAGAIN;
}

static bool means_whole_files(int rc)
{
    return rc == -EAGAIN || rc == -ETIME || rc == -ENOLCK || rc == -EINVAL;
}

/* Locks a byte far from the lock held, first through another fid: a server that locks whole files
 * refuses (diod 1.0.24), or does not answer (hugelgupf/p9). Then locks and unlocks it through the
 * locks' fid: nfs-ganesha 4.3 unlocks the whole file at that. 1: ranges; -1: whole files; 0: the
 * attempt failed. */
static int try_ranges(struct locking *k, struct p9_fid *fid)
{
    const uint64_t probe_at = k->locks->probe_at;
    enum lock_type ours = lock_strongest(k->fl->server);
    const struct lock_range none = one_byte(probe_at, LK_NONE), theirs = one_byte(probe_at, other_type(ours));
    int rc = lock_send(k, fid, 0, &theirs, false);

    if (rc != 0)
        return means_whole_files(rc) ? -1 : 0;
    lock_send(k, fid, 0, &none, false);
    rc = lock_on_server(k, ours, probe_at, probe_at);
    if (rc != 0)
        return means_whole_files(rc) ? -1 : 0;
    lock_on_server(k, LK_NONE, probe_at, probe_at);
    if (still_excludes(k, fid, k->fl->server))
        return 1;
    /* The locks are gone on the server: it gets them again at once. */
    for (const struct lock_range *r = k->fl->server; r != NULL; r = r->next)
        lock_send(k, k->fl->fid, 0, r, true);
    return -1;
}

bool lock_has_ranges(struct locking *k)
{
    struct fs *fs = k->op->fs;
    /* As a user who has the file open: an attach would cost a round trip. */
    struct use u = {.cache = fs->cache, .inode = k->inode};
    int known = atomic_load(&fs->lock_ranges);

    if (known != 0 || atomic_load(&fs->no_locks))
        return known >= 0;
    u.user = k->f != NULL ? k->f->handle.user : k->op->user;
    pthread_mutex_unlock(&k->locks->mtx);
    int rc = use_take(&k->op->scope, &u);
    if (rc == 0 && (rc = p9_open(&k->op->scope, u.fid, O_RDWR)) != 0)
        p9_fid_put(u.fid);
    pthread_mutex_lock(&k->locks->mtx);
    if (rc != 0)
        return false;
    known = try_ranges(k, u.fid);
    atomic_store(&fs->lock_ranges, known);
    p9_fid_put(u.fid);
    return known > 0;
}
