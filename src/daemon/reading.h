/* Reads a configuration in a thread of its own, since a file system or a name server may be silent
 * for long. */
#ifndef DAEMON_READING_H
#define DAEMON_READING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "base/clock.h"
#include "config/config.h"
#include "listen/listen_names.h"
#include "record/access_file.h"

struct reading;

struct reading_result {
    struct config *config; /* NULL: the file cannot be read, or has errors */
    struct listen_names names;
    bool found; /* every name of a listener has addresses, and the access log is open */
    struct access_file *access; /* a reference; NULL: none is asked for */
    char *what;                 /* why not, or NULL: no memory */
    char **errors;
    size_t n_errors;
};

/* Reads the file, or (file is NULL) takes over a reference to config, looks up the names of its
 * listeners, and opens its access log. Its thread then calls on_done. 0, or -errno with nothing
 * taken. */
int reading_begin(const char *file, struct config *config, void (*on_done)(void *arg), void *arg,
                  struct reading **ret_reading) MUST_USE;

/* The reading owns it. NULL: not done. */
const struct reading_result *reading_done(const struct reading *reading);

/* Returns text: what it waits for, as "an answer about the name of a listener, NAME:80". */
const char *reading_waits_for(const struct reading *reading, char *text, size_t size);

/* Joins its thread and frees all. False: not done, and nothing has changed. */
bool reading_free(struct reading *reading);

/* The same at the end of the process: interrupts it, and waits until the deadline. */
bool reading_free_until(struct reading *reading, usec_t deadline);

#endif
