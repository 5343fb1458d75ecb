/* Dealings with relayd-keeper at the start and the end. */
#ifndef RELAY_SUCCESSION_H
#define RELAY_SUCCESSION_H

#include "relay/relay.h"

/* Attaches to the keeper under this name, and logs it. relay->road.link: NULL with keeper = off;
 * else up, or looking for a keeper from succession_complete on. Before the first relay_apply. */
void succession_begin(struct relay *relay, const struct config *config,
                      const char name[KEEPER_NAME_MAX]);

/* After the first relay_apply, before relay_open. */
void succession_adopt(struct relay *relay);

/* The listening sockets are open: lets go what nobody took; the link runs by itself. */
void succession_complete(struct relay *relay);

/* Whether its keeper is another one than that of the start, which stays until the end. */
bool succession_awaits_restart(const struct relay *relay, const struct config *config);

/* A new configuration is in force: takes its name, logs that another keeper awaits a restart. */
void succession_change(struct relay *relay, const char *keeper_before,
                       const char name[KEEPER_NAME_MAX]);

#endif
