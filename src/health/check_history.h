/* What the checks of one member have led to, from the first one on. It is the member's, not the
 * checker's: it goes on when the configuration is loaded anew, and when DNS does not name the
 * member for a while. What is here is pure; the moments are handed in. */
#ifndef HEALTH_CHECK_HISTORY_H
#define HEALTH_CHECK_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "config/config.h"

/* flap_rule: A server that comes back for a moment and breaks again takes connections just to lose
 * them, and each of its turns is told to operators. So once it has gone down FLAP_DOWNS times
 * within the window, which is FLAP_INTERVALS intervals but at least FLAP_SPAN, it must prove
 * itself: its next return takes twice `rise` good checks in a row. Whenever it goes down again,
 * before it has stayed up for the window, the number is doubled, up to FLAP_DOUBLINGS times (64
 * times `rise`; with the defaults 128 checks, more than 4 minutes): not for ever, since a server
 * that works half of the time may be all there is. One good check after it has stayed up for the
 * window, `rise` is enough again. */
#define FLAP_DOWNS     3
#define FLAP_INTERVALS 20
#define FLAP_SPAN      (60 * USEC_PER_SEC)
#define FLAP_DOUBLINGS 6

/* Zeroed: nothing is known; the first check decides alone, whatever rise and fall say. */
struct check_history {
    bool decided; /* it is known how it is */
    bool down;
    usec_t since;             /* when it became so; 0: it was never otherwise */
    int64_t against;          /* checks in a row that contradict `down` */
    unsigned doubled;         /* flap_rule: so often, for the next return */
    uint64_t n_downs;         /* how often it went down */
    usec_t downs[FLAP_DOWNS]; /* and when, the last few times: a ring */
};

/* What one more check has changed. */
struct check_news {
    bool changed;   /* it is down now, or up */
    int64_t checks; /* and so many in a row made it so */
    bool flaps;     /* check_history_rise has changed for this reason */
};

/* Takes in the outcome of a check. The config may be another than the last time. */
struct check_news check_history_judge(struct check_history *history,
                                      const struct health_check_config *config, bool good,
                                      usec_t now);

/* Good checks in a row until it is up again. */
int64_t check_history_rise(const struct check_history *history,
                           const struct health_check_config *config);

/* It is not checked any more, and taken for up. used: it gets connections meanwhile, so that a
 * first check that comes later does not decide alone. How often it flapped stays known. */
void check_history_pause(struct check_history *history, bool used, usec_t now);

#endif
