/* One direction of one connection: read, write, read, write ... until its end. On a pump thread. */
#ifndef CONN_PUMP_H
#define CONN_PUMP_H

#include "conn/conn.h"
#include "conn/pump_room.h"

/* Carries bytes until the direction has ended, the conn is over, or it is to park. The caller holds
 * a reference. Blocks in recv, send and splice; woken as conn_end.c says. */
void pump_run(struct conn *conn, enum direction dir, struct pump_room *room);

#endif
