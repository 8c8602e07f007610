/*
 * trace.h: where the lines of the 9P trace go: stderr, a file, or the log.
 */
#ifndef TRACE_H
#define TRACE_H

/* From now on to the end of this file, made with mode 0600 if it does not exist. 0 or -errno. */
int trace_to_file(const char *path);
/* From now on to the log. */
void trace_to_log(void);
/* Writes a line, which has no newline, behind the time of the wall clock; by one write(2), so that
 * those of several threads do not mix. A failure is logged once. Any thread. */
void trace_line(const char *line);

#endif
