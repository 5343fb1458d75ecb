/* One direction of one connection: read, write, read, write ... until its end. Runs on a pump
 * thread. */
#ifndef RELAY_PUMP_H
#define RELAY_PUMP_H

#include "relay/conn.h"

/* The pump of the other direction, which still sleeps. Whatever this one meets, it starts it before it waits for
 * anything: only if the client's first message is there already, and small, is that carried first. By the time the
 * other one has been woken the answer may be there, too, and it need not go to sleep again. */
struct pump_partner {
    void (*start)(void *arg); /* NULL: there is none, or it runs */
    void *arg;
};

/* Carries bytes in this direction until it has ended or the conn is over. buffer: COPY_BUFFER_SIZE
 * bytes. The caller holds a reference to conn. Blocks in recv, send and splice; woken as conn.c
 * says. */
void pump_run(struct conn *conn, enum direction dir, char *buffer, struct pump_partner partner);

#endif
