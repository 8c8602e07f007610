/*
 * text.h: untrusted bytes made safe for a terminal or a log.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>

/* The length in bytes of the character at s[n], if it is valid UTF-8 and no control character (C1
 * included). 0: the first byte must be written as \xNN. */
size_t text_visible(const char *s, size_t n);

/* Copies s to buf[size] with all such bytes escaped; what does not fit is cut. Always
 * terminated. */
void text_escape(char *buf, size_t size, const char *s);

#endif
