/* From an accepted connection to one that has a server: tries the servers of its upstream. */
#ifndef ROAD_DIAL_H
#define ROAD_DIAL_H

#include "road/job.h"
#include "road/queue.h"

/* A worker's, no lock held. END_NONE: job->has.server is a connected, blocking socket that was sent
 * its PROXY header, and job->has.member and .line are its server's. Else how the connection ends;
 * END_SERVERS_FULL: a later dial may find room. The record's server, server_addr and error are
 * those of the last attempt. Before a long wait the turn leaves (turn_leave). Whoever sets *stop
 * interrupts the worker (base/thread.h): END_STOPPED. */
enum end dial(struct job *job, struct turn *turn, const _Atomic bool *stop) MUST_USE;

#endif
