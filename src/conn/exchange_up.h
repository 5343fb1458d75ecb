/* The pump from the client: what its two files share (exchange_up.c, exchange_forward.c). */
#ifndef CONN_EXCHANGE_UP_H
#define CONN_EXCHANGE_UP_H

#include "conn/exchange_inside.h"

/* How it goes on after a request. */
enum up_next {
    UP_NEXT, /* the next one may come */
    UP_DROP, /* the client was given its end: what it still sends is dropped */
    UP_OVER, /* nothing more is to be read */
};

/* n: what stream_fill returned instead of bytes. in_head: part of a request has come. */
enum up_next exchange_end_reading(struct exchange_side *up, ssize_t n, bool in_head);

/* relayd answers by itself, and closes. Nothing is under way. */
enum up_next exchange_refuse(struct exchange_side *up, int status, enum end end);

/* Its time was up: between requests it ends in order, in a head it is told. */
enum up_next exchange_expire(struct exchange_side *up);

/* The rest of a request whose head is on its way: its body, or the protocol that it asks for. */
enum up_next exchange_continue_request(struct exchange_side *up, struct passage_body *body);

/* Goes on where the previous process was. */
enum up_next exchange_resume_up(struct exchange_side *up);

/* Sends exchange->request to where its route leads. */
enum up_next exchange_forward(struct exchange_side *up);

#endif
