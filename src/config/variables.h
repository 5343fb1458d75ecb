/* ${NAME} in a word: an environment variable's value.
 *
 * marks_note: libconfuse takes a variable that is missing for an empty one, and splits words at
 * braces. So the first pass overwrites "$", "{" and "}" of each variable with bytes that no file
 * may have, which libconfuse passes on; what it reads is expanded here. */
#ifndef CONFIG_VARIABLES_H
#define CONFIG_VARIABLES_H

#include <stdbool.h>
#include <stddef.h>

#include "config/problems.h"

/* Marks the variable at the start of text, which begins with "${". Its length; 0: it is none. */
size_t variables_mark(char *text);

bool variables_are_in(const char *text);

/* The text with the variables' values, to be freed. NULL: a problem was noted, or no memory
 * (problems->out_of_memory). */
char *variables_expand(const char *text, int line, struct problems *problems);

#endif
