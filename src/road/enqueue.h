/* How those that are not acceptors put a job in the queue. */
#ifndef ROAD_ENQUEUE_H
#define ROAD_ENQUEUE_H

#include "road/job.h"
#include "road/road.h"

/* As when_full says: waits for room, which workers make, or does not. END_NONE: the queue has the
 * job; else how it ends, and the job is untouched. An opener's, or a pump's. */
enum end enqueue_job(struct road *road, struct job *job);

#endif
