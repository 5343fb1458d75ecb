/* What operators order of the running relayd takes effect. */
#ifndef RELAY_STEER_H
#define RELAY_STEER_H

#include <sys/types.h>

#include "conn/registry.h"
#include "record/steering.h"
#include "road/generation.h"

/* Orders lie in this memory from now on; what the previous relayd left in it goes on, and is
 * logged. Main, before the first relay_apply. */
void steer_begin(struct steering *steering);

/* They end with this process, or lie with the keeper. Main's. */
void steer_end(void);

/* Whether GET /ready is to say no; *ret (or NULL) is who said so. Any thread. */
bool steer_is_lame(struct lame_order *ret);
void steer_set_lame(bool on, uid_t by);

/* relayd stops soon, and accepts until then (lame_duck_time): GET /ready says no. */
void steer_stop_soon(void);
bool steer_stops_soon(void);

/* Logs orders of servers that this configuration does not have, and the one before (NULL: none)
 * had. Main's. */
void steer_tell_strangers(const struct config *config, const struct config *before);

/* NULL: the configuration has no such server. */
const struct server_config *steer_find_server(const struct config *config, const char *upstream,
                                              const char *server);

/* Whoever waits for a server of this upstream looks again. Any thread that holds the generation. */
void steer_look_again(const struct generation *generation, const char *upstream);

/* Resets the server's connections, if on_down of its upstream says so; at whichever address. The
 * same. */
void steer_end_conns(struct registry *registry, const struct generation *generation,
                     const char *upstream, const char *server);

/* Connections of the server, at whichever address, dials included. The same. */
size_t steer_count_live(const struct generation *generation, const char *upstream,
                        const char *server);

#endif
