/*
 * stats.c: many calls of stat(2) at the same time, each by a thread.
 *
 *   stats DIRECTORY N      stats the files 1 to N there; status 1 if one fails
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *dir;
static atomic_int failed;

static void *one(void *number)
{
    char path[4096];
    struct stat st;

    snprintf(path, sizeof path, "%s/%d", dir, (int)(long)number);
    if (stat(path, &st) != 0) {
        printf("%s: %s\n", path, strerror(errno));
        atomic_fetch_add(&failed, 1);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int n = argc == 3 ? atoi(argv[2]) : 0;
    pthread_t *threads = calloc((size_t)n + 1, sizeof *threads);
    pthread_attr_t attr;

    if (threads == NULL || n == 0)
        return 2;
    dir = argv[1];
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 65536);
    for (int i = 0; i < n; i++)
        if (pthread_create(&threads[i], &attr, one, (void *)(long)(i + 1)) != 0)
            return 2;
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    return atomic_load(&failed) > 0;
}
