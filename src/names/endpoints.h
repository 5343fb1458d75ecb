/* The addresses to dial for a name, sorted, since DNS servers rotate their answers. */
#ifndef NAMES_ENDPOINTS_H
#define NAMES_ENDPOINTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/check.h"

#define ENDPOINTS_MOST 1024 /* of one name */

struct endpoint {
    struct addr addr;
    unsigned priority; /* of SRV: the lowest first; else 0 */
    unsigned weight;   /* of SRV, at least 1; else 1 */
};

struct endpoints {
    size_t n, room;
    struct endpoint *list;
    size_t found; /* before endpoints_settle left some out */
};

/* Zeroed: empty. */
void endpoints_free(struct endpoints *endpoints);

/* False: no memory. */
bool endpoints_add(struct endpoints *endpoints, const struct endpoint *endpoint) MUST_USE;

/* Sorts by priority, then address, and drops doubles (the lower priority stays). Of more than
 * ENDPOINTS_MOST it keeps the first priorities, equals by a hash of the address: few change with
 * the answer, and no family or target is left out whole. */
void endpoints_settle(struct endpoints *endpoints);

/* Whether both, settled, are the same. */
bool endpoints_equal(const struct endpoints *a, const struct endpoints *b);

#endif
