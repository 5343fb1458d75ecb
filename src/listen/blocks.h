/* Prefixes of clients that operators block.
 *
 * no_wait: whoever accepts looks without a lock and without a system call. There are two tables:
 * one is looked at while the other is filled. A count of changes tells a look that took so long
 * that its table was filled anew, and looks again. */
#ifndef LISTEN_BLOCKS_H
#define LISTEN_BLOCKS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/addr.h"
#include "record/steering.h"

extern _Atomic size_t blocks_count;

/* False at the cost of one load: nobody is blocked. Any thread. */
static inline bool blocks_any(void) {
    return atomic_load_explicit(&blocks_count, memory_order_relaxed) > 0;
}

/* Whether it is in a blocked prefix; also as an IPv4 address inside it (base/embedded.h). A unix
 * socket's never is. Any thread, whatever lock is held. */
bool blocks_cover(const struct addr *client);

/* They lie in these rows (STEERING_BLOCKS) from now on, with those that are there already. NULL: in
 * memory of its own, none. Main. */
void blocks_use(struct blocked_prefix *rows);

/* From now on, in place of the former one of this prefix; until: 0, or a moment. False: there is no
 * room. No leaf lock held, as in all that follow. */
bool blocks_add(const struct prefix *prefix, usec_t until, uid_t by) MUST_USE;

/* False: it was not blocked. */
bool blocks_remove(const struct prefix *prefix);

/* Forgets one that is over, which until then takes up its room. False: none is. */
bool blocks_forget_over(struct blocked_prefix *ret) MUST_USE;

/* Copies those that are not over, and returns how many. */
size_t blocks_list(struct blocked_prefix ret_list[STEERING_BLOCKS]);

#endif
