/* TLS with a server on a socket that never blocks, by libssl alone: for health checks, which say
 * little and seldom. The caller's thread alone. */
#ifndef TLS_TALK_H
#define TLS_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/check.h"

struct tls_client; /* tls/client.h */
struct tls_talk;

/* host: as in tls_client_open. fd stays the caller's. http1: HTTP/1.1 will be spoken, and nothing
 * else is offered by ALPN, if anything is. NULL: no memory. */
struct tls_talk *tls_talk_new(struct tls_client *client, const char *host, bool http1,
                              int fd) MUST_USE;

/* Without an end being told. NULL is fine. */
void tls_talk_free(struct tls_talk *talk);

/* The handshake: 0 once it is done; -EAGAIN; -EPROTO: it failed, and why says of what; -EPIPE: the
 * server has closed the connection; or -errno of the socket. */
int tls_talk_shake(struct tls_talk *talk, char *ret_why, size_t size) MUST_USE;

/* Whether the server has answered the ClientHello, and not just with an alert. */
bool tls_talk_is_answered(const struct tls_talk *talk);

/* As send(2) and recv(2): bytes, 0 at the end of data, with close_notify or without, -EAGAIN, or
 * -errno. */
ssize_t tls_talk_send(struct tls_talk *talk, const void *bytes, size_t n) MUST_USE;
ssize_t tls_talk_recv(struct tls_talk *talk, void *buf, size_t size) MUST_USE;

/* After another error than -EAGAIN of send or recv, before anything else: what the server may have
 * said of it, as an alert, or may have meant; a clause, or "". */
const char *tls_talk_why(struct tls_talk *talk);

/* After -EAGAIN: it waits for room to write, whatever was called. */
bool tls_talk_wants_to_write(const struct tls_talk *talk);

/* Sends close_notify, if there is room. */
void tls_talk_end(struct tls_talk *talk);

#endif
