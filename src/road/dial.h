/* Connects a job to a server of its upstream. */
#ifndef ROAD_DIAL_H
#define ROAD_DIAL_H

#include "road/job.h"
#include "road/queue.h"

/* A worker's, no lock held. END_NONE: job->has.server is connected, blocking, and was sent its
 * PROXY header; job->has.member and .line are its server's. END_SERVERS_FULL: a later dial may find
 * room. The record tells of the last attempt. Calls turn_leave before a long wait. Whoever sets
 * *stop interrupts the worker: END_STOPPED. */
enum end dial(struct job *job, struct turn *turn, const _Atomic bool *stop) MUST_USE;

#endif
