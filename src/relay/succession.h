/* What this process has to do with relayd-keeper at its start and its end. */
#ifndef RELAY_SUCCESSION_H
#define RELAY_SUCCESSION_H

#include "relay/relay.h"

/* Attaches to the keeper, under the name of this instance, if the configuration says so and one is
 * there; logs which it is. relay->road.link: none, with keeper = off; else it is up, or looks for a
 * keeper from succession_settle on. Before the first relay_apply. */
void succession_begin(struct relay *relay, const struct config *config,
                      const char name[KEEPER_NAME_MAX]);

/* Goes on with what it held. After the first relay_apply, before relay_open. */
void succession_adopt(struct relay *relay);

/* The listening sockets are open: what nobody has taken is let go, and the link looks after
 * itself. */
void succession_settle(struct relay *relay);

/* A new configuration is in force instead of this keeper's; the instance may have another name
 * under it. */
void succession_change(struct relay *relay, const char *keeper_before,
                       const char name[KEEPER_NAME_MAX]);

#endif
