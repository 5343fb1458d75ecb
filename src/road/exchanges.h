/* Connections of mode http: how they begin, and the dials that their exchanges ask for. */
#ifndef ROAD_EXCHANGES_H
#define ROAD_EXCHANGES_H

#include "conn/conn.h"
#include "road/job.h"
#include "road/road.h"

/* Before anything runs: what exchanges ask of this road. False: no descriptor. */
bool exchanges_init(struct road *road) MUST_USE;
void exchanges_destroy(struct road *road); /* no connection is left */

/* Gives the client a pair of pumps, which read its requests. It is in the gate. END_NONE: the job
 * has nothing any more; else how it ends, and the job is untouched, but for record.error. An
 * acceptor's, an opener's. */
enum end exchanges_begin(struct road *road, struct job *job);

/* One that the last relayd left has no request under way, or its leg went on to another client: its
 * descriptor leads nowhere from now on (one_leg). Before anything is done to that. Main. */
void exchanges_leave_leg(const struct road *road, struct conn *conn);

/* One that the last relayd left goes on: before its pumps run. False: no memory. Main. */
bool exchanges_adopt(struct road *road, struct route *route, struct conn *conn);

/* A dial for an exchange has ended so. Takes all of the job but its route. */
void exchanges_deliver(struct job *job, enum end end, int error);

#endif
