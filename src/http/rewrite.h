/* Heads as they go on: what is passed, what is taken off, what is added (http.md's rules are in
 * man/relayd.conf.5). Pure: no I/O, no allocation; any thread.
 *
 * The head that came is not copied: `parts` point into it, and into `own` for what is ours, or
 * copied from the configuration. */
#ifndef HTTP_REWRITE_H
#define HTTP_REWRITE_H

#include <stdbool.h>

#include "base/addr.h"
#include "config/config.h"
#include "http/cookie.h"
#include "http/out.h"
#include "wire/http1.h"

/* What is known of a request besides its head. */
struct http_facts {
    const struct listener_config *listener;
    const struct route_config *route; /* NULL: the listener's own upstream, no route took it */
    const struct addr *client;        /* who asks: as the PROXY header says, if there was one */
    bool trusted;                     /* the peer is in trusted_proxies */
    bool tls;                         /* it came over TLS */
    bool v1_0;                        /* the client speaks HTTP/1.0: head->v1_0 of its request */
    const char *local;                /* the Host of a request that has none, as 192.0.2.1:80;
                                       * NULL: localhost */
    const char *request_id;           /* made for it, or the peer's if that is trusted; "": none */
    struct cookie_token goes_with;    /* what the answer tells the client of its server; or none */
};

/* The options that hold for a request: its route's, or the listener's own. */
const struct route_config *http_options(const struct http_facts *facts);

/* Whether the request asks for another protocol, and may: a websocket, by a GET without a body. The
 * rewritten request then asks for it, else not. */
bool http_upgrades(const char *bytes, const struct http1_head *head,
                   const struct listener_config *listener);

/* The head of the request as the server gets it. 0; -E2BIG: it does not fit in `own` or `parts`
 * (the client is answered 431). The framing fields are written anew: Content-Length for
 * HTTP1_LENGTH, Transfer-Encoding for HTTP1_CHUNKED. */
int http_rewrite_request(const char *bytes, const struct http1_head *head,
                         const struct http_facts *facts, struct http_out *ret) MUST_USE;

/* The head of the answer as the client gets it. close: the connection ends behind it. chunks: the
 * body goes on in chunks (a body until the end of the connection, to a client of 1.1); one that
 * came in chunks does in any case, but to a client of 1.0. 1xx but 101 have nothing added. -E2BIG:
 * as above (the client is answered 502). */
int http_rewrite_answer(const char *bytes, const struct http1_head *head,
                        const struct http_facts *facts, bool close, bool chunks,
                        struct http_out *ret) MUST_USE;

/* The whole answer of a route, or listener, with a redirect; to a HEAD without the body. The target
 * is kept as it came, so bytes must stay. -EINVAL: the redirect is to the host that was asked for,
 * and none was (the client is answered 400); -E2BIG: as above. */
int http_redirect(const char *bytes, const struct http1_head *head, const struct http_facts *facts,
                  bool close, struct http_out *ret) MUST_USE;

/* The status of that answer: 301, 302, 307 or 308. */
int http_redirect_status(const struct http_facts *facts);

#endif
