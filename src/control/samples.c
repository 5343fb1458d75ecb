#include "control/samples.h"

#include <stdatomic.h>

#include "base/stats.h"
#include "record/record.h"

#define SPAN_WANTED  (8 * USEC_PER_SEC)
#define SPAN_BETWEEN (USEC_PER_SEC / 2)
#define SPAN_LEAST   (USEC_PER_SEC / 4)
#define SPAN_MOST    (60 * USEC_PER_SEC) /* between two: older ones say nothing of now */

static const struct sample *sample_back(const struct samples *samples, size_t i) {
    return &samples->list[(samples->n - 1 - i) % SAMPLES];
}

/* Those that have ended come first, so that none is counted twice. One that ends just now may be in
 * neither: for once the sum stays what it was. */
static void look_at_all(struct samples *samples, struct relay *relay, struct sweep_sum *ret_sum) {
    uint64_t bytes[2] = {stats_get(STAT_bytes_up), stats_get(STAT_bytes_down)};
    const struct link *link = relay_link(relay);
    unsigned epoch = link != NULL && link_is_up(link) ? atomic_load(&link->epoch) : 0;

    sweep_add_up(&relay->road.registry, epoch, ret_sum);
    for (int dir = 0; dir < 2; dir++)
        if (bytes[dir] + ret_sum->bytes[dir] > samples->moved[dir])
            samples->moved[dir] = bytes[dir] + ret_sum->bytes[dir];
}

void samples_take(struct samples *samples, struct relay *relay, struct sweep_sum *ret_sum) {
    usec_t now = clock_now(), age = samples->n > 0 ? now - sample_back(samples, 0)->at : USEC_NEVER;

    if (age > SPAN_MOST)
        samples->n = 0;
    look_at_all(samples, relay, ret_sum);
    if (age >= SPAN_BETWEEN)
        samples->list[samples->n++ % SAMPLES] =
            (struct sample){.at = now, .bytes = {samples->moved[DIR_UP], samples->moved[DIR_DOWN]}};
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
