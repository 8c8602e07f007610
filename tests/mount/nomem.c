/*
 * nomem.c: a malloc to preload, which has no memory for libfuse's requests: while the file that the
 * environment variable NOMEM names exists, allocations of 1 MiB and a little more fail.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
void *malloc(size_t size);

void *malloc(size_t size)
{
    static const char *flag;

    if (size > 1 << 20 && size < 5 << 18) {
        if (flag == NULL)
            flag = getenv("NOMEM");
        if (flag != NULL && access(flag, F_OK) == 0) {
            errno = ENOMEM;
            return NULL;
        }
    }
    return __libc_malloc(size);
}
