/*
 * user.c: the user of a request: the attach that it goes through, and the user's groups.
 */
#include <pwd.h>

#include "fuse/user.h"

/* A user's entry in the local password database. */
struct person {
    struct passwd pw;
    char text[2048];
};

static bool find_person(uid_t uid, struct person *p)
{
    struct passwd *found = NULL;

    getpwuid_r(uid, &p->pw, p->text, sizeof p->text, &found);
    return found != NULL;
}

static struct user *attach_user(struct op *op, uid_t uid)
{
    struct fs *fs = op->fs;
    struct person p;
    struct p9_fid *root;

    const char *name = find_person(uid, &p) ? p.pw.pw_name : "";
    if (fs->attach(fs, &op->scope, name, uid, &root) != 0)
        return NULL;
    return cache_user(fs->cache, uid, root);
}

struct user *op_user(struct op *op)
{
    struct fs *fs = op->fs;

    if (op->user != NULL)
        return op->user;
    uid_t uid = fuse_req_ctx(op->req)->uid;
    if (fs->access == ACCESS_USER) {
        op->user = cache_user(fs->cache, uid, NULL);
        if (op->user == NULL)
            op->user = attach_user(op, uid);
    } else if (fs->access != ACCESS_ONE || uid == fs->only_uid) {
        op->user = fs->cache->users;
    }
    return op->user;
}

gid_t primary_group(struct op *op)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(op->req);
    struct person p;

    return find_person(ctx->uid, &p) ? p.pw.pw_gid : ctx->gid;
}

bool in_group(fuse_req_t req, gid_t gid)
{
    gid_t groups[256];

    if (fuse_req_ctx(req)->gid == gid)
        return true;
    int n = fuse_req_getgroups(req, 256, groups);
    for (int i = 0; i < n && i < 256; i++)
        if (groups[i] == gid)
            return true;
    return false;
}
