/*
 * fuzz_entries.c: unpacks directory entries, or stats, until one is malformed; what is unpacked
 * packs to the same bytes, and a client's entries have names that a directory can have, or none.
 *
 * Input: the dialect, the room for the text, entries.
 */
#include <string.h>

#include "9p/client.h"
#include "fuzz/input.h"
#include "fuzz/peer.h"

static const enum p9_dialect dialects[] = {P9_2000L, P9_2000U, P9_2000};

static void request(struct transport *t, const uint8_t *msg, size_t n, void *arg)
{
    (void)msg, (void)n;
    peer_version(t, *(const enum p9_dialect *)arg, 8192);
}

/* A client of each dialect lives as long as the process: entries are all that changes. */
static struct p9_client *client_of(unsigned i)
{
    static struct p9_client *clients[3];
    struct p9_client_options o = {.session = {.msize = 8192, .dialect = dialects[i], .max_tags = 16}, .max_fids = 64};
    struct p9_why why;
    int err;

    if (clients[i] == NULL)
        clients[i] = p9_client_start(peer_new(request, (void *)&dialects[i]), &o, &err, &why);
    CHECK(clients[i] != NULL);
    return clients[i];
}

static size_t entry(const uint8_t *buf, size_t n)
{
    struct p9_dirent de;
    size_t size = p9_dirent_unpack(buf, n, &de);
    uint8_t *packed = malloc(size);

    CHECK(size <= n);
    if (size > 0) {
        CHECK(p9_dirent_unpack(buf, size - 1, &de) == 0);
        CHECK(p9_dirent_unpack(buf, size, &de) == size);
        CHECK(p9_dirent_pack(&de, packed, size - 1) == 0);
        CHECK(p9_dirent_pack(&de, packed, size) == size && memcmp(packed, buf, size) == 0);
    }
    free(packed);
    return size;
}

static size_t stat_of(const uint8_t *buf, size_t n, enum p9_dialect d, size_t room)
{
    struct p9_stat st;
    size_t size = p9_convM2D(buf, n, d, &st);
    uint8_t *packed = malloc(size);
    char *text = malloc(room);

    CHECK(size <= n && (p9_statcheck(buf, n, d) == 0) == (size == n && n > 0));
    if (size > 0) {
        CHECK(p9_statcheck(buf, size, d) == 0 && p9_statcheck(buf, size - 1, d) != 0);
        CHECK(p9_sizeD2M(&st, d) == size && p9_convD2M(&st, d, packed, size - 1) == 0);
        CHECK(p9_convD2M(&st, d, packed, size) == size && memcmp(packed, buf, size) == 0);
        CHECK(room == 0 || (p9_dirfmt(text, room, &st, d) < room && memchr(text, 0, room) != NULL));
    }
    free(packed);
    free(text);
    return size;
}

static void check_name(const struct p9_dirent *de)
{
    CHECK(de->name.len <= P9_MAXNAME);
    for (size_t i = 0; i < de->name.len; i++)
        CHECK(de->name.s[i] != 0 && de->name.s[i] != '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct input in = {data, n};
    unsigned i = take_byte(&in) % 3;
    size_t room = take_byte(&in), at = 0, used;
    struct p9_client *c = client_of(i);
    uint8_t *buf = malloc(in.left);
    struct p9_dirent de;
    struct p9_attr attr;

    if (in.left > 0)
        memcpy(buf, in.p, in.left);
    do {
        used = i == 0 ? entry(buf + at, in.left - at) : stat_of(buf + at, in.left - at, dialects[i], room);
        CHECK(p9_next_dirent(c, buf + at, in.left - at, at, &de, &attr) == used);
        if (used > 0)
            check_name(&de);
        at += used;
    } while (used > 0);
    free(buf);
    return 0;
}
