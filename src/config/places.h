/* Lines of several files are counted through, as read: one number says file and line. Here they are
 * told apart. */
#ifndef CONFIG_PLACES_H
#define CONFIG_PLACES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

struct places {
    struct place_file {
        char *path;
        int before; /* lines of the files before it */
    } * list;
    size_t n, room;
};

/* Room for what places_say writes, NUL included. */
#define PLACES_TEXT_MAX 512

/* Adds a file after so many lines, and copies the path. False: no memory. */
bool places_add(struct places *places, const char *path, int before) MUST_USE;

/* Adds all files of another. False: no memory. */
bool places_add_all(struct places *places, const struct places *from) MUST_USE;
void places_free(struct places *places);

/* The line's file and its number there. At least one file must be there. */
const char *places_find(const struct places *places, int line, int *ret_line);

/* "line 4", or "line 4 of /etc/relayd.d/web.conf" where that is another file than that of the line
 * here. buf has PLACES_TEXT_MAX bytes and is returned. */
const char *places_say(const struct places *places, int here, int line, char *buf);

#endif
