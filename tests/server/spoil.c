/*
 * spoil.c: what the rules (rules.c) do to replies, and to the bytes that are sent.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/server.h"

/* ---- contents ----------------------------------------------------------- */

static void fill_unfit(struct conn *c, struct p9_fcall *r)
{
    uint32_t n = 0, room = r->Rreaddir.count.n > 4096 ? 4096 : r->Rreaddir.count.n;
    static uint64_t cookie = 1;
    size_t used;

    do {
        struct p9_dirent de = {.qid = {.path = 7}, .offset = ++cookie, .name = p9_str("a/b")};
        used = p9_dirent_pack(&de, c->data + n, (room > 0 ? room : 4096) - n);
        n += (uint32_t)used;
    } while (used > 0);
    r->Rreaddir.count = (struct p9_blob){n, c->data};
}

/* Puts an entry before those of the reply, which go if they do not fit any more. No name with a
 * zero byte can be packed: the name's bytes come afterwards. */
static void add_entry(struct conn *c, struct p9_blob *data, struct sfid *stats)
{
    enum { NAME_IN_STAT = 43 };
    static uint8_t entry[70000];
    static char filler[UINT16_MAX];
    bool given = c->fault_text != NULL;
    struct p9_str name = {.len = (uint16_t)(given ? c->fault_text_len : c->fault_n), .s = filler};
    struct p9_dirent de = {.qid = {.path = 7}, .offset = 1, .type = 8, .name = name};
    struct p9_stat st = {.qid = {.path = 7}, .mode = 0644, .name = name};

    memset(filler, 'x', sizeof filler);
    size_t n = stats ? p9_convD2M(&st, c->dialect, entry, sizeof entry) : p9_dirent_pack(&de, entry, sizeof entry);
    if (given)
        memcpy(entry + (stats ? NAME_IN_STAT : n - name.len), c->fault_text, name.len);
    if (stats)
        stats->dir_offset += n;
    if (data->n + n > c->msize - P9_RREAD_HDRSZ)
        data->n = 0;
    memmove(c->data + n, data->p, data->n);
    memcpy(c->data, entry, n);
    *data = (struct p9_blob){data->n + (uint32_t)n, c->data};
}

/* The cookies go on from the one that was asked for. */
static void fill_endless(struct conn *c, uint64_t cookie, struct p9_fcall *r)
{
    uint32_t n = 0;
    size_t used;
    char name[32];

    do {
        snprintf(name, sizeof name, "entry-%llu", (unsigned long long)++cookie);
        struct p9_dirent de = {.qid = {.path = cookie + 100}, .offset = cookie, .type = 8, .name = p9_str(name)};
        used = p9_dirent_pack(&de, c->data + n, 8192 - n);
        n += (uint32_t)used;
    } while (used > 0);
    r->Rreaddir.count = (struct p9_blob){n, c->data};
}

void rule_change(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r)
{
    uint32_t *iounit = r->type == P9_Ropen      ? &r->Ropen.iounit
                       : r->type == P9_Rlopen   ? &r->Rlopen.iounit
                       : r->type == P9_Rcreate  ? &r->Rcreate.iounit
                       : r->type == P9_Rlcreate ? &r->Rlcreate.iounit
                                                : NULL;
    struct p9_blob *data = r->type == P9_Rread ? &r->Rread.count : r->type == P9_Rreaddir ? &r->Rreaddir.count : NULL;

    if (c->fault == FAULT_IOUNIT && iounit != NULL)
        *iounit = c->fault_n;
    else if (c->fault == FAULT_SHORT && data != NULL && data->n > c->fault_n)
        data->n = c->fault_n;
    else if (c->fault == FAULT_SHORT && r->type == P9_Rwrite && r->Rwrite.count > c->fault_n)
        r->Rwrite.count = c->fault_n;
    else if (c->fault == FAULT_MORE && r->type == P9_Rwrite)
        r->Rwrite.count += c->fault_n;
    else if (c->fault == FAULT_QIDS && r->type == P9_Rwalk)
        r->Rwalk.nwqid.n = (uint16_t)(c->fault_n < P9_MAXWELEM ? c->fault_n : P9_MAXWELEM);
    else if (c->fault == FAULT_UNFIT && r->type == P9_Rreaddir)
        fill_unfit(c, r);
    else if (c->fault == FAULT_ENDLESS && r->type == P9_Rreaddir)
        fill_endless(c, t->Treaddir.offset, r);
    else if (c->fault == FAULT_ENTRY && data != NULL && rule_offset(t) == 0)
        add_entry(c, data, r->type == P9_Rread ? fid_find(c, t->Tread.fid) : NULL);
    else if (c->fault == FAULT_MORE && data != NULL) {
        uint32_t n = (t->type == P9_Tread ? t->Tread.count : t->Treaddir.count) + c->fault_n;
        if (n > c->msize - P9_RREAD_HDRSZ)
            n = c->msize - P9_RREAD_HDRSZ;
        memset(c->data + data->n, 0, n - data->n);
        *data = (struct p9_blob){n, c->data};
    }
}

/* ---- bytes -------------------------------------------------------------- */

static void put_size(uint8_t *p, size_t n)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(n >> 8 * i);
}

static size_t spoil(struct conn *c, size_t n)
{
    if (c->fault == FAULT_MALFORM && n > P9_HDRSZ)
        put_size(c->out, n -= 1);
    else if (c->fault == FAULT_TYPE)
        c->out[4] = (uint8_t)c->fault_n;
    else if (c->fault == FAULT_PATCH && c->fault_n + c->fault_text_len <= n)
        memcpy(c->out + c->fault_n, c->fault_text, c->fault_text_len);
    return n;
}

static void send_bytes(struct conn *c, const uint8_t *p, size_t n)
{
    size_t step = c->fault == FAULT_DRIP ? 1 : n;
    bool ends = c->fault == FAULT_END && c->sent + n >= c->fault_n;

    if (c->mute)
        return;
    if (ends)
        n = c->sent < c->fault_n ? c->fault_n - c->sent : 0;
    c->sent += n;
    for (size_t at = 0; at < n;) {
        ssize_t w = write(c->sock, p + at, n - at < step ? n - at : step);
        if (w <= 0)
            return;
        at += (size_t)w;
    }
    if (ends)
        shutdown(c->sock, SHUT_RDWR);
}

static void hold(struct conn *c, size_t n)
{
    struct held *h = malloc(sizeof *h + n);

    h->n = n;
    memcpy(h->bytes, c->out, n);
    h->next = c->held;
    c->held = h;
}

void spoil_release(struct conn *c)
{
    struct pollfd p = {.fd = c->sock, .events = POLLIN};

    if (c->held == NULL || poll(&p, 1, 0) != 0)
        return;
    for (struct held *h; (h = c->held) != NULL;) {
        c->held = h->next;
        send_bytes(c, h->bytes, h->n);
        free(h);
    }
}

void spoil_send(struct conn *c, size_t n)
{
    uint8_t tag[2] = {c->out[5], c->out[6]};

    n = spoil(c, n);
    if (c->fault == FAULT_STRAY) {
        c->out[5] = (uint8_t)c->fault_n;
        c->out[6] = (uint8_t)(c->fault_n >> 8);
        send_bytes(c, c->out, n);
        memcpy(c->out + 5, tag, 2);
    }
    if (c->fault == FAULT_REVERSE) {
        hold(c, n);
        return;
    }
    bool cut = c->fault == FAULT_CUT && n > c->fault_n, stop = c->fault == FAULT_STOP;
    send_bytes(c, c->out, cut || (stop && n > c->fault_n) ? c->fault_n : n);
    if (c->fault == FAULT_TWICE)
        send_bytes(c, c->out, n);
    if (stop)
        c->mute = true;
    if (c->fault == FAULT_CUT)
        shutdown(c->sock, SHUT_RDWR);
}
