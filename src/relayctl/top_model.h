/* What relayctl top knows: the last answers of relayd, and what became of figures in the last
 * minute. */
#ifndef RELAYCTL_TOP_MODEL_H
#define RELAYCTL_TOP_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "relayctl/ask.h"

#define TOP_POINTS 60

enum top_picture { TOP_NEW, TOP_BYTES, TOP_REFUSED, TOP_PICTURES };

struct top_model {
    json_t *status, *servers, *connections, *events; /* NULL: never answered */
    bool answers;                                    /* the last time */
    double past[TOP_PICTURES][TOP_POINTS];           /* rings */
    size_t n_past;
    usec_t at; /* of the connections */
    /* How many connections of a client were refused (they failed before they were relayed) since
     * top began, by its address; NULL: none yet. */
    json_t *refused;
    struct stream_reading *ends; /* where this comes from; NULL: nobody tells */
};

/* Zeroed before. Asks for all; connections get up_rate and down_rate, in bytes a second, from those
 * before. */
void top_refresh(struct top_model *model, const struct ask *ask);
void top_forget(struct top_model *model);

/* The oldest first; returns how many. */
size_t top_past(const struct top_model *model, enum top_picture picture,
                double ret_values[TOP_POINTS]);

/* What GET /connection answers; NULL: it is not there, or not yet established. The caller's. */
json_t *top_ask_connection(const struct ask *ask, json_int_t id);

/* For columns that cost a question each: sets retransmits (of both sockets) and held of a
 * connection of the model, unless it has them. */
void top_complete(const struct ask *ask, json_t *connection);

/* Waits for so long, or for fd to be readable, and counts refusals meanwhile. */
void top_wait(struct top_model *model, int fd, int msec);

/* Asks by POST. What was done, or why not: a sentence. Returns of how many connections. */
json_int_t top_act(const struct ask *ask, const char *page, char *const words[], size_t n,
                   char *ret_said, size_t size);

#endif
