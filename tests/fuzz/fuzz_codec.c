/*
 * fuzz_codec.c: unpacks a message of a dialect; what is unpacked packs to the same bytes and can be
 * printed.
 *
 * Input: the dialect and a flag, the room for the text, a message.
 */
#include <string.h>

#include "fuzz/input.h"
#include "wire/errors.h"

enum { SIZED = 4 }; /* flag: the message says how long it is, whatever its first bytes were */

static const enum p9_dialect dialects[] = {P9_2000L, P9_2000U, P9_2000};

/* The text of what was unpacked fits into buf[room], and is the beginning of the whole text. */
static void print(const struct p9_fcall *f, enum p9_dialect d, size_t room)
{
    char whole[1 << 14], *part = malloc(room);
    size_t n = p9_fcallfmt(whole, sizeof whole, f, d), cut = p9_fcallfmt(part, room, f, d);

    CHECK(n < sizeof whole && strlen(whole) == n);
    CHECK(room == 0 || (cut < room && strlen(part) == cut && cut <= n));
    CHECK(memcmp(part, whole, cut) == 0);
    free(part);
}

static void pack(const struct p9_fcall *f, enum p9_dialect d, const uint8_t *msg, size_t size)
{
    uint8_t *packed = malloc(size);
    size_t payload = p9_has_payload(f->type) ? f->Rread.count.n : 0;

    if (f->type == P9_Twrite)
        payload = f->Twrite.count.n;
    CHECK(p9_sizeS2M(f, d) == size);
    CHECK(p9_convS2M(f, d, packed, size - 1) == 0);
    CHECK(p9_convS2M(f, d, packed, size) == size);
    packed[4] = msg[4]; /* an Rlerror may have arrived with the number of Rerror */
    CHECK(memcmp(packed, msg, size) == 0);
    memset(packed, 0, size);
    CHECK(p9_headS2M(f, d, packed, size - payload) == size - payload);
    packed[4] = msg[4];
    CHECK(memcmp(packed, msg, size - payload) == 0);
    free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct input in = {data, n};
    uint8_t flags = take_byte(&in);
    enum p9_dialect d = dialects[flags % SIZED % 3];
    size_t room = take_byte(&in);
    uint8_t *msg = malloc(in.left);
    struct p9_fcall f;
    bool vague;

    if (in.left > 0)
        memcpy(msg, in.p, in.left);
    for (unsigned i = 0; (flags & SIZED) && i < 4 && i < in.left; i++)
        msg[i] = (uint8_t)(in.left >> (8 * i));
    size_t size = p9_convM2S(msg, in.left, d, &f);
    CHECK(size <= in.left);
    if (size != 0) {
        CHECK(p9_convM2S(msg, size - 1, d, &f) == 0);
        CHECK(p9_convM2S(msg, size, d, &f) == size);
        pack(&f, d, msg, size);
        print(&f, d, room);
        if (f.type == P9_Rerror || f.type == P9_Rlerror)
            CHECK(p9_error_of(&f, &vague) < 0);
    }
    free(msg);
    return 0;
}
