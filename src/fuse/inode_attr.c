/*
 * inode_attr.c: gets and sets the attributes of an inode, and converts them for the kernel.
 */
#include <errno.h>

#include "fuse/inode_attr.h"

/* A bijective hash: a number in one space hardly ever equals one in another. */
static uint64_t hash(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint64_t inode_number(uint32_t space, const struct p9_qid *qid)
{
    uint64_t n = space == 0 ? qid->path : hash(qid->path + hash(space));

    return n != 0 ? n : UINT64_MAX; /* 0 means "no file" to many programs */
}

void fill_stat(const struct inode *inode, const struct p9_attr *attr, struct stat *st)
{
    *st = (struct stat){
        .st_ino = inode_number(inode->space, &attr->qid),
        .st_mode = attr->mode,
        .st_nlink = attr->nlink,
        .st_uid = attr->uid,
        .st_gid = attr->gid,
        .st_rdev = attr->rdev,
        .st_size = (off_t)attr->size,
        .st_blocks = (blkcnt_t)attr->blocks,
        .st_blksize = attr->blksize >= 512 ? (blksize_t)attr->blksize : 4096,
        .st_atim = attr->atime,
        .st_mtim = attr->mtime,
        .st_ctim = attr->ctime,
    };
}

void fill_entry(struct op *op, struct inode *inode, const struct p9_attr *attr, struct fuse_entry_param *e)
{
    const struct lifetimes *l = &op->fs->cache->lifetimes;

    *e = (struct fuse_entry_param){.ino = ino_of(op->fs, inode),
                                   .attr_timeout = (op->attr_ms != 0 ? op->attr_ms : l->attr) / 1000.0,
                                   .entry_timeout = (op->attr_ms != 0 ? op->attr_ms : l->entry) / 1000.0};
    if (op->attr_unsure)
        e->attr_timeout = 0;
    fill_stat(inode, attr, &e->attr);
    cache_given(op->fs->cache, inode);
}

/* Whether the file has a byte at that offset: 1, 0, or -errno. */
static ssize_t has_byte(struct op *op, struct p9_fid *fid, uint64_t at)
{
    uint8_t byte;
    struct p9_io io = {.fid = fid, .buf = &byte, .offset = at, .count = 1, .short_ok = true, .scope = &op->scope};

    return p9_read_wait(&io);
}

/* Finds the size of a file that is at least *size long and whose attributes cannot be requested: by
 * reads at steps that double and then halve. 0 or -errno: a failed read does not mean the end. */
static int size_by_reading(struct op *op, struct p9_fid *fid, uint64_t *size)
{
    const uint64_t most = INT64_MAX;
    bool grows = true;
    ssize_t has = 1;

    for (uint64_t step = 1; step > 0 && has >= 0; step = grows ? step * 2 : step / 2) {
        has = step < most - *size ? has_byte(op, fid, *size + step - 1) : 0;
        *size += has > 0 ? step : 0;
        grows = grows && has > 0;
    }
    return has < 0 ? (int)has : 0;
}

/* The attributes of an open file that another client has replaced or removed, so that the server no
 * longer finds it by its path. Programs that have it open can read on: the last known attributes
 * hold, with one link less and the size that reads show. */
static int attr_of_unreachable(struct op *op, struct inode *inode, const struct inode_facts *facts,
                               struct p9_attr *attr)
{
    struct cache *cache = op->fs->cache;
    struct p9_fid *fid = S_ISREG(facts->attr.mode) && facts->attr.size > 0 ? cache_reading_fid(cache, inode) : NULL;

    *attr = facts->attr;
    int rc = fid != NULL ? size_by_reading(op, fid, &attr->size) : 0;
    p9_fid_put(fid);
    if (rc != 0)
        return rc;
    if (attr->size != facts->attr.size)
        cache_announce(cache, inode, attr);
    if (!facts->nameless && attr->nlink > 0)
        attr->nlink--;
    return 0;
}

int inode_getattr(struct op *op, struct inode *inode, struct p9_attr *attr)
{
    struct use u = op_use(op, inode);
    uint64_t began = clock_ms();
    int rc = op_settle(op, inode);
    uint64_t asked = cache_version(op->fs->cache);

    if (rc != 0)
        return rc;
    u.open_ok = true;
    do {
        rc = use_begin(&op->scope, &u);
        if (rc == 0)
            rc = p9_getattr(&op->scope, u.fid, attr);
        if (rc == 0 && !qid_same_file(&attr->qid, &inode->qid))
            rc = -ESTALE;
    } while (use_again(&u, rc));
    struct inode_facts facts = inode_facts(op->fs->cache, inode);
    if (rc == -ESTALE && facts.gone) { /* a working directory, or a fifo that the kernel has open */
        *attr = facts.attr;
        return 0;
    }
    if ((rc == -ESTALE || rc == -ENOENT) && facts.is_open)
        return attr_of_unreachable(op, inode, &facts, attr);
    if (rc == 0) {
        cache_confirm(op->fs->cache, inode, began);
        cache_learn(op->fs->cache, inode, attr, asked);
    }
    if (rc == 0 && attr->nlink > 0 && facts.hidden)
        attr->nlink--; /* the silly rename's name does not count */
    if (rc == 0 && facts.nameless && !p9_counts_links(op->fs->client))
        attr->nlink = 0; /* the dialect's stat carries no link count */
    return rc;
}

int inode_setattr(struct op *op, struct p9_scope *sc, struct inode *inode, struct user *user,
                  const struct p9_setattr *set, struct p9_attr *seen, unsigned check_ms)
{
    struct use u = {
        .cache = op->fs->cache, .inode = inode, .user = user, .open_ok = true, .check = true, .check_ms = check_ms};
    int rc;

    do {
        rc = use_begin(sc, &u);
        if (rc == 0)
            rc = seen != NULL ? p9_setattr_seen(sc, u.fid, set, seen) : p9_setattr(sc, u.fid, set);
    } while (use_again(&u, rc));
    return rc;
}

int set_mode_as_mounter(struct op *op, struct inode *inode, mode_t mode)
{
    const struct p9_setattr set = {.valid = P9_SETATTR_MODE, .mode = mode};

    return inode_setattr(op, &op->scope, inode, op->fs->cache->users, &set, NULL, op->fs->cache->lifetimes.attr);
}
