/* Handshakes of TLS on the way of a connection: with its client, by an opener; with its server, by
 * a worker. What they agree on goes into the job. */
#ifndef ROAD_SHAKE_H
#define ROAD_SHAKE_H

#include "base/clock.h"
#include "road/job.h"

/* By the listener's tls section. END_NONE; or END_CLIENT_HELLO, END_HELLO_TIMEOUT, END_STOPPED or
 * END_NO_PUMPS (no memory), with the reason in the record. */
enum end shake_client(struct job *job, usec_t deadline, const _Atomic bool *stop);

#endif
