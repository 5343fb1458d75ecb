/* The connections of bench-load: one request after the other on each, as its mode wants it. One thread,
 * epoll, 127.0.0.1 only. */
#ifndef TESTS_BENCH_CONN_H
#define TESTS_BENCH_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NSEC_SEC     1000000000LL
#define HEAD_MAX     1024
#define SAMPLES_MAX  (1u << 22)
#define SOURCE_BYTES (64L << 20) /* what uploads are sent from, again and again */

enum mode { MODE_GET, MODE_PUT, MODE_OPEN, MODE_MANY, MODE_CLOSE };
enum state { DEAD, CONNECTING, SHAKING, HEAD, BODY, UPLOAD, IDLE, DRAIN };

struct conn {
    int fd;
    enum state state;
    size_t have;                    /* of head */
    uint64_t left;                  /* of the body */
    int64_t start;                  /* of the request; in MODE_CLOSE of the connection */
    struct ssl_st *ssl;             /* NULL: plain */
    struct ssl_session_st *session; /* of its last connection over TLS */
    char head[HEAD_MAX];
};

struct options {
    enum mode mode;
    bool tls, resume; /* speaks TLS; with the session of an earlier connection */
    int port;
    char request[256];
    uint64_t size; /* of one upload */
    size_t n_conns;
    int64_t duration;
};

struct run {
    struct conn *conns;
    int epoll, source;
    const char *memory;               /* of the source */
    size_t opened, ready, turn, busy; /* started, answered once, next to be active, under way */
    bool by_turns, draining;
    uint64_t bytes, requests, errors, resumed;
    uint32_t *samples; /* microseconds */
    size_t n_samples;
};

extern struct options opt;
extern struct run run;

int64_t now(void);
void die(const char *what);

/* Starts the next connection that has not been started. */
void next_opening(void);

/* Starts a request on the next connection in turn that is not waiting for an answer. */
void next_turn(void);

/* Handles events until the deadline, or until enough connections are ready or none is under way. */
void handle_until(int64_t deadline, size_t enough);

/* Cuts uploads short, and returns when every byte that was sent has arrived. */
void end_uploads(void);

#endif
