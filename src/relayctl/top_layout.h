/* Which columns of a tab are on the screen, and how wide. */
#ifndef RELAYCTL_TOP_LAYOUT_H
#define RELAYCTL_TOP_LAYOUT_H

#include "relayctl/top_table.h"

struct top_layout {
    unsigned width[TOP_COLUMNS]; /* without the blank behind it; 0: not shown */
};

/* As wide as what is in them, where there is room for so much; the last one has what is left.
 * Pure. */
struct top_layout top_layout_of(const struct top_table *table, unsigned width);

#endif
