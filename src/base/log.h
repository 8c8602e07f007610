/*
 * log.h: one line at a time, to stderr in the foreground and to syslog behind it.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>

/* Lines are written as "9pfs: ...", one call one line, without a newline in fmt. Control characters, of a server's words or a
 * file's name, are shown as \xNN. Safe from any thread. */
__attribute__((format(printf, 1, 2))) void log_error(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void log_info(const char *fmt, ...);

/* From now on lines go to syslog (LOG_DAEMON). Called once stderr is given up. */
void log_to_syslog(void);

#endif
