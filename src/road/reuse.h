/* reuse = proven: connections to servers that go from one client to the next (shared_leg in
 * conn/exchange.h). */
#ifndef ROAD_REUSE_H
#define ROAD_REUSE_H

#include "conn/exchange.h"

struct route;

/* Of a connection that is to be dialled for this exchange: who else may have it. Who dials. */
void reuse_note_dial(struct exchange *exchange, const struct route *route);

/* exchange_road: `shares` and `take`. */
bool reuse_shares(void *arg, struct exchange *exchange);
bool reuse_take(void *arg, struct exchange *exchange, const struct route_config *section);

/* It gets a leg, dialled or taken. Counts its connection as relayed if that is its first, in
 * whichever process. */
void reuse_count_relayed(const struct exchange *exchange);

#endif
