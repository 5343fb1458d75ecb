/* Prefixes that operators block: GET /blocks, POST /block and /unblock. */
#ifndef CONTROL_BLOCKS_H
#define CONTROL_BLOCKS_H

#include "control/question.h"

struct reply blocks_reply(const struct question *question);
struct reply block_reply(const struct question *question);   /* prefix=, for=TIME, all=yes */
struct reply unblock_reply(const struct question *question); /* prefix= */

/* Logs and forgets those whose time is over. Once a second or so; any thread. */
void blocks_tell_over(void);

#endif
