/* What the halves of the engine of steps share (copy_passage.h). */
#ifndef CONN_COPY_PASSAGE_INSIDE_H
#define CONN_COPY_PASSAGE_INSIDE_H

#include "conn/copy_passage.h"

/* A busy direction keeps its buffer until nothing has come for this long (SO_RCVTIMEO); and so
 * often it is seen whether the rest of a record can come. */
#define PASSAGE_KEPT_FOR USEC_PER_SEC

bool passage_parks(const struct copy_passage *copy);

void passage_give_buffers(struct copy_passage *copy);

/* Bytes of a full record of the sink. */
size_t passage_place_size(const struct copy_passage *copy);

/* Has in hand what the step of the previous process had: n bytes of the source, with those that
 * are in the stash. False: it is something else. */
bool passage_read_again(struct copy_passage *copy, int from, size_t n) MUST_USE;

#endif
