/* Who may come in: allow and deny, proxy_from, and the limits of each client. Any thread. */
#ifndef ROAD_ADMIT_H
#define ROAD_ADMIT_H

#include "road/job.h"

/* Before anything is read: END_NONE, END_DENIED, or END_SENDER_DENIED. */
enum end admit_peer(const struct job *job) MUST_USE;

/* Counts the client in job->has.seat, which has entered the listener's gate: END_NONE,
 * END_CLIENT_CONNECTIONS (after a moment's wait for one of its connections that is ending), or
 * END_CLIENT_RATE. A client that a PROXY header has yet to name is not counted. */
enum end admit_client(struct job *job) MUST_USE;

/* The access and the limits of the client that a PROXY header has named. */
enum end admit_named(struct job *job) MUST_USE;

#endif
