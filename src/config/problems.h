/* Errors of a configuration: collected while reading, reported in the file's order. */
#ifndef CONFIG_PROBLEMS_H
#define CONFIG_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "config/config.h"

struct problem {
    int line;
    size_t number; /* keeps the order within a line */
    char *text;
};

struct problems {
    struct problem *list;
    size_t n, room;
    bool out_of_memory; /* nothing else matters then */
};

/* Room for what problems_show writes, NUL included. */
#define PROBLEMS_SHOWN_MAX 80

/* Notes one problem: "unknown option ...", without file and line. */
void problems_add(struct problems *problems, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);

bool problems_any(const struct problems *problems);

/* Forgets those after this line: after a syntax error all is guesswork. */
void problems_drop_after(struct problems *problems, int line);

/* Calls on_error for each, as "FILE:LINE: text", and empties the list. */
void problems_report(struct problems *problems, const struct places *places,
                     config_error_fn *on_error, void *arg);

/* Writes a piece of the file for a message: escaped (base/escape.h), and at most a line of it. buf
 * has PROBLEMS_SHOWN_MAX bytes and is returned. */
const char *problems_show(const char *text, char *buf);

#endif
