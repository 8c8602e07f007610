/*
 * nomem.c: preloaded, no memory for requests of libfuse's: as long as the file that NOMEM names exists, allocations of 1 MiB and
 * little more fail.
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
