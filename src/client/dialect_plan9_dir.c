/*
 * dialect_plan9_dir.c: 9P2000 and 9P2000.u: reading directories.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "client/dialect_plan9.h"

static int read_dir(struct p9_scope *sc, struct p9_fid *fid, uint8_t *buf, uint32_t n, uint32_t *got)
{
    struct p9_req req = {.into = buf, .into_size = n, .part_ok = true};
    struct p9_fcall tx = {.type = P9_Tread,
                          .Tread = {.fid = fid->num, .offset = fid->dir_next, .count = p9_readdir_count(fid, n)}};
    int rc = p9_rpc(sc, fid->client, &req, &tx);

    *got = 0;
    if (rc == 0)
        rc = p9_whole_entries(fid->client, &req, got);
    fid->dir_next += *got;
    return rc;
}

/* The size of the entries of buf[n] that begin before `skip`. */
static uint32_t entries_before(const uint8_t *buf, uint32_t n, uint64_t skip)
{
    uint32_t at = 0;

    while (at < skip && n - at >= 2 && at + 2u + p9_get16(buf + at) <= n)
        at += 2u + p9_get16(buf + at);
    return at < skip ? n : at;
}

/* A server continues reading a directory, or starts again. Any other offset is reached by reading
 * up to it. */
int plan9_readdir(struct p9_scope *sc, struct p9_fid *fid, uint64_t offset, uint8_t *buf, uint32_t n, uint32_t *got)
{
    unsigned made = atomic_load(&fid->generation);

    if (offset == 0 || offset != fid->dir_next)
        fid->dir_next = 0;
    for (;;) {
        uint64_t start = fid->dir_next;
        int rc = read_dir(sc, fid, buf, n, got);
        if (rc == -ESTALE && start > 0 && made != p9_client_generation(fid->client)) {
            made = p9_client_generation(fid->client); /* made again: it is at the start */
            fid->dir_next = 0;
            continue;
        }
        if (rc != 0 || *got == 0 || start >= offset)
            return rc;
        if (fid->dir_next <= offset)
            continue;
        uint32_t before = entries_before(buf, *got, offset - start);
        *got -= before;
        memmove(buf, buf + before, *got);
        if (*got > 0)
            return 0;
    }
}

size_t plan9_next_dirent(struct p9_client *c, const uint8_t *buf, size_t n, uint64_t at, struct p9_dirent *de,
                         struct p9_attr *attr)
{
    struct p9_stat st;
    size_t used = p9_convM2D(buf, n, p9_session_dialect(c->session), &st);

    if (used == 0)
        return 0;
    plan9_attr_of(c, &st, attr);
    *de = (struct p9_dirent){.qid = st.qid, .offset = at + used, .type = (uint8_t)IFTODT(attr->mode), .name = st.name};
    return used;
}
