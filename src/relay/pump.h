/* One direction of one connection: read, write, read, write ... until its end. Runs on a pump
 * thread. */
#ifndef RELAY_PUMP_H
#define RELAY_PUMP_H

#include "relay/conn.h"

/* Carries bytes in this direction until it has ended or the conn is over. buffer: COPY_BUFFER_SIZE
 * bytes. The caller holds a reference to conn. Blocks in recv, send and splice; woken as conn.c
 * says. */
void pump_run(struct conn *conn, enum direction dir, char *buffer);

#endif
