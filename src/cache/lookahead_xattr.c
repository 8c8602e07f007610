/*
 * lookahead_xattr.c: extended attributes that are asked for together with attributes.
 */
#include <stdlib.h>
#include <string.h>

#include "cache/lookahead_impl.h"

/* What ls -l, cp -p and others ask of every file; the last of directories alone. */
static const char *const usual[] = {"security.selinux", "system.posix_acl_access", "system.posix_acl_default"};
enum { USUAL_OF_FILES = 2, USUAL };

bool lookahead_xattr_start(struct lookahead *la)
{
    for (unsigned x = 0; x < USUAL; x++)
        la->xattrs[x] = strdup(usual[x]);
    return la->xattrs[0] != NULL && la->xattrs[1] != NULL && la->xattrs[2] != NULL;
}

static void want(const struct lookahead *la, struct listing *l, bool of_dir, unsigned number)
{
    const char **names = of_dir ? l->xattrs.of_dir : l->xattrs.of_file;
    unsigned n = 0;

    names[number] = la->xattrs[number];
    for (unsigned x = 0; x < P9_XATTRS; x++)
        n += names[x] != NULL;
    if (n > l->nxattrs)
        l->nxattrs = n;
}

void listing_expect_usual_xattrs(struct cache *c, struct listing *l)
{
    const struct inode *dir = l->dir;

    for (unsigned x = 0; x < USUAL; x++)
        if (clock_ms() >= dir->lacks_until || dir->lacks[x] == 0)
            return;
    for (unsigned x = 0; x < USUAL; x++) {
        want(c->lookahead, l, true, x);
        if (x < USUAL_OF_FILES)
            want(c->lookahead, l, false, x);
    }
    l->batch = LOOKAHEAD_FIRST_BATCH;
    l->expects = true;
}

int lookahead_xattr(struct cache *c, const char *name)
{
    struct lookahead *la = c->lookahead;
    int number = -1;

    if (la == NULL || (strncmp(name, "system.", 7) != 0 && strncmp(name, "security.", 9) != 0))
        return -1;
    LOCKED(c);
    for (int x = 0; x < P9_XATTRS && number < 0; x++) {
        if (la->xattrs[x] == NULL)
            la->xattrs[x] = strdup(name);
        if (la->xattrs[x] != NULL && strcmp(la->xattrs[x], name) == 0)
            number = x;
    }
    return number;
}

void lookahead_xattrs_too(const struct cache *c, bool of_dir, unsigned number, const char *names[P9_XATTRS])
{
    unsigned n = number >= USUAL ? 0 : of_dir ? USUAL : USUAL_OF_FILES;

    for (unsigned x = 0; x < P9_XATTRS; x++)
        names[x] = x < n && x != number ? c->lookahead->xattrs[x] : NULL;
}

void lookahead_wants(struct cache *c, const struct inode *inode, struct user *user, unsigned number)
{
    LOCKED(c);
    struct listing *l = listing_of(inode->names != NULL ? inode->names->parent : NULL, user);
    if (l != NULL)
        want(c->lookahead, l, (inode->qid.type & P9_QTDIR) != 0, number);
}
