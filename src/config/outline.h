/* The first pass over the file: its sections and options, with their lines, and unknown ones, which
 * libconfuse, the second pass, then does not meet: it would stop at the first. */
#ifndef CONFIG_OUTLINE_H
#define CONFIG_OUTLINE_H

#include <stddef.h>

#include "config/includes.h"
#include "config/problems.h"
#include "config/tree.h"

enum outline_end {
    OUTLINE_WHOLE,  /* all of the text was read */
    OUTLINE_SAID,   /* a part, and a problem says why */
    OUTLINE_SYNTAX, /* a part: libconfuse will meet a syntax error at its end */
};

/* Adds the sections of the text, the last of the tree's files, with the lines of options, to the
 * tree, and what it includes to includes; blanks comments, includes and unknown names. Notes a
 * problem for each unknown name, and for an option given twice. Ends the text where it cannot go
 * on. */
enum outline_end outline_read(char *text, size_t size, struct tree *tree, struct includes *includes,
                              struct problems *problems) MUST_USE;

#endif
