#include "control/vitals.h"

void vitals_init(struct vitals *vitals, struct relay *relay, time_t since) {
    vitals->relay = relay;
    vitals->since = since;
}

/* Connections accepted a second, of late. */
static double sum_rates(const struct generation *generation) {
    usec_t now = clock_now();
    double rate = 0;

    for (size_t i = 0; generation != NULL && i < generation->config->n_listeners; i++)
        rate += meter_rate(&generation->limits[i]->accepted, LIMIT_RATE_PERIOD, now);
    return rate;
}

void vitals_begin(struct vitals *vitals, struct question *ret_question) {
    ret_question->relay = vitals->relay;
    ret_question->generation = relay_hold(vitals->relay);
    ret_question->since = vitals->since;
    ret_question->rate = sum_rates(ret_question->generation);
    ret_question->samples = &vitals->samples;
    ret_question->fingerprint =
        ret_question->generation != NULL ? ret_question->generation->config->fingerprint : 0;
}

void vitals_end(struct question *question) {
    relay_let_go(question->generation);
}
