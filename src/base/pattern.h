/* What an operator expects of an answer: bytes that it has somewhere, or, behind a `~`, a regular
 * expression that fits it somewhere (POSIX extended, regex(7); without what would let an answer
 * make it slow: back-references and counts in braces). Immutable; any thread. */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

#define PATTERN_MOST 255 /* bytes of its text */

struct pattern;

/* Reads one. NULL, with *ret_why set to a constant clause; of memory if that ran out:
 * PATTERN_NO_MEMORY. */
struct pattern *pattern_new(const char *text, const char **ret_why);
extern const char PATTERN_NO_MEMORY[];
void pattern_free(struct pattern *pattern);

/* Whether it is found in these n bytes, which may have NULs, and must have one behind them. In time
 * in proportion to n. */
bool pattern_found(const struct pattern *pattern, const char *bytes, size_t n);

#endif
