/* All limits with connections, of present and former listeners. Main. */
#ifndef LISTEN_LIMIT_LIST_H
#define LISTEN_LIMIT_LIST_H

#include <stdbool.h>
#include <sys/queue.h>

#include "config/config.h"
#include "listen/limit.h"

LIST_HEAD(limit_list, limit); /* each with a reference */

void limit_list_init(struct limit_list *list);
void limit_list_clear(struct limit_list *list); /* nobody has a seat any more */

/* Finds a limit, with a reference, for each listener, in their order: of one with the same name and
 * an address in common; else the same address (renamed); else the same name (moved); else new. No
 * two get the same. Changes nothing. False: no memory, and none. */
bool limit_list_choose(const struct limit_list *list, const struct config *config,
                       struct limit **ret_limits) MUST_USE;

/* Puts a configuration in force with these limits, and drops others. */
void limit_list_begin(struct limit_list *list, struct config *config, struct limit *const *limits);

#endif
