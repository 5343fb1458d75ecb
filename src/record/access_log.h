/* The access log: any pump gives it requests, one thread writes them to a file, and nobody waits
 * for the disk.
 *
 * Requests are copied into a ring; the thread makes lines of them, many for one write. While the
 * file takes nothing (a full disk) lines wait; what finds the ring full is lost, and counted.
 *
 * Which file it is main says, who has had it opened: at the start, and at each reload, so that one
 * that was renamed (logrotate(8)) is left. */
#ifndef RECORD_ACCESS_LOG_H
#define RECORD_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "record/access_file.h"
#include "record/request_record.h"

#define ACCESS_LOG_ROOM ((size_t)32 << 20) /* bytes of requests that may wait */

/* Whether requests are to be given. Any thread, no lock. */
bool access_log_is_on(void);

/* Copies it, or counts it as lost. Any thread, no leaf lock held. */
void access_log_add(const struct request_record *record);

/* Starts the thread, unless it runs, for access_log_use. 0 or -errno. Main. */
int access_log_begin(void) MUST_USE;

/* From now on lines go there, to none where it is NULL; takes the reference. When it returns the
 * file before is written no more (unless its disk hangs for longer than a second). Before
 * access_log_begin file is NULL, and nothing happens. Main. */
void access_log_use(struct access_file *file);

/* The same file by its name, made anew if it is gone; where that fails it stays as it is. Soon.
 * Main. */
void access_log_reopen(void);

/* Whether the file takes no lines now; then why, and what to do, in a sentence, cut to fit. Any
 * thread, no leaf lock held. */
bool access_log_fails(char *buf, size_t size) MUST_USE;

/* Writes what waits, for as long as that moves, then ends the thread. Main. */
void access_log_stop(void);

#endif
