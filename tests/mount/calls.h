/*
 * calls.h: what the files of the program calls share.
 */
#ifndef CALLS_H
#define CALLS_H

#include <stdbool.h>

struct check {
    const char *name;
    void (*run)(void);
};

/* The checks of each file; the last name is NULL. */
extern const struct check data_checks[], errors_checks[], identity_checks[], listing_checks[], rename_checks[],
    unnamed_checks[];

#define CHECK(what) check(what, __FILE__, #what, __LINE__)

/* Prints the condition and exits with 1 unless it holds. */
void check(bool ok, const char *file, const char *what, int line);
/* Creates or replaces a file, and returns it, open to read and write. */
int make(const char *name, const char *content);
/* Whether the file has exactly that content, of at most 255 bytes. */
bool holds(const char *name, const char *content);
/* A path in the exported directory $EXPORT, where changes are those of another client. In a static
 * buffer. */
const char *there(const char *name);
void store_there(const char *name, const char *text);

#endif
