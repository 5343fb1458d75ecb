/* Which of its listener's routes a connection takes, and which in the next generation. */
#ifndef ROAD_BRANCH_H
#define ROAD_BRANCH_H

#include "road/job.h"
#include "wire/client_hello.h"

/* An opener's. Takes the branch, in the newest generation, of what the client asks for (hello NULL:
 * it speaks no TLS), and notes it in the record. END_NONE, or, with none, END_UNKNOWN_NAME or
 * END_CLIENT_HELLO. */
enum end branch_choose(struct job *job, const struct client_hello *hello) MUST_USE;

/* What the client asks for goes to the record, where it chooses no route. */
void branch_note(struct job *job, const struct client_hello *hello);

/* Changes the job over to the newest generation: to the branch of its protocol, or of its name.
 * False: it has that, or there is none for it (any more), or the listener is gone: nobody comes to
 * a server for another name. Any thread. */
bool branch_follow(struct job *job) MUST_USE;

#endif
