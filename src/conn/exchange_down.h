/* The pump from the server: what its two files share (exchange_down.c, exchange_pass.c). */
#ifndef CONN_EXCHANGE_DOWN_H
#define CONN_EXCHANGE_DOWN_H

#include "conn/exchange_inside.h"

/* How it goes on. */
enum down_next {
    DOWN_NEXT, /* with the next answer over this leg */
    DOWN_LEG,  /* the leg is done with: with the next one */
    DOWN_OVER,
};

/* What is known once the leg has brought something, or its end. */
struct exchange_standing {
    bool under_way, client_ended, read_whole, leg_cut;
    uint16_t fault;
};

/* gone: the leg has ended, and no request begins over it. */
struct exchange_standing exchange_look(struct exchange *exchange, bool gone);
bool exchange_is_over(struct exchange_side *down);

/* The end of a request whose body is not to go on: for its answer, which breaks off. */
enum end exchange_note_fault(struct exchange *exchange, uint16_t fault);

/* An answer of relayd's own in place of the server's, and the end. */
enum down_next exchange_answer_instead(struct exchange_side *down, int status, enum end end);
/* 502: the server's is none; why, a clause. */
enum down_next exchange_answer_bad(struct exchange_side *down, const char *why);

/* Goes on where the previous process was: up has made the rest anew. */
enum down_next exchange_resume_down(struct exchange_side *down);
/* Within an answer whose head was passed on. */
enum down_next exchange_continue_answer(struct exchange_side *down);

/* cut_answer in exchange.h. */
enum down_next exchange_cut_answer(struct exchange_side *down, enum end end, int error);

/* The head in request->answer_head goes on: 1xx (*interim counts them), 101, and all others with
 * their body. */
enum down_next exchange_pass_interim(struct exchange_side *down, unsigned *interim);
enum down_next exchange_pass_upgrade(struct exchange_side *down);
enum down_next exchange_pass_final(struct exchange_side *down);

#endif
