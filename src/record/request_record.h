/* One request of mode http, for the log and the access log: flat, with its texts behind it, and
 * what of it is logged (log_requests). */
#ifndef RECORD_REQUEST_RECORD_H
#define RECORD_REQUEST_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "record/record.h"

#define REQUEST_ID_SIZE      104  /* with NUL */
#define REQUEST_METHOD_SIZE  24   /* with NUL; a longer one is cut */
#define REQUEST_HOST_MOST    255  /* bytes */
#define REQUEST_PATH_MOST    2048 /* of a path with its query; a longer one is cut */
#define REQUEST_AGENT_MOST   512  /* of User-Agent; likewise */
#define REQUEST_REFERER_MOST 1024 /* of Referer; likewise */
#define REQUEST_ROUTE_MOST   200  /* of a pattern; a longer one is cut where there is no room */
#define REQUEST_WHY_MOST     160  /* of what was wrong */
#define REQUEST_TEXTS_SIZE   4208

struct request_record {
    usec_t begun;  /* clock_now(), as all moments: its first byte was there; 0: nothing is noted */
    uint64_t conn; /* the number of its connection */
    char id[REQUEST_ID_SIZE];
    char method[REQUEST_METHOD_SIZE]; /* "": not even that was understood */
    char listener[CONFIG_NAME_MAX], upstream[CONFIG_NAME_MAX], server[CONFIG_NAME_MAX];
    struct addr client;
    struct addr server_addr; /* len 0: no server was reached for it */
    usec_t headed;           /* its head was whole; 0: it never was */
    usec_t answered;         /* its answer began to come from the server; 0: it did not */
    usec_t whole;            /* the answer was sent; 0: it was not whole */
    usec_t queue, dial;      /* how long it waited for a worker, and that connected; 0: reused */
    uint64_t bytes[2];       /* of its body and its answer's, by direction; no framing */
    unsigned retries;        /* how often it was sent again */
    uint16_t status;         /* that the client was sent; 0: none */
    bool own;                /* that was relayd's own answer, */
    uint32_t page;           /* with a body of so many bytes, which bytes[] does not count */
    bool v1_0;               /* it was HTTP/1.0 */
    bool reused;             /* over a connection to the server that had served before */
    uint16_t tls_version, tls_suite; /* its client's, as on the wire; 0: plain */
    enum end end;                    /* why it failed; END_NONE: it did not */
    /* Host, path, User-Agent and Referer (both where the access log asks for them), route, and what
     * is wrong with it, its answer or its server (a clause), each with NUL; how many bytes without
     * it. */
    uint16_t n_host, n_path, n_agent, n_referer, n_route, n_why;
    char texts[REQUEST_TEXTS_SIZE];
};

/* What is logged from now on. slow: of LOG_REQUESTS_SLOW. Any thread. */
void request_record_choose(enum log_requests which, usec_t slow);

const char *request_record_host(const struct request_record *record);
const char *request_record_path(const struct request_record *record);
const char *request_record_agent(const struct request_record *record);
const char *request_record_referer(const struct request_record *record);
const char *request_record_route(const struct request_record *record);
const char *request_record_why(const struct request_record *record);

/* Whether what stands there can be true: another process has written it. */
bool request_record_is_sound(const struct request_record *record);

/* Bytes of it that are in use: it may be copied so far. */
size_t request_record_size(const struct request_record *record);

/* From one moment to another; 0: one of them never came. */
usec_t request_record_span(usec_t from, usec_t to);

/* Where its fields go, one by one: by the names that they have in the journal. A text without value
 * is left out by who gets it. */
struct request_fields {
    void (*text)(void *arg, const char *name, const char *value);
    void (*number)(void *arg, const char *name, unsigned long long number);
    void *arg;
};

/* All that is known of it. Pure. */
void request_record_tell(const struct request_record *record, const struct request_fields *to);

/* It is over: whether the log is to get it. If it has had its number for this second, it counts
 * this one. Asks for status, end and moments alone. Any thread. */
bool request_record_takes(const struct request_record *record);

/* Logs it; or (not written) gives it to those alone who listen (base/log_tap.h). The log has no
 * room for both a long path and what the client says of itself: then that is cut off. No leaf lock
 * held. */
void request_record_log(struct request_record *record, bool written);

#endif
