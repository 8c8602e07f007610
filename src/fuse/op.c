/*
 * op.c: operations in progress: their start, their interrupts and their replies.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "fuse/op.h"
#include "fuse/inode_attr.h"
#include "fuse/lock.h"
#include "fuse/notify.h"
#include "fuse/user.h"

/* The kernel reports every signal. Only a fatal one aborts an operation on a file, as in NFS:
 * SIGKILL is then pending for each thread. A caller in another pid namespace (pid 0) cannot be
 * examined, and counts as being killed. */
bool op_is_killed(pid_t pid)
{
    char path[64], line[256];
    unsigned long long pending = 0;
    bool known = false;

    if (pid == 0)
        return true;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return true;
    while (!known && fgets(line, sizeof line, f) != NULL)
        known = sscanf(line, "SigPnd: %llx", &pending) == 1;
    fclose(f);
    return known && (pending & 1ull << (SIGKILL - 1)) != 0;
}

bool op_caller_exits(struct op *op)
{
    enum { PF_EXITING = 4 }; /* in the kernel's flags of a thread, proc(5) */
    char path[64], line[512];
    unsigned flags = PF_EXITING; /* a process that cannot be examined receives no reply */

    snprintf(path, sizeof path, "/proc/%d/stat", fuse_req_ctx(op->req)->pid);
    FILE *f = fopen(path, "re");
    const char *rest = f != NULL && fgets(line, sizeof line, f) != NULL ? strrchr(line, ')') : NULL;
    if (rest != NULL)
        sscanf(rest, ") %*c %*d %*d %*d %*d %*d %u", &flags);
    if (f != NULL)
        fclose(f);
    return (flags & PF_EXITING) != 0;
}

bool op_should_end(const struct op *op)
{
    return op->any_signal || op_is_killed(fuse_req_ctx(op->req)->pid);
}

void op_interrupt(struct op *op)
{
    p9_interrupt(p9_client_session(op->fs->client), &op->scope);
    locks_interrupt(op->fs);
}

static void on_interrupt(fuse_req_t req, void *arg)
{
    struct op *op = arg;

    (void)req;
    if (op_should_end(op)) {
        fs_count(op->fs, INTERRUPTED);
        op_interrupt(op);
    }
    writebehind_wake(op->fs->writebehind);
    readahead_interrupt(op->readahead);
}

void op_begin(struct op *op, fuse_req_t req)
{
    struct fs *fs = fuse_req_userdata(req);

    *op = (struct op){.req = req, .fs = fs, .counted = true};
    atomic_fetch_add(&fs->begun, 1);
    fuse_req_interrupt_func(req, on_interrupt, op);
}

/* Runs before the reply is sent: the kernel's count of requests is then never below the number
 * of operations begun and not answered. */
static void count_answered(struct op *op)
{
    if (op->counted)
        atomic_fetch_add(&op->fs->answered, 1);
    op->counted = false;
}

void op_end(struct op *op)
{
    fuse_req_interrupt_func(op->req, NULL, NULL);
    count_answered(op);
    if (atomic_load(&op->fs->cache->has_stale))
        notify_stale(op->fs);
}

void op_reply_interrupted(struct op *op)
{
    count_answered(op);
    fuse_reply_err(op->req, EINTR);
}

void op_send(struct op *op, const struct answer *a, bool waits)
{
    int rc = -ENOENT;

    if (waits)
        op_end(op);
    if (waits && a->kind == ANSWER_ERR)
        fuse_reply_err(op->req, -a->rc);
    else if (waits && a->kind == ANSWER_ATTR)
        fuse_reply_attr(op->req, &a->attr, a->attr_ms / 1000.0);
    else if (waits)
        rc = fuse_reply_entry(op->req, &a->entry);
    if (a->kind == ANSWER_ENTRY && rc == -ENOENT)
        cache_forget(op->fs->cache, a->inode, 1);
}

/* A reply that reports a change waits until the kernel has dropped the stale data of other
 * names: the caller does not find the old state under another name. */
static void answer(struct op *op, const struct answer *a)
{
    if (atomic_load(&op->fs->cache->has_stale) && op->fs->notifier != NULL)
        op_answer_dropped(op, NULL, false, a);
    else
        op_send(op, a, true);
}

void op_reply_err(struct op *op, int rc)
{
    if (rc == -ENOSYS && !op->nosys_ok)
        rc = -EOPNOTSUPP;
    answer(op, &(struct answer){.kind = ANSWER_ERR, .rc = rc});
}

void op_reply_err_now(struct op *op, int rc)
{
    op_send(op, &(struct answer){.kind = ANSWER_ERR, .rc = rc == -ENOSYS ? -EOPNOTSUPP : rc}, true);
}

void op_reply_entry(struct op *op, struct inode *inode, const struct p9_attr *attr)
{
    struct answer a = {.kind = ANSWER_ENTRY, .inode = inode};

    fill_entry(op, inode, attr, &a.entry);
    answer(op, &a);
}

void op_reply_attr(struct op *op, struct inode *inode, const struct p9_attr *attr, unsigned ms)
{
    struct answer a = {.kind = ANSWER_ATTR, .attr_ms = ms};

    fill_stat(inode, attr, &a.attr);
    cache_given(op->fs->cache, inode);
    answer(op, &a);
}

int op_settle(struct op *op, const struct inode *inode)
{
    return writebehind_settle(op->fs->writebehind, &op->scope, &inode->qid);
}

bool op_root_answers(struct op *op)
{
    enum { ROOT_MS = 1000 };

    op->scope.limit_ms = ROOT_MS;
    return !p9_session_silent(p9_client_session(op->fs->client), ROOT_MS);
}

struct use op_use(struct op *op, struct inode *inode)
{
    return (struct use){
        .cache = op->fs->cache, .inode = inode, .user = op_user(op), .check_ms = op->fs->cache->lifetimes.attr};
}
