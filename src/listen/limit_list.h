/* Every limit that something is counted by: those of the listeners in force, and of listeners that
 * have gone while they had connections. Which one a listener goes on with is found here. The owner
 * of the relay's (main's) alone. */
#ifndef LISTEN_LIMIT_LIST_H
#define LISTEN_LIMIT_LIST_H

#include <stdbool.h>
#include <sys/queue.h>

#include "config/config.h"
#include "listen/limit.h"

LIST_HEAD(limit_list, limit); /* each with a reference */

void limit_list_init(struct limit_list *list);
void limit_list_clear(struct limit_list *list); /* nobody has a seat any more */

/* Finds the limits that the listeners of a configuration would have, with a reference each, in
 * their order: the one of a listener that had the same name and an address in common; else the same
 * address (it was given another name); else the same name (it moved); else a new one. No two get
 * the same. Nothing is changed by that. False: no memory, and none. */
bool limit_list_choose(const struct limit_list *list, const struct config *config,
                       struct limit **ret_limits) MUST_USE;

/* This configuration is in force now, with these limits: puts its numbers in force, and lets go of
 * what is not used any more. */
void limit_list_begin(struct limit_list *list, struct config *config, struct limit *const *limits);

#endif
