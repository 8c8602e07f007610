/*
 * dialect_plan9_stat.c: 9P2000 and 9P2000.u: attributes, by stats.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "client/dialect_plan9.h"

static const struct {
    uint32_t dm;
    mode_t mode;
} special_bits[] = {{P9_DMSETUID, S_ISUID}, {P9_DMSETGID, S_ISGID}, {P9_DMSETVTX, S_ISVTX}};

static mode_t type_of(const struct p9_stat *st, bool u, bool nodevmap)
{
    if (st->mode & P9_DMDIR)
        return S_IFDIR;
    if (u && (st->mode & P9_DMSYMLINK))
        return S_IFLNK;
    if (!u || nodevmap)
        return S_IFREG;
    if (st->mode & P9_DMDEVICE)
        return st->extension.len > 0 && st->extension.s[0] == 'b' ? S_IFBLK : S_IFCHR;
    if (st->mode & P9_DMNAMEDPIPE)
        return S_IFIFO;
    return st->mode & P9_DMSOCKET ? S_IFSOCK : S_IFREG;
}

static mode_t mode_of(const struct p9_stat *st, bool u, bool nodevmap)
{
    mode_t mode = type_of(st, u, nodevmap) | (st->mode & 0777);

    for (size_t i = 0; u && i < sizeof special_bits / sizeof *special_bits; i++)
        if (st->mode & special_bits[i].dm)
            mode |= special_bits[i].mode;
    return mode;
}

uint32_t plan9_perm(mode_t mode, bool u)
{
    uint32_t perm = mode & 0777;

    for (size_t i = 0; u && i < sizeof special_bits / sizeof *special_bits; i++)
        if (mode & special_bits[i].mode)
            perm |= special_bits[i].dm;
    return perm;
}

static dev_t device_of(const struct p9_stat *st)
{
    char text[32] = "";
    unsigned maj = 0, min = 0;

    memcpy(text, st->extension.len > 0 ? st->extension.s : "",
           st->extension.len < sizeof text ? st->extension.len : sizeof text - 1);
    if (sscanf(text, "%*c %u %u", &maj, &min) != 2)
        return 0;
    return makedev(maj, min);
}

void plan9_attr_of(struct p9_client *c, const struct p9_stat *st, struct p9_attr *attr)
{
    bool u = plan9_is_u(c);
    mode_t mode = mode_of(st, u, c->nodevmap);

    *attr = (struct p9_attr){
        .qid = st->qid,
        .mode = mode,
        .uid = u && st->n_uid != P9_NONUNAME ? st->n_uid : idmap_uid(c->ids, st->uid),
        .gid = u && st->n_gid != P9_NONUNAME ? st->n_gid : idmap_gid(c->ids, st->gid),
        .nlink = 1,
        .size = S_ISDIR(mode) ? 0 : st->length,
        .blksize = 4096,
        .atime = {.tv_sec = st->atime},
        .mtime = {.tv_sec = st->mtime},
        .ctime = {.tv_sec = st->mtime},
    };
    if (S_ISLNK(mode) && attr->size == 0)
        attr->size = st->extension.len;
    if (S_ISBLK(mode) || S_ISCHR(mode))
        attr->rdev = device_of(st);
    attr->blocks = (attr->size + 511) / 512;
}

int plan9_stat(struct p9_scope *sc, struct p9_fid *fid, uint8_t body[STAT_ROOM], struct p9_stat *st)
{
    struct p9_client *c = fid->client;
    struct p9_req req = {.body = body, .body_size = STAT_ROOM};
    struct p9_fcall tx = {.type = P9_Tstat, .Tstat.fid = fid->num};
    int rc = p9_rpc(sc, c, &req, &tx);

    if (rc == 0 && p9_convM2D(req.rx.Rstat.stat.p, req.rx.Rstat.stat.n, p9_session_dialect(c->session), st) == 0)
        rc = -EPROTO;
    return rc;
}

int plan9_getattr(struct p9_scope *sc, struct p9_fid *fid, struct p9_attr *attr)
{
    uint8_t body[STAT_ROOM];
    struct p9_stat st;
    int rc = plan9_stat(sc, fid, body, &st);

    if (rc == 0)
        plan9_attr_of(fid->client, &st, attr);
    return rc;
}

struct p9_stat plan9_untouched(void)
{
    return (struct p9_stat){.type = UINT16_MAX,
                            .dev = UINT32_MAX,
                            .qid = {.type = UINT8_MAX, .version = UINT32_MAX, .path = UINT64_MAX},
                            .mode = UINT32_MAX,
                            .atime = UINT32_MAX,
                            .mtime = UINT32_MAX,
                            .length = UINT64_MAX,
                            .n_uid = UINT32_MAX,
                            .n_gid = UINT32_MAX,
                            .n_muid = UINT32_MAX};
}

int plan9_wstat(struct p9_scope *sc, struct p9_fid *fid, const struct p9_stat *st)
{
    enum p9_dialect d = p9_session_dialect(fid->client->session);
    uint8_t packed[1024]; /* with the names of a file, a user and a group */
    size_t n = p9_convD2M(st, d, packed, sizeof packed);

    if (n == 0)
        return -ENAMETOOLONG;
    struct p9_fcall tx = {.type = P9_Twstat, .Twstat = {.fid = fid->num, .stat = {.n = (uint32_t)n, .p = packed}}};
    return p9_do(sc, fid->client, &tx);
}

/* The names that a stat points to. */
struct owner {
    char user[IDMAP_NAME_BYTES], group[IDMAP_NAME_BYTES];
};

/* Sets the owner in st only where it changes: most servers refuse any owner, even the current one.
 * 1 if it changes, 0, or -errno. */
static int set_owner(struct p9_scope *sc, struct p9_fid *fid, const struct p9_setattr *set, struct owner *o,
                     struct p9_stat *st)
{
    struct p9_attr now;
    int rc = plan9_getattr(sc, fid, &now);
    bool uid = (set->valid & P9_SETATTR_UID) && set->uid != now.uid;
    bool gid = (set->valid & P9_SETATTR_GID) && set->gid != now.gid;

    if (rc != 0)
        return rc;
    if (plan9_is_u(fid->client)) {
        st->n_uid = uid ? set->uid : UINT32_MAX;
        st->n_gid = gid ? set->gid : UINT32_MAX;
        return uid || gid;
    }
    if ((uid && !idmap_user_name(set->uid, o->user)) || (gid && !idmap_group_name(set->gid, o->group)))
        return -EINVAL;
    st->uid = p9_str(uid ? o->user : "");
    st->gid = p9_str(gid ? o->group : "");
    return uid || gid;
}

static uint32_t seconds(const struct timespec *ts, bool given)
{
    time_t t = given ? ts->tv_sec : time(NULL);

    if (t < 0)
        return 0;
    return t < UINT32_MAX ? (uint32_t)t : UINT32_MAX - 1;
}

/* Plan 9 does not allow to set the access time: after a refusal the rest is set without it. */
static int change_stat(struct p9_scope *sc, struct p9_fid *fid, struct p9_stat *st)
{
    bool both = st->atime != UINT32_MAX && st->mtime != UINT32_MAX;

    if (both && p9_has_habit(fid->client, P9_NO_ATIME))
        st->atime = UINT32_MAX;
    int rc = plan9_wstat(sc, fid, st);
    if (rc >= 0 || !both || st->atime == UINT32_MAX)
        return rc;
    st->atime = UINT32_MAX;
    int without = plan9_wstat(sc, fid, st);
    if (without == 0)
        p9_add_habit(fid->client, P9_NO_ATIME);
    return without == 0 ? 0 : rc;
}

int plan9_setattr(struct p9_scope *sc, struct p9_fid *fid, const struct p9_setattr *set, struct p9_attr *seen)
{
    struct p9_stat st = plan9_untouched();
    struct owner owner;
    bool u = plan9_is_u(fid->client), change = false;

    (void)seen; /* no compound request */
    if (set->valid & (P9_SETATTR_UID | P9_SETATTR_GID)) {
        int rc = set_owner(sc, fid, set, &owner, &st);
        if (rc < 0)
            return rc;
        change = rc > 0;
    }
    if (set->valid & P9_SETATTR_MODE) {
        if (!u && (set->mode & 07000))
            return -EPERM; /* 9P2000 has no such bits */
        st.mode = plan9_perm(set->mode, u) | (uint32_t)(fid->qid.type & ~P9_QTLINK) << 24;
        change = true;
    }
    if (set->valid & P9_SETATTR_SIZE)
        st.length = set->size;
    if (set->valid & P9_SETATTR_ATIME)
        st.atime = seconds(&set->atime, set->valid & P9_SETATTR_ATIME_SET);
    if (set->valid & P9_SETATTR_MTIME)
        st.mtime = seconds(&set->mtime, set->valid & P9_SETATTR_MTIME_SET);
    change |= (set->valid & (P9_SETATTR_SIZE | P9_SETATTR_ATIME | P9_SETATTR_MTIME)) != 0;
    return change ? change_stat(sc, fid, &st) : 0;
}
