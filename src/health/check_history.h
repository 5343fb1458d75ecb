/* What the checks of a member came to. The member's, not the checker's: it outlives reloads, and
 * times when DNS does not name the member. Pure. */
#ifndef HEALTH_CHECK_HISTORY_H
#define HEALTH_CHECK_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "config/config.h"

/* flap_rule: a server that comes back for a moment takes connections only to lose them, and each
 * turn is logged. Once it went down FLAP_DOWNS times within the window (FLAP_INTERVALS intervals,
 * at least FLAP_SPAN), its return takes twice `rise` good checks in a row. Each time it goes down
 * before it was up for the window, the number doubles, up to FLAP_DOUBLINGS times (64 times `rise`;
 * by default 128 checks, more than 4 minutes): not for ever, since a server that works half the
 * time may be all there is. One good check after it was up for the window, `rise` is enough. */
#define FLAP_DOWNS     3
#define FLAP_INTERVALS 20
#define FLAP_SPAN      (60 * USEC_PER_SEC)
#define FLAP_DOUBLINGS 6

/* Zeroed: nothing is known, and the first check decides alone. */
struct check_history {
    bool decided; /* `down` is known */
    bool down;
    usec_t since;             /* since when; 0: always */
    int64_t against;          /* checks in a row against `down` */
    unsigned doubled;         /* flap_rule: times, for the next return */
    uint64_t n_downs;         /* times it went down */
    usec_t downs[FLAP_DOWNS]; /* when, a ring of the last */
};

/* What a check has changed. */
struct check_news {
    bool changed;   /* down or up now */
    int64_t checks; /* in a row, that made it so */
    bool flaps;     /* flap_rule changed check_history_rise */
};

/* Takes in a check. The config may be new. */
struct check_news check_history_judge(struct check_history *history,
                                      const struct health_check_config *config, bool good,
                                      usec_t now);

/* Good checks in a row until it is up. */
int64_t check_history_rise(const struct check_history *history,
                           const struct health_check_config *config);

/* It is not checked for now, and taken for up. used: it gets connections, so the next check will
 * not decide alone. Flaps are remembered. */
void check_history_pause(struct check_history *history, bool used, usec_t now);

#endif
