/* relayctl top at a terminal, by ncurses. Keys as in htop(1). */
#ifndef RELAYCTL_TOP_SCREEN_H
#define RELAYCTL_TOP_SCREEN_H

#include "relayctl/top_draw.h"

/* Until a key ends it: an exit status. */
int top_screen(struct top_state *state, const struct ask *ask, bool utf8);

#endif
