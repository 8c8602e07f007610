/*
 * options_trans.c: checks the options that choose the transport, and derives its settings.
 */
#include <errno.h>
#include <linux/vm_sockets.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/words.h"
#include "command/options_impl.h"

static bool trans_is(const struct options *o, const char *name)
{
    return o->trans != NULL && strcmp(o->trans, name) == 0;
}

static bool use_descriptors(const struct options *o)
{
    return o->trans == NULL ? o->rfdno >= 0 || o->wfdno >= 0 : trans_is(o, "fd");
}

bool options_need_server(const struct options *o)
{
    return o->command == NULL && !use_descriptors(o);
}

static int check_command(struct options *o, struct p9_why *why)
{
    char **argv;
    int rc = words_split(o->command, &argv);
    bool empty = rc == 0 && argv[0] == NULL;

    if (rc == 0)
        words_free(argv);
    if (empty)
        return options_fail(why, "option command=: expected a command");
    if (rc == -EINVAL)
        return options_fail(
            why, "option command=%s: a quotation mark is not closed, or a backslash is the last character", o->command);
    if (rc < 0)
        return options_fail(why, "%s", strerror(-rc));
    if (o->trans != NULL)
        return options_fail(why, "option trans=%s: command= is a transport by itself", o->trans);
    if (o->rfdno >= 0 || o->wfdno >= 0)
        return options_fail(why, "option command=: not together with rfdno= and wfdno=");
    options_parse_name(o, o->source);
    o->dial = DIAL_COMMAND;
    return 0;
}

/* Parses a number up to 2^32 - 2: the last one stands for "any". */
static bool parse_number(const char *text, unsigned *n)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    *n = (unsigned)value;
    return *text >= '0' && *text <= '9' && *end == 0 && value < UINT32_MAX;
}

static int check_vsock(struct options *o, struct p9_why *why)
{
    static const struct {
        const char *name;
        unsigned cid;
    } words[] = {{"host", VMADDR_CID_HOST}, {"local", VMADDR_CID_LOCAL}, {"hypervisor", VMADDR_CID_HYPERVISOR}};
    bool known = parse_number(o->host, &o->cid);

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(o->host, words[i].name) == 0) {
            o->cid = words[i].cid;
            known = true;
        }
    if (!known)
        return options_fail(why, "source '%s': expected vsock:CID[:PORT][:ANAME], where CID is a number, host or local",
                            o->source);
    if (!parse_number(o->port, &o->vsock_port))
        return options_fail(why, "option port=%s: expected a number for vsock", o->port);
    return 0;
}

static int check_trans_name(const struct options *o, struct p9_why *why)
{
    static const char *const known[] = {"tcp", "unix", "vsock", "tls", "fd"};
    static const char *const of_the_kernel[] = {"virtio", "xen", "rdma", "usbg"};
    static const char expected[] = "expected tcp, unix, vsock, tls or fd";

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (trans_is(o, known[i]))
            return 0;
    for (size_t i = 0; i < sizeof of_the_kernel / sizeof *of_the_kernel; i++)
        if (trans_is(o, of_the_kernel[i]))
            return options_fail(why, "option trans=%s: only the kernel's client has it; %s", o->trans, expected);
    return options_fail(why, "option trans=%s: %s", o->trans, expected);
}

int options_check_trans(struct options *o, struct p9_why *why)
{
    if (o->trans != NULL && check_trans_name(o, why) != 0)
        return -1;
    if (o->port == NULL)
        options_set(&o->port, "564", 3);
    if (o->command != NULL)
        return check_command(o, why);
    if (use_descriptors(o) && (o->rfdno < 0 || o->wfdno < 0))
        return options_fail(why, "trans=fd needs both rfdno= and wfdno=");
    if (use_descriptors(o))
        o->dial = DIAL_FDS;
    else if (trans_is(o, "unix"))
        o->dial = DIAL_UNIX;
    else if (trans_is(o, "tls") && o->dial == DIAL_UNIX)
        return options_fail(why, "source '%s': trans=tls needs a host", o->source);
    else if (trans_is(o, "tls"))
        o->dial = DIAL_TLS;
    return o->dial == DIAL_VSOCK ? check_vsock(o, why) : 0;
}

int options_check_tls(struct options *o, struct p9_why *why)
{
    static const char *const names[] = {[P9_TLS_FULL] = "full", [P9_TLS_CA] = "ca", [P9_TLS_NONE] = "none"};
    const char *set = o->tls.ca != NULL     ? "tls_ca"
                      : o->tls.cert != NULL ? "tls_cert"
                      : o->tls.key != NULL  ? "tls_key"
                      : o->tls.crl != NULL  ? "tls_crl"
                      : o->tls.name != NULL ? "tls_name"
                                            : "tls_verify";
    unsigned i = 0;

    if (o->dial != DIAL_TLS && (strcmp(set, "tls_verify") != 0 || o->tls_verify != NULL))
        return options_fail(why, "option %s=: only with trans=tls", set);
    if ((o->tls.cert != NULL) != (o->tls.key != NULL))
        return options_fail(why, "options tls_cert= and tls_key= are needed together: %s= is missing",
                            o->tls.cert != NULL ? "tls_key" : "tls_cert");
    while (o->tls_verify != NULL && i < sizeof names / sizeof *names && strcmp(names[i], o->tls_verify) != 0)
        i++;
    if (i == sizeof names / sizeof *names)
        return options_fail(why, "option tls_verify=%s: expected full, ca or none", o->tls_verify);
    o->tls.verify = i;
    return 0;
}
