/*
 * enter.c: from names to inodes: by a walk on the server, or by what lookahead has fetched.
 */
#include <errno.h>
#include <string.h>

#include "fuse/enter.h"
#include "fuse/inode_attr.h"
#include "fuse/user.h"

int check_name(const char *name)
{
    return strlen(name) > P9_MAXNAME ? -ENAMETOOLONG : 0;
}

/* Whether dir/name has this qid on the server now. */
static bool has_qid(struct op *op, struct inode *dir, const char *name, const struct p9_qid *qid)
{
    struct use u = op_use(op, dir);
    struct p9_fid *fid = NULL;
    int rc = use_begin(&op->scope, &u);

    if (rc == 0)
        rc = p9_walk(&op->scope, u.fid, 1, &name, &fid);
    bool same = rc == 0 && qid_same_file(&fid->qid, qid);
    p9_fid_put(fid);
    use_again(&u, 0);
    return same;
}

static int walk_again(struct op *op, struct inode *inode, uint64_t *clock)
{
    struct use u = op_use(op, inode);
    int rc = inode == &op->fs->cache->root ? 0 : use_walk_again(&op->scope, &u);

    *clock = u.walked;
    return rc;
}

/* Resolves a directory whose qid is known under another name. A directory has one name: either it
 * has been moved from there, or both exist, since the server exports another device and repeats
 * its qids. The other name is walked to both before and after this one, as the directory may be
 * moving right now. */
static void resolve_other_place(struct op *op, struct inode *dir, const char *name, const struct p9_attr *attr)
{
    struct cache *cache = op->fs->cache;
    struct inode *other = cache_other_place(cache, dir, name, attr);

    if (other == NULL)
        return;
    uint64_t clock;
    int rc = walk_again(op, other, &clock);
    if (rc == 0 && has_qid(op, dir, name, &attr->qid))
        rc = walk_again(op, other, &clock);
    else if (rc == 0)
        rc = -EAGAIN;
    if (rc == 0)
        cache_add_place(cache, dir, name);
    else if (rc == -ENOENT || rc == -ESTALE)
        cache_cut(cache, other, clock);
    cache_forget(cache, other, 1);
}

int enter_known(struct op *op, struct inode *dir, const char *name, const struct p9_attr *attr, struct p9_fid *fid,
                uint64_t walked, struct inode **inode)
{
    struct cache *cache = op->fs->cache;
    struct p9_attr now;

    if (S_ISDIR(attr->mode))
        resolve_other_place(op, dir, name, attr);
    struct inode *twin = cache_outdated_twin(cache, attr);

    if (twin != NULL) {
        inode_getattr(op, twin, &now);
        cache_forget(cache, twin, 1);
    }
    *inode = cache_enter(cache, dir, name, attr, fid, op_user(op), walked);
    return *inode != NULL ? 0 : -ENOMEM;
}

int enter_name(struct op *op, struct p9_scope *sc, struct inode *dir, const char *name, struct inode **inode,
               struct p9_attr *attr)
{
    struct use u = op_use(op, dir);
    struct p9_fid *fid = NULL;
    uint64_t began = clock_ms();
    int rc;

    u.in_dir = true;
    do {
        rc = use_begin(sc, &u);
        if (rc == 0)
            rc = p9_walk(sc, u.fid, 1, &name, &fid);
    } while (use_again(&u, rc));
    if (rc != 0)
        return rc;
    rc = writebehind_settle(op->fs->writebehind, sc, &fid->qid);
    if (rc == 0)
        rc = p9_getattr(sc, fid, attr);
    if (rc != 0) {
        p9_fid_put(fid);
        return rc;
    }
    rc = enter_known(op, dir, name, attr, fid, u.walked, inode);
    if (rc == 0)
        cache_confirm(op->fs->cache, *inode, began);
    return rc;
}

/* Whether the attributes that lookahead fetches are valid for dir/name. They are not while the file
 * is dirty: the server does not know its size then. */
static bool may_use_fetched(struct op *op, struct inode *dir, const char *name, bool *known)
{
    struct p9_qid qid;

    *known = cache_qid(op->fs->cache, dir, name, &qid);
    return !*known || !writebehind_busy(op->fs->writebehind, &qid);
}

int enter_fetched(struct op *op, const struct use *u, const char *name, enum ask ask, struct inode **inode,
                  struct p9_attr *attr)
{
    struct cache *cache = op->fs->cache;
    struct lookahead_found found;
    bool known;
    int rc = 0;

    if (!may_use_fetched(op, u->inode, name, &known))
        return -EAGAIN;
    bool may_ask = ask == ASK_ANY || (ask == ASK_NEW && !known);
    if (may_ask ? !lookahead_look(cache, &op->scope, u, name, &found) : !lookahead_take(cache, u, name, &found))
        return -EAGAIN;
    *attr = found.attr;
    *inode = found.inode;
    if (S_ISDIR(attr->mode)) {
        rc = enter_known(op, u->inode, name, attr, NULL, 0, inode);
        cache_forget(cache, found.inode, 1);
    }
    op->attr_ms = found.left_ms;
    op->waited = found.waited;
    return rc == 0 ? 0 : -EAGAIN;
}
