#include "control/samples.h"

#include "conn/sweep.h"

#define SPAN_WANTED (8 * USEC_PER_SEC)
#define SPAN_LEAST  (USEC_PER_SEC / 2)

static const struct sample *sample_back(const struct samples *samples, size_t i) {
    return &samples->list[(samples->n - 1 - i) % SAMPLES];
}

void samples_take(struct samples *samples, struct registry *registry, usec_t least) {
    usec_t now = clock_now();
    struct sweep_sum sum;

    if (samples->n > 0 && now - sample_back(samples, 0)->at < least)
        return;
    sweep_add_up(registry, 0, &sum);
    samples->list[samples->n++ % SAMPLES] =
        (struct sample){.at = now, .bytes = {sum.bytes[0], sum.bytes[1]}};
}

void samples_rates(const struct samples *samples, double ret_rates[2]) {
    ret_rates[0] = ret_rates[1] = -1;
    if (samples->n < 2)
        return;
    const struct sample *last = sample_back(samples, 0), *from = last;
    for (size_t i = 1; i < samples->n && i < SAMPLES && last->at - from->at < SPAN_WANTED; i++)
        from = sample_back(samples, i);
    if (last->at - from->at < SPAN_LEAST)
        return;
    for (int dir = 0; dir < 2; dir++)
        ret_rates[dir] = (double)(last->bytes[dir] - from->bytes[dir]) * (double)USEC_PER_SEC /
                         (double)(last->at - from->at);
}
