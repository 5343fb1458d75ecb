#include "control/vitals.h"

void vitals_init(struct vitals *vitals, struct relay *relay, time_t since) {
    vitals->relay = relay;
    vitals->since = since;
}

void vitals_begin(struct vitals *vitals, struct question *ret_question) {
    ret_question->relay = vitals->relay;
    ret_question->generation = relay_hold(vitals->relay);
    ret_question->since = vitals->since;
    ret_question->samples = &vitals->samples;
}

void vitals_end(struct question *question) {
    relay_let_go(question->generation);
}
