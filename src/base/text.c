/*
 * text.c: UTF-8, and the escaping of what is not.
 */
#include "base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The length that the first byte of a UTF-8 sequence announces, or 0; its bits of the code point,
 * and the smallest code point that needs this length. */
static size_t length_of(uint8_t first, uint32_t *bits, uint32_t *least)
{
    static const struct {
        uint8_t mask, mark;
        uint32_t least;
    } kinds[] = {{0x80, 0, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if ((first & kinds[i].mask) == kinds[i].mark) {
            *bits = first & (uint8_t)~kinds[i].mask;
            *least = kinds[i].least;
            return i + 1;
        }
    return 0;
}

size_t text_visible(const char *s, size_t n)
{
    uint32_t c, least;
    size_t len = n > 0 ? length_of((uint8_t)s[0], &c, &least) : 0;

    if (len == 0 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if (((uint8_t)s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | ((uint8_t)s[i] & 0x3f);
    }
    if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) ? 0 : len;
}

void text_escape(char *buf, size_t size, const char *s)
{
    enum { ESCAPED = sizeof "\\xNN" - 1 };
    size_t left = strlen(s), used = 0;

    while (left > 0) {
        size_t n = text_visible(s, left), width = n > 0 ? n : ESCAPED;
        if (used + width >= size)
            break;
        if (n > 0)
            memcpy(buf + used, s, n);
        else
            snprintf(buf + used, size - used, "\\x%02x", (uint8_t)*s);
        used += width;
        s += n > 0 ? n : 1;
        left -= n > 0 ? n : 1;
    }
    buf[used] = 0;
}
