#include "upstream/health_target.h"

#include <string.h>

static usec_t window(const struct health_check_config *config) {
    usec_t span = FLAP_INTERVALS * config->interval;

    return span > FLAP_SPAN ? span : FLAP_SPAN;
}

void health_state_init(struct health_state *state, bool down) {
    *state = (struct health_state){.down = down, .judged = down, .patience = 1};
}

unsigned health_state_rise(const struct health_state *state,
                           const struct health_check_config *config) {
    return (unsigned)(config->rise * state->patience);
}

static void go_down(struct health_state *state, const struct health_check_config *config,
                    usec_t now, struct health_news *news) {
    memmove(&state->downs[1], &state->downs[0], sizeof(state->downs) - sizeof(state->downs[0]));
    state->downs[0] = now;
    usec_t oldest = state->downs[FLAP_DOWNS - 1];
    if (oldest != 0 && now - oldest <= window(config) &&
        state->patience < FLAP_MOST) { /* flap_rule */
        state->patience *= 2;
        news->flaps = true;
    }
}

struct health_news health_state_take(struct health_state *state,
                                     const struct health_check_config *config, bool good,
                                     usec_t now) {
    bool against = good == state->down, first = !state->judged;
    struct health_news news = {.changed = false};
    int64_t needed = state->down ? (int64_t)health_state_rise(state, config) : config->fall;

    state->judged = true;
    if (!against) {
        state->row = 0;
        if (!state->down && state->patience > 1 && now - state->changed > window(config)) {
            state->patience = 1;
            news.flaps = true;
        }
        return news;
    }
    state->row++;
    if (state->row < needed && !first)
        return news;
    state->row = 0;
    state->down = !state->down;
    state->changed = now;
    news.changed = true;
    if (state->down)
        go_down(state, config, now, &news);
    return news;
}
