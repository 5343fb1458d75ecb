/* Which server a request goes to, where its upstream has each request balanced or has cookies. */
#ifndef ROAD_CHOOSE_H
#define ROAD_CHOOSE_H

#include "conn/exchange.h"

/* exchange_road: `choose` and `name_server`. */
void choose_for(void *arg, struct exchange *exchange, const struct route_config *section);
void choose_name_server(void *arg, struct exchange *exchange, const struct route_config *section);

/* That of a section of its listener. */
struct route *choose_branch(const struct exchange *exchange, const struct route_config *section);

#endif
