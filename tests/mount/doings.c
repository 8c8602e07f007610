/*
 * doings.c: makes, writes, renames, links, removes and locks files in a folder, and prints the
 * result of each call and what is there in the end.
 *
 *   doings DIRECTORY
 *
 * Run in two file systems it prints the same.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static void says(const char *what, long rc)
{
    printf("%s: %s\n", what, rc >= 0 ? "ok" : strerrorname_np(errno));
}

static void made(const char *name, int flags, const char *text)
{
    int fd = open(name, flags, 0640);

    says(name, fd);
    if (fd < 0)
        return;
    says("write", write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1);
    says("close", close(fd));
}

static void kept_open(void)
{
    char buf[64] = "";
    int fd = open("kept", O_RDWR | O_CREAT | O_EXCL, 0600);

    says("kept", fd);
    says("write", write(fd, "first", 5));
    says("rename open", rename("kept", "moved"));
    says("write on", write(fd, "second", 6));
    says("unlink open", unlink("moved"));
    says("write unlinked", write(fd, "third", 5));
    says("fsync", fsync(fd));
    says("read", pread(fd, buf, sizeof buf - 1, 0));
    printf("it has '%s'\n", buf);
    says("close", close(fd));
}

static void locked(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 3};
    int fd = open("locked", O_RDWR | O_CREAT, 0600);

    says("lock", fcntl(fd, F_SETLK, &lock));
    says("write", write(fd, "under lock", 10));
    lock.l_type = F_UNLCK;
    says("unlock", fcntl(fd, F_SETLK, &lock));
    says("flock", flock(fd, LOCK_EX | LOCK_NB));
    says("close", close(fd));
}

static void appended(void)
{
    for (int i = 0; i < 3; i++)
        made("log", O_WRONLY | O_APPEND | O_CREAT, "line\n");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void show(const char *name)
{
    char target[256] = "", text[256] = "";
    struct stat st;
    int fd = -1;

    if (lstat(name, &st) != 0) {
        says(name, -1);
        return;
    }
    if (S_ISLNK(st.st_mode))
        says("readlink", readlink(name, target, sizeof target - 1));
    if (S_ISREG(st.st_mode) && (fd = open(name, O_RDONLY)) >= 0)
        says("read", read(fd, text, sizeof text - 1));
    if (fd >= 0)
        close(fd);
    printf("%s %o %d %d '%s%s'\n", name, st.st_mode, (int)st.st_nlink, S_ISREG(st.st_mode) ? (int)st.st_size : 0,
           target, text);
}

int main(int argc, char **argv)
{
    struct dirent **names;
    const char long_name[] = "a name";

    if (argc != 2 || (mkdir(argv[1], 0755) != 0 && errno != EEXIST) || chdir(argv[1]) != 0)
        return 2;
    umask(022);
    made("new", O_WRONLY | O_CREAT | O_EXCL, "hello");
    made("new", O_WRONLY | O_CREAT | O_EXCL, "again");
    made("new", O_WRONLY | O_CREAT | O_TRUNC, "other words");
    says("mkdir", mkdir("dir", 0750));
    says("mkdir", mkdir("dir", 0750));
    says("mkdir", mkdir("dir/below", 0700));
    says("symlink", symlink("dir/target", long_name));
    says("link", link("new", "dir/linked"));
    says("mkfifo", mkfifo("fifo", 0600));
    says("rename", rename("dir/linked", "dir/renamed"));
    says("rename over", rename("dir/renamed", "new")); /* the same file: both names stay */
    made("victim", O_WRONLY | O_CREAT, "victim");
    made("winner", O_WRONLY | O_CREAT, "winner");
    says("rename over", rename("winner", "victim"));
    says("rename", rename("winner", "victim"));
    says("rename dir", rename("dir", "folder"));
    says("chmod", chmod("new", 0400));
    says("truncate", truncate("victim", 3));
    says("utimensat", utimensat(AT_FDCWD, "victim", (struct timespec[2]){{.tv_sec = 7}, {.tv_sec = 8}}, 0));
    says("unlink", unlink("fifo"));
    says("unlink", unlink("fifo"));
    says("rmdir", rmdir("folder"));
    says("rmdir", rmdir("folder/below"));
    says("rmdir", rmdir("folder/below"));
    kept_open();
    locked();
    appended();

    int n = scandir(".", &names, NULL, by_name);
    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] != '.')
            show(names[i]->d_name);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
    show("folder/renamed");
    return 0;
}
