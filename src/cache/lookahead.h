/*
 * lookahead.h: attributes asked for before they are.
 *
 * Who looks at one name of a directory just listed will look at the others: each name that has to be asked for takes
 * more of those not asked for yet along, all of them in two round trips, or one. Where the server is far the next are asked for by a
 * thread while some are left. What comes holds for the lifetime of attributes, from the time when it was asked for, and only while
 * we change nothing of it and are told nothing else.
 *
 * A directory that was listed from start to end, or made, by us has no other names for as long, but for those that we make. Only
 * what a server might find under another spelling (upper and lower case, bytes beyond ASCII), or without listing it (.zfs), is asked for.
 *
 * Locks: ahead->mtx guards all of it and is never held over a request. It is taken before the tree's.
 */
#ifndef LOOKAHEAD_H
#define LOOKAHEAD_H

#include "cache/cache.h"

struct lookahead;
struct listing;

/* Attributes hold for so many milliseconds. NULL without memory. */
struct lookahead *lookahead_new(struct cache *t, unsigned lifetime_ms);
void lookahead_free(struct lookahead *a); /* before the tree's end */

/* A listing of dir by user begins, of which the first names were asked for when the tree's count of changes and its clock in milliseconds
 * were these: its number, or 0. One name of it. It ends: these were all. NULL user: nothing is noted. */
uint64_t lookahead_begin(struct lookahead *a, struct inode *dir, struct user *user, uint64_t changes,
                         uint64_t asked_ms);
void lookahead_name(struct lookahead *a, uint64_t listing, struct p9_str name, bool is_dir);
void lookahead_end(struct lookahead *a, uint64_t listing);
/* dir was made, by user, when the clock was that. */
void lookahead_made(struct lookahead *a, struct inode *dir, struct user *user, uint64_t asked_ms);

struct lookahead_found {
    struct p9_attr attr;
    struct p9_fid *fid; /* the taker's */
    bool open;          /* it is, to read: for cache_keep_open */
    uint64_t walked;    /* the tree's clock when it was walked */
    uint64_t asked_ms;  /* when attr was asked for, and */
    unsigned left_ms;   /* how long it still holds */
    int lacks[P9_XATTRS];
    struct listing *below; /* of a directory that was read ahead, or NULL: for lookahead_keep or lookahead_no_use */
};
/* Whether dir, as user knows it, has no such name. */
bool lookahead_absent(struct lookahead *a, struct inode *dir, struct user *user, const char *name);
/* dir/name has to be asked for: if the directory was listed whole once, and such names are asked for again and again, it is listed anew,
 * without waiting. dirfid is the user's fid of dir. */
void lookahead_missed(struct lookahead *a, struct inode *dir, struct user *user, struct p9_fid *dirfid,
                      const char *name);

/* dir/name, if it was listed lately: asks for it and others where it is not there yet. dirfid is the user's fid of dir,
 * walked as the clock says. False: it is to be looked up as any other. */
bool lookahead_look(struct lookahead *a, struct p9_scope *sc, struct inode *dir, struct user *user,
                    struct p9_fid *dirfid, uint64_t walked, const char *name, struct lookahead_found *found);

/* The same, without asking or waiting for anything: what is there already. */
bool lookahead_take(struct lookahead *a, struct inode *dir, struct user *user, struct p9_fid *dirfid, uint64_t walked,
                    const char *name, struct lookahead_found *found);
/* Whether some of dir's names are; whether it is likely that all will be looked at. */
bool lookahead_has_some(struct lookahead *a, const struct inode *dir, const struct user *user);
bool lookahead_expects(struct lookahead *a, const struct inode *dir, const struct user *user);

/* Whether dir is the next of several opened one after the other that were not read ahead, as they were looked up before: then
 * lookahead_read_on reads it and others, of the directory `above` it. */
bool lookahead_lags(struct lookahead *a, struct inode *dir, struct user *user);
void lookahead_read_on(struct lookahead *a, struct p9_scope *sc, struct inode *above, struct user *user,
                       struct p9_fid *abovefid, uint64_t walked, const char *name);
/* dir is opened, to be read: so may be the other directories where it is. Its listing, the caller's, if it was read ahead, is not
 * older than attributes may be, and nothing changed it since: then with the count of changes of then, and the number of the listing
 * that it belongs to. Else NULL. */
struct p9_listing *lookahead_open(struct lookahead *a, struct inode *dir, struct user *user, uint64_t *changes,
                                  uint64_t *number);
/* Files that are likely to be opened after the one that is being opened. */
struct lookahead_files {
    struct p9_fid *fids[P9_OPEN_TOO]; /* for p9_opening */
    size_t n;

    /* ahead's own. */
    struct listing *listing;
    struct lookahead_file *files[P9_OPEN_TOO];
};
/* dir/name is opened by user, to read. If files of it are opened one after the other, what comes next is to be opened too:
 * f->fids[n], with f zero before. */
void lookahead_files_begin(struct lookahead *a, struct inode *dir, struct user *user, const char *name,
                           struct lookahead_files *f);
/* With what p9_open_checked made of them: takes them back, and keeps those that are open for their turn. */
void lookahead_files_end(struct lookahead *a, struct lookahead_files *f);
/* dir/name is about to be removed or replaced: if it was opened ahead it is closed. */
void lookahead_close(struct lookahead *a, struct inode *dir, const char *name);
/* Closes what nobody came for. Milliseconds until that is to be done again; 0: none is open. */
unsigned lookahead_close_old(struct lookahead *a);

void lookahead_no_use(struct lookahead *a, const struct lookahead_found *found);
/* Keeps what lookahead_look gave for that. changes: the count when it was known not to have changed. */
void lookahead_keep(struct lookahead *a, struct inode *dir, struct user *user, const struct lookahead_found *found,
                    uint64_t changes);

/* A number for the name of an extended attribute that programs ask for again and again, and anybody may; -1: it has none. */
int lookahead_xattr(struct lookahead *a, const char *name);
/* What is asked for together with that as a rule: others, by their numbers. */
void lookahead_xattrs_too(const struct lookahead *a, bool of_dir, unsigned number, const char *names[P9_XATTRS]);
/* That was asked of a file in dir: then it will be asked of others there. */
void lookahead_wants(struct lookahead *a, const struct inode *dir, struct user *user, bool of_dir, unsigned xattr);

/* Something was done that may have made names anywhere, as writing to a synthetic file may. */
void lookahead_doubt(struct lookahead *a);
/* dir/name is not what it was. */
void lookahead_forget(struct lookahead *a, struct inode *dir, const char *name);

#endif
