/*
 * common.c: messages of all dialects.
 */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/server.h"

void answer_version(struct conn *c, const struct p9_fcall *t)
{
    const struct settings *set = c->set;
    struct p9_fcall r = {.type = P9_Rversion, .tag = t->tag};
    enum p9_dialect d = P9_2000L;

    while (d != 0 && !p9_str_eq(t->Tversion.version, p9_dialect_name(d)))
        d = p9_dialect_below(d);
    while (c->fids != NULL)
        fid_drop(c, c->fids);
    r.Rversion.msize = t->Tversion.msize < set->msize ? t->Tversion.msize : set->msize;
    if (d > set->highest && set->refusal == REFUSE_PLAIN)
        d = P9_2000;
    if (d > set->highest && set->refusal != REFUSE_LOWER)
        d = 0;
    if (d > set->highest)
        d = set->highest;
    c->dialect = d != 0 ? d : P9_2000;
    c->msize = r.Rversion.msize;
    r.Rversion.version = p9_str(d != 0 ? p9_dialect_name(d) : "unknown");
    bool again = c->asked && set->one_version;
    c->asked = true;
    if (again || (d == 0 && set->refusal == REFUSE_ERROR))
        reply_error(c, t->tag, ENOSYS, "Function not implemented");
    else if (d == 0 && set->refusal == REFUSE_CLOSE)
        shutdown(c->sock, SHUT_RDWR);
    else if (d != 0 || set->refusal != REFUSE_SILENT)
        reply(c, &r);
}

static int do_auth(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r)
{
    if (c->set->secret == NULL)
        return ENOENT;
    struct sfid *f = fid_new(c, t->Tauth.afid, 0);
    if (f == NULL)
        return EBADF;
    f->auth = f->open = true;
    r->Rauth.aqid.type = P9_QTAUTH;
    return 0;
}

static uid_t uid_of(struct conn *c, struct p9_str uname, uint32_t n_uname)
{
    if (c->dialect != P9_2000 && n_uname != P9_NONUNAME)
        return n_uname;
    const struct passwd *pw = getpwnam(cstr(uname));
    return pw != NULL ? pw->pw_uid : 65534;
}

static int do_attach(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r)
{
    if (c->set->secret != NULL) {
        const struct sfid *a = fid_find(c, t->Tattach.afid);
        if (a == NULL || !a->proven)
            return EPERM;
    }
    struct sfid *f = fid_new(c, t->Tattach.fid, uid_of(c, t->Tattach.uname, t->Tattach.n_uname));
    if (f == NULL)
        return EBADF;
    if (c->set->folder != NULL) {
        int err = folder_attach(c, f, &r->Rattach.qid);
        r->Rattach.qid.path += c->set->other_root;
        if (err != 0)
            fid_drop(c, f);
        return err;
    }
    f->synth = synth_root();
    synth_qid(f->synth, &r->Rattach.qid);
    return 0;
}

static int walk_one(struct conn *c, struct sfid *at, struct p9_str name, struct p9_qid *q)
{
    if (at->synth == NULL)
        return folder_walk(c, at, name, at, q);
    struct synth *s = synth_walk(at->synth, name);
    if (s == NULL)
        return ENOENT;
    at->synth = s;
    synth_qid(s, q);
    return 0;
}

static int do_walk(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r)
{
    struct sfid *from = fid_find(c, t->Twalk.fid), at;

    if (from == NULL || from->open || from->auth)
        return EBADF;
    if (t->Twalk.newfid != t->Twalk.fid && fid_find(c, t->Twalk.newfid) != NULL)
        return EBADF;
    at = *from;
    at.path = from->path >= 0 ? dup(from->path) : -1;
    for (unsigned i = 0; i < t->Twalk.nwname.n; i++) {
        int err = walk_one(c, &at, t->Twalk.nwname.name[i], &r->Rwalk.nwqid.qid[i]);
        if (err == 0) {
            r->Rwalk.nwqid.n++;
            continue;
        }
        if (c->fault == FAULT_BIND)
            break;
        fid_close_files(&at);
        return i == 0 ? err : 0;
    }
    struct sfid *to = t->Twalk.newfid == t->Twalk.fid ? from : fid_new(c, t->Twalk.newfid, from->uid);
    if (to == from)
        fid_close_files(from);
    to->path = at.path;
    to->synth = at.synth;
    return 0;
}

static int do_read(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r)
{
    struct sfid *f = fid_find(c, t->Tread.fid);
    uint32_t count = c->fault == FAULT_FILL ? c->msize - P9_RREAD_HDRSZ : t->Tread.count, got = 0;
    int err;

    if (f == NULL || (!f->open && f->value == NULL))
        return EBADF;
    if (count > c->msize - P9_RREAD_HDRSZ)
        return EMSGSIZE;
    if (f->auth) {
        got = t->Tread.offset == 0 ? (uint32_t)strlen(c->set->challenge) : 0;
        memcpy(c->data, c->set->challenge, got);
        err = 0;
    } else if (f->synth != NULL) {
        err = synth_read(c, f, t->Tread.offset, count, &got);
    } else if (f->dir != NULL) {
        err = plan9_read_dir(c, f, c->fault == FAULT_REPEAT ? 0 : t->Tread.offset, count, &got);
    } else {
        err = folder_read(f, t->Tread.offset, count, c->data, &got);
    }
    r->Rread.count = (struct p9_blob){got, c->data};
    return err;
}

static int do_write(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r)
{
    struct sfid *f = fid_find(c, t->Twrite.fid);
    const uint8_t *data = t->Twrite.count.p;
    uint32_t n = t->Twrite.count.n;

    if (f == NULL || (!f->open && f->xattr == NULL))
        return EBADF;
    f->wrote = true;
    if (f->auth) {
        f->proven = n == strlen(c->set->secret) && memcmp(data, c->set->secret, n) == 0;
        r->Rwrite.count = n;
        return f->proven ? 0 : EPERM;
    }
    if (f->synth != NULL)
        return synth_write(f, data, n, &r->Rwrite.count);
    if (++c->writes == c->set->fail_write)
        return ENOSPC;
    return folder_write(f, t->Twrite.offset, data, n, &r->Rwrite.count);
}

/* *text: the error of a synthetic file. */
static int do_clunk(struct conn *c, const struct p9_fcall *t, const char **text)
{
    struct sfid *f = fid_find(c, t->Tclunk.fid);
    int err = 0;

    if (f == NULL)
        return EBADF;
    if (f->synth != NULL && (*text = synth_clunk(f)) != NULL)
        err = EIO;
    if (f->xattr != NULL)
        err = linux_clunk(c, f);
    fid_drop(c, f);
    return err;
}

static int do_remove(struct conn *c, const struct p9_fcall *t)
{
    struct sfid *f = fid_find(c, t->Tremove.fid);

    if (f == NULL)
        return EBADF;
    int err = f->synth != NULL ? EPERM : folder_remove(f);
    fid_drop(c, f);
    return err;
}

enum { REQUESTS_BEFORE_RFLUSH = 200 };

/* A flushed request gets no reply. Only waiting requests can be flushed. */
void answer_flush(struct conn *c, const struct p9_fcall *t)
{
    struct p9_fcall r = {.type = P9_Rflush, .tag = t->tag};
    struct waiting **p = &c->waiting, *w;
    bool waited = false;

    while ((w = *p) != NULL) {
        if (w->t.tag != t->Tflush.oldtag) {
            p = &w->next;
            continue;
        }
        if (w->t.type == P9_Tlock && c->set->stubborn_locks) {
            w->flushed = true;
            w->flush_tag = t->tag;
            return;
        }
        *p = w->next;
        free(w);
        waited = true;
    }
    synth_flushed(waited, false);
    if (waited && c->set->slow_flush)
        c->late = (struct late_flush){.tag = t->tag, .oldtag = t->Tflush.oldtag, .left = REQUESTS_BEFORE_RFLUSH};
    else
        reply(c, &r);
}

int common_request(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r, const char **text)
{
    switch (t->type) {
    case P9_Tauth:
        return do_auth(c, t, r);
    case P9_Tattach:
        return do_attach(c, t, r);
    case P9_Twalk:
        return do_walk(c, t, r);
    case P9_Tread:
        return do_read(c, t, r);
    case P9_Twrite:
        return do_write(c, t, r);
    case P9_Tclunk:
        return do_clunk(c, t, text);
    case P9_Tremove:
        return do_remove(c, t);
    }
    if (c->set->no_open && (t->type == P9_Tlopen || t->type == P9_Topen))
        return ENOSYS;
    return c->dialect == P9_2000L ? linux_request(c, t, r) : plan9_request(c, t, r);
}
