/* The endpoints that a name leads to: addresses to dial, in an order of their own, so that the
 * order of an answer (DNS servers rotate theirs) makes no difference. */
#ifndef NAMES_ENDPOINTS_H
#define NAMES_ENDPOINTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/check.h"

#define ENDPOINTS_MOST 1024 /* of one name */

struct endpoint {
    struct addr addr;
    unsigned priority; /* of SRV: lower ones first; else 0 */
    unsigned weight;   /* of SRV, at least 1; else 1 */
};

struct endpoints {
    size_t n, room;
    struct endpoint *list;
    size_t found; /* how many there were before endpoints_settle left some out */
};

/* A zeroed struct is empty. */
void endpoints_free(struct endpoints *endpoints);

/* Adds one. False: no memory. */
bool endpoints_add(struct endpoints *endpoints, const struct endpoint *endpoint) MUST_USE;

/* Drops those that are there already with a lower priority, and of more than ENDPOINTS_MOST all but
 * these: the first priorities, and among equals by a hash of the address, so that those that come
 * and go take the place of few, and no family or target is left out as a whole. Sorts them: by
 * priority, then by address. */
void endpoints_settle(struct endpoints *endpoints);

/* Whether both, settled, are the same. */
bool endpoints_equal(const struct endpoints *a, const struct endpoints *b);

#endif
