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
};

/* Zeroed before. Asks for all; connections get up_rate and down_rate, in bytes a second, from those
 * before. */
void top_refresh(struct top_model *model, const struct ask *ask);
void top_forget(struct top_model *model);

/* The oldest first; returns how many. */
size_t top_past(const struct top_model *model, enum top_picture picture,
                double ret_values[TOP_POINTS]);

/* Asks by POST. What was done, or why not: a sentence. */
void top_act(const struct ask *ask, const char *page, char *const words[], size_t n, char *ret_said,
             size_t size);

#endif
