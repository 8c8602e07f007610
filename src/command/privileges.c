/*
 * privileges.c: gives up capabilities, those of programs to be executed included. Without libcap:
 * the system calls are few, and concern the calling thread alone.
 *
 * What stays, each only where the case can occur:
 *   CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH  to see the descriptors of other users' processes (close.c)
 *   CAP_SYS_PTRACE                       to see other users' processes in a /proc with hidepid=
 *   CAP_DAC_OVERRIDE                     to connect again to another user's unix socket
 *   CAP_NET_BIND_SERVICE                 to connect again with privport
 *   CAP_KILL                             to end an authentication command that has changed its user
 *
 * An authentication command is executed with all that root's programs have: it may need any of it.
 */
#include "command/privileges.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/thread.h"
#include "fuse/mountinfo.h"

#define BIT(capability) (UINT64_C(1) << (capability))

static _Atomic uint64_t kept; /* a thread may begin while it grows */
static bool is_root, executes_as_root;

/* ---- the calling thread ------------------------------------------------- */

static void get_capabilities(uint64_t *effective, uint64_t *permitted)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};

    syscall(SYS_capget, &head, data);
    *effective = data[0].effective | (uint64_t)data[1].effective << 32;
    *permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
}

/* The inheritable set, and with it the ambient one, becomes empty. */
static void set_capabilities(uint64_t effective, uint64_t permitted)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct data[2] = {
        {.effective = (uint32_t)effective, .permitted = (uint32_t)permitted},
        {.effective = (uint32_t)(effective >> 32), .permitted = (uint32_t)(permitted >> 32)}};

    syscall(SYS_capset, &head, data);
}

static void limit_executed(uint64_t keep)
{
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (!(keep & BIT(cap)) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
            prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void limit(uint64_t keep, bool executed)
{
    uint64_t effective, permitted;

    if (executed)
        limit_executed(keep);
    get_capabilities(&effective, &permitted);
    set_capabilities(effective & keep, permitted & keep);
}

/* ---- what is needed ----------------------------------------------------- */

static bool needs_override(const char *socket)
{
    uint64_t effective, permitted;

    get_capabilities(&effective, &permitted);
    set_capabilities(0, permitted);
    bool denied = faccessat(AT_FDCWD, socket, W_OK, AT_EACCESS) != 0;
    set_capabilities(effective, permitted);
    return denied;
}

/* No core file, and no other process of the user looks into the memory, which holds what the
 * command and the server tell each other, or a key. */
static void keep_secrets(void)
{
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* the leak check looks into it */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

void privileges_drop(void)
{
    if (is_root)
        limit(kept, !executes_as_root);
}

void privileges_begin(const struct options *o)
{
    if (o->auth != NULL || o->tls.key != NULL)
        keep_secrets();
    is_root = geteuid() == 0;
    if (!is_root)
        return;
    executes_as_root = o->auth != NULL;
    if (o->auth != NULL)
        kept |= BIT(CAP_KILL);
    if (o->dial == DIAL_UNIX && needs_override(o->host))
        kept |= BIT(CAP_DAC_OVERRIDE);
    if (o->privport)
        kept |= BIT(CAP_NET_BIND_SERVICE);
    if (proc_hides_processes())
        kept |= BIT(CAP_SYS_PTRACE);
    thread_begins_with(privileges_drop);
}

void privileges_for_synthetic(void)
{
    kept |= BIT(CAP_SYS_PTRACE) | BIT(CAP_DAC_READ_SEARCH);
}

bool privileges_to_mount(void)
{
    uint64_t effective, permitted;

    get_capabilities(&effective, &permitted);
    return geteuid() == 0 && (effective & BIT(CAP_SYS_ADMIN)) != 0;
}

void privileges_only_unmount(void)
{
    limit(BIT(CAP_SYS_ADMIN) | BIT(CAP_DAC_READ_SEARCH), true);
}
