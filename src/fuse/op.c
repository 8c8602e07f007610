/*
 * op.c: the start of the FUSE layer: operations under way, interrupts, and the
 * helpers that the families of callbacks share.
 */
#include "fuse/fs.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- operations --------------------------------------------------------- */

/* The kernel reports any signal. Only one that kills is a reason to give up an operation on a file, as
 * in NFS: then SIGKILL is pending for each thread. From another pid namespace (0) we cannot tell. */
static bool is_being_killed(pid_t pid)
{
    char path[64], line[256];
    unsigned long long pending = 0;
    bool known = false;

    if (pid == 0)
        return true;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return true;
    while (!known && fgets(line, sizeof line, f) != NULL)
        known = sscanf(line, "SigPnd: %llx", &pending) == 1;
    fclose(f);
    return known && (pending & 1ull << (SIGKILL - 1)) != 0;
}

bool op_caller_exits(struct op *op)
{
    enum { PF_EXITING = 4 }; /* in the kernel's flags of a thread, proc(5) */
    char path[64], line[512];
    unsigned flags = PF_EXITING; /* what cannot be asked hears nothing */

    snprintf(path, sizeof path, "/proc/%d/stat", fuse_req_ctx(op->req)->pid);
    FILE *f = fopen(path, "re");
    const char *rest = f != NULL && fgets(line, sizeof line, f) != NULL ? strrchr(line, ')') : NULL;
    if (rest != NULL)
        sscanf(rest, ") %*c %*d %*d %*d %*d %*d %u", &flags);
    if (f != NULL)
        fclose(f);
    return (flags & PF_EXITING) != 0;
}

bool op_should_end(const struct op *op)
{
    return op->any_signal || is_being_killed(fuse_req_ctx(op->req)->pid);
}

void op_interrupt(struct op *op)
{
    p9_interrupt(p9_client_session(op->fs->client), &op->scope);
    locks_interrupt(op->fs);
}

static void on_interrupt(fuse_req_t req, void *arg)
{
    struct op *op = arg;

    (void)req;
    if (op_should_end(op))
        op_interrupt(op);
    writebehind_wake(op->fs->writebehind);
    readahead_interrupt(op->readahead);
}

void op_begin(struct op *op, fuse_req_t req)
{
    struct fs *fs = fuse_req_userdata(req);

    *op = (struct op){.req = req, .fs = fs, .counted = true};
    atomic_fetch_add(&fs->begun, 1);
    fuse_req_interrupt_func(req, on_interrupt, op);
}

/* Before the answer: what the kernel counts is then never less than what is begun and not answered. */
static void count_answered(struct op *op)
{
    if (op->counted)
        atomic_fetch_add(&op->fs->answered, 1);
    op->counted = false;
}

/* What this machine knows of a user. */
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

int give_to_user(struct op *op, struct p9_fid *fid, gid_t gid)
{
    const struct p9_setattr set = {
        .valid = P9_SETATTR_UID | P9_SETATTR_GID, .uid = fuse_req_ctx(op->req)->uid, .gid = gid};

    if (op->fs->access != ACCESS_CLIENT || set.uid == op->fs->cache->users->uid)
        return 0;
    return p9_setattr(NULL, fid, &set);
}

void op_end(struct op *op)
{
    fuse_req_interrupt_func(op->req, NULL, NULL);
    count_answered(op);
    if (atomic_load(&op->fs->cache->has_stale))
        notify_stale(op->fs);
}

void op_reply_interrupted(struct op *op)
{
    count_answered(op);
    fuse_reply_err(op->req, EINTR);
}

void op_send(struct op *op, const struct answer *a, bool waits)
{
    int rc = -ENOENT;

    if (waits)
        op_end(op);
    if (waits && a->kind == ANSWER_ERR)
        fuse_reply_err(op->req, -a->rc);
    else if (waits && a->kind == ANSWER_ATTR)
        fuse_reply_attr(op->req, &a->attr, a->attr_ms / 1000.0);
    else if (waits)
        rc = fuse_reply_entry(op->req, &a->entry);
    if (a->kind == ANSWER_ENTRY && rc == -ENOENT)
        cache_forget(op->fs->cache, a->inode, 1);
}

/* Whoever is answered that something has changed does not find the old under another name. */
static void answer(struct op *op, const struct answer *a)
{
    if (atomic_load(&op->fs->cache->has_stale) && op->fs->notifier != NULL)
        op_answer_dropped(op, NULL, false, a);
    else
        op_send(op, a, true);
}

void op_reply_err(struct op *op, int rc)
{
    if (rc == -ENOSYS && !op->nosys_ok)
        rc = -EOPNOTSUPP;
    answer(op, &(struct answer){.kind = ANSWER_ERR, .rc = rc});
}

void op_reply_err_now(struct op *op, int rc)
{
    op_send(op, &(struct answer){.kind = ANSWER_ERR, .rc = rc == -ENOSYS ? -EOPNOTSUPP : rc}, true);
}

void op_reply_entry(struct op *op, struct inode *inode, const struct p9_attr *attr)
{
    struct answer a = {.kind = ANSWER_ENTRY, .inode = inode};

    fill_entry(op, inode, attr, &a.entry);
    answer(op, &a);
}

void op_reply_attr(struct op *op, const struct inode *inode, const struct p9_attr *attr, unsigned ms)
{
    struct answer a = {.kind = ANSWER_ATTR, .attr_ms = ms};

    fill_stat(inode, attr, &a.attr);
    answer(op, &a);
}

int op_settle(struct op *op, const struct inode *inode)
{
    return writebehind_settle(op->fs->writebehind, &op->scope, &inode->qid);
}

struct use op_use(struct op *op, struct inode *inode)
{
    return (struct use){
        .cache = op->fs->cache, .inode = inode, .user = op_user(op), .check_ms = op->fs->lifetimes.attr};
}

/* ---- attributes --------------------------------------------------------- */

/* So that a number of one space is hardly ever one of another. */
static uint64_t spread(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint64_t inode_number(uint32_t space, const struct p9_qid *qid)
{
    uint64_t n = space == 0 ? qid->path : spread(qid->path + spread(space));

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
    const struct lifetimes *l = &op->fs->lifetimes;

    *e = (struct fuse_entry_param){.ino = ino_of(op->fs, inode),
                                   .attr_timeout = (op->attr_ms != 0 ? op->attr_ms : l->attr) / 1000.0,
                                   .entry_timeout = (op->attr_ms != 0 ? op->attr_ms : l->entry) / 1000.0};
    if (op->attr_unsure)
        e->attr_timeout = 0;
    fill_stat(inode, attr, &e->attr);
}

/* Whether the file has a byte there: 1, 0, or -errno. */
static ssize_t has_byte(struct op *op, struct p9_fid *fid, uint64_t at)
{
    uint8_t byte;
    struct p9_io io = {.fid = fid, .buf = &byte, .offset = at, .count = 1, .short_ok = true, .scope = &op->scope};

    return p9_read_wait(&io);
}

/* The size of a file that is at least *size long, and cannot be asked for: found by reading, in steps that double and then halve. 0 or
 * -errno: what cannot be read is not the end. */
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

/* Others have replaced or removed the file, and the server no longer finds it by its path. Who has it open may read on, by what was
 * known last: with one link less, and as long as reading shows it to be. */
static int attr_of_lost(struct op *op, struct inode *inode, const struct inode_facts *facts, struct p9_attr *attr)
{
    struct cache *cache = op->fs->cache;
    struct p9_fid *fid = S_ISREG(facts->attr.mode) && facts->attr.size > 0 ? cache_reading_fid(cache, inode) : NULL;

    *attr = facts->attr;
    int rc = fid != NULL ? size_by_reading(op, fid, &attr->size) : 0;
    p9_fid_put(fid);
    if (rc != 0)
        return rc;
    if (attr->size != facts->attr.size)
        cache_told(cache, inode, attr);
    if (!facts->nameless && attr->nlink > 0)
        attr->nlink--;
    return 0;
}

int inode_getattr(struct op *op, struct inode *inode, struct p9_attr *attr)
{
    struct use u = op_use(op, inode);
    uint64_t began = cache_now_ms();
    int rc = op_settle(op, inode);

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
    if (rc == -ESTALE && facts.gone) { /* someone's working directory, or a fifo that the kernel has open */
        *attr = facts.attr;
        return 0;
    }
    if ((rc == -ESTALE || rc == -ENOENT) && facts.is_open)
        return attr_of_lost(op, inode, &facts, attr);
    if (rc == 0) {
        cache_confirm(op->fs->cache, inode, began);
        cache_told(op->fs->cache, inode, attr);
    }
    if (rc == 0 && attr->nlink > 0 && facts.hidden)
        attr->nlink--; /* that name is ours */
    if (rc == 0 && facts.nameless && !p9_counts_links(op->fs->client))
        attr->nlink = 0; /* a stat knows no number of links */
    return rc;
}

gid_t group_for_new(struct op *op, struct inode *dir)
{
    struct inode_facts facts = inode_facts(op->fs->cache, dir);

    return facts.attr.mode & S_ISGID ? facts.attr.gid : fuse_req_ctx(op->req)->gid;
}

static bool has_default_acl(struct op *op, struct inode *dir)
{
    struct use u = op_use(op, dir);
    ssize_t n;

    u.open_ok = true;
    do {
        n = use_begin(&op->scope, &u);
        if (n == 0)
            n = p9_getxattr(&op->scope, u.fid, "system.posix_acl_default", NULL, 0, NULL);
    } while (use_again(&u, n < 0 ? (int)n : 0));
    return n > 0;
}

mode_t mode_for_new(struct op *op, struct inode *dir, mode_t mode)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(op->req);

    if (!op->fs->posixacl || (mode & ctx->umask) == 0 || has_default_acl(op, dir))
        return mode;
    return mode & ~ctx->umask;
}

gid_t primary_group(struct op *op)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(op->req);
    struct person p;

    return find_person(ctx->uid, &p) ? p.pw.pw_gid : ctx->gid;
}

bool is_plain_new(struct op *op, mode_t mode, gid_t group)
{
    return !p9_may_be_synthetic(op->fs->client) && op->fs->access != ACCESS_CLIENT && (mode & 07000) == 0 &&
           group == NO_GROUP;
}

struct p9_attr attr_of_new(struct op *op, struct inode *dir, const struct p9_qid *qid, mode_t mode)
{
    struct p9_attr attr = {.qid = *qid,
                           .mode = mode,
                           .uid = fuse_req_ctx(op->req)->uid,
                           .gid = group_for_new(op, dir),
                           .nlink = S_ISDIR(mode) ? 2 : 1,
                           .blksize = 4096};

    clock_gettime(CLOCK_REALTIME, &attr.mtime);
    attr.atime = attr.ctime = attr.mtime;
    return attr;
}

void name_changed(struct op *op, struct inode *dir, const char *name)
{
    cache_changing(op->fs->cache, dir);
    if (op->fs->lookahead != NULL)
        lookahead_forget(op->fs->lookahead, dir, name);
}

/* ---- names to inodes ----------------------------------------------------- */

/* Whether dir/name is the file with this qid now. */
static bool is_there(struct op *op, struct inode *dir, const char *name, const struct p9_qid *qid)
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

/* A directory has one name. One with its qid elsewhere has been moved from there; or both are there, as the server exports another
 * device, and repeats its numbers. What is there is walked to before and after the other: it may be moving just now. */
static void look_elsewhere(struct op *op, struct inode *dir, const char *name, const struct p9_attr *attr)
{
    struct cache *cache = op->fs->cache;
    struct inode *other = cache_other_place(cache, dir, name, attr);

    if (other == NULL)
        return;
    uint64_t clock;
    int rc = walk_again(op, other, &clock);
    if (rc == 0 && is_there(op, dir, name, &attr->qid))
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
        look_elsewhere(op, dir, name, attr);
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
    uint64_t began = cache_now_ms();
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

/* ---- the table ---------------------------------------------------------- */

static void fs_init(void *userdata, struct fuse_conn_info *conn)
{
    struct fs *fs = userdata;

    conn->max_write = 1 << 20;
    conn->max_readahead = UINT32_MAX; /* the device's own bound counts (readahead.c) */
    conn->max_background = 64;
    conn->congestion_threshold = 48;
    conn->time_gran = 1;
    /* Who acts by another's attach, or as root on the server, would lose no privilege there by writing: the kernel takes them. */
    conn->want &= ~(unsigned)FUSE_CAP_HANDLE_KILLPRIV;
    if (fs->posixacl)
        conn->want |= conn->capable & (FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK);
    conn->want &= ~(unsigned)(FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO);
    if (p9_lists_attributes(fs->client))
        conn->want |= conn->capable & FUSE_CAP_READDIRPLUS;
    else if (fs->lookahead != NULL)
        conn->want |= conn->capable & (FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO);
    connection_find(fs);
    fs->is_ready = fs->ready(fs);
    if (!fs->is_ready)
        fuse_session_exit(fs->se);
}

const struct fuse_lowlevel_ops fs_ops = {
    .init = fs_init,
    .lookup = fs_lookup,
    .forget = fs_forget,
    .forget_multi = fs_forget_multi,
    .getattr = fs_getattr,
    .setattr = fs_setattr,
    .access = fs_access,
    .statfs = fs_statfs,
    .readlink = fs_readlink,
    .mknod = fs_mknod,
    .mkdir = fs_mkdir,
    .symlink = fs_symlink,
    .link = fs_link,
    .unlink = fs_unlink,
    .rmdir = fs_rmdir,
    .rename = fs_rename,
    .create = fs_create,
    .open = fs_open,
    .read = fs_read,
    .write = fs_write,
    .flush = fs_flush,
    .release = fs_release,
    .fsync = fs_fsync,
    .opendir = fs_opendir,
    .readdir = fs_readdir,
    .readdirplus = fs_readdirplus,
    .releasedir = fs_releasedir,
    .fsyncdir = fs_fsyncdir,
    .getlk = fs_getlk,
    .setlk = fs_setlk,
    .flock = fs_flock,
    .getxattr = fs_getxattr,
    .listxattr = fs_listxattr,
    .setxattr = fs_setxattr,
    .removexattr = fs_removexattr,
};
