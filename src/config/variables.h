/* ${NAME} in a word: the value of a variable of the environment.
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

/* The text with a value in the place of each marked variable, to be freed. NULL: a problem was
 * noted, or there is no memory, as problems->out_of_memory says. */
char *variables_expand(const char *text, int line, struct problems *problems);

#endif
