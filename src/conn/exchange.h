/* HTTP over one connection: exchanges of a request and its answer, one under way at a time, with
 * servers that its requests are routed to.
 *
 * Two pumps make it, each in its own direction: `up` reads requests (exchange_up.c), chooses the
 * server and sends them on (exchange_forward.c); `down` (exchange_down.c) reads answers and passes
 * them on. Rules, each with the name that the code refers to:
 *
 * one_leg: The connection to a server (a leg) is private to the client's. It has always the same
 * descriptor, conn->fd[SIDE_SERVER]: a new socket takes the place of the former one by dup3(2),
 * once down no longer reads from that. Before the first there is a socket that leads nowhere.
 *
 * who_writes: Down writes to the client while an exchange is under way, up between exchanges (what
 * relayd itself answers). A request is under way from before its first byte is sent until its
 * answer's last byte was written; both moments are under the lock.
 *
 * who_dials: Who needs a leg asks the road above for one (exchange_road), and waits for the event:
 * up for a request, down for one that is sent again.
 *
 * stale_leg: A server may close a leg while a request is on its way to it. If not a byte of an
 * answer has come, and the request may be sent twice (RFC 9110, 9.2.2) and has no body, it is sent
 * once more.
 *
 * by_steps: With a keeper, an exchange outlives the process at any moment. Each pump goes on by
 * steps (record/passage.h): what it has read stays in the socket, and what it is about to send is
 * in an area, until the next step; both, and the leg, are the keeper's. What a pump must know to go
 * on is in its mark (struct passage_exchange): exchange_resume.c makes the rest of it anew. Between
 * exchanges the leg is given up by the next process, and a dial under way is begun again.
 *
 * up_has_sent: A server may answer, or end, before the send that has brought it the request has
 * returned. Down waits for up before it uses another leg, which has the same descriptor, and before
 * it lets the next request begin: up keeps the request lent until it has sent all of it.
 *
 * unasked: Bytes of a server that nobody has asked for end its leg, and the client in order, behind
 * the answer that it has had: they never become the answer to its next request. A client of a
 * shared leg goes on over another one, and so does one that has had an answer without a body, which
 * some servers send all the same.
 *
 * shared_leg: With reuse = proven a leg outlives its client, and the next one may have it
 * (leg_pool.h). It must have proved itself: two clean exchanges, each with a request that may be
 * sent again over another one (stale_leg) and an answer that says its own length, and not a byte
 * behind that. After anything else it stays private for ever: a body, which its server may not have
 * read, an early answer, a login that holds for the connection (http_binds), an upgrade. It is
 * taken only for such a request, too.
 *
 * cut_answer: An answer that breaks off ends the client by a reset, never in order. */
#ifndef CONN_EXCHANGE_H
#define CONN_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/siphash.h"
#include "base/sync.h"
#include "conn/conn.h"
#include "conn/holdings.h"
#include "http/cookie.h"
#include "http/rewrite.h"
#include "record/request_record.h"
#include "wire/http1.h"

struct exchange;
struct exchange_area;
struct leg_pool;
struct pump_room;
struct route;

/* What an exchange asks of the road above; any pump thread. */
struct exchange_road {
    /* From now on by the newest configuration: sets exchange->route and ->config. Between
     * exchanges. */
    void (*renew)(void *arg, struct exchange *exchange);
    /* Which upstream a route leads to: what it is told from others by. */
    const void *(*upstream)(void *arg, const struct exchange *exchange,
                            const struct route_config *section);
    /* Whether the leg may be used for one more request: its server may have been taken out. */
    bool (*keeps)(void *arg, struct exchange *exchange, const struct route_config *section);
    /* Whom the request goes to, of an upstream that has each request balanced or has cookies: sets
     * exchange->wanted. Up's. */
    void (*choose)(void *arg, struct exchange *exchange, const struct route_config *section);
    /* The leg is there: sets what the answer's cookie tells of its server (request->goes_with). */
    void (*name_server)(void *arg, struct exchange *exchange, const struct route_config *section);
    /* A leg there: exchange_dialled will be called, once, by whichever thread, perhaps before this
     * returns. */
    void (*dial)(void *arg, struct exchange *exchange, const struct route_config *section);
    /* reuse = proven: whether the leg's server is one whose connections go to several clients. */
    bool (*shares)(void *arg, struct exchange *exchange);
    /* Takes a leg there that another client had, as if it were dialled. False: none is idle.
     * Up's. */
    bool (*take)(void *arg, struct exchange *exchange, const struct route_config *section);
    /* A client gets this status, from a server or of relayd's own. */
    void (*answered)(void *arg, const struct exchange *exchange, int status, bool own);
    /* The request in exchange->request is over, as it was noted; once. */
    void (*over)(void *arg, const struct exchange *exchange);
    /* It needs its route no more. May be called twice. */
    void (*leave)(void *arg, struct exchange *exchange);
    void *arg;
    const struct siphash_key *key; /* for X-Request-ID */
    struct leg_pool *legs;         /* idle ones */
    int nowhere;                   /* a socket that leads nowhere, to be copied: one_leg */
};

/* Where a connection stands, which says how long the reaper waits (conn_wait in conn.h). */
enum exchange_phase {
    EXCHANGE_IDLE,   /* between requests: keepalive_timeout */
    EXCHANGE_HEAD,   /* a head is coming: head_timeout, from its beginning */
    EXCHANGE_DIAL,   /* a server is dialled: queue_timeout and connect_timeout, not the reaper's */
    EXCHANGE_ANSWER, /* a request was read and sent: response_timeout until its answer begins */
    EXCHANGE_BODY,   /* bytes flow: idle_timeout */
};

enum leg_state {
    LEG_NONE,
    LEG_ALIVE,
    LEG_LEAVING, /* up wants another: down is to give it up */
};

/* What both pumps need of a request and its answer: lent while it is under way. Up's until then,
 * down's from then on. */
struct exchange_request {
    const struct route_config *route; /* of exchange->config */
    bool repeatable;                  /* stale_leg */
    bool close;                       /* the client asks no more on this connection */
    bool upgrades;                    /* it asks for another protocol, and may (http_upgrades) */
    unsigned sent;                    /* how often */
    const char *bytes;                /* that the head was read from */
    struct http1_head head;
    struct http_out out; /* as sent; it points into the bytes that up has read */
    struct http1_head answer_head;
    struct http_out answer_out;
    char id[REQUEST_ID_SIZE]; /* X-Request-ID */
    /* By route->cookie: what it names; and what the client is to be told. None: nothing. */
    struct cookie_token came_with, goes_with;
    struct request_record *note; /* own_note, or in the area */
    struct request_record own_note;
};

struct exchange {
    struct conn *conn;
    const struct exchange_road *road;
    struct route *route;                  /* road's: a reference; NULL: after an upgrade */
    const struct listener_config *config; /* of that route; or NULL */
    bool trusted;                         /* the client is in trusted_proxies */
    struct proxy_certificate
        *shown; /* what the client has shown, for each leg; or NULL. Who dials */

    enum exchange_phase phase;      /* who_writes */
    usec_t answer_patience;         /* response_timeout of the request's route; who_writes */
    uint64_t requests;              /* so many were read; up's */
    void (*start_down)(void *pair); /* with the first leg, for up; then NULL */
    void (*interrupt_down)(void *pair);
    void *pair;

    struct lock lock;
    unsigned waiting GUARDED; /* for the event */
    enum leg_state leg GUARDED;
    bool fresh GUARDED;        /* no answer came over this leg yet */
    bool leg_cut GUARDED;      /* by relayd itself, or reset: no answer is whole by its end */
    bool under_way GUARDED;    /* who_writes */
    bool read_whole GUARDED;   /* the request, with its body; the last may not be sent yet */
    bool upgraded GUARDED;     /* bytes alone, from now on */
    bool ahead GUARDED;        /* up has read what comes behind the request */
    bool answering GUARDED;    /* the answer has begun, or is over: the phase is down's */
    bool continues GUARDED;    /* 100 has come */
    bool client_ended GUARDED; /* it will send no more */
    bool closing GUARDED;      /* the client was given its end, or nothing will be answered */
    uint16_t fault GUARDED;    /* the status of a body that is not to go on; 0: none */
    bool dialling GUARDED;
    bool yields GUARDED;    /* down is to leave the leg, for another client */
    unsigned users GUARDED; /* pumps that still need the request */
    const struct exchange_request *visible GUARDED; /* to operators, from its dial on; or NULL */
    unsigned pumps GUARDED;                         /* that have not ended */
    /* conn->event changes after these did, for who waits */

    struct exchange_request *request; /* who_writes; NULL: none */
    struct tls_buffer *lent;          /* where that is */
    struct exchange_area *area;       /* likewise; NULL: none is needed */
    bool resumes;             /* it is the previous process's: its pumps go on where they were */
    bool resumes_ended;       /* and its client has its end */
    bool resumes_request;     /* and a request is under way, which up leaves to down */
    _Atomic bool opens_pipes; /* by_steps: a pump looks after those of the slot */
    uint64_t sent[2]; /* by side: bytes on the wire so far, as a mark has them; who_writes */

    /* Who dials, once the dial has ended: */
    enum end dial_end; /* END_NONE: well */
    int dial_error;
    struct holdings dial_has;
    struct record dial_record;
    struct member *leg_member; /* who answers there, or did last: a reference; who dials */
    const void *leg_upstream;  /* where the leg leads: compared, never followed */
    /* shared_leg: what is known of the leg. The road's, of its `dial` and `take`; then
     * who_writes. */
    const void *leg_listener; /* whose clients may have it: compared, never followed */
    uint64_t leg_epoch;
    unsigned leg_served;   /* clean exchanges */
    bool leg_private;      /* nobody else may have it */
    struct member *wanted; /* `choose`: whom the request goes to first, or NULL; a reference;
                            * who_writes */
    struct member *mute;   /* whom it does not go to, if there is another; likewise */
    /* The road's, of its `name_server`: the token of the leg's server, and by whose key. */
    struct cookie_token server_token;
    const struct route *named_by;
    /* The road's, of its `keeps`: when it has looked, and at what. */
    usec_t looked;
    uint64_t looked_orders;
    const struct route *looked_route;
};

/* For a client that was let in. Takes the caller's reference to the route. NULL: no memory. */
struct exchange *exchange_new(const struct exchange_road *road, struct route *route,
                              const struct listener_config *config);
/* Before its pumps run. */
void exchange_join(struct exchange *exchange, struct conn *conn);
void exchange_free(struct exchange *exchange); /* by the conn's last reference */

/* by_steps: whether a leg is needed to go on from there. */
bool exchange_was_under_way(const struct passages *passages);

/* "GET example.com/path" of the request under way, without its query; "": none. Cut where it does
 * not fit. Returns buf. Any thread with a reference to its conn; no leaf lock held. */
const char *exchange_say_request(struct exchange *exchange, char *buf, size_t size);

/* exchange_road. has: server, server_tls, member and line are taken on success. record: what it now
 * knows of the server. */
void exchange_dialled(struct exchange *exchange, enum end end, int error, struct holdings *has,
                      const struct record *record);

/* The pumps' work. */
void exchange_pump(struct conn *conn, enum direction dir, struct pump_room *room);

#endif
