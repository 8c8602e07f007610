/*
 * track.c: notes what is needed to make fids again on another connection: the attach, the path from
 * there, and how it is open.
 *
 * Every reply that changes a fid passes here before its operation sees it, so that the notes are
 * right whenever the connection ends. A path is what the fid was walked by, as our renames left it;
 * only they are looked for, as others' renames show when the path is walked again. The hashes of
 * all paths are in an array: a rename of a file compares those.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/fid_numbers.h"
#include "client/track.h"
#include "wire/table.h"

/* ---- the fids of a request ---------------------------------------------- */

struct p9_fid *track_find(struct p9_client *c, uint32_t num)
{
    return num < c->fids->top ? c->fids->by_number[num] : NULL;
}

unsigned track_needs(const struct p9_fcall *tx, uint32_t num[TRACK_FIDS])
{
    const struct p9_message *m = p9_message(tx->type);
    unsigned n = 0;

    if (tx->type == P9_Tattach || tx->type == P9_Tauth || m->name == NULL)
        return 0;
    for (unsigned i = 0; i < m->nfields && n < TRACK_FIDS; i++)
        if (m->fields[i].kind == P9_KIND_fid && strcmp(m->fields[i].name, "newfid") != 0)
            memcpy(&num[n++], (const char *)tx + m->fields[i].offset, sizeof num[0]);
    return n;
}

/* ---- paths --------------------------------------------------------------- */

static uint64_t hash_of(const char *path)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */

    for (; *path != 0; path++)
        h = (h ^ (uint8_t)*path) * 1099511628211u;
    return h;
}

/* Takes over the path, which may be NULL. */
static void set_path(struct p9_fid *fid, char *path)
{
    free(fid->path);
    fid->path = path;
    fid->client->fids->hashes[fid->num] = path != NULL ? hash_of(path) : 0;
}

char *track_join(const char *dir, const struct p9_str *names, size_t n)
{
    size_t len = dir != NULL ? strlen(dir) : 0, room = len + 1;

    if (dir == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++)
        room += names[i].len + 1u;
    char *path = malloc(room);
    if (path == NULL)
        return NULL;
    memcpy(path, dir, len);
    for (size_t i = 0; i < n; i++) {
        if (len > 0)
            path[len++] = '/';
        memcpy(path + len, names[i].s, names[i].len);
        len += names[i].len;
    }
    path[len] = 0;
    return path;
}

bool track_is_below(const char *path, const char *top, size_t len)
{
    return strncmp(path, top, len) == 0 && (path[len] == 0 || path[len] == '/' || len == 0);
}

/* Whether a fid shows that the path is one of a file that is no directory. */
static bool is_plain_file(const struct fids *f, const char *path, uint64_t hash)
{
    for (unsigned i = 0; i < f->top; i++)
        if (f->hashes[i] == hash && f->by_number[i] != NULL && f->by_number[i]->path != NULL &&
            strcmp(f->by_number[i]->path, path) == 0)
            return !(f->by_number[i]->qid.type & P9_QTDIR);
    return false;
}

char *track_below(const char *path, size_t len, const char *to)
{
    struct p9_str rest = p9_str(path + len + (path[len] == '/'));

    return track_join(to, &rest, rest.len > 0);
}

/* What is at or below `from` is at or below `to` now. Takes both over; nothing moves if one is
 * NULL. A fid whose move goes unnoticed is not found at its path, or finds another file there. */
static void moved(struct p9_client *c, char *from, char *to)
{
    struct fids *f = c->fids;
    size_t len = from != NULL ? strlen(from) : 0;
    uint64_t hash = from != NULL ? hash_of(from) : 0;

    if (to != NULL && len > 0) {
        bool exactly = is_plain_file(f, from, hash);
        for (unsigned i = 0; i < f->top; i++) {
            struct p9_fid *fid = exactly && f->hashes[i] != hash ? NULL : f->by_number[i];
            if (fid != NULL && fid->path != NULL && track_is_below(fid->path, from, len))
                set_path(fid, track_below(fid->path, len, to));
        }
    }
    free(from);
    free(to);
}

/* ---- replies -------------------------------------------------------------- */

/* The server of the connection in use knows the fid. During a try that is not certain: the try may
 * fail. */
static void known(struct p9_fid *fid)
{
    fid->known = true;
    if (!p9_session_away(fid->client->session))
        atomic_store(&fid->generation, atomic_load(&fid->client->generation));
}

static void walked(struct p9_client *c, const struct p9_fcall *tx, const struct p9_fcall *rx)
{
    const struct p9_fid *from = track_find(c, tx->Twalk.fid);
    struct p9_fid *fid = track_find(c, tx->Twalk.newfid);
    uint16_t n = tx->Twalk.nwname.n;

    if (from == NULL || fid == NULL || rx->Rwalk.nwqid.n != n)
        return;
    fid->attached = from->attached;
    if (!p9_session_away(c->session)) /* else it is compared with what it was */
        fid->qid = n > 0 ? rx->Rwalk.nwqid.qid[n - 1] : from->qid;
    known(fid);
    set_path(fid, track_join(from->path, tx->Twalk.nwname.name, n));
}

static void attached(struct p9_client *c, uint32_t num)
{
    struct p9_fid *fid = track_find(c, num);

    if (fid == NULL)
        return;
    fid->is_root = true;
    known(fid);
    set_path(fid, calloc(1, 1));
}

static void ended(struct p9_client *c, uint32_t num)
{
    struct p9_fid *fid = track_find(c, num);

    if (fid != NULL)
        fid->known = false;
}

static void opened(struct p9_client *c, uint32_t num, uint32_t mode)
{
    struct p9_fid *fid = track_find(c, num);

    if (fid == NULL)
        return;
    fid->opened = true;
    fid->open_mode = mode;
}

static void created(struct p9_client *c, uint32_t num, const struct p9_str *name, uint32_t mode)
{
    struct p9_fid *fid = track_find(c, num);

    if (fid != NULL)
        set_path(fid, track_join(fid->path, name, 1));
    opened(c, num, mode);
}

/* An extended attribute, or an authentication, cannot be made again. */
static void without_path(struct p9_client *c, uint32_t num)
{
    struct p9_fid *fid = track_find(c, num);

    if (fid == NULL)
        return;
    known(fid);
    set_path(fid, NULL);
}

char *track_path_in(struct p9_client *c, uint32_t dir, const struct p9_str *name)
{
    const struct p9_fid *fid = track_find(c, dir);

    return fid != NULL ? track_join(fid->path, name, 1) : NULL;
}

char *track_path(struct p9_client *c, uint32_t num)
{
    const struct p9_fid *fid = track_find(c, num);

    return fid != NULL && fid->path != NULL ? strdup(fid->path) : NULL;
}

/* The path after a Twstat that changes the name, in the same directory; NULL if it does not. */
static char *restated_path(struct p9_client *c, const struct p9_blob *b, const char *from)
{
    struct p9_stat st;
    char *dir = from != NULL ? strdup(from) : NULL, *to = NULL;
    char *slash = dir != NULL ? strrchr(dir, '/') : NULL;

    if (dir != NULL && p9_convM2D(b->p, b->n, p9_session_dialect(c->session), &st) != 0 && st.name.len > 0) {
        *(slash != NULL ? slash : dir) = 0;
        to = track_join(dir, &st.name, 1);
    }
    free(dir);
    return to;
}

bool track_renames(struct p9_client *c, const struct p9_fcall *tx, char **from, char **to)
{
    switch (tx->type) {
    case P9_Trenameat:
        *from = track_path_in(c, tx->Trenameat.olddirfid, &tx->Trenameat.oldname);
        *to = track_path_in(c, tx->Trenameat.newdirfid, &tx->Trenameat.newname);
        return true;
    case P9_Trename:
        *from = track_path(c, tx->Trename.fid);
        *to = track_path_in(c, tx->Trename.dfid, &tx->Trename.name);
        return true;
    case P9_Twstat:
        *from = track_path(c, tx->Twstat.fid);
        *to = restated_path(c, &tx->Twstat.stat, *from);
        return true;
    }
    return false;
}

/* All fids of the file's path have another one now. */
static void linked(struct p9_client *c, const struct p9_fcall *tx)
{
    struct fids *f = c->fids;
    char *path = track_path(c, tx->Tlink.fid), *link = track_path_in(c, tx->Tlink.dfid, &tx->Tlink.name);
    uint64_t hash = path != NULL ? hash_of(path) : 0;

    for (unsigned i = 0; path != NULL && link != NULL && i < f->top; i++) {
        struct p9_fid *fid = f->hashes[i] == hash ? f->by_number[i] : NULL;
        if (fid == NULL || fid->path == NULL || strcmp(fid->path, path) != 0)
            continue;
        free(fid->linked);
        fid->linked = strdup(link);
    }
    free(path);
    free(link);
}

static bool is_tracked(uint8_t type)
{
    switch (type) {
    case P9_Tauth:
    case P9_Tattach:
    case P9_Tclunk:
    case P9_Tremove:
    case P9_Twalk:
    case P9_Tlopen:
    case P9_Topen:
    case P9_Tlcreate:
    case P9_Tcreate:
    case P9_Txattrwalk:
    case P9_Txattrcreate:
    case P9_Trename:
    case P9_Trenameat:
    case P9_Twstat:
    case P9_Tlink:
        return true;
    }
    return false;
}

static void note(struct p9_client *c, const struct p9_fcall *tx, const struct p9_fcall *rx)
{
    char *from = NULL, *to = NULL;

    if (track_renames(c, tx, &from, &to))
        moved(c, from, to);
    switch (tx->type) {
    case P9_Tauth:
        without_path(c, tx->Tauth.afid);
        break;
    case P9_Tattach:
        attached(c, tx->Tattach.fid);
        break;
    case P9_Tclunk:
        ended(c, tx->Tclunk.fid);
        break;
    case P9_Tremove:
        ended(c, tx->Tremove.fid);
        break;
    case P9_Twalk:
        walked(c, tx, rx);
        break;
    case P9_Tlopen:
        opened(c, tx->Tlopen.fid, tx->Tlopen.flags & ~(uint32_t)P9_L_TRUNC);
        break;
    case P9_Topen:
        opened(c, tx->Topen.fid, tx->Topen.mode & ~(uint32_t)P9_OTRUNC);
        break;
    case P9_Tlcreate:
        created(c, tx->Tlcreate.fid, &tx->Tlcreate.name,
                tx->Tlcreate.flags & ~(uint32_t)(P9_L_TRUNC | P9_L_CREAT | P9_L_EXCL));
        break;
    case P9_Tcreate:
        created(c, tx->Tcreate.fid, &tx->Tcreate.name, tx->Tcreate.mode & ~(uint32_t)P9_OTRUNC);
        break;
    case P9_Txattrwalk:
        without_path(c, tx->Txattrwalk.newfid);
        break;
    case P9_Txattrcreate:
        without_path(c, tx->Txattrcreate.fid);
        break;
    case P9_Tlink:
        linked(c, tx);
        break;
    }
}

void track_note(struct p9_client *c, const struct p9_fcall *tx, const struct p9_fcall *rx)
{
    pthread_mutex_lock(&c->fids->mtx);
    note(c, tx, rx);
    pthread_mutex_unlock(&c->fids->mtx);
}

void track_reply(void *client, uint8_t type, const uint8_t *tx, size_t n, const struct p9_fcall *rx)
{
    struct p9_client *c = client;
    struct p9_fcall asked;

    /* Before the session is started there is no fid. */
    if (is_tracked(type) && c->session != NULL && p9_convM2S(tx, n, p9_session_dialect(c->session), &asked) != 0)
        track_note(c, &asked, rx);
}

void track_undo_open(struct p9_client *c, uint32_t num, char *path)
{
    pthread_mutex_lock(&c->fids->mtx);
    struct p9_fid *fid = track_find(c, num);
    if (fid != NULL) {
        set_path(fid, path);
        fid->opened = false;
    } else {
        free(path);
    }
    pthread_mutex_unlock(&c->fids->mtx);
}

void track_free(struct p9_fid *fid)
{
    free(fid->path);
    free(fid->linked);
}

void track_restore(struct p9_fid *fid, char *path)
{
    fid->known = true;
    set_path(fid, path);
}

uint64_t track_hash(const char *path)
{
    return hash_of(path);
}
