/* What whoever listens at the socket answers: relayd, of another version perhaps, or anything. */
#ifndef RELAYCTL_ANSWER_H
#define RELAYCTL_ANSWER_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "base/check.h"

#define ANSWER_MOST      ((size_t)512 << 20) /* bytes; a million connections have fewer */
#define ANSWER_LINE_MOST ((size_t)1 << 20)   /* of a stream */

/* Numbers in it are at most so large, so that they can be added, and are exact as a double. */
#define ANSWER_NUMBER_MOST (1LL << 53)

/* JSON, made tame. NULL: it is none. The caller frees it. */
json_t *answer_read(const char *bytes, size_t n) MUST_USE;

/* Texts in it can be shown at a terminal, and numbers be counted with. */
void answer_tame(json_t *json);

/* A text or a line that is no JSON, as it can be shown. */
void answer_print(const char *text, FILE *out);

#endif
