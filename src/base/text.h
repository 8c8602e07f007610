/*
 * text.h: what strangers say, fit to be shown: on a terminal, in a log.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>

/* How many of the n bytes at s are one character that can be shown as it is: UTF-8, and no control character (of which some are beyond
 * ASCII). 0: the first is to be shown as \xNN. */
size_t text_visible(const char *s, size_t n);

/* The string with all such bytes shown so, in buf[size], as far as there is room. */
void text_escape(char *buf, size_t size, const char *s);

#endif
