/*
 * json.h: an object of JSON, written into a buffer.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
    char *buf;
    size_t size, used; /* used < size; used == size - 1: it may not have fitted */
    bool comma;        /* a member is to be separated from the one before */
};

/* An object without a name begins and ends the whole. */
void json_begin(struct json *j, const char *name);
void json_end(struct json *j);
/* Members of the object that was begun last. Names need no escaping. */
void json_number(struct json *j, const char *name, uint64_t value);
/* s: untrusted bytes, which may not be UTF-8; they are cut where they would need more than a
 * kilobyte. NULL is "". */
void json_string(struct json *j, const char *name, const char *s);
/* The same with another bound, in bytes. */
void json_text(struct json *j, const char *name, const char *s, size_t most);

#endif
