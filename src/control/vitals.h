/* What is known of relayd as a whole, for questions: its age, and samples of what it carries. Each
 * site has one, its thread's. */
#ifndef CONTROL_VITALS_H
#define CONTROL_VITALS_H

#include "control/question.h"
#include "control/samples.h"

struct vitals {
    struct relay *relay;
    time_t since;
    struct samples samples;
};

/* Zeroed before. */
void vitals_init(struct vitals *vitals, struct relay *relay, time_t since);

/* Fills in what is not of the request; and gives back what it took. */
void vitals_begin(struct vitals *vitals, struct question *ret_question);
void vitals_end(struct question *question);

#endif
