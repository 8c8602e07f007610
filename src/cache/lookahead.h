/*
 * lookahead.h: what is fetched before it is asked for.
 *
 * A lookup in a directory that was just listed is likely to be followed by others: each name that
 * has to be asked for takes along those that follow and were not asked for yet, all in two round
 * trips, or one. What arrives is stored in inodes and dentries. Where the server is far a thread
 * asks for the next ones while some are left. Directories and files that are opened in turn are
 * read, or opened, in the same way.
 *
 * A directory that we listed from start to end, or made, has no other names for the lifetime of
 * attributes, but for those that we make. What a server might find under another spelling (case,
 * bytes beyond ASCII), or without listing it (.zfs), is asked for all the same.
 *
 * All of it does nothing where lookahead is off.
 */
#ifndef LOOKAHEAD_H
#define LOOKAHEAD_H

#include "cache/fids.h"

/* ---- listings (listing.c) ------------------------------------------------- */

/* A listing of dir by user begins. Its first names were asked for at clock_ms() `asked_ms`, when
 * cache_version() was `asked`. Its number, or 0. With user NULL nothing is noted. */
uint64_t lookahead_begin(struct cache *c, struct inode *dir, struct user *user, uint64_t asked, uint64_t asked_ms);
/* Entries of it that p9_readdir gave, from the cookie `next` on. */
void lookahead_entries(struct cache *c, struct inode *dir, uint64_t listing, const uint8_t *buf, uint32_t len,
                       uint64_t next);
/* It ends: these were all. */
void lookahead_end(struct cache *c, struct inode *dir, uint64_t listing);
/* dir was made by user, at clock_ms() `asked_ms`. */
void lookahead_made(struct cache *c, struct inode *dir, struct user *user, uint64_t asked_ms);
/* Whether dir, as user knows it, has no such name. */
bool lookahead_absent(struct cache *c, struct inode *dir, struct user *user, const char *name);
/* Something was done that may have made names anywhere, as writing to a synthetic file may. */
void lookahead_doubt(struct cache *c);
/* dir is opened, to be read: others beside it may be next. Its listing, the caller's, if it was
 * read ahead, has not expired, and nothing changed it since: then with cache_version() of when
 * it was asked for, and the number that its names have. Else NULL. */
struct p9_listing *lookahead_open(struct cache *c, struct inode *dir, struct user *user, uint64_t *asked,
                                  uint64_t *number);
/* Whether some of dir's names are fetched; whether all are likely to be looked up. */
bool lookahead_has_some(struct cache *c, const struct inode *dir, const struct user *user);
bool lookahead_expects(struct cache *c, const struct inode *dir, const struct user *user);

/* ---- names (lookahead.c) ---------------------------------------------------- */

struct lookahead_found {
    struct inode *inode; /* the caller's reference, which it gives to the kernel */
    struct p9_attr attr;
    unsigned left_ms; /* how long attr still holds */
    bool waited;      /* for the server */
};
/* A name of the directory that u is a use of, if it was listed lately: fetches it, and others,
 * where it is not there yet. False: it is to be looked up as any other. A directory is to be
 * entered by cache_enter. */
bool lookahead_look(struct cache *c, struct p9_scope *sc, const struct use *u, const char *name,
                    struct lookahead_found *found);
/* The same without asking or waiting for anything. */
bool lookahead_take(struct cache *c, const struct use *u, const char *name, struct lookahead_found *found);
/* A name of the directory has to be asked for: if the directory was listed whole, and such names
 * are asked for again and again, it is listed anew in the background. */
void lookahead_missed(struct cache *c, const struct use *u, const char *name);
/* Whether dir is the next of several opened in turn that were not read ahead, as they were
 * looked up before: then lookahead_read_on reads it and others, of the directory above it, which
 * u is a use of. */
bool lookahead_lags(struct cache *c, struct inode *dir, struct user *user);
void lookahead_read_on(struct cache *c, struct p9_scope *sc, const struct use *u, const char *name);

/* ---- files opened in turn (preopen.c) ---------------------------------------- */

struct preopen {
    struct p9_fid *fids[P9_OPEN_TOO]; /* for p9_opening */
    size_t n;
    struct preopened *files[P9_OPEN_TOO]; /* lookahead's own */
};
/* dir/name is opened by user, to read. If files of dir are opened in turn the next ones are to
 * be opened as well: p->fids[n], with p zero before. */
void lookahead_preopen_begin(struct cache *c, struct inode *dir, struct user *user, const char *name,
                             struct preopen *p);
/* With what p9_open_checked made of them: those that are open become idle opens. */
void lookahead_preopen_end(struct cache *c, struct user *user, struct preopen *p);

/* ---- extended attributes (lookahead_xattr.c) ----------------------------------- */

/* A number for the name of an extended attribute that programs ask for again and again, and
 * anybody may read; -1: it has none. */
int lookahead_xattr(struct cache *c, const char *name);
/* What is usually asked for together with that: others, by their numbers. */
void lookahead_xattrs_too(const struct cache *c, bool of_dir, unsigned number, const char *names[P9_XATTRS]);
/* That was asked of the inode: it is fetched with the others in the same directory. */
void lookahead_wants(struct cache *c, const struct inode *inode, struct user *user, unsigned number);

#endif
