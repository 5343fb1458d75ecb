#include "health/check_history.h"

int64_t check_history_rise(const struct check_history *history,
                           const struct health_check_config *config) {
    return config->rise << history->doubled;
}

static usec_t flap_window(const struct health_check_config *config) {
    usec_t span = FLAP_INTERVALS * config->interval;

    return span > FLAP_SPAN ? span : FLAP_SPAN;
}

/* flap_rule, now down. True: it is held down for longer. */
static bool lose_patience(struct check_history *history, const struct health_check_config *config,
                          usec_t now) {
    history->downs[history->n_downs++ % FLAP_DOWNS] = now;
    bool often = history->n_downs >= FLAP_DOWNS &&
                 now - history->downs[history->n_downs % FLAP_DOWNS] <= flap_window(config);
    if ((!often && history->doubled == 0) || history->doubled == FLAP_DOUBLINGS)
        return false;
    history->doubled++;
    return true;
}

/* flap_rule, up after a good check. True: the usual `rise` is enough again. */
static bool calm_down(struct check_history *history, const struct health_check_config *config,
                      usec_t now) {
    if (history->doubled == 0 || now - history->since < flap_window(config))
        return false;
    history->doubled = 0;
    return true;
}

struct check_news check_history_judge(struct check_history *history,
                                      const struct health_check_config *config, bool good,
                                      usec_t now) {
    struct check_news news = {.changed = false};
    int64_t needed = !history->decided ? 1
                     : history->down   ? check_history_rise(history, config)
                                       : config->fall;

    history->decided = true;
    if (good != history->down) { /* what it was taken for */
        history->against = 0;
        news.flaps = good && calm_down(history, config, now);
        return news;
    }
    if (++history->against < needed)
        return news;
    news = (struct check_news){.changed = true, .checks = history->against};
    history->against = 0;
    history->down = !history->down;
    history->since = now;
    if (history->down)
        news.flaps = lose_patience(history, config, now);
    return news;
}

void check_history_pause(struct check_history *history, bool used, usec_t now) {
    if (history->down)
        history->since = now;
    history->down = false;
    history->against = 0;
    history->decided = used;
}
