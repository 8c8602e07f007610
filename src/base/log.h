/*
 * log.h: messages to stderr in the foreground, to syslog in the background.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>

/* Each call writes one line, "9pfs: ..."; fmt has no newline. Control characters, from a server's
 * text or a file's name, are written as \xNN. Any thread. */
__attribute__((format(printf, 1, 2))) void log_error(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void log_info(const char *fmt, ...);

/* Sends all further lines to syslog (LOG_DAEMON). Called when the program gives up stderr. */
void log_to_syslog(void);

#endif
