/* Telling a client that its connection is not relayed: in mode http by an answer, in mode tcp by a
 * reset. */
#ifndef ROAD_REFUSE_H
#define ROAD_REFUSE_H

#include "road/road.h"

/* Ends the job: gives back and blanks what it holds and its route, and logs its record. Never
 * blocks: in mode http a pump gives the client 502, 503 or 504, as the end says, once it has begun
 * to ask (answer.h), then the end of data, and drops what it sends, for at most linger_timeout.
 * Beyond max_refused such pumps the client is answered at once. error: the errno, or 0. in_gate: it
 * is in road->gate, which it leaves. Any thread, no leaf lock held. */
void refuse_client(struct road *road, struct job *job, enum end end, int error, bool in_gate);

#endif
