/*
 * starter.h: a process that starts the command of a transport: at first, and for each connection
 * again.
 *
 * It is a process of its own, made before there are threads, because the process that serves
 * gives up its privileges and its terminal, and can be killed: a command has the same privileges
 * each time, and ends when the process that serves does, however that ends.
 */
#ifndef STARTER_H
#define STARTER_H

#include "9p/transport.h"

/* What is said about a command, on the socket that was passed for that. */
struct starter_report {
    enum { STARTER_NOT_EXECUTED, STARTER_ENDED } what;
    int value; /* errno, or the status of wait(2) */
};

/* Starts the command: `io` is its standard input and output, `messages` its standard error. On
 * `reports` come starter_reports; closing the other end has the command end. The descriptors remain
 * the caller's. 0 or -errno. */
int starter_start(struct p9_starter *s, int io, int messages, int reports);
/* What was passed to p9_starter_new. */
const char *starter_command(const struct p9_starter *s);

#endif
