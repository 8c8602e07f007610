/*
 * twin.c: makes the same random system calls in two directories, and fails where the results
 * differ.
 *
 *   twin MOUNTED LOCAL SEED STEPS [WITHOUT...]
 *
 * Each step is one system call on a small set of names and open files, as one of three users. It
 * compares the result, errno, and the attributes of the files concerned. WITHOUT excludes what the
 * server cannot do: "special" (devices, fifos and sockets), "links", "symlinks", "users" (all
 * steps as root), "modes", "times", "symlink-times", "touch" (setting times by a user who may only
 * write), "ftruncate" (by a user who may not write to the path), "devices", "nlink",
 * "rename-across" (directories), "directory-files" (attributes of an open directory whose path is
 * not accessible).
 */
#include "mount/twin.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMES = 14, FILES = 5, HISTORY = 3000, TEXT = 300 };

static const char *const names[NAMES] = {"a",     "b", "c",   "d",   "d/a",   "d/b", "d/d",
                                         "d/d/a", "e", "e/a", "e/d", "e/d/b", "a/b", "d/d/b/c"};

static int root[2];         /* the two directories */
static int files[FILES][2]; /* open in both, or -1 */
static uid_t opener[FILES]; /* a server works on a fid as the user that opened it */
static char history[HISTORY][TEXT];
static unsigned long step_no;
static uint64_t state;
static char **without;

static unsigned pick(unsigned n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % n;
}

bool lacks(const char *what)
{
    for (char **w = without; *w != NULL; w++)
        if (strcmp(*w, what) == 0)
            return true;
    return false;
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    char *at = history[step_no % HISTORY];
    size_t n = strlen(at);
    va_list ap;

    va_start(ap, format);
    vsnprintf(at + n, TEXT - n, format, ap);
    va_end(ap);
}

__attribute__((noreturn)) static void differ(const char *what, const char *where, long mounted, long local)
{
    for (unsigned long i = step_no < HISTORY ? 0 : step_no - HISTORY + 1; i <= step_no; i++)
        printf("%s\n", history[i % HISTORY]);
    printf("step %lu: %s%s%s differs: mounted %ld, local %ld\n", step_no, what, *where ? " of " : "", where, mounted,
           local);
    exit(1);
}

static void compare(const char *what, const char *where, long a, long b)
{
    if (a != b)
        differ(what, where, a, b);
}

static void compare_stats(const char *name, const struct stat st[2])
{
    compare("type and mode", name, (long)st[0].st_mode, (long)st[1].st_mode);
    compare("owner", name, (long)st[0].st_uid, (long)st[1].st_uid);
    compare("group", name, (long)st[0].st_gid, (long)st[1].st_gid);
    if (lacks("nlink"))
        compare("having a link", name, st[0].st_nlink > 0, st[1].st_nlink > 0);
    else
        compare("link count", name, (long)st[0].st_nlink, (long)st[1].st_nlink);
    compare("device", name, (long)st[0].st_rdev, (long)st[1].st_rdev);
    if (!S_ISDIR(st[0].st_mode))
        compare("size", name, st[0].st_size, st[1].st_size);
    /* Only times that were set are equal, not those of the clock. */
    if (!lacks("times") && !S_ISDIR(st[0].st_mode) && (st[0].st_mtime < 1000000 || st[1].st_mtime < 1000000))
        compare("mtime", name, st[0].st_mtime, st[1].st_mtime);
}

static void compare_name(const char *name)
{
    struct stat st[2];
    int rc[2];

    for (int i = 0; i < 2; i++)
        rc[i] = fstatat(root[i], name, &st[i], AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
    compare("errno of stat", name, rc[0], rc[1]);
    if (rc[0] == 0)
        compare_stats(name, st);
}

static void compare_file(const int fd[2])
{
    struct stat st[2];

    if (fd[0] < 0)
        return;
    for (int i = 0; i < 2; i++)
        if (fstat(fd[i], &st[i]) != 0)
            differ("errno of fstat", "", i == 0 ? errno : 0, i == 1 ? errno : 0);
    compare_stats("an open file", st);
}

/* ---- one step ----------------------------------------------------------- */

static bool same_directory(const char *a, const char *b)
{
    const char *x = strrchr(a, '/'), *y = strrchr(b, '/');
    size_t n = x != NULL ? (size_t)(x - a) : 0, m = y != NULL ? (size_t)(y - b) : 0;

    return n == m && memcmp(a, b, n) == 0;
}

static bool wanted(unsigned kind)
{
    return !((kind == 7 && (lacks("links") || lacks("nlink"))) || (kind == 8 && lacks("symlinks")) ||
             (kind == 9 && lacks("special")) || ((kind == 0 || kind == 1) && lacks("times")) ||
             (kind == 23 && lacks("ftruncate")));
}

static void become(uid_t uid)
{
    if (seteuid(0) != 0 || setegid(uid) != 0 || setgroups(1, &(gid_t){uid}) != 0 || seteuid(uid) != 0) {
        perror("twin: cannot become another user");
        exit(2);
    }
}

static void choose(struct step *s)
{
    static const mode_t modes[] = {0777,  0755,  0700,  0644,  0600,  0444, 0111, 0,
                                   04755, 02775, 06777, 01777, 02654, 0070, 0007};

    do
        s->kind = pick(KINDS);
    while (!wanted(s->kind));
    s->file = pick(FILES);
    s->flags = pick(64);
    s->length = pick(pick(3) ? 20 : CHUNK);
    s->name = names[pick(NAMES)];
    s->other = names[pick(NAMES)];
    if ((s->kind == 5 || s->kind == 6) && lacks("rename-across") && !same_directory(s->name, s->other))
        s->other = s->name;
    s->mode = modes[pick(15)];
    if (lacks("modes"))
        s->mode &= 0777;
    s->uid = pick(4) == 3 ? (uid_t)-1 : pick(3);
    s->gid = pick(4) == 3 && s->uid != (uid_t)-1 ? (gid_t)-1 : pick(3);
    s->offset = pick(3) ? pick(30) : pick(20000);
}

/* The kernel opens a fifo by itself: the filesystem cannot know that it needs a silly rename. */
static bool is_fifo(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* A removed directory has nothing but its attributes. */
static bool out_of_reach(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_nlink == 0 || lacks("directory-files"));
}

static void store_files(struct step s[2], uid_t uid)
{
    bool fifo = is_fifo(s[1].fd);

    for (int i = 0; i < 2; i++) {
        int *slot = &files[s[0].file][i];
        if (fifo) {
            close(s[i].fd);
            continue;
        }
        close(*slot);
        *slot = s[i].fd;
    }
    if (!fifo)
        opener[s[0].file] = uid;
}

static void step(void)
{
    static struct step s[2];
    uid_t uid = lacks("users") ? 0 : pick(3);
    long rc[2];
    int err[2];

    memset(s, 0, sizeof s);
    history[step_no % HISTORY][0] = 0;
    choose(&s[0]);
    if (s[0].kind >= FIRST_OF_FILE || (s[0].kind == 0 && files[s[0].file][0] >= 0))
        uid = opener[s[0].file];
    if (out_of_reach(files[s[0].file][1]) && (s[0].kind == 0 || s[0].kind >= FIRST_OF_FILE))
        return;
    s[1] = s[0];
    note("%lu: uid %d %s %s %s file %u mode %o flags %u len %u off %ld ids %d %d", step_no, (int)uid,
         kind_names[s[0].kind], s[0].name, s[0].other, s[0].file, s[0].mode, s[0].flags, s[0].length, (long)s[0].offset,
         (int)s[0].uid, (int)s[0].gid);
    become(uid);
    for (int i = 0; i < 2; i++) {
        s[i].fd = -1;
        errno = 0;
        rc[i] = run(&s[i], root[i], files[s[0].file][i]);
        err[i] = rc[i] < 0 ? errno : 0;
    }
    become(0);
    note(" = %ld %s", rc[1], strerrorname_np(err[1]));
    compare("errno", kind_names[s[0].kind], err[0], err[1]);
    compare("result", kind_names[s[0].kind], rc[0], rc[1]);
    if (memcmp(s[0].data, s[1].data, sizeof s[0].data) != 0) {
        note(" gives '%.60s', not '%.60s'", s[0].data, s[1].data);
        differ("what is read", s[0].name, 0, 1);
    }
    if (s[0].kind >= 15 && s[0].kind <= 18 && rc[0] == 0)
        store_files(s, uid);
    compare_file(files[s[0].file]);
    compare_name(s[0].name);
    if (s[0].kind >= 5 && s[0].kind <= 7)
        compare_name(s[0].other);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: twin MOUNTED LOCAL SEED STEPS [WITHOUT...]\n");
        return 2;
    }
    for (int i = 0; i < 2; i++)
        if ((root[i] = open(argv[1 + i], O_PATH | O_DIRECTORY)) < 0) {
            perror(argv[1 + i]);
            return 2;
        }
    for (int i = 0; i < FILES; i++)
        files[i][0] = files[i][1] = -1;
    state = strtoul(argv[3], NULL, 10);
    without = argv + 5;
    umask(022);
    signal(SIGPIPE, SIG_IGN);
    for (unsigned long steps = strtoul(argv[4], NULL, 10); step_no < steps; step_no++)
        step();
    for (int i = 0; i < NAMES; i++)
        compare_name(names[i]);
    return 0;
}
