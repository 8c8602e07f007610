/*
 * readdir.c: callbacks that list directories: names only, or with attributes, which the kernel
 * counts as lookups.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/callbacks.h"
#include "fuse/enter.h"
#include "fuse/inode_attr.h"
#include "fuse/stream.h"

enum {
    MAX_INVALID_NAMES = 10000, /* consecutive invalid names; a server could send them without end */
};

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* The lifetime that the reply's attributes have left, in milliseconds. */
static unsigned listed_left(const struct op *op, const struct stream *s)
{
    const struct lifetimes *l = &op->fs->cache->lifetimes;
    uint64_t lifetime = l->attr < l->entry ? l->attr : l->entry, age = clock_ms() - s->asked_ms;

    return age < lifetime ? (unsigned)(lifetime - age) : 0;
}

/* Whether this mount has not changed dir/name since the reply was requested. Writes in flight are
 * checked first: when they end they count as a change. */
static bool is_as_listed(struct op *op, const struct stream *s, const char *name)
{
    struct p9_qid qid;

    if (cache_qid(op->fs->cache, s->inode, name, &qid) && writebehind_busy(op->fs->writebehind, &qid))
        return false;
    return cache_as_listed(op->fs->cache, s->inode, name, s->version);
}

static int enter_listed(struct op *op, struct stream *s, const char *name, const struct p9_attr *attr,
                        struct inode **inode)
{
    unsigned left = listed_left(op, s);

    if (left == 0 || !is_as_listed(op, s, name) || enter_known(op, s->inode, name, attr, NULL, 0, inode) != 0)
        return -EAGAIN;
    op->attr_ms = left;
    cache_confirm(op->fs->cache, *inode, s->asked_ms);
    return 0;
}

/* The inodes in a reply with attributes, which come from the directory itself or from
 * lookahead. */
struct plus {
    struct use dir; /* fid NULL: lookahead has nothing */
    bool begun;
    enum ask ask;
    size_t n;
    struct inode *inodes[];
};

/* Runs at the first entry of a reply, when lookahead knows the names already. A program that reads
 * beyond the first reply with attributes uses them: more are requested then. */
static void plus_begin(struct op *op, struct stream *s, struct plus *plus, uint64_t at)
{
    struct cache *cache = op->fs->cache;

    plus->begun = true;
    if (cache->lookahead == NULL)
        return;
    plus->dir = op_use(op, s->inode);
    /* The kernel itself asks for the inodes that it knows, when they expire. */
    plus->ask = at != 0 || lookahead_expects(cache, s->inode, plus->dir.user) ? ASK_NEW : ASK_NOTHING;
    if ((plus->ask != ASK_NOTHING || lookahead_has_some(cache, s->inode, plus->dir.user)) &&
        use_begin(&op->scope, &plus->dir) != 0)
        plus->dir.fid = NULL;
}

/* The inode of an entry, or NULL if its attributes are not available. */
static struct inode *enter_entry(struct op *op, struct stream *s, const struct plus *plus, const char *name,
                                 struct p9_attr *attr)
{
    struct inode *inode;
    int rc = -EAGAIN;

    if (plus->dir.fid != NULL)
        rc = enter_fetched(op, &plus->dir, name, plus->ask, &inode, attr);
    else if (p9_lists_attributes(op->fs->client))
        rc = enter_listed(op, s, name, attr, &inode);
    return rc == 0 ? inode : NULL;
}

/* Adds an entry with its attributes, which the kernel counts as a lookup; only the name where they
 * are not known. Returns the bytes needed; more than size: not added. */
static size_t add_plus(struct op *op, struct stream *s, struct plus *plus, char *buf, size_t size, const char *name,
                       const struct p9_dirent *de, struct p9_attr *attr)
{
    struct fuse_entry_param e = {
        .attr = {.st_ino = inode_number(s->inode->space, &de->qid), .st_mode = DTTOIF(de->type)}};

    size_t need = fuse_add_direntry_plus(op->req, NULL, 0, name, &e, (off_t)de->offset);
    if (need > size)
        return need;
    struct inode *inode = is_dot(name) ? NULL : enter_entry(op, s, plus, name, attr);
    if (inode != NULL) {
        plus->inodes[plus->n++] = inode;
        fs_count(op->fs, ENTRIES_WITH_ATTRS);
        fill_entry(op, inode, attr, &e);
        op->attr_ms = 0;
    }
    return fuse_add_direntry_plus(op->req, buf, size, name, &e, (off_t)de->offset);
}

static size_t add(struct op *op, const struct stream *s, char *buf, size_t size, const char *name,
                  const struct p9_dirent *de)
{
    struct stat st = {.st_ino = inode_number(s->inode->space, &de->qid), .st_mode = DTTOIF(de->type)};

    return fuse_add_direntry(op->req, buf, size, name, &st, (off_t)de->offset);
}

/* Fills buf[size] with entries from position `at`; plus NULL: names only. Returns the bytes used,
 * or -errno if there are no entries. */
static ssize_t fill(struct op *op, struct stream *s, uint64_t at, char *buf, size_t size, struct plus *plus)
{
    struct p9_dirent de;
    struct p9_attr attr;
    size_t used = 0;
    unsigned invalid = 0;
    int rc;

    while ((rc = stream_next(op, s, at, &de, &attr)) > 0) {
        char name[P9_MAXNAME + 1];
        if (plus != NULL && !plus->begun)
            plus_begin(op, s, plus, at);
        invalid = de.name.len > 0 ? 0 : invalid + 1;
        if (invalid > MAX_INVALID_NAMES) {
            rc = -EPROTO;
            break;
        }
        if (de.name.len > 0) { /* invalid names are not listed */
            memcpy(name, de.name.s, de.name.len);
            name[de.name.len] = 0;
            size_t room = size - used, need = plus != NULL ? add_plus(op, s, plus, buf + used, room, name, &de, &attr)
                                                           : add(op, s, buf + used, room, name, &de);
            if (need > room)
                break;
            used += need;
        }
        stream_advance(s, &de);
        at = de.offset;
    }
    s->end = rc == 0 && used > 0 ? at : 0;
    return used > 0 || rc >= 0 ? (ssize_t)used : rc;
}

/* For a reply of size bytes. NULL without memory. */
static struct plus *plus_new(struct op *op, size_t size)
{
    const struct fuse_entry_param none = {0};
    size_t most = size / fuse_add_direntry_plus(op->req, NULL, 0, "", &none, 0);
    struct plus *plus = malloc(sizeof *plus + most * sizeof(struct inode *));

    if (plus != NULL)
        *plus = (struct plus){.n = 0};
    return plus;
}

/* arrived: the kernel has received the inodes. */
static void plus_free(struct fs *fs, struct plus *plus, bool arrived)
{
    if (plus == NULL)
        return;
    for (size_t i = 0; i < plus->n && !arrived; i++)
        cache_forget(fs->cache, plus->inodes[i], 1);
    if (plus->dir.fid != NULL)
        use_again(&plus->dir, 0);
    free(plus);
}

static void read_dir(fuse_req_t req, size_t size, off_t off, struct fuse_file_info *fi, bool attributes)
{
    struct op op;
    struct stream *s = stream_of(fi);

    op_begin(&op, req);
    if (s->fid == NULL) {
        op_end(&op);
        fuse_reply_buf(req, NULL, 0);
        return;
    }
    char *buf = malloc(size);
    struct plus *plus = attributes ? plus_new(&op, size) : NULL;
    if (buf == NULL || (plus == NULL && attributes)) {
        plus_free(op.fs, plus, false);
        free(buf);
        op_reply_err(&op, -ENOMEM);
        return;
    }
    pthread_mutex_lock(&s->mtx);
    if (off == 0 && !s->ready)
        s->next = UINT64_MAX; /* rewinddir: list the current content */
    s->ready = false;
    bool is_end = off != 0 && (uint64_t)off == s->end;
    s->end = 0;
    ssize_t n = is_end ? 0 : fill(&op, s, (uint64_t)off, buf, size, plus);
    pthread_mutex_unlock(&s->mtx);
    bool arrived = n >= 0;
    if (n < 0) {
        op_reply_err(&op, (int)n);
    } else {
        op_end(&op);
        arrived = fuse_reply_buf(req, buf, (size_t)n) != -ENOENT;
    }
    plus_free(op.fs, plus, arrived);
    free(buf);
}

void fs_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)ino;
    read_dir(req, size, off, fi, false);
}

void fs_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)ino;
    read_dir(req, size, off, fi, true);
}
