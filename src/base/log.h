/*
 * log.h: messages to stderr in the foreground, to syslog in the background.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>

/* Each call writes one line, "9pfs: ..."; fmt has no newline. Control characters, from a server's
 * text or a file's name, are written as \xNN. Any thread.
 *
 * error: something fails that the user asked for, or data is lost; warning: the server is away or
 * misbehaves; notice: what ordinary operation rarely has; info: the mount's own steps; debug: what
 * only a search for a fault needs. */
__attribute__((format(printf, 1, 2))) void log_error(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void log_warning(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void log_notice(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void log_info(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void log_debug(const char *fmt, ...);

/* The level with that name: a priority of syslog(3). -1 if there is none. */
int log_level_named(const char *name);
/* Lines of a lower level are left out from now on; info at first. */
void log_set_level(int level);

/* Sends all further lines to syslog (LOG_DAEMON). Called when the program gives up stderr. */
void log_to_syslog(void);
/* Writes a line of the trace, whatever the level is; to syslog with the level debug. */
void log_trace(const char *line);

#endif
