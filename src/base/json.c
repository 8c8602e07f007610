/*
 * json.c: members of objects, with commas between them; strings escaped.
 */
#include "base/json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

__attribute__((format(printf, 2, 3))) static void print(struct json *j, const char *fmt, ...)
{
    size_t room = j->size - j->used;
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(j->buf + j->used, room, fmt, ap);
    va_end(ap);
    j->used += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
}

static void print_name(struct json *j, const char *name)
{
    if (j->comma)
        print(j, ",");
    if (name != NULL)
        print(j, "\"%s\":", name);
    j->comma = true;
}

void json_begin(struct json *j, const char *name)
{
    print_name(j, name);
    print(j, "{");
    j->comma = false;
}

void json_end(struct json *j)
{
    print(j, "}");
    j->comma = true;
}

void json_number(struct json *j, const char *name, uint64_t value)
{
    print_name(j, name);
    print(j, "%" PRIu64, value);
}

/* Writes the character at s[0] and returns its bytes. A byte that is not of UTF-8 becomes the
 * character with its number. */
static size_t print_character(struct json *j, const char *s, size_t left)
{
    size_t n = text_visible(s, left);

    if (n == 0)
        print(j, "\\u%04x", (unsigned char)*s);
    else
        print(j, "%s%.*s", *s == '"' || *s == '\\' ? "\\" : "", (int)n, s);
    return n > 0 ? n : 1;
}

enum { MOST_STRING = 1024 };

void json_string(struct json *j, const char *name, const char *s)
{
    json_text(j, name, s, MOST_STRING);
}

void json_text(struct json *j, const char *name, const char *s, size_t most)
{
    enum { WIDEST = sizeof "\\u0000" - 1 };

    print_name(j, name);
    print(j, "\"");
    size_t left = s != NULL ? strlen(s) : 0, start = j->used;
    while (left > 0 && j->used - start + WIDEST <= most) {
        size_t n = print_character(j, s, left);
        s += n;
        left -= n;
    }
    print(j, "\"");
}
