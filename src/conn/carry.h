/* Bytes of one direction, as they come: read, write, read, write ... until its end. */
#ifndef CONN_CARRY_H
#define CONN_CARRY_H

#include "conn/conn.h"
#include "conn/pump_room.h"

/* Until the direction has ended, the conn is over, or it is to park. On the direction's pump;
 * blocks in recv, send and splice; woken as conn_end.c says. */
void carry_run(struct conn *conn, enum direction dir, struct pump_room *room);

#endif
