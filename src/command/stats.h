/*
 * stats.h: 9pfs --stats: what a mount has counted, as a table or as JSON.
 */
#ifndef STATS_COMMAND_H
#define STATS_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "9p/transport.h"

/* Whether the command line asks for it. */
bool stats_wanted(int argc, char **argv);
/* The exit status. */
int stats_main(int argc, char **argv);

/* ---- stats_ask.c ---- */

/* Asks the mount at that path, as its owner if it lets nobody else in. JSON, for the caller to
 * free; NULL with the reason in *why. */
char *stats_ask(const char *mountpoint, struct p9_why *why);

/* ---- stats_values.c ---- */

enum { STATS_MOST_VALUES = 1024, STATS_NAME = 64 };

/* The members, by names such as "messages.Twalk.sent". */
struct stats_values {
    size_t n;
    struct {
        char name[STATS_NAME];
        const char *text; /* of the string, or of the number */
    } values[STATS_MOST_VALUES];
    char *json; /* that the texts are in */
};
/* Takes json apart: objects, strings and unsigned numbers only, without a character that a terminal
 * would obey. NULL if it is something else, or without memory. The caller frees it by
 * stats_values_free. */
struct stats_values *stats_values_new(const char *json);
void stats_values_free(struct stats_values *v);
/* "" and 0 if there is no such member. */
const char *stats_text(const struct stats_values *v, const char *name);
uint64_t stats_number(const struct stats_values *v, const char *name);

/* ---- stats_table.c ---- */

/* Prints the table, with rates since `before` if that is not NULL. */
void stats_print(FILE *f, const char *mountpoint, const struct stats_values *v, const struct stats_values *before);

#endif
