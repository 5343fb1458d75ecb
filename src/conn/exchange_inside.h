/* What the two pumps of an exchange share (exchange.h). */
#ifndef CONN_EXCHANGE_INSIDE_H
#define CONN_EXCHANGE_INSIDE_H

#include "conn/exchange.h"
#include "conn/exchange_note.h"
#include "conn/pump_room.h"
#include "conn/stream.h"

#define EXCHANGE_INTERIM_MAX   10           /* answers 1xx to one request */
#define EXCHANGE_REPEATS       2            /* of a request, at most: stale_leg */
#define EXCHANGE_REDIRECT      0            /* as a status: that of the route */
#define EXCHANGE_CONTINUE_WAIT USEC_PER_SEC /* for 100, before the body goes all the same */
#define EXCHANGE_NOTE_WAIT     (100 * USEC_PER_MSEC) /* for what the other pump is about to note */
#define EXCHANGE_SENT_WAIT     USEC_PER_SEC /* for the last of a request that is answered already */

/* One pump at its work. */
struct exchange_side {
    struct exchange *exchange;
    struct conn *conn;
    enum direction dir;
    struct pump_room *room;
    struct stream in;
    /* by_steps: what the next mark says */
    struct passage_exchange next;
    const struct passage_body *body; /* the body that is under way, or NULL */
};

void exchange_set_phase(struct exchange *exchange, enum exchange_phase phase);

/* In EXCHANGE_HEAD and after an upgrade: whether a request has begun (conn_is_asked). */
void exchange_note_asked(struct exchange *exchange, bool asked);

/* Waits until `holds`, under the lock, or `until`. False: it does not hold: the conn is over or
 * parks, or it is late. */
typedef bool exchange_holds_fn(const struct exchange *exchange);
bool exchange_await(struct exchange *exchange, exchange_holds_fn *holds, usec_t until);
/* After a change under the lock. waiting: as it was then. */
void exchange_tell(struct exchange *exchange, unsigned waiting);
/* The predicates: */
bool exchange_is_quiet(const struct exchange *exchange); /* nothing is under way, or closing */
bool exchange_is_closing(const struct exchange *exchange);
bool exchange_has_leg(const struct exchange *exchange);    /* or closing */
bool exchange_has_no_leg(const struct exchange *exchange); /* or closing */
bool exchange_may_go_on(const struct exchange *exchange);  /* 100 has come, or the answer */
bool exchange_has_sent(const struct exchange *exchange);   /* up, or closing: up_has_sent */
bool exchange_is_decided(const struct exchange *exchange); /* upgraded, or quiet */

/* As it is at the moment. */
bool exchange_is_quiet_now(struct exchange *exchange);
bool exchange_is_closing_now(struct exchange *exchange);

/* Asks for a leg and waits for it, in a phase of its own, which the caller ends. END_NONE: it is
 * there. */
enum end exchange_dial(struct exchange *exchange, const struct route_config *section);

/* The same, or one that another client had (shared_leg). Up's. */
enum end exchange_get_leg(struct exchange *exchange, const struct route_config *section);

/* The status of an answer in place of a leg: that of its end, or 503. */
int exchange_dial_status(enum end end);

/* Starts the pump from the server: up's, once. */
void exchange_begin_down(struct exchange *exchange);

/* by_steps: what the marks call the leg; 0: none. */
uint64_t exchange_leg_cookie(const struct exchange *exchange);

/* The request's leg is there: what the client is to be told of it. Who dials. */
void exchange_name_server(struct exchange *exchange);

/* A send to it failed. Where that is not the end of the connection, as for want of memory, the
 * server would wait for the rest of a request, and down for its answer: it is ended, which down
 * reads behind what has come. The request is still the caller's. */
void exchange_leg_failed(struct exchange *exchange, ssize_t r);

/* A send has failed with r: before flow_end_writing. Who reads from there may see a plain end then,
 * and looks whether that is true (stolen_error in conn_end.c). */
void exchange_note_unsent(struct exchange_side *side, enum side to, int r);

/* Ends the leg, which down reads, where an answer may be under way. fault: as in exchange.h. */
void exchange_cut_leg(struct exchange *exchange, uint16_t fault);

/* Down's, or nobody reads from it: the leg is done with. */
void exchange_drop_leg(struct exchange *exchange);

/* shared_leg. Of the configuration alone: */
bool exchange_shares(const struct exchange *exchange);
/* A request or an answer that may bind its connection. Whose head it is. */
void exchange_note_binding(struct exchange *exchange, const char *bytes,
                           const struct http1_head *head);
/* Who dials, with the leg that the request goes over: what it says of that. */
void exchange_note_request(struct exchange *exchange);
/* Down's, with the request: what the answer says of the leg. */
void exchange_judge_leg(struct exchange *exchange, bool clean);
/* Whether another client may have the leg now, if nothing is under way. */
bool exchange_may_share_leg(struct exchange *exchange);
/* Down's: gives it to the others if they may have it; else it is dropped. */
void exchange_share_leg(struct exchange_side *down);
/* Up's, between requests: has down do that, if they may have it. */
void exchange_yield_leg(struct exchange *exchange);
bool exchange_yields(struct exchange *exchange);

/* By the configuration that it has now. */
void exchange_take_config(struct exchange *exchange);
struct http_facts exchange_facts(const struct exchange *exchange);

/* The relay drains: no more requests over this connection. */
bool exchange_is_draining(const struct exchange *exchange);

/* Down's: what has come to pass. */
void exchange_note_continue(struct exchange *exchange);
void exchange_note_upgrade(struct exchange_side *down);
/* Its answer begins. */
void exchange_begin_answer(struct exchange *exchange);
/* The answer is whole: nothing is under way any more. last: nor will be, the client is given its
 * end. */
void exchange_end_request(struct exchange_side *down, bool last);

/* Up's: all of it was read. Before the last of it is sent: the answer may be here before that send
 * returns. */
void exchange_note_read(struct exchange *exchange);

/* Up's: all is sent that is to be; down's by exchange_end_request. True: nobody needs it any more,
 * and it was logged. */
bool exchange_release_request(struct exchange_side *side);

/* Gives the request its X-Request-ID. */
void exchange_name_request(struct exchange *exchange);

/* It goes on in the next relayd: its pumps end where they are. */
bool exchange_parks(const struct exchange *exchange);

/* stream_fill, but an interrupt is none, unless it parks: -EINTR. What is in hand is stored
 * before. */
ssize_t exchange_fill(struct exchange_side *side) MUST_USE;

/* by_steps: whether it is (a keeper may hold it). */
bool exchange_is_kept(const struct exchange *exchange);

/* Begins to read from the side's source. */
void exchange_read_from(struct exchange_side *side);

/* The parts go to a side, with what the mark is to say (side->next), and what was taken of the
 * stream is done with. 0, -errno of the sink, or -EINTR: it parks, and the next process sends the
 * rest. counted: among the bytes of the connection. *ret_plain grows by what was sent. */
int exchange_step(struct exchange_side *side, enum side to, struct iovec *parts, size_t n,
                  bool counted, uint64_t *ret_plain) MUST_USE;
/* close_notify, if the side speaks TLS. */
int exchange_step_end(struct exchange_side *side, enum side to) MUST_USE;
/* The same, of nothing. */
void exchange_mark(struct exchange_side *side);

/* The area, while anything is in hand. */
struct exchange_area *exchange_lend_area(struct exchange *exchange);
void exchange_return_area(struct exchange *exchange);

/* The step of the previous process that is not done is done. 0, or as exchange_step, or
 * COPY_UNLIKE. The side reads already. */
int exchange_resume_step(struct exchange_side *side) MUST_USE;
/* Or nothing more of it is sent: what is read is behind it all the same. */
void exchange_forgo_step(struct exchange_side *side);

/* by_steps: the connection goes on in the next process, and with it the request, or what there is
 * yet of it: that one logs it. What was answered it does not know any more. */
bool exchange_leaves_request(const struct exchange *exchange);

/* Lends exchange->request, if none is there. False: no memory. */
bool exchange_lend(struct exchange *exchange, struct tls_buffers *buffers);
void exchange_give_back(struct exchange *exchange, struct tls_buffers *buffers);

/* Bytes to one of the sides. 0 or -errno. */
int exchange_send(struct exchange_side *side, enum side to, struct iovec *parts, size_t n) MUST_USE;

/* Bytes of relayd's own to the client: not among those that were relayed. */
int exchange_send_own(struct exchange_side *side, struct iovec *parts, size_t n) MUST_USE;

/* relayd's own answer, to the request in exchange->request or to none. end: as answer.h wants it,
 * or END_NONE. 0 or -errno. */
int exchange_answer(struct exchange_side *side, int status, enum end end, bool close) MUST_USE;

/* Nothing more will be sent to the client: it gets its end, in order. end: how the connection ends,
 * unless that is decided. */
void exchange_end_client(struct exchange_side *side, enum end end);

/* n: what stream_fill returned instead of bytes, but not 0. Resets the connection. */
void exchange_source_failed(struct exchange_side *side, ssize_t n);

/* by_steps: a body, of which so much is left, goes from one plain side to the other inside the
 * kernel, by the slot's pipe, from now on, until the second is called with what is left then.
 * False: it cannot, or is too short for that. */
bool exchange_begin_splice(struct exchange_side *side, uint64_t left, struct pipe_ends *ret_pipe);
void exchange_end_splice(struct exchange_side *side, uint64_t left);
/* The sink has failed: what is in the pipe must not go before anything else. Before the second. */
void exchange_empty_pipe(struct exchange_side *side, const struct pipe_ends *pipe);
/* What the previous process had in it goes on. As exchange_resume_step. */
int exchange_resume_splice(struct exchange_side *side) MUST_USE;

/* Moves of a body, of which so much is left, what need not be looked at; the rest comes by the
 * stream, in which nothing is in hand. *ret_n: what a read came to instead of bytes, or -errno of
 * the sink. */
enum exchange_carried {
    EXCHANGE_CARRIED,
    EXCHANGE_SOURCE_OVER,
    EXCHANGE_SINK_OVER,
    EXCHANGE_BODY_BAD, /* exchange_body.h */
};
enum exchange_carried exchange_carry(struct exchange_side *side, uint64_t *left,
                                     ssize_t *ret_n) MUST_USE;

/* After 101: until the end of its source. */
void exchange_pass_bytes(struct exchange_side *side, enum side to);

/* Without a word to the client: down is to end. */
void exchange_stop_down(struct exchange *exchange);

void exchange_up(struct exchange_side *side);
void exchange_down(struct exchange_side *side);

#endif
