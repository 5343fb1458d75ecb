/* What an answer must contain: bytes; or, after a `~`, a match of a regular expression (POSIX
 * extended, regex(7), without the slow: back-references and counts in braces). Immutable; any
 * thread. */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

#define PATTERN_MOST 255 /* bytes */

struct pattern;

/* NULL: *ret_why is a constant clause, or PATTERN_NO_MEMORY. */
struct pattern *pattern_new(const char *text, const char **ret_why);
extern const char PATTERN_NO_MEMORY[];
void pattern_free(struct pattern *pattern);

/* In n bytes, which may hold NULs; a NUL must follow them. Time in proportion to n. */
bool pattern_found(const struct pattern *pattern, const char *bytes, size_t n);

#endif
