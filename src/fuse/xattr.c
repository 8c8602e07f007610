/*
 * xattr.c: callbacks on extended attributes, POSIX ACLs among them.
 *
 * A server without the messages gets one request: ENOSYS makes the kernel answer EOPNOTSUPP itself
 * from then on, but for lists (stats.h), which are answered here. On the wire, an attribute of size
 * 0 means its removal; only servers that check the flags set an empty value instead.
 *
 * The kernel requests security.capability before each write, chown and truncation, to remove it;
 * that costs no round trip while the file is known to have none. FUSE_HANDLE_KILLPRIV_V2 would
 * avoid the request, but then neither the capability nor set-user-id bits would be removed where
 * the server treats this client as root, or does not run Linux.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "fuse/xattr.h"
#include "fuse/callbacks.h"
#include "fuse/inode_attr.h"
#include "fuse/notify.h"
#include "fuse/stats_answer.h"
#include "fuse/user.h"

const char capability[] = "security.capability";

static bool is_capability(const char *name)
{
    return strcmp(name, capability) == 0;
}

/* The value of name, or the list of names for "". Bytes, or -errno. */
static ssize_t get(struct op *op, struct inode *inode, const char *name, void *buf, size_t size,
                   struct p9_xattrs_too *too)
{
    struct use u = op_use(op, inode);
    struct user *writer = is_capability(name) ? cache_writing_user(op->fs->cache, inode) : NULL;
    ssize_t n;
    int rc;

    if (writer != NULL) /* the process may have changed its user id since it opened the file */
        u.user = writer;
    do {
        rc = use_begin(&op->scope, &u);
        n = rc == 0 ? p9_getxattr(&op->scope, u.fid, name, buf, size, too) : rc;
    } while (use_again(&u, n < 0 ? (int)n : 0));
    return n;
}

/* Caches which of the names the file lacks, and makes lookahead request the name for the other
 * files in the directory. */
static void note_answer(struct op *op, struct inode *inode, unsigned number, ssize_t n, const struct p9_xattrs_too *too,
                        uint64_t version)
{
    struct cache *cache = op->fs->cache;
    int lacks[P9_XATTRS];

    memcpy(lacks, too->lacks, sizeof lacks);
    lacks[number] = n == -ENODATA || n == -EOPNOTSUPP ? (int)n : 0;
    cache_set_lacks(cache, inode, lacks, version);
    lookahead_wants(cache, inode, op_user(op), number);
}

/* number: lookahead's number of that name, or -1. */
static void get_and_reply(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size, int number)
{
    struct op op;
    struct p9_xattrs_too too = {0};
    char *buf = malloc(size > 0 ? size : 1);

    op_begin(&op, req);
    op.nosys_ok = true;
    struct inode *inode = inode_of(op.fs, ino);
    uint64_t version = inode_version(op.fs->cache, inode);
    struct cap_question q = cache_cap_asked(op.fs->cache, inode);
    if (number >= 0)
        lookahead_xattrs_too(op.fs->cache, (inode->qid.type & P9_QTDIR) != 0, (unsigned)number, too.names);
    bool is_root = inode == &op.fs->cache->root, answers = !is_root || op_root_answers(&op);
    ssize_t n = buf == NULL ? -ENOMEM : answers ? get(&op, inode, name, buf, size, &too) : -ETIMEDOUT;
    if (is_root && n == -ETIMEDOUT)
        n = name[0] != 0 ? -ENODATA : 0; /* ls(1) of the directory above shows the root all the same */
    /* Does the server reject this name, or all attributes? */
    if (n == -EOPNOTSUPP && get(&op, inode, "", NULL, 0, NULL) == -EOPNOTSUPP)
        n = -ENOSYS;
    if (n == -ENOSYS)
        atomic_store(&op.fs->no_xattrs, true);
    op.nosys_ok = name[0] != 0; /* the kernel goes on asking for lists, for the statistics */
    if (is_capability(name))
        cache_cap_answered(op.fs->cache, inode, &q, n == -ENODATA || n == -EOPNOTSUPP ? (int)n : 0);
    /* The kernel requests the capability of a file being written, and of no other file. */
    bool written = is_capability(name) && cache_writing_user(op.fs->cache, inode) != NULL;
    if (number >= 0 && !written)
        note_answer(&op, inode, (unsigned)number, n, &too, version);
    if (n < 0) {
        op_reply_err(&op, (int)n);
    } else {
        op_end(&op);
        if (size == 0)
            fuse_reply_xattr(req, (size_t)n);
        else
            fuse_reply_buf(req, buf, (size_t)n);
    }
    free(buf);
}

void fs_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    struct fs *fs = fuse_req_userdata(req);

    if (stats_is(ino, name)) {
        stats_answer(fs, req, size);
        return;
    }
    int number = lookahead_xattr(fs->cache, name);
    struct inode *inode = inode_of(fs, ino);
    int rc = is_capability(name) ? cache_uncapped(fs->cache, inode) : 0;

    if (rc == 0 && number >= 0)
        rc = cache_lacks(fs->cache, inode, (unsigned)number);
    fs_count(fs, rc != 0 ? XATTRS_KNOWN : XATTRS_ASKED);
    if (rc != 0)
        fuse_reply_err(req, -rc);
    else
        get_and_reply(req, ino, name, size, number);
}

void fs_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    struct fs *fs = fuse_req_userdata(req);

    if (stats_is_list(fs, ino, size))
        stats_answer(fs, req, size);
    else if (atomic_load(&fs->no_xattrs))
        fuse_reply_err(req, EOPNOTSUPP);
    else
        get_and_reply(req, ino, "", size, -1);
}

/* Checks XATTR_CREATE and XATTR_REPLACE, which some servers ignore. 0 or -errno. */
static int check_flags(struct op *op, struct inode *inode, const char *name, int flags)
{
    if (flags == 0)
        return 0;
    ssize_t n = get(op, inode, name, NULL, 0, NULL);
    if (flags & XATTR_CREATE)
        return n >= 0 ? -EEXIST : 0;
    return n < 0 ? (int)n : 0;
}

/* value NULL: removes the attribute. 0 or -errno. */
static int change_as(struct op *op, struct inode *inode, struct user *user, const char *name, const char *value,
                     size_t size, int flags)
{
    struct use u = op_use(op, inode);
    unsigned losses = p9_client_generation(op->fs->client);
    int rc;

    u.user = user;
    u.check = true;
    do {
        /* What was sent on a lost connection may have been done; the flags are checked. */
        bool again = losses != p9_client_generation(op->fs->client);
        rc = use_begin(&op->scope, &u);
        if (rc == 0 && value != NULL)
            rc = p9_setxattr(&op->scope, u.fid, name, value, size, again ? 0 : flags);
        else if (rc == 0)
            rc = p9_removexattr(&op->scope, u.fid, name);
        if (again && value == NULL && rc == -ENODATA)
            rc = 0;
    } while (use_again(&u, rc));
    return rc;
}

/* Sets an empty attribute of the same namespace under a name of this program's own. 1 if the server
 * has set it; 0 if not; or -errno if the attempt failed. */
static int try_empty(struct op *op, struct inode *inode, const char *name)
{
    char own[64];
    const char *dot = strchr(name, '.');
    struct user *user = op_user(op);

    if (dot == NULL)
        return -EOPNOTSUPP;
    snprintf(own, sizeof own, "%.*s.9pfs-empty", (int)(dot - name), name);
    int rc = change_as(op, inode, user, own, "", 0, 0);
    ssize_t n = get(op, inode, own, NULL, 0, NULL);
    if (n == 0)
        change_as(op, inode, user, own, NULL, 0, 0);
    if (n == -ENODATA && rc != 0 && rc != -ENODATA) /* neither set nor removed */
        return rc;
    return n == 0 ? 1 : n == -ENODATA ? 0 : (int)n;
}

/* Whether the server sets empty values, which is tried once. 0 if it does, or -errno. */
static int check_empty(struct op *op, struct inode *inode, const char *name)
{
    int known = atomic_load(&op->fs->empty_xattrs);

    if (known == 0) {
        int sets = try_empty(op, inode, name);
        if (sets < 0)
            return sets;
        known = sets > 0 ? 1 : -1;
        atomic_store(&op->fs->empty_xattrs, known);
    }
    return known > 0 ? 0 : -EOPNOTSUPP;
}

/* A write removes the file's capability: the kernel sends the removal as the user who writes
 * although only root may change the attribute otherwise. The kernel has checked that. */
static bool removes_capability(struct op *op, const char *name, const char *value)
{
    return value == NULL && is_capability(name) && op->fs->access == ACCESS_USER;
}

static bool is_access_acl(const char *name)
{
    return strcmp(name, "system.posix_acl_access") == 0;
}

/* A user outside the file's group who sets an ACL clears the file's set-group-id bit. Where all
 * users share one attach, the server does not know which user it is. */
static bool may_clear_sgid(struct op *op, const char *name, const char *value)
{
    return value != NULL && op->fs->access == ACCESS_CLIENT && fuse_req_ctx(op->req)->uid != 0 && is_access_acl(name);
}

static int clear_sgid(struct op *op, struct inode *inode)
{
    struct p9_attr attr;

    op->scope.interrupted = false; /* the ACL is set: the rest must follow */
    int rc = inode_getattr(op, inode, &attr);
    if (rc != 0 || !(attr.mode & S_ISGID) || in_group(op->req, attr.gid))
        return rc;
    return set_mode_as_mounter(op, inode, attr.mode & 07777 & ~(mode_t)S_ISGID);
}

static int change_and_expire(struct op *op, struct inode *inode, const char *name, const char *value, size_t size,
                             int flags)
{
    struct cache *cache = op->fs->cache;

    cache_changing(cache, inode);
    if (is_capability(name))
        cache_cap_setting(cache, inode);
    int rc = change_as(op, inode, op_user(op), name, value, size, flags);
    if ((rc == -EPERM || rc == -EACCES) && removes_capability(op, name, value))
        rc = change_as(op, inode, cache->users, name, value, size, flags);
    if (is_capability(name))
        cache_cap_setting(cache, inode);
    if (rc == 0 && may_clear_sgid(op, name, value))
        rc = clear_sgid(op, inode);
    cache_changing(cache, inode);
    return rc;
}

static void change(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
    struct op op;

    if (stats_is(ino, name)) {
        fuse_reply_err(req, EPERM);
        return;
    }
    op_begin(&op, req);
    op.nosys_ok = true;
    struct inode *inode = inode_of(op.fs, ino);
    int rc = check_flags(&op, inode, name, flags);
    if (rc == 0 && value != NULL && size == 0)
        rc = check_empty(&op, inode, name);
    if (rc == 0 && size == 0)
        flags &= ~XATTR_REPLACE; /* with it, the message would mean the removal */
    if (rc == 0)
        rc = change_and_expire(&op, inode, name, value, size, flags);
    /* The ACL sets the mode too, and a kernel that does not know ACLs does not request it again. */
    if (is_access_acl(name))
        op_answer_dropped(&op, inode, false, &(struct answer){.kind = ANSWER_ERR, .rc = rc});
    else
        op_reply_err(&op, rc);
}

void fs_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
    change(req, ino, name, value, size, flags);
}

void fs_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    change(req, ino, name, NULL, 0, XATTR_REPLACE);
}
