/* What the control thread asks of main, and who waits for the answer: a reload, or a look at the
 * configuration's file. */
#ifndef CONTROL_ERRANDS_H
#define CONTROL_ERRANDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

enum errand_kind {
    ERRAND_RELOAD,
    ERRAND_CHECK, /* of the file */
};

enum errand_state {
    ERRAND_WAITS,  /* main has not begun it */
    ERRAND_SERVED, /* what main does now is for it */
    ERRAND_DONE,
};

#define ERRAND_TEXT_MAX 8192
#define ERRANDS_MOST    16 /* at a time */

/* The caller's until errand_free. */
struct errand;

/* Main is woken so for a new one; NULL: main takes none any more, and all are refused. Main's. */
void errands_begin(void (*wake)(void *arg), void *arg);

/* Wakes main. NULL: *ret_why says why: there is no memory, ERRANDS_MOST are under way, or main
 * takes none. Any thread. */
struct errand *errand_new(enum errand_kind kind, const char **ret_why);
void errand_free(struct errand *errand);

/* How it went: the text is lines, "" if there is nothing to say. Any thread. */
enum errand_state errand_look(const struct errand *errand, bool *ret_good,
                              char ret_text[ERRAND_TEXT_MAX]);

/* Whether any of this kind waits; all that wait are served from now on; all that are served are
 * done. Main's. */
bool errands_wait(enum errand_kind kind);
void errands_serve(enum errand_kind kind);
void errands_answer(enum errand_kind kind, bool good, const char *text);

#endif
