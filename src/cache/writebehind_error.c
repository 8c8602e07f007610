/*
 * writebehind_error.c: the errors of writes that were answered before the server had them.
 *
 * An error is the writer's own until an fsync of it returns it. What other writers to the same file
 * failed to write is the inode's: an fsync returns it to each file that was open then, once.
 */
#include "cache/writebehind_impl.h"

int writebehind_error(struct writebehind *b, const struct writer *w)
{
    if (b == NULL)
        return 0;
    pthread_mutex_lock(&b->mtx);
    int rc = w->error;
    pthread_mutex_unlock(&b->mtx);
    return rc;
}

void writebehind_reported(struct writebehind *b, struct writer *w, bool heard)
{
    if (b == NULL)
        return;
    pthread_mutex_lock(&b->mtx);
    w->reported = heard;
    pthread_mutex_unlock(&b->mtx);
}

int writebehind_unsynced(struct writebehind *b, const struct writer *w)
{
    unsigned known = b != NULL ? w->known_errors : 0;
    int rc = writebehind_error(b, w);

    return rc != 0 || b == NULL ? rc : cache_unsynced(b->cache, w->inode, known);
}

int writebehind_sync(struct writebehind *b, struct writer *w)
{
    if (b == NULL)
        return 0;
    pthread_mutex_lock(&b->mtx);
    int rc = w->error;
    w->error = 0;
    pthread_mutex_unlock(&b->mtx);
    int others = cache_sync_error(b->cache, w->inode, &w->known_errors);
    return rc != 0 ? rc : others;
}

int writebehind_unreported(struct writebehind *b, const struct writer *w)
{
    if (b == NULL)
        return 0;
    pthread_mutex_lock(&b->mtx);
    int rc = w->reported ? 0 : w->error;
    pthread_mutex_unlock(&b->mtx);
    return rc;
}
