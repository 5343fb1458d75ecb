/* The first pass over the file: which sections and options are there, on which lines, and which of
 * them nobody knows. The second pass, libconfuse's, then meets none that it does not know, so it
 * need not stop at the first. */
#ifndef CONFIG_OUTLINE_H
#define CONFIG_OUTLINE_H

#include <stddef.h>

#include "config/problems.h"
#include "config/tree.h"

enum outline_end {
    OUTLINE_WHOLE,  /* all of the text was read */
    OUTLINE_SAID,   /* not all, and a problem was noted that says why */
    OUTLINE_SYNTAX, /* not all: libconfuse will meet a syntax error at the end of what is left */
};

/* Adds the sections of the text to the tree, with the lines where options are given, and overwrites
 * comments and unknown options and sections with blanks. Notes a problem for each of those, and for
 * an option given twice in a section. Where it cannot go on, the text is ended. */
enum outline_end outline_read(char *text, size_t size, struct tree *tree,
                              struct problems *problems) MUST_USE;

#endif
