/* The files of a configuration: the one named, and those that include statements name, each read
 * after the one that includes it. */
#ifndef CONFIG_INCLUDES_H
#define CONFIG_INCLUDES_H

#include <stddef.h>
#include <sys/types.h>

#include "base/check.h"
#include "config/problems.h"

#define INCLUDES_MOST 1000 /* files in all */

struct includes {
    struct include {
        char *path;
        size_t by; /* index of the file that includes it */
        int line;  /* where; counted through (config/places.h) */
        dev_t device;
        ino_t inode; /* 0: not known */
    } * list;
    size_t n, room;
    size_t at; /* the one that is read now */
};

/* The first file. False: no memory. */
bool includes_begin(struct includes *includes, const char *path) MUST_USE;
void includes_free(struct includes *includes);

/* Adds what a statement on this line of the present file names: a path, or a pattern as of glob(7),
 * in order. Notes a problem for what is not there or in the list already. */
void includes_add(struct includes *includes, const char *pattern, int line,
                  const struct places *places, struct problems *problems);

/* Reads a file into text, which has CONFIG_SIZE_MAX + 1 bytes. first: it was named with -f. False:
 * it cannot be read; *ret_why says so, as "PATH: there is no such file", to be freed; or it is
 * NULL: no memory. */
bool includes_read(const char *path, bool first, char *text, size_t *ret_n,
                   char **ret_why) MUST_USE;

#endif
