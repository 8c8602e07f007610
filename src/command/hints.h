/*
 * hints.h: what the user may have meant, where a source does not work.
 */
#ifndef HINTS_H
#define HINTS_H

#include "command/options.h"

enum { HINT_MAX = 384 };

/* Writes a sentence in parentheses, with a space before, or nothing. hint_connect: whether it is a
 * mistake for certain. */
bool hint_connect(const struct options *o, int err, char *text, size_t n);
void hint_attach(const struct options *o, char *text, size_t n);
void hint_mountpoint(const char *path, char *text, size_t n);

#endif
