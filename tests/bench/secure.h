/* TLS of bench-load's connections, by libssl; of a connection without it, the socket's own calls. */
#ifndef TESTS_BENCH_SECURE_H
#define TESTS_BENCH_SECURE_H

#include <sys/types.h>

#include "conn.h"

/* Before any connection. */
void secure_prepare(void);

/* 1: the handshake is done; 0: it waits for what *ret_events says; -1: it failed. */
int secure_shake(struct conn *c, uint32_t *ret_events);

/* As send(2) and recv(2); EAGAIN: it waits for the socket. */
ssize_t secure_send(struct conn *c, const void *bytes, size_t n);
ssize_t secure_recv(struct conn *c, void *buf, size_t n);

/* Bytes that were read from the socket, and not yet by secure_recv. */
bool secure_pending(const struct conn *c);

/* Sends close_notify and the end of data. */
void secure_shut(struct conn *c);

/* Leaves the socket as it is, and says nothing. */
void secure_forget(struct conn *c);

/* Closes the socket; after secure_shut in order. */
void secure_close(struct conn *c);

#endif
