/*
 * nomem.c: see nomem.h.
 */
#include "unit/nomem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "unit/test.h"

static atomic_uint count, first; /* allocations so far, and the first that fails; 0: none */
static atomic_bool all;          /* not that one alone */
static atomic_bool paused;
static _Thread_local bool spared;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);

static bool fails(void)
{
    if (atomic_load(&first) == 0 || atomic_load(&paused) || spared)
        return false;
    unsigned n = atomic_fetch_add(&count, 1) + 1;
    return n == atomic_load(&first) || (n > atomic_load(&first) && atomic_load(&all));
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

static bool has_failed(void)
{
    return atomic_load(&count) >= atomic_load(&first);
}

void nomem_each(void (*scenario)(void))
{
    unsigned n = 0;

    do {
        n++;
        for (int i = 0; i < 2; i++) {
            atomic_store(&count, 0);
            atomic_store(&all, i == 1);
            atomic_store(&first, n);
            scenario();
        }
    } while (has_failed());
    atomic_store(&first, 0);
    assert_true(n > 5); /* it does allocate */
}

void nomem_pause(void)
{
    atomic_store(&paused, true);
}

void nomem_resume(void)
{
    atomic_store(&paused, false);
}

void nomem_spare_thread(void)
{
    spared = true;
}

bool nomem_is(int rc, int right)
{
    if (rc != right && !(rc == -ENOMEM && has_failed()))
        fail_msg("%d instead of %d, allocation %u failed", rc, right, atomic_load(&first));
    return rc == right;
}

bool nomem_got(const void *p)
{
    assert_true(p != NULL || has_failed());
    return p != NULL;
}
