/* What a connection holds and must give back in the end. */
#ifndef CONN_HOLDINGS_H
#define CONN_HOLDINGS_H

#include "conn/line.h"
#include "listen/seat.h"
#include "upstream/member.h"

struct proxy_certificate; /* wire/proxy_tls.h */
struct tls_session;       /* tls/session.h */

/* Handed over as a whole, by holdings_take. */
struct holdings {
    int client, server;                          /* sockets; -1: none */
    struct tls_session *client_tls, *server_tls; /* of these sockets; NULL: they are plain */
    struct proxy_certificate *shown; /* the client's certificate, for the server; NULL: none */
    struct seat seat;                /* in the limits of its listener */
    struct member *member;           /* counted in; NULL: none */
    struct line *line;               /* a reference; NULL: no member, or its upstream is gone */
};

#define HOLDINGS_NONE ((struct holdings){.client = -1, .server = -1})

/* Returns them and leaves none. */
static inline struct holdings holdings_take(struct holdings *holdings) {
    struct holdings taken = *holdings;

    *holdings = HOLDINGS_NONE;
    return taken;
}

/* Closes the sockets and gives back the rest. May be called twice. No leaf lock held. */
void holdings_give_back(struct holdings *holdings);

#endif
