/* A configuration that is read by a thread of its own, beside main: a file system or a name server
 * may not answer for long, and nobody can interrupt who waits for one. */
#ifndef DAEMON_READING_H
#define DAEMON_READING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "base/clock.h"
#include "config/config.h"
#include "listen/listen_names.h"

struct reading;

/* What it has come to. */
struct reading_result {
    struct config *config; /* NULL: the file cannot be read, or has errors */
    struct listen_names names;
    bool found; /* every name of a listener has addresses */
    char *what; /* why not, or NULL: no memory */
    char **errors;
    size_t n_errors;
};

/* Begins to read the file, or (file is NULL) takes over a reference to a configuration that was
 * read before, and looks up the names of its listeners. Then on_done is called, by its thread. 0,
 * or -errno with nothing taken. */
int reading_begin(const char *file, struct config *config, void (*on_done)(void *arg), void *arg,
                  struct reading **ret_reading) MUST_USE;

/* What it has come to: the reading's, until it is freed. NULL: it has not come to its end. */
const struct reading_result *reading_done(const struct reading *reading);

/* What it waits for, as "an answer about the name of a listener, NAME:80"; text is for that. */
const char *reading_waits_for(const struct reading *reading, char *text, size_t size);

/* Joins its thread and frees all. False: it has not come to its end, and nothing was done. */
bool reading_free(struct reading *reading);

/* The same at the end of the process, but waits for its end until then, and interrupts what it
 * waits for. */
bool reading_free_until(struct reading *reading, usec_t deadline);

#endif
