/*
 * lock_ranges.c: whether the server locks ranges, or whole files.
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

/* Whether a byte of ours is still kept from another owner. */
static bool still_held(struct locking *k, struct p9_fid *fid, const struct lock_range *ours)
{
    const struct lock_range theirs = one_byte(ours->start, other_type(ours->type));
    const struct lock_range none = one_byte(ours->start, LK_NONE);
    int rc = lock_send(k, fid, 1, &theirs, false);

    if (rc == 0)
        lock_send(k, fid, 1, &none, false);
    return rc == -EAGAIN;
}

static bool says_whole_files(int rc)
{
    return rc == -EAGAIN || rc == -ETIMEDOUT || rc == -ENOLCK || rc == -EINVAL;
}

/* Tries by another fid whether a byte far from ours can be locked: a server of files refuses
 * (diod 1.0.24), or does not answer (hugelgupf/p9). Then by ours, and gives it back: nfs-ganesha
 * 4.3 takes that for giving back all. 1, -1, or 0 if it could not be tried. */
static int try_ranges(struct locking *k, struct p9_fid *fid)
{
    const uint64_t probe_at = k->locks->probe_at;
    enum lock_type ours = lock_strongest(k->fl->server);
    const struct lock_range none = one_byte(probe_at, LK_NONE), theirs = one_byte(probe_at, other_type(ours));
    int rc = lock_send(k, fid, 0, &theirs, false);

    if (rc != 0)
        return says_whole_files(rc) ? -1 : 0;
    lock_send(k, fid, 0, &none, false);
    rc = lock_on_server(k, ours, probe_at, probe_at);
    if (rc != 0)
        return says_whole_files(rc) ? -1 : 0;
    lock_on_server(k, LK_NONE, probe_at, probe_at);
    if (still_held(k, fid, k->fl->server))
        return 1;
    for (const struct lock_range *r = k->fl->server; r != NULL; r = r->next) /* taken again at once */
        lock_send(k, k->fl->fid, 0, r, true);
    return -1;
}

bool lock_has_ranges(struct locking *k)
{
    struct fs *fs = k->op->fs;
    struct use u = {.cache = fs->cache,
                    .inode = k->inode}; /* by who has it open: to attach would be to ask the server */
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
