/*
 * calls.h: what the files of system calls share.
 */
#ifndef CALLS_H
#define CALLS_H

#include <stdbool.h>

struct check {
    const char *name;
    void (*run)(void);
};

/* A table for each file, which ends with NULL. */
extern const struct check data_checks[], errors_checks[], identity_checks[], listing_checks[], rename_checks[],
    unnamed_checks[];

#define CHECK(what) check(what, __FILE__, #what, __LINE__)

/* Ends the program where OK is false. */
void check(bool ok, const char *file, const char *what, int line);
/* A file with that content, open to read and write. */
int make(const char *name, const char *content);
bool holds(const char *name, const char *content);

#endif
