/*
 * ahead.h: attributes asked for before they are.
 *
 * Who looks at one name of a directory just listed will look at the others: each name that has to be asked for takes
 * more of those not asked for yet along, in two round trips for all of them. What comes holds for the lifetime of
 * attributes, from the time when it was asked for, and only while we change nothing of it.
 *
 * Locks: ahead->mtx guards all of it and is never held over a request. It is taken before the tree's.
 */
#ifndef AHEAD_H
#define AHEAD_H

#include "tree.h"

struct ahead;

/* Attributes hold for so many milliseconds. NULL without memory. */
struct ahead *ahead_new(struct tree *t, unsigned lifetime_ms);
void ahead_free(struct ahead *a); /* before the tree's end */

/* A listing of dir by user begins; one name of it. NULL user: nothing is noted. */
void ahead_begin(struct ahead *a, struct node *dir, struct user *user);
void ahead_name(struct ahead *a, struct node *dir, struct user *user, struct p9_str name);

struct ahead_found {
    struct p9_attr attr;
    struct p9_fid *fid; /* the taker's */
    uint64_t walked;    /* the tree's clock when it was walked */
    unsigned left_ms;   /* how long attr still holds */
};
/* dir/name, if it was listed lately: asks for it and others where it is not there yet. dirfid is the user's fid of dir,
 * walked as the clock says. False: it is to be looked up as any other. */
bool ahead_look(struct ahead *a, struct p9_scope *sc, struct node *dir, struct user *user, struct p9_fid *dirfid,
                uint64_t walked, const char *name, struct ahead_found *found);

/* dir/name is not what it was. */
void ahead_forget(struct ahead *a, struct node *dir, const char *name);

#endif
