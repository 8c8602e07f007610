/*
 * attr.c: what is known of a file, since which change, and until when.
 */
#include <fcntl.h>
#include <string.h>

#include "cache/impl.h"

enum { WRITTEN_MS = 1000 };

static uint64_t expiry(const struct cache *c, uint64_t asked_ms)
{
    return asked_ms + c->lifetimes.attr;
}

/* ---- versions --------------------------------------------------------------- */

uint64_t cache_version(struct cache *c)
{
    LOCKED(c);
    return c->version;
}

uint64_t inode_version(struct cache *c, struct inode *inode)
{
    LOCKED(c);
    return inode->version;
}

void cache_changing(struct cache *c, struct inode *inode)
{
    LOCKED(c);
    inode_change(c, inode);
}

bool cache_changed(struct cache *c, struct inode *inode, uint64_t *version)
{
    LOCKED(c);
    bool alone = inode->version == *version;
    inode_change(c, inode);
    *version = inode->version;
    return alone;
}

void cache_others_changed(struct cache *c, struct inode *inode)
{
    LOCKED(c);
    inode->version = ++c->version;
}

bool cache_as_listed(struct cache *c, struct inode *parent, const char *name, uint64_t asked)
{
    LOCKED(c);
    const struct inode *inode = dentry_inode(c, parent, name);
    return (inode != NULL ? inode->version : parent->names_version) <= asked;
}

/* ---- attributes --------------------------------------------------------------- */

void inode_learn(struct cache *c, struct inode *inode, const struct p9_attr *attr)
{
    if (inode_set_attr(c, inode, attr) && inode->nlookup > 0)
        inode->outdated = true;
}

void cache_learn(struct cache *c, struct inode *inode, const struct p9_attr *attr, uint64_t asked)
{
    LOCKED(c);
    if (inode->version > asked)
        return;
    inode_learn(c, inode, attr);
    identity_index(c, inode, attr);
}

void cache_given(struct cache *c, struct inode *inode)
{
    LOCKED(c);
    inode->outdated = false;
}

bool inode_announce(struct cache *c, struct inode *inode, const struct p9_attr *attr)
{
    bool differs = inode_set_attr(c, inode, attr) || inode->outdated;

    inode->outdated = false;
    identity_index(c, inode, attr);
    return differs;
}

bool cache_announce(struct cache *c, struct inode *inode, const struct p9_attr *attr)
{
    LOCKED(c);
    return inode_announce(c, inode, attr);
}

bool cache_announce_fresh(struct cache *c, struct inode *inode, const struct p9_attr *attr, uint64_t version)
{
    LOCKED(c);
    bool fresh = inode->version == version && !inode->hidden;
    bool differs = inode_announce(c, inode, attr);
    if (fresh)
        inode->attr_until = expiry(c, clock_ms());
    return differs;
}

unsigned cache_fresh(struct cache *c, struct inode *inode, struct p9_attr *attr)
{
    unsigned left = 0;

    LOCKED(c);
    uint64_t now = inode->attr_until != 0 ? clock_ms() : 0;
    if (now < inode->attr_until && inode->names != NULL && !inode->hidden) {
        left = (unsigned)(inode->attr_until - now);
        *attr = inode->attr;
    }
    return left;
}

void cache_wrote(struct cache *c, struct inode *inode, uint64_t end)
{
    LOCKED(c);
    if (inode->attr.size < end)
        inode->attr.size = end;
}

bool cache_same_content(struct cache *c, struct inode *inode, const struct p9_attr *attr, bool ignore_version,
                        bool loose)
{
    time_t now = clock_wall();

    LOCKED(c);
    const struct p9_attr *old = &inode->opened;
    bool same = inode->opened_known && same_times_and_size(old, attr) &&
                (ignore_version || old->qid.version == attr->qid.version);
    inode->opened = *attr;
    inode->opened_known = loose || now - attr->ctime.tv_sec > SETTLED_SECONDS;
    return same;
}

bool cache_may_be_cached(struct cache *c, struct inode *inode)
{
    LOCKED(c);
    return inode->opened_known;
}

void cache_confirm(struct cache *c, struct inode *inode, uint64_t ms)
{
    LOCKED(c);
    if (inode->confirmed_ms < ms)
        inode->confirmed_ms = ms;
}

struct inode_facts inode_facts(struct cache *c, struct inode *inode)
{
    LOCKED(c);
    bool nameless = inode->names == NULL && inode != &c->root;
    return (struct inode_facts){.attr = inode->attr,
                                .hidden = inode->hidden,
                                .is_open = inode->handles != NULL,
                                .nameless = nameless,
                                .gone = nameless && inode->handles == NULL};
}

/* ---- extended attributes -------------------------------------------------------- */

int cache_lacks(struct cache *c, struct inode *inode, unsigned number)
{
    LOCKED(c);
    return inode->lacks_until != 0 && clock_ms() < inode->lacks_until ? inode->lacks[number] : 0;
}

void inode_set_lacks(struct inode *inode, const int lacks[P9_XATTRS], uint64_t until)
{
    bool holds = inode->lacks_until > clock_ms();

    for (unsigned x = 0; x < P9_XATTRS; x++)
        if (lacks[x] != 0 || !holds)
            inode->lacks[x] = lacks[x];
    if (!holds)
        inode->lacks_until = until;
}

void cache_set_lacks(struct cache *c, struct inode *inode, const int lacks[P9_XATTRS], uint64_t version)
{
    LOCKED(c);
    if (inode->version <= version)
        inode_set_lacks(inode, lacks, expiry(c, clock_ms()));
}

int cache_uncapped(struct cache *c, struct inode *inode)
{
    unsigned ms = c->lifetimes.attr;

    LOCKED(c);
    for (const struct handle *h = inode->handles; h != NULL && ms < WRITTEN_MS; h = h->next)
        if ((h->flags & O_ACCMODE) != O_RDONLY)
            ms = WRITTEN_MS;
    return inode->uncapped != 0 && clock_ms() - inode->uncapped_ms < ms ? inode->uncapped : 0;
}

struct cap_question cache_cap_asked(struct cache *c, struct inode *inode)
{
    LOCKED(c);
    return (struct cap_question){.capped = inode->capped, .ms = clock_ms()};
}

void cache_cap_answered(struct cache *c, struct inode *inode, const struct cap_question *q, int lacks)
{
    LOCKED(c);
    if (inode->capped == q->capped) {
        inode->uncapped = lacks;
        inode->uncapped_ms = q->ms;
    }
}

void cache_cap_setting(struct cache *c, struct inode *inode)
{
    LOCKED(c);
    inode->capped++;
    inode->uncapped = 0;
}
