/* Orders of servers: POST /drain, /down, /ready, /weight and /reset, each of server=UPSTREAM/NAME;
 * and who gave an order, for all that act. */
#ifndef CONTROL_STEER_H
#define CONTROL_STEER_H

#include "control/question.h"
#include "record/steering.h"

struct reply drain_reply(const struct question *question);
struct reply down_reply(const struct question *question);
struct reply lift_reply(const struct question *question);   /* /ready */
struct reply weight_reply(const struct question *question); /* weight=N, or file */
struct reply reset_reply(const struct question *question);  /* without server: all */
struct reply lame_reply(const struct question *question);   /* /lame-duck; off=yes: no more */

/* A server, as it is asked for. */
struct steered {
    char upstream[CONFIG_NAME_MAX], server[CONFIG_NAME_MAX];
    const struct server_config *config; /* NULL: not in the file */
};

/* Reads server=UPSTREAM/NAME, of one that the file has. False: a sentence says why not. */
#define STEER_SENTENCE_MAX 512
bool steer_read_server(const struct question *question, struct steered *ret,
                       char ret_why[STEER_SENTENCE_MAX]) MUST_USE;

/* {"state", "weight", "by_uid", "since"}, since in seconds of the epoch; or null, for NULL. */
json_t *steer_json(const struct server_order *order);

/* Logs "SENTENCE: by root (uid 0, pid 123)." upstream and server: NULL if it is of none. */
void steer_log(const struct question *question, const char *upstream, const char *server,
               const char *sentence);

/* Logs a refusal, and answers it. Of many in a minute the first ones are logged, and how many more
 * there were. The control socket's thread's. */
struct reply steer_refuse(const struct question *question, unsigned status, const char *sentence);

/* Logs how many more there were, once the minute is over, or now. The same thread's. */
void steer_tell_refused(bool now);
bool steer_owes_words(void); /* it will have to be called */

/* What becomes of an order when this relayd ends; NULL: it outlives it. */
const char *steer_caveat(const struct question *question);

#endif
