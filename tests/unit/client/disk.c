/*
 * disk.c: a 9P server whose files outlive its connections: see disk.h.
 */
#include "unit/client/disk.h"

#include <string.h>

#include "unit/test.h"

/* ---- names --------------------------------------------------------------- */

static struct disk_name *find(struct disk *d, const char *path)
{
    for (unsigned i = 0; i < d->nnames; i++)
        if (strcmp(d->names[i].path, path) == 0)
            return &d->names[i];
    return NULL;
}

static void add_name(struct disk *d, const char *path, unsigned node)
{
    struct disk_name *n = &d->names[d->nnames++];

    snprintf(n->path, sizeof n->path, "%s", path);
    n->node = node;
}

static unsigned add(struct disk *d, const char *path, uint8_t type)
{
    unsigned node = d->nnodes++;

    d->nodes[node].type = type;
    add_name(d, path, node);
    return node;
}

static uint32_t remove_name(struct disk *d, const char *path)
{
    struct disk_name *n = find(d, path);

    if (n == NULL)
        return ENOENT;
    *n = d->names[--d->nnames];
    return 0;
}

static uint32_t rename_name(struct disk *d, const char *from, const char *to)
{
    size_t len = strlen(from);
    char rest[DISK_PATH];

    if (find(d, from) == NULL)
        return ENOENT;
    if (strcmp(from, to) == 0)
        return 0;
    remove_name(d, to);
    for (unsigned i = 0; i < d->nnames; i++) {
        char *p = d->names[i].path;
        if (strncmp(p, from, len) == 0 && (p[len] == 0 || p[len] == '/')) {
            snprintf(rest, sizeof rest, "%s", p + len);
            snprintf(p, DISK_PATH, "%.60s%.60s", to, rest);
        }
    }
    return 0;
}

/* A path of the node that the fid stands for; NULL if it has none any more. */
static const char *path_of(struct disk *d, uint32_t fid)
{
    for (unsigned i = 0; i < d->nnames; i++)
        if (d->names[i].node == d->fids[fid].node)
            return d->names[i].path;
    return NULL;
}

static bool path_in(struct disk *d, uint32_t dir, const struct p9_str *name, char path[DISK_PATH])
{
    const char *top = path_of(d, dir);

    return top != NULL && snprintf(path, DISK_PATH, "%.60s/%.*s", top, name->len, name->s) < DISK_PATH;
}

/* ---- requests ------------------------------------------------------------ */

static struct p9_qid qid_of(const struct disk *d, unsigned node)
{
    return (struct p9_qid){node, 0, d->nodes[node].type};
}

static void bind_fid(struct disk *d, uint32_t num, unsigned node)
{
    d->fids[num] = (struct disk_fid){.known = true, .node = node};
}

static uint32_t walk(struct disk *d, const struct p9_fcall *t, struct p9_fcall *r)
{
    char path[DISK_PATH] = "";
    unsigned node = d->fids[t->Twalk.fid].node;
    const char *from = path_of(d, t->Twalk.fid);

    if (t->Twalk.newfid != t->Twalk.fid && d->fids[t->Twalk.newfid].known) {
        d->bad++;
        return EBADF;
    }
    if (from == NULL)
        return ENOENT;
    snprintf(path, sizeof path, "%s", from);
    for (unsigned i = 0; i < t->Twalk.nwname.n; i++) {
        size_t n = strlen(path);
        snprintf(path + n, sizeof path - n, "/%.*s", t->Twalk.nwname.name[i].len, t->Twalk.nwname.name[i].s);
        const struct disk_name *f = find(d, path);
        if (f == NULL)
            return i == 0 ? ENOENT : 0;
        node = f->node;
        r->Rwalk.nwqid.qid[r->Rwalk.nwqid.n++] = qid_of(d, node);
    }
    bind_fid(d, t->Twalk.newfid, node);
    return 0;
}

static uint32_t open_file(struct disk *d, uint32_t num, uint32_t flags, struct p9_fcall *r)
{
    struct disk_fid *f = &d->fids[num];
    bool is_l = d->dialect == P9_2000L;

    d->bad += f->open;
    f->open = true;
    f->flags = flags;
    if (flags & (is_l ? (uint32_t)P9_L_TRUNC : (uint32_t)P9_OTRUNC))
        d->nodes[f->node].size = 0;
    if (is_l)
        r->Rlopen.qid = qid_of(d, f->node);
    else
        r->Ropen.qid = qid_of(d, f->node);
    return 0;
}

static uint32_t lcreate(struct disk *d, const struct p9_fcall *t, struct p9_fcall *r)
{
    char path[DISK_PATH];

    if (!path_in(d, t->Tlcreate.fid, &t->Tlcreate.name, path))
        return ENOENT;
    const struct disk_name *n = find(d, path);
    if (n != NULL && (t->Tlcreate.flags & P9_L_EXCL))
        return EEXIST;
    bind_fid(d, t->Tlcreate.fid, n != NULL ? n->node : add(d, path, 0));
    return open_file(d, t->Tlcreate.fid, t->Tlcreate.flags, r); /* Rlopen and Rlcreate are alike */
}

static uint32_t make(struct disk *d, uint32_t dir, const struct p9_str *name, uint8_t type, unsigned *node)
{
    char path[DISK_PATH];

    if (!path_in(d, dir, name, path))
        return ENOENT;
    if (find(d, path) != NULL)
        return EEXIST;
    *node = add(d, path, type);
    return 0;
}

static uint32_t make_link(struct disk *d, const struct p9_fcall *t)
{
    char path[DISK_PATH];

    if (!path_in(d, t->Tlink.dfid, &t->Tlink.name, path))
        return ENOENT;
    if (find(d, path) != NULL)
        return EEXIST;
    add_name(d, path, d->fids[t->Tlink.fid].node);
    return 0;
}

static uint32_t rename_fid(struct disk *d, uint32_t fid, uint32_t dir, const struct p9_str *name)
{
    char from[DISK_PATH], to[DISK_PATH];
    const char *path = path_of(d, fid);

    if (path == NULL || !path_in(d, dir, name, to))
        return ENOENT;
    snprintf(from, sizeof from, "%s", path);
    return rename_name(d, from, to);
}

static uint32_t rename_at(struct disk *d, const struct p9_fcall *t)
{
    char from[DISK_PATH], to[DISK_PATH];

    if (d->no_renameat)
        return EOPNOTSUPP;
    if (!path_in(d, t->Trenameat.olddirfid, &t->Trenameat.oldname, from) ||
        !path_in(d, t->Trenameat.newdirfid, &t->Trenameat.newname, to))
        return ENOENT;
    return rename_name(d, from, to);
}

/* Changes the name, and nothing else. */
static uint32_t wstat(struct disk *d, const struct p9_fcall *t)
{
    struct p9_stat st;
    const char *path = path_of(d, t->Twstat.fid);
    char from[DISK_PATH], to[DISK_PATH];

    if (path == NULL || p9_convM2D(t->Twstat.stat.p, t->Twstat.stat.n, d->dialect, &st) == 0 || st.name.len == 0)
        return EINVAL;
    snprintf(from, sizeof from, "%s", path);
    snprintf(to, sizeof to, "%.*s/%.*s", (int)(strrchr(from, '/') - from), from, st.name.len, st.name.s);
    return rename_name(d, from, to);
}

static void getattr(struct disk *d, uint32_t num, struct p9_fcall *r)
{
    unsigned node = d->fids[num].node;

    r->Rgetattr.valid = P9_GETATTR_BASIC;
    r->Rgetattr.qid = qid_of(d, node);
    r->Rgetattr.mode = d->nodes[node].type & P9_QTDIR ? S_IFDIR | 0755 : S_IFREG | 0644;
    r->Rgetattr.size = d->nodes[node].size;
    for (unsigned i = 0; i < d->nnames; i++)
        r->Rgetattr.nlink += d->names[i].node == node;
}

static uint32_t read_data(struct disk *d, const struct p9_fcall *t, struct p9_fcall *r)
{
    const struct disk_node *n = &d->nodes[d->fids[t->Tread.fid].node];
    uint64_t at = t->Tread.offset < n->size ? t->Tread.offset : n->size, left = n->size - at;

    if (!d->fids[t->Tread.fid].open)
        return EBADF;
    r->Rread.count = (struct p9_blob){t->Tread.count < left ? t->Tread.count : (uint32_t)left, n->data + at};
    return 0;
}

static uint32_t write_data(struct disk *d, const struct p9_fcall *t, struct p9_fcall *r)
{
    struct disk_fid *f = &d->fids[t->Twrite.fid];
    struct disk_node *n = &d->nodes[f->node];
    uint64_t at = f->flags & P9_L_APPEND ? n->size : t->Twrite.offset;

    if (!f->open || at + t->Twrite.count.n > DISK_BYTES)
        return f->open ? ENOSPC : EBADF;
    memcpy(n->data + at, t->Twrite.count.p, t->Twrite.count.n);
    n->size = (uint32_t)(at + t->Twrite.count.n);
    r->Rwrite.count = t->Twrite.count.n;
    return 0;
}

static uint32_t remove_at(struct disk *d, const struct p9_fcall *t)
{
    char path[DISK_PATH];

    return path_in(d, t->Tunlinkat.dirfid, &t->Tunlinkat.name, path) ? remove_name(d, path) : ENOENT;
}

static uint32_t remove_fid(struct disk *d, uint32_t num)
{
    const char *path = path_of(d, num);
    char copy[DISK_PATH];

    snprintf(copy, sizeof copy, "%s", path != NULL ? path : "/gone");
    d->fids[num].known = false;
    return remove_name(d, copy);
}

uint32_t disk_serve(struct disk *d, const struct p9_fcall *t, struct p9_fcall *r)
{
    uint32_t num = t->Tclunk.fid, ecode; /* first in all but Tversion and Tflush */
    unsigned node = 0;

    if (t->type == P9_Tversion || t->type == P9_Tflush) {
        r->Rversion.msize = t->Tversion.msize, r->Rversion.version = t->Tversion.version;
        return 0;
    }
    if (num >= DISK_FIDS || d->fids[num].known == (t->type == P9_Tattach)) {
        d->bad++;
        return EBADF;
    }
    switch (t->type) {
    case P9_Tattach:
        bind_fid(d, num, 0);
        r->Rattach.qid = qid_of(d, 0);
        return 0;
    case P9_Twalk:
        return walk(d, t, r);
    case P9_Tlopen:
        return open_file(d, num, t->Tlopen.flags, r);
    case P9_Topen:
        return open_file(d, num, t->Topen.mode, r);
    case P9_Tlcreate:
        return lcreate(d, t, r);
    case P9_Tmkdir:
        ecode = make(d, num, &t->Tmkdir.name, P9_QTDIR, &node);
        r->Rmkdir.qid = qid_of(d, node);
        return ecode;
    case P9_Tmknod:
        ecode = make(d, num, &t->Tmknod.name, 0, &node);
        r->Rmknod.qid = qid_of(d, node);
        return ecode;
    case P9_Tsymlink:
        ecode = make(d, num, &t->Tsymlink.name, P9_QTSYMLINK, &node);
        if (ecode == 0)
            snprintf(d->nodes[node].target, DISK_PATH, "%.*s", t->Tsymlink.target.len, t->Tsymlink.target.s);
        r->Rsymlink.qid = qid_of(d, node);
        return ecode;
    case P9_Treadlink:
        r->Rreadlink.target = p9_str(d->nodes[d->fids[num].node].target);
        return 0;
    case P9_Tlink:
        return make_link(d, t);
    case P9_Trename:
        return rename_fid(d, num, t->Trename.dfid, &t->Trename.name);
    case P9_Trenameat:
        return rename_at(d, t);
    case P9_Twstat:
        return wstat(d, t);
    case P9_Tgetattr:
        getattr(d, num, r);
        return 0;
    case P9_Tread:
        return read_data(d, t, r);
    case P9_Twrite:
        return write_data(d, t, r);
    case P9_Tunlinkat:
        return remove_at(d, t);
    case P9_Tremove:
        return remove_fid(d, num);
    case P9_Tclunk:
        d->fids[num].known = false;
        return 0;
    }
    return EOPNOTSUPP;
}

/* ---- the test's side ------------------------------------------------------ */

unsigned disk_add(struct disk *d, const char *path, uint8_t type)
{
    pthread_mutex_lock(&d->mtx);
    unsigned node = add(d, path, type);
    pthread_mutex_unlock(&d->mtx);
    return node;
}

void disk_remove(struct disk *d, const char *path)
{
    pthread_mutex_lock(&d->mtx);
    uint32_t ecode = remove_name(d, path);
    pthread_mutex_unlock(&d->mtx);
    assert_int_equal(ecode, 0);
}

int disk_node(struct disk *d, const char *path)
{
    pthread_mutex_lock(&d->mtx);
    const struct disk_name *n = find(d, path);
    int node = n != NULL ? (int)n->node : -1;
    pthread_mutex_unlock(&d->mtx);
    return node;
}
