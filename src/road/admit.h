/* Who may come in: allow and deny, who may send a PROXY header, and the limits of each client. */
#ifndef ROAD_ADMIT_H
#define ROAD_ADMIT_H

#include "road/job.h"

/* What can be said of whoever has connected, before anything is read or waited for: END_NONE,
 * END_DENIED, or END_SENDER_DENIED. Any thread. */
enum end admit_peer(const struct job *job) MUST_USE;

/* Counts the client in job->has.seat, which has entered the listener's gate: END_NONE,
 * END_CLIENT_CONNECTIONS (for which one of its connections that is ending is waited for, a moment),
 * or END_CLIENT_RATE. If a PROXY header has yet to name it, nothing is counted. Any thread. */
enum end admit_client(struct job *job) MUST_USE;

/* Both for the client that a PROXY header has named. */
enum end admit_named(struct job *job) MUST_USE;

#endif
