/*
 * locks.c: see locks.h.
 */
#include "cache/locks.h"

#include <errno.h>
#include <stdlib.h>

static bool overlap(const struct lock_range *a, const struct lock_range *b)
{
    return a->start <= b->end && b->start <= a->end;
}

const struct lock_range *locks_conflict(const struct lock_range *list, const struct lock_range *want)
{
    for (const struct lock_range *r = list; r != NULL; r = r->next)
        if (r->owner != want->owner && overlap(r, want) && (r->type == LK_WRITE || want->type == LK_WRITE))
            return r;
    return NULL;
}

static struct lock_range *copy(const struct lock_range *r, uint64_t start, uint64_t end)
{
    struct lock_range *new = malloc(sizeof *new);

    if (new != NULL) {
        *new = *r;
        new->start = start;
        new->end = end;
    }
    return new;
}

/* Takes [start, end] out of the range at *p, which may leave two; `spare` is for the second. */
static void cut(struct lock_range **p, uint64_t start, uint64_t end, struct lock_range **spare)
{
    struct lock_range *r = *p;

    if (r->start >= start && r->end <= end) {
        *p = r->next;
        free(r);
    } else if (r->start < start && r->end > end) {
        struct lock_range *tail = *spare;
        *spare = NULL;
        *tail = *r;
        tail->start = end + 1;
        r->end = start - 1;
        r->next = tail;
    } else if (r->start < start) {
        r->end = start - 1;
    } else {
        r->start = end + 1;
    }
}

int locks_set(struct lock_range **list, const struct lock_range *want)
{
    struct lock_range *new = copy(want, want->start, want->end), *spare = copy(want, 0, 0);

    if (new == NULL || spare == NULL) {
        free(new);
        free(spare);
        return -ENOMEM;
    }
    for (struct lock_range **p = list, *r; (r = *p) != NULL;) {
        if (r->owner == want->owner && overlap(r, want))
            cut(p, want->start, want->end, &spare);
        if (*p == r)
            p = &r->next;
    }
    free(spare);
    if (want->type == LK_NONE) {
        free(new);
        return 0;
    }
    new->next = *list;
    *list = new;
    return 0;
}

bool locks_drop(struct lock_range **list, uint64_t owner, bool any_owner, const void *via)
{
    bool any = false;

    for (struct lock_range **p = list, *r; (r = *p) != NULL;) {
        if ((any_owner || r->owner == owner) && (via == NULL || r->via == via)) {
            *p = r->next;
            free(r);
            any = true;
        } else {
            p = &r->next;
        }
    }
    return any;
}

enum lock_type locks_at(const struct lock_range *list, uint64_t at, uint64_t *end)
{
    enum lock_type type = LK_NONE;

    for (const struct lock_range *r = list; r != NULL; r = r->next) {
        if (r->start <= at && r->end >= at) {
            type = r->type > type ? r->type : type;
            *end = r->end < *end ? r->end : *end;
        } else if (r->start > at && r->start - 1 < *end) {
            *end = r->start - 1;
        }
    }
    return type;
}

void locks_free(struct lock_range **list)
{
    locks_drop(list, 0, true, NULL);
}
