/* Tells a client that it is not relayed: in mode http by an answer, in mode tcp by a reset. */
#ifndef ROAD_REFUSE_H
#define ROAD_REFUSE_H

#include "road/road.h"

/* Ends the job: gives back what it holds and its route; its record is logged, here or once its
 * client has gone. Never blocks: in mode http a pump answers the client (403, 502, 503 or 504, as
 * the end says) once it has begun to ask (answer.h), and reads on for at most linger_timeout;
 * beyond max_refused of these it is answered at once. error: the errno, or 0. in_gate: it is in
 * road->gate, and leaves it. Any thread, no leaf lock held. */
void refuse_client(struct road *road, struct job *job, enum end end, int error, bool in_gate);

#endif
