/* Telling a client that its connection is not relayed: in mode http by an answer, in mode tcp by a
 * reset. */
#ifndef ROAD_REFUSE_H
#define ROAD_REFUSE_H

#include "road/road.h"

/* Ends the job: its socket is taken and blanked, its record logged. Never blocks: in mode http a
 * pump of its own gives the client 502, 503 or 504 as the end says, once it has begun to ask
 * (answer.h), and the end of data, and drops what it sends, for at most linger_timeout. Beyond so
 * many pumps it is answered at once. in_gate: it had entered road->gate, which it leaves. Any
 * thread. */
void refuse_client(struct road *road, struct job *job, enum end end, int error, bool in_gate);

#endif
