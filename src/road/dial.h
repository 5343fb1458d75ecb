/* From an accepted connection to one that has a server: over the servers of its upstream, within
 * its options. */
#ifndef ROAD_DIAL_H
#define ROAD_DIAL_H

#include "road/job.h"
#include "road/queue.h"

/* Dials for the job. END_NONE: job->has.server is a connected, blocking socket that was sent its
 * PROXY header, job->has.member is whom it leads to, and job->has.line the member's. Else how the
 * connection ends; END_SERVERS_FULL: every server that is up has its max_connections, and a later
 * dial may find room. Either way the record's server, server_addr and error are those of the last
 * attempt. Before a wait that lasts, the turn leaves its place (turn_leave). *stop: end at once,
 * with END_STOPPED; whoever sets it interrupts the worker (base/thread.h). A worker's, no lock
 * held. */
enum end dial(struct job *job, struct turn *turn, const _Atomic bool *stop) MUST_USE;

#endif
