/* What an operator expects of an answer: bytes somewhere in it; or, after a `~`, a regular
 * expression that matches somewhere (POSIX extended, regex(7), without what could be slow:
 * back-references and counts in braces). Immutable; any thread. */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

#define PATTERN_MOST 255 /* bytes of its text */

struct pattern;

/* Reads one. NULL: *ret_why is a constant clause, or PATTERN_NO_MEMORY. */
struct pattern *pattern_new(const char *text, const char **ret_why);
extern const char PATTERN_NO_MEMORY[];
void pattern_free(struct pattern *pattern);

/* Whether it is found in these n bytes, NULs included; a NUL must follow them. Takes time in
 * proportion to n. */
bool pattern_found(const struct pattern *pattern, const char *bytes, size_t n);

#endif
