/* Refuses a client: in mode http by an answer, in mode tcp by a reset. */
#ifndef ROAD_REFUSE_H
#define ROAD_REFUSE_H

#include "road/road.h"

/* Ends the job: gives back what it holds and its route, and logs its record, now or once the client
 * has gone. Never blocks: in mode http a pump answers once the client has begun to ask (answer.h),
 * and reads on for at most linger_timeout; beyond max_refused of these it answers at once. error:
 * errno or 0. in_gate: it leaves road->gate. Any thread, no leaf lock held. */
void refuse_client(struct road *road, struct job *job, enum end end, int error, bool in_gate);

#endif
