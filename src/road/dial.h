/* From an accepted connection to one that has a server: over the servers of its upstream, within
 * its options. */
#ifndef ROAD_DIAL_H
#define ROAD_DIAL_H

#include "road/job.h"
#include "road/queue.h"

enum dial_outcome {
    DIAL_OK = 0,
    DIAL_REFUSED,   /* every attempt failed at once */
    DIAL_TIMED_OUT, /* the last attempt met connect_timeout */
    DIAL_NO_NAME,   /* no address is known */
    DIAL_FULL,      /* every server that is up has its max_connections */
    DIAL_DOWN,      /* health checks found every server down */
    DIAL_DRAINED,   /* every server has weight 0 */
    DIAL_LOOP,      /* the server is this relayd itself */
    DIAL_CUT_OFF,   /* this machine has no way to any address */
    DIAL_NO_SOCKET, /* the machine has no descriptor, port or memory for it */
    DIAL_STOPPED,   /* *stop became true (the worker is interrupted, see base/thread.h) */
};

/* Dials for the job. On DIAL_OK job->has.server is a connected, blocking socket that was sent its
 * PROXY header, and job->has.member whom it leads to (with job->has.line). In any case the record's
 * server, server_addr and error say what was tried last. While it waits for long, the turn is
 * away. */
enum dial_outcome dial(struct job *job, struct turn *turn, const _Atomic bool *stop) MUST_USE;

#endif
