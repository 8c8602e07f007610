/*
 * test_codec.c: every message of every dialect against its bytes; malformed messages.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/table.h"
#include "unit/test.h"

#include "unit/wire/golden.h"

enum { N = sizeof golden / sizeof *golden, MAX = 4096 };

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t n = strlen(hex) / 2;

    for (size_t i = 0; i < n; i++)
        sscanf(hex + 2 * i, "%2hhx", &out[i]);
    return n;
}

static void golden_has_every_type_of_each_dialect(void **state)
{
    static const enum p9_dialect dialects[] = {P9_2000, P9_2000U, P9_2000L};

    (void)state;
    for (unsigned type = 0; type < 256; type++)
        for (size_t d = 0; d < 3; d++) {
            bool found = false;
            for (size_t i = 0; i < N; i++)
                found = found || (golden[i].fcall.type == type && golden[i].dialect == dialects[d]);
            assert_int_equal(found, p9_message(type)->name != NULL && (p9_message(type)->dialects & dialects[d]));
        }
}

static void packs_to_golden_bytes(void **state)
{
    uint8_t want[MAX], got[MAX];

    (void)state;
    for (size_t i = 0; i < N; i++) {
        size_t n = from_hex(golden[i].hex, want);
        assert_int_equal(p9_sizeS2M(&golden[i].fcall, golden[i].dialect), n);
        assert_int_equal(p9_convS2M(&golden[i].fcall, golden[i].dialect, got, sizeof got), n);
        assert_memory_equal(got, want, n);
        assert_int_equal(p9_convS2M(&golden[i].fcall, golden[i].dialect, got, n - 1), 0);
    }
}

static void head_omits_only_the_payload(void **state)
{
    uint8_t want[MAX], got[MAX];

    (void)state;
    for (size_t i = 0; i < N; i++) {
        size_t n = from_hex(golden[i].hex, want), payload = p9_has_payload(golden[i].fcall.type) ? 5 : 0;
        assert_int_equal(p9_headS2M(&golden[i].fcall, golden[i].dialect, got, sizeof got), n - payload);
        assert_memory_equal(got, want, n - payload);
    }
}

/* As text, the head and the message whose payload is hidden are the same. */
static void a_head_is_the_message_without_its_payload(void **state)
{
    uint8_t bytes[MAX];
    char of_head[512], of_whole[512];
    struct p9_fcall f;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        enum p9_dialect d = golden[i].dialect;
        size_t n = from_hex(golden[i].hex, bytes), payload = p9_has_payload(golden[i].fcall.type) ? 5 : 0;
        memset(&f, 0xa5, sizeof f);
        assert_int_equal(p9_headM2S(bytes, n - payload, d, &f), n);
        p9_fcallfmt(of_head, sizeof of_head, &f, d);
        assert_int_equal(p9_convM2S(bytes, n, d, &f), n);
        p9_hide_payload(&f);
        p9_fcallfmt(of_whole, sizeof of_whole, &f, d);
        assert_string_equal(of_head, of_whole);
        assert_int_equal(p9_headM2S(bytes, n - payload - 1, d, &f), 0);
    }
}

static void unpacks_and_packs_again(void **state)
{
    uint8_t bytes[MAX], again[MAX];
    struct p9_fcall f;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        size_t n = from_hex(golden[i].hex, bytes);
        memset(&f, 0xa5, sizeof f);
        assert_int_equal(p9_convM2S(bytes, n, golden[i].dialect, &f), n);
        assert_int_equal(p9_convS2M(&f, golden[i].dialect, again, sizeof again), n);
        assert_memory_equal(again, bytes, n);
    }
}

static void prints_golden_text(void **state)
{
    char text[2048], small[16];

    (void)state;
    for (size_t i = 0; i < N; i++) {
        size_t n = p9_fcallfmt(text, sizeof text, &golden[i].fcall, golden[i].dialect);
        assert_string_equal(text, golden[i].text);
        assert_int_equal(n, strlen(text));
        p9_fcallfmt(small, sizeof small, &golden[i].fcall, golden[i].dialect);
        assert_int_equal(strlen(small), n < 15 ? n : 15);
    }
}

/* In memory of exactly n bytes, so that a sanitizer detects any access beyond. */
static size_t unpack_in(const uint8_t *bytes, size_t n, enum p9_dialect d)
{
    struct p9_fcall f;
    uint8_t *p = malloc(n > 0 ? n : 1);

    memcpy(p, bytes, n);
    size_t r = p9_convM2S(p, n, d, &f);
    free(p);
    return r;
}

static void refuses_every_truncation(void **state)
{
    uint8_t bytes[MAX];

    (void)state;
    for (size_t i = 0; i < N; i++) {
        size_t n = from_hex(golden[i].hex, bytes);
        for (size_t cut = 0; cut < n; cut++)
            assert_int_equal(unpack_in(bytes, cut, golden[i].dialect), 0);
        for (size_t cut = 7; cut < n; cut++) { /* and with a matching size */
            uint8_t short_one[MAX];
            memcpy(short_one, bytes, n);
            short_one[0] = (uint8_t)cut;
            short_one[1] = (uint8_t)(cut >> 8);
            if (cut == 11 && golden[i].fcall.type == P9_Rerror)
                continue;
            assert_int_equal(unpack_in(short_one, cut, golden[i].dialect), 0);
        }
    }
}

static void refuses_trailing_bytes(void **state)
{
    uint8_t bytes[MAX];

    (void)state;
    for (size_t i = 0; i < N; i++) {
        size_t n = from_hex(golden[i].hex, bytes);
        bytes[n] = 0;
        bytes[0]++;
        if (bytes[0] == 0)
            bytes[1]++;
        assert_int_equal(unpack_in(bytes, n + 1, golden[i].dialect), 0);
    }
}

/* Any two bytes of a message changed to a wrong length: refused or accepted, with no access
 * beyond. */
static void survives_wrong_lengths(void **state)
{
    static const uint8_t wrong[][2] = {{0xff, 0xff}, {0, 0}, {0xff, 0x7f}, {0, 0x80}, {1, 0}};
    uint8_t bytes[MAX];
    char text[512];

    (void)state;
    for (size_t i = 0; i < N; i++) {
        size_t n = from_hex(golden[i].hex, bytes);
        for (size_t at = 4; at + 2 <= n; at++)
            for (size_t l = 0; l < sizeof wrong / sizeof *wrong; l++) {
                struct p9_fcall f;
                uint8_t *p = malloc(n);
                memcpy(p, bytes, n);
                memcpy(p + at, wrong[l], 2);
                size_t r = p9_convM2S(p, n, golden[i].dialect, &f);
                assert_true(r == 0 || r == n);
                if (r == n)
                    p9_fcallfmt(text, sizeof text, &f, golden[i].dialect);
                free(p);
            }
    }
}

static void refuses_a_count_of_4_gigabytes(void **state)
{
    static const uint8_t rread[] = {11, 0, 0, 0, P9_Rread, 1, 0, 0xff, 0xff, 0xff, 0xff};

    (void)state;
    assert_int_equal(unpack_in(rread, sizeof rread, P9_2000L), 0);
}

static void refuses_nul_in_a_string(void **state)
{
    static const uint8_t walk[] = {20, 0, 0, 0, P9_Twalk, 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0, 0};
    struct p9_fcall f = {.type = P9_Tversion, .Tversion.version = {"a\0b", 3}};
    uint8_t buf[64];

    (void)state;
    assert_int_equal(unpack_in(walk, sizeof walk, P9_2000L), 0);
    assert_int_equal(p9_convS2M(&f, P9_2000L, buf, sizeof buf), 0);
}

static void refuses_more_than_16_names(void **state)
{
    uint8_t walk[17 + 17 * 2] = {17 + 17 * 2, 0, 0, 0, P9_Twalk, 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 17, 0};
    struct p9_fcall f = {.type = P9_Twalk, .Twalk.nwname.n = 17};

    (void)state;
    assert_int_equal(unpack_in(walk, sizeof walk, P9_2000), 0);
    assert_int_equal(p9_sizeS2M(&f, P9_2000), 0);
}

static void a_message_of_another_dialect_is_refused(void **state)
{
    uint8_t buf[64];
    struct p9_fcall f = {.type = P9_Tlopen}, g = {.type = P9_Topen}, h = {.type = 250};

    (void)state;
    assert_int_equal(p9_convS2M(&f, P9_2000U, buf, sizeof buf), 0);
    assert_int_equal(p9_convS2M(&g, P9_2000L, buf, sizeof buf), 0);
    assert_int_equal(p9_convS2M(&h, P9_2000L, buf, sizeof buf), 0);
    assert_null(p9_type_name(250));
}

static void an_error_number_under_rerrors_type_is_rlerror(void **state)
{
    static const uint8_t bytes[] = {11, 0, 0, 0, P9_Rerror, 1, 0, 2, 0, 0, 0};
    struct p9_fcall f;

    (void)state;
    assert_int_equal(p9_convM2S(bytes, sizeof bytes, P9_2000L, &f), sizeof bytes);
    assert_int_equal(f.type, P9_Rlerror);
    assert_int_equal(f.Rlerror.ecode, 2);
    assert_int_equal(p9_convM2S(bytes, sizeof bytes, P9_2000, &f), 0);
}

static void stat_round_trip(void **state)
{
    uint8_t buf[256];
    struct p9_stat st;
    char text[256];

    (void)state;
    assert_int_equal(p9_convM2D((const uint8_t *)statT, sizeof statT - 1, P9_2000U, &st), sizeof statT - 1);
    assert_int_equal(st.n_gid, 9);
    assert_true(p9_str_eq(st.extension, "ext"));
    assert_int_equal(p9_sizeD2M(&st, P9_2000U), sizeof statT - 1);
    assert_int_equal(p9_convD2M(&st, P9_2000U, buf, sizeof buf), sizeof statT - 1);
    assert_memory_equal(buf, statT, sizeof statT - 1);
    assert_int_equal(p9_convD2M(&st, P9_2000U, buf, sizeof statT - 2), 0);
    assert_int_equal(p9_convD2M(&st, P9_2000, buf, sizeof buf), sizeof statt - 1);
    assert_memory_equal(buf, statt, sizeof statt - 1);
    p9_dirfmt(text, sizeof text, &st, P9_2000);
    assert_string_equal(text, "'n' 'u' 'g' 'm' q (0000000000000004 3 d) m drwxr-xr-x at 5 mt 6 l 7 t 1 d 2");
}

static void statcheck_accepts_one_whole_stat(void **state)
{
    uint8_t two[2 * sizeof statt];
    const size_t n = sizeof statt - 1;

    (void)state;
    memcpy(two, statt, n);
    memcpy(two + n, statt, n);
    assert_int_equal(p9_statcheck(two, n, P9_2000), 0);
    assert_int_equal(p9_statcheck(two, n - 1, P9_2000), -1);
    assert_int_equal(p9_statcheck(two, n + 1, P9_2000), -1);
    assert_int_equal(p9_statcheck(two, 2 * n, P9_2000), -1);
    assert_int_equal(p9_statcheck(two, 0, P9_2000), -1);
    assert_int_equal(p9_statcheck((const uint8_t *)statT, sizeof statT - 1, P9_2000), -1);
}

static void modes_as_text(void **state)
{
    char text[32];

    (void)state;
    p9_dirmodefmt(text, sizeof text, P9_DMDIR | 0755);
    assert_string_equal(text, "drwxr-xr-x");
    p9_dirmodefmt(text, sizeof text, 0640);
    assert_string_equal(text, "-rw-r-----");
    p9_dirmodefmt(text, sizeof text, P9_DMAPPEND | P9_DMEXCL | 0600);
    assert_string_equal(text, "alrw-------");
}

static void dirent_round_trip(void **state)
{
    static const uint8_t bytes[] = {0x80, 1, 0, 0, 0, 2, 0, 0,    0, 0, 0, 0,   0, /* qid */
                                    3,    0, 0, 0, 0, 0, 0, 0x40, 4, 2, 0, 'o', 'k'};
    struct p9_dirent de;
    uint8_t buf[64];

    (void)state;
    assert_int_equal(p9_dirent_unpack(bytes, sizeof bytes, &de), sizeof bytes);
    assert_true(de.offset == 0x4000000000000003ull);
    assert_int_equal(de.qid.path, 2);
    assert_int_equal(de.type, 4);
    assert_true(p9_str_eq(de.name, "ok"));
    assert_int_equal(p9_dirent_pack(&de, buf, sizeof buf), sizeof bytes);
    assert_memory_equal(buf, bytes, sizeof bytes);
    assert_int_equal(p9_dirent_pack(&de, buf, sizeof bytes - 1), 0);
    for (size_t n = 0; n < sizeof bytes; n++)
        assert_int_equal(p9_dirent_unpack(bytes, n, &de), 0);
}

static void reads_messages_from_a_descriptor(void **state)
{
    static const uint8_t clunk[] = {11, 0, 0, 0, P9_Tclunk, 1, 0, 1, 0, 0, 0};
    uint8_t buf[16];
    int p[2];

    (void)state;
    assert_int_equal(pipe(p), 0);
    assert_int_equal(write(p[1], clunk, sizeof clunk), sizeof clunk);
    assert_int_equal(p9_read9pmsg(p[0], buf, sizeof buf), sizeof clunk);
    assert_memory_equal(buf, clunk, sizeof clunk);
    assert_int_equal(write(p[1], clunk, sizeof clunk), sizeof clunk);
    assert_int_equal(p9_read9pmsg(p[0], buf, 10), -EPROTO);
    assert_int_equal(read(p[0], buf, 7), 7);
    assert_int_equal(write(p[1], "\3\0\0\0", 4), 4);
    assert_int_equal(p9_read9pmsg(p[0], buf, sizeof buf), -EPROTO);
    assert_int_equal(write(p[1], clunk, 8), 8);
    close(p[1]);
    assert_int_equal(p9_read9pmsg(p[0], buf, sizeof buf), -EIO);
    assert_int_equal(p9_read9pmsg(p[0], buf, sizeof buf), 0);
    close(p[0]);
}

/* Random bytes after a valid size: an accepted message packs to the same bytes. */
static void random_bodies(void **state)
{
    static const enum p9_dialect dialects[] = {P9_2000, P9_2000U, P9_2000L};
    uint8_t buf[128], again[128];
    struct p9_fcall f;
    unsigned accepted = 0;

    (void)state;
    srandom(9);
    for (int round = 0; round < 300000; round++) {
        size_t n = 7 + (size_t)random() % 60;
        for (size_t i = 0; i < n; i++)
            buf[i] = random() % 3 ? (uint8_t)(random() % 4) : (uint8_t)random();
        memcpy(buf, (uint8_t[]){(uint8_t)n, 0, 0, 0}, 4);
        buf[4] = (uint8_t)(random() % 128);
        enum p9_dialect d = dialects[random() % 3];
        if (p9_convM2S(buf, n, d, &f) == 0)
            continue;
        accepted++;
        assert_int_equal(p9_convS2M(&f, d, again, sizeof again), n);
        if (buf[4] != f.type)
            again[4] = buf[4]; /* Rlerror under Rerror's type */
        assert_memory_equal(buf, again, n);
    }
    assert_in_range(accepted, 100, UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_has_every_type_of_each_dialect),
        cmocka_unit_test(packs_to_golden_bytes),
        cmocka_unit_test(head_omits_only_the_payload),
        cmocka_unit_test(a_head_is_the_message_without_its_payload),
        cmocka_unit_test(unpacks_and_packs_again),
        cmocka_unit_test(prints_golden_text),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(refuses_trailing_bytes),
        cmocka_unit_test(survives_wrong_lengths),
        cmocka_unit_test(refuses_a_count_of_4_gigabytes),
        cmocka_unit_test(refuses_nul_in_a_string),
        cmocka_unit_test(refuses_more_than_16_names),
        cmocka_unit_test(a_message_of_another_dialect_is_refused),
        cmocka_unit_test(an_error_number_under_rerrors_type_is_rlerror),
        cmocka_unit_test(stat_round_trip),
        cmocka_unit_test(statcheck_accepts_one_whole_stat),
        cmocka_unit_test(modes_as_text),
        cmocka_unit_test(dirent_round_trip),
        cmocka_unit_test(reads_messages_from_a_descriptor),
        cmocka_unit_test(random_bodies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
