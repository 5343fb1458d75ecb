/* Handshakes of TLS on the way of a connection: with its client, by an opener; with its server, by
 * a worker. What they agree on goes into the job. */
#ifndef ROAD_SHAKE_H
#define ROAD_SHAKE_H

#include "base/clock.h"
#include "road/opening.h"

struct upstream_tls_config; /* config/config.h */

/* By the listener's tls section, until the opening's deadline. Then the socket waits without
 * bounds, as it may not have before. END_NONE; or END_CLIENT_HELLO, END_HELLO_TIMEOUT, END_STOPPED
 * or END_NO_PUMPS (no memory), with the reason in the record. */
enum end shake_client(struct opening *opening);

/* By the upstream's tls section, with the job's server, whose host is as the operator wrote it.
 * on_wait: it takes longer than patience. 0; -EPROTO: it failed, the record says of what;
 * -ECONNRESET: the server left; -ETIMEDOUT, -ECANCELED, -ENOMEM. */
struct shake_wait {
    usec_t deadline, patience;
    const _Atomic bool *stop;
    void (*on_wait)(void *arg);
    void *arg;
};
int shake_server(struct job *job, const struct upstream_tls_config *tls, const char *host,
                 const struct shake_wait *wait) MUST_USE;

#endif
