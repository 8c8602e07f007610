/*
 * tree.c: nodes, their names, and the kernel's references to them.
 */
#include "cache/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <utlist.h>

bool qid_same_file(const struct p9_qid *a, const struct p9_qid *b)
{
    const uint8_t kinds = P9_QTDIR | P9_QTSYMLINK;

    return a->path == b->path && (a->type & kinds) == (b->type & kinds);
}

struct tree *tree_new(struct p9_client *c, uid_t uid, struct p9_fid *root)
{
    struct tree *t = calloc(1, sizeof *t);
    struct user *user = calloc(1, sizeof *user);

    if (t == NULL || user == NULL) {
        free(t);
        free(user);
        return NULL;
    }
    *user = (struct user){.uid = uid, .root = root};
    t->client = c;
    t->users = user;
    t->root.qid = root->qid;
    t->root.nlookup = 1; /* never forgotten */
    t->nodes = 1;
    pthread_mutex_init(&t->mtx, NULL);
    pthread_cond_init(&t->settled, NULL);
    p9_client_on_shortage(c, tree_evict, t);
    return t;
}

struct user *tree_user(struct tree *t, uid_t uid, struct p9_fid *root)
{
    struct user *user;

    pthread_mutex_lock(&t->mtx);
    LL_SEARCH_SCALAR(t->users, user, uid, uid);
    if (user == NULL && root != NULL && (user = calloc(1, sizeof *user)) != NULL) {
        *user = (struct user){.uid = uid, .root = root};
        root->qid = t->root.qid;   /* it is the root whatever Rattach said */
        LL_APPEND(t->users, user); /* the first stays who mounted */
        root = NULL;
    }
    pthread_mutex_unlock(&t->mtx);
    p9_fid_put(root);
    return user;
}

/* ---- links; all called with the lock ------------------------------------ */

static unsigned key_len(size_t name_len)
{
    return (unsigned)(sizeof(struct node *) + name_len);
}

struct link *link_find(struct tree *t, struct node *parent, const char *name)
{
    struct {
        struct node *parent;
        char name[P9_MAXNAME];
    } key;
    size_t n = strlen(name);
    struct link *l;

    if (n > sizeof key.name)
        return NULL;
    key.parent = parent;
    memcpy(key.name, name, n);
    HASH_FIND(hh, t->links, &key, key_len(n), l);
    return l;
}

static void changing(struct tree *t, struct node *node)
{
    node->changes = ++t->changes;
    node->fresh_until = node->lacks_until = 0;
    if (t->kept != NULL) /* it would be found to be another */
        node_drop_kept(t, node);
}

/* The kernel has what was so before. */
static void add_stale(struct tree *t, struct node *node)
{
    if (node->is_stale || node->nlookup == 0)
        return;
    node->is_stale = true;
    node->nlookup++;
    LL_PREPEND2(t->stale, node, next_stale);
    atomic_store(&t->has_stale, true);
}

/* More names than this a file has hardly: the server's numbers mean nothing. */
enum { MOST_TWINS = 1024 };

/* Where names have nodes of their own the file is the same. */
void node_changing(struct tree *t, struct node *node)
{
    unsigned n = 0;

    changing(t, node);
    for (struct node *twin = node->twin_next; twin != NULL && twin != node && n++ < MOST_TWINS;
         twin = twin->twin_next) {
        if (!qid_same_file(&twin->qid, &node->qid) || (twin->qid.type & P9_QTDIR))
            continue;
        changing(t, twin);
        twin->touched = twin->changes;
        twin->seen++;
        add_stale(t, twin);
    }
}

struct node *tree_next_stale(struct tree *t)
{
    pthread_mutex_lock(&t->mtx);
    struct node *node = t->stale;
    if (node != NULL) {
        t->stale = node->next_stale;
        node->is_stale = false;
    } else { /* and the kernel was told of all */
        atomic_store(&t->has_stale, false);
    }
    pthread_mutex_unlock(&t->mtx);
    return node;
}

struct link *link_add(struct tree *t, struct node *parent, const char *name, struct node *node)
{
    size_t n = strlen(name);
    struct link *l = malloc(sizeof *l + n + 1);

    if (l == NULL)
        return NULL;
    l->parent = parent;
    l->node = node;
    memcpy(l->name, name, n + 1);
    HASH_ADD_KEYPTR(hh, t->links, &l->parent, key_len(n), l);
    l->next = node->links;
    node->links = l;
    node_changing(t, node);
    parent->children++;
    return l;
}

static void node_unindex(struct tree *t, struct node *node)
{
    struct node *in_index = NULL, *next = node->twin_next;

    if (next == NULL)
        return;
    HASH_FIND(hh, t->by_qid, &node->qid.path, sizeof node->qid.path, in_index);
    if (in_index == node)
        HASH_DEL(t->by_qid, node);
    if (next != node) {
        node->twin_prev->twin_next = next;
        next->twin_prev = node->twin_prev;
    }
    if (in_index == node && next != node)
        HASH_ADD(hh, t->by_qid, qid.path, sizeof next->qid.path, next);
    node->twin_prev = node->twin_next = NULL;
}

static bool node_unused(const struct tree *t, const struct node *node)
{
    return node != &t->root && node->nlookup == 0 && node->children == 0 && node->handles == NULL;
}

static struct node *link_remove(struct tree *t, struct link *l);

static void node_free(struct tree *t, struct node *node)
{
    struct file_locks *fl = node->locks;

    node_drop_fids(t, node);
    if (fl != NULL) {
        locks_free(&fl->posix);
        locks_free(&fl->flock);
        locks_free(&fl->server);
        p9_fid_put(fl->fid);
        free(fl);
    }
    free(node);
}

/* Frees a node that nothing holds, and then its parent if that held only by it, and so on up. */
void node_release(struct tree *t, struct node *node)
{
    while (node != NULL && node_unused(t, node)) {
        struct node *parent = NULL;
        if (node->links != NULL && node->touched > t->changes_forgotten)
            t->changes_forgotten = node->touched;
        while (node->links != NULL) {
            if (parent != NULL && node_unused(t, parent)) /* a file with several names: rare */
                node_release(t, parent);
            parent = link_remove(t, node->links);
        }
        node_unindex(t, node);
        DL_DELETE(t->all, node);
        node_free(t, node);
        t->nodes--;
        node = parent;
    }
}

/* Takes a name from its node and returns the parent, for node_release. */
static struct node *link_remove(struct tree *t, struct link *l)
{
    struct node *parent = l->parent;
    struct link **p = &l->node->links;

    while (*p != l)
        p = &(*p)->next;
    *p = l->next;
    HASH_DEL(t->links, l);
    parent->children--;
    free(l);
    return parent;
}

struct node *tree_find(struct tree *t, struct node *parent, const char *name)
{
    struct link *l = link_find(t, parent, name);

    return l != NULL ? l->node : NULL;
}

/* A name no longer leads to its node. Fids walked by it may lead elsewhere on servers that go by path. But a file
 * without any name may have nothing else left that stands for it. */
static void link_cut(struct tree *t, struct link *l)
{
    struct node *node = l->node, *parent;

    node_changing(t, node);
    parent = link_remove(t, l);
    if (node->links == NULL && !(node->qid.type & P9_QTDIR))
        node_drop_kept(t, node);
    else
        node_drop_fids(t, node);
    node->moved = ++t->clock;
    node->confirmed_ms = 0;
    node->attr.nlink = node->attr.nlink > 0 && !S_ISDIR(node->attr.mode) ? node->attr.nlink - 1 : 0;
    node_release(t, node);
    node_release(t, parent);
}

/* ---- nodes -------------------------------------------------------------- */

bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Whether the kernel was told these very attributes. */
static bool was_told(const struct node *node, const struct p9_attr *attr)
{
    const struct p9_attr *old = &node->attr;

    return old->size == attr->size && same_time(&old->mtime, &attr->mtime) && same_time(&old->ctime, &attr->ctime) &&
           old->nlink == attr->nlink;
}

static struct node *in_index(const struct tree *t, uint64_t qid_path)
{
    struct node *node;

    HASH_FIND(hh, t->by_qid, &qid_path, sizeof qid_path, node);
    return node;
}

/* What has this qid and several names, one of which we know. Servers repeat a
 * qid.path on another device: it is the same file only if all attributes agree, and not at all where that was seen. */
static struct node *find_by_qid(const struct tree *t, const struct p9_attr *attr)
{
    if (S_ISDIR(attr->mode) || attr->nlink < 2 || t->places != NULL)
        return NULL;
    struct node *node = in_index(t, attr->qid.path), *first = node;
    while (node != NULL && !qid_same_file(&node->qid, &attr->qid))
        node = node->twin_next != first ? node->twin_next : NULL;
    return node;
}

struct node *tree_outdated_twin(struct tree *t, const struct p9_attr *attr)
{
    pthread_mutex_lock(&t->mtx);
    struct node *node = find_by_qid(t, attr);
    if (node != NULL && was_told(node, attr))
        node = NULL;
    if (node != NULL)
        node->nlookup++;
    pthread_mutex_unlock(&t->mtx);
    return node;
}

/* Keeps the index. Not every dialect tells the number of names. */
static void node_index(struct tree *t, struct node *node, const struct p9_attr *attr)
{
    if (node->twin_next != NULL || (!S_ISDIR(attr->mode) && attr->nlink < 2 && p9_counts_links(t->client)))
        return;
    struct node *other = in_index(t, node->qid.path);
    if (other == NULL) {
        HASH_ADD(hh, t->by_qid, qid.path, sizeof node->qid.path, node);
        node->twin_prev = node->twin_next = node;
        return;
    }
    node->twin_prev = other;
    node->twin_next = other->twin_next;
    node->twin_next->twin_prev = node;
    other->twin_next = node;
}

/* ---- places where qid.path begins anew ---------------------------------- */

enum { MOST_PLACES = 1024 };

struct place {
    struct place *next;
    uint32_t in_space, space; /* of the directory it is in, and of what is below it */
    uint64_t in;              /* that directory's qid.path */
    char name[];
};

static uint32_t space_of(const struct tree *t, const struct node *parent, const char *name, bool is_dir)
{
    const struct place *p = is_dir ? t->places : NULL;

    while (p != NULL && (p->in_space != parent->space || p->in != parent->qid.path || strcmp(p->name, name) != 0))
        p = p->next;
    return p != NULL ? p->space : parent->space;
}

/* Whether a server that takes upper and lower case, or ways to write a character, for the same may mean one by both. */
static bool may_be_spellings(const char *a, const char *b)
{
    bool plain = true;

    for (const char *s = a; *s != 0; s++)
        plain = plain && (unsigned char)*s < 0x80;
    for (const char *s = b; *s != 0; s++)
        plain = plain && (unsigned char)*s < 0x80;
    return !plain || strcasecmp(a, b) == 0;
}

static bool is_other_place(const struct tree *t, const struct node *node, const struct link *l,
                           const struct p9_attr *attr, uint32_t space)
{
    return node->space == space && qid_same_file(&node->qid, &attr->qid) && (l == NULL || l->node != node) &&
           (node->links != NULL || node == &t->root);
}

struct node *tree_other_place(struct tree *t, struct node *parent, const char *name, const struct p9_attr *attr)
{
    struct node *found = NULL;

    pthread_mutex_lock(&t->mtx);
    const struct link *l = link_find(t, parent, name);
    uint32_t space = space_of(t, parent, name, true);
    unsigned n = 0;
    struct node *first = in_index(t, attr->qid.path), *node = first;
    if (is_other_place(t, &t->root, l, attr, space))
        found = &t->root;
    while (node != NULL && found == NULL && n++ < MOST_TWINS) {
        found = is_other_place(t, node, l, attr, space) ? node : NULL;
        node = node->twin_next != first ? node->twin_next : NULL;
    }
    const struct link *other = found != NULL ? found->links : NULL;
    if (t->nplaces == MOST_PLACES || (other != NULL && other->parent == parent && may_be_spellings(other->name, name)))
        found = NULL;
    if (found != NULL)
        found->nlookup++;
    pthread_mutex_unlock(&t->mtx);
    return found;
}

void tree_add_place(struct tree *t, const struct node *parent, const char *name)
{
    size_t n = strlen(name) + 1;
    struct place *p = malloc(sizeof *p + n);

    pthread_mutex_lock(&t->mtx);
    if (p != NULL && t->nplaces < MOST_PLACES && space_of(t, parent, name, true) == parent->space) {
        *p = (struct place){.in_space = parent->space, .in = parent->qid.path, .space = ++t->nplaces};
        memcpy(p->name, name, n);
        LL_PREPEND(t->places, p);
        p = NULL;
    }
    pthread_mutex_unlock(&t->mtx);
    free(p);
}

void tree_cut(struct tree *t, struct node *dir, uint64_t clock)
{
    pthread_mutex_lock(&t->mtx);
    if (dir->links != NULL && t->moving == 0 && t->clock == clock)
        link_cut(t, dir->links);
    pthread_mutex_unlock(&t->mtx);
}

static struct node *node_new(struct tree *t, const struct p9_attr *attr, uint32_t space)
{
    struct node *node = calloc(1, sizeof *node);

    if (node == NULL)
        return NULL;
    node->qid = attr->qid;
    node->space = space;
    DL_APPEND(t->all, node);
    t->nodes++;
    return node;
}

static struct node *enter(struct tree *t, struct node *parent, const char *name, const struct p9_attr *attr)
{
    struct link *l = link_find(t, parent, name);

    if (l != NULL && qid_same_file(&l->node->qid, &attr->qid))
        return l->node;
    if (l != NULL) {
        parent->nlookup++; /* cutting the last name below must not free it here */
        link_cut(t, l);
        parent->nlookup--;
    }
    struct node *node = find_by_qid(t, attr);
    if (node == NULL || !was_told(node, attr))
        node = node_new(t, attr, space_of(t, parent, name, S_ISDIR(attr->mode)));
    if (node != NULL && link_add(t, parent, name, node) == NULL) {
        node_release(t, node);
        node = NULL;
    }
    return node;
}

static bool told(struct tree *t, struct node *node, const struct p9_attr *attr)
{
    bool changed = !was_told(node, attr);

    node->attr = *attr;
    node->seen += changed;
    if (changed)
        node->told = ++t->changes;
    return changed;
}

struct node *tree_enter(struct tree *t, struct node *parent, const char *name, const struct p9_attr *attr,
                        struct p9_fid *fid, struct user *user, uint64_t walked)
{
    pthread_mutex_lock(&t->mtx);
    struct node *node = enter(t, parent, name, attr);
    if (node != NULL) {
        node->nlookup++;
        told(t, node, attr);
        node_index(t, node, attr);
        if (fid != NULL)
            node_cache_fid(t, node, user, fid, walked);
        fid = NULL;
    }
    pthread_mutex_unlock(&t->mtx);
    p9_fid_put(fid);
    return node;
}

void tree_remember(struct tree *t, struct node *node)
{
    pthread_mutex_lock(&t->mtx);
    node->nlookup++;
    pthread_mutex_unlock(&t->mtx);
}

void tree_forget(struct tree *t, struct node *node, uint64_t n)
{
    pthread_mutex_lock(&t->mtx);
    node->nlookup -= n < node->nlookup ? n : node->nlookup;
    if (node == &t->root)
        node->nlookup = 1;
    node_release(t, node);
    pthread_mutex_unlock(&t->mtx);
}

void tree_unlink(struct tree *t, struct node *parent, const char *name)
{
    pthread_mutex_lock(&t->mtx);
    struct link *l = link_find(t, parent, name);
    if (l != NULL)
        link_cut(t, l);
    pthread_mutex_unlock(&t->mtx);
}

void tree_rename_begin(struct tree *t)
{
    pthread_mutex_lock(&t->mtx);
    t->moving++;
    pthread_mutex_unlock(&t->mtx);
}

/* Two names of one file: rename(2) does nothing then. Without memory the old name is forgotten, and
 * found again when it is asked for. */
static void move(struct tree *t, struct node *oldparent, const char *oldname, struct node *newparent,
                 const char *newname)
{
    struct link *from = link_find(t, oldparent, oldname), *to = link_find(t, newparent, newname);

    if (from != NULL && to != NULL && from->node == to->node)
        return;
    if (to != NULL)
        link_cut(t, to);
    if (from == NULL)
        return;
    struct node *node = from->node;
    link_add(t, newparent, newname, node);
    node->moved = ++t->clock;
    node_drop_fids(t, node);
    node_release(t, link_remove(t, from));
}

void tree_rename_end(struct tree *t, bool ok, struct node *oldparent, const char *oldname, struct node *newparent,
                     const char *newname)
{
    pthread_mutex_lock(&t->mtx);
    if (ok)
        move(t, oldparent, oldname, newparent, newname);
    if (--t->moving == 0)
        pthread_cond_broadcast(&t->settled);
    pthread_mutex_unlock(&t->mtx);
}

uint64_t tree_clock(struct tree *t)
{
    pthread_mutex_lock(&t->mtx);
    uint64_t clock = t->clock;
    pthread_mutex_unlock(&t->mtx);
    return clock;
}

bool tree_told(struct tree *t, struct node *node, const struct p9_attr *attr)
{
    pthread_mutex_lock(&t->mtx);
    bool changed = told(t, node, attr);
    node_index(t, node, attr);
    pthread_mutex_unlock(&t->mtx);
    return changed;
}

void tree_confirm(struct tree *t, struct node *node, uint64_t ms)
{
    pthread_mutex_lock(&t->mtx);
    if (node->confirmed_ms < ms)
        node->confirmed_ms = ms;
    pthread_mutex_unlock(&t->mtx);
}

struct node_facts tree_facts(struct tree *t, struct node *node)
{
    pthread_mutex_lock(&t->mtx);
    struct node_facts facts = {.attr = node->attr,
                               .hidden = node->hidden,
                               .is_open = node->handles != NULL,
                               .nameless = node->links == NULL && node != &t->root,
                               .gone = node->links == NULL && node->handles == NULL && node != &t->root};
    pthread_mutex_unlock(&t->mtx);
    return facts;
}

enum { CLONES_SECONDS = 2 };

/* What is still under way ends soon, or with the connection. */
static void wait_for_clones(struct tree *t)
{
    struct timespec until;
    int rc = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLONES_SECONDS;
    pthread_mutex_lock(&t->mtx);
    while (t->cloning > 0 && rc == 0)
        rc = pthread_cond_timedwait(&t->settled, &t->mtx, &until);
    pthread_mutex_unlock(&t->mtx);
    if (rc == 0)
        return;
    p9_session_fail(p9_client_session(t->client), -ECANCELED, NULL);
    pthread_mutex_lock(&t->mtx);
    while (t->cloning > 0)
        pthread_cond_wait(&t->settled, &t->mtx);
    pthread_mutex_unlock(&t->mtx);
}

void tree_free(struct tree *t)
{
    struct link *l, *next_link;
    struct node *node, *next_node;

    p9_client_on_shortage(t->client, NULL, NULL);
    wait_for_clones(t);
    HASH_CLEAR(hh, t->by_qid);
    for (struct place *p; (p = t->places) != NULL;) {
        t->places = p->next;
        free(p);
    }
    HASH_ITER (hh, t->links, l, next_link) {
        HASH_DEL(t->links, l);
        free(l);
    }
    node_drop_fids(t, &t->root);
    DL_FOREACH_SAFE (t->all, node, next_node) {
        node_free(t, node);
    }
    for (struct user *u; (u = t->users) != NULL;) {
        t->users = u->next;
        p9_fid_put(u->root);
        free(u);
    }
    pthread_cond_destroy(&t->settled);
    pthread_mutex_destroy(&t->mtx);
    free(t);
}
