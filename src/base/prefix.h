/* Address prefixes ("10.0.0.0/8", "2001:db8::/32", "192.0.2.1"), and sets of them. IPv4 is IPv4,
 * also as ::ffff:a.b.c.d. */
#ifndef BASE_PREFIX_H
#define BASE_PREFIX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

struct prefix {
    uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d; zero beyond bits */
    unsigned bits;     /* 0 to 128; an IPv4 prefix of n bits is 96 + n */
};

/* A prefix, or an address: all its bits. False: *ret_why is a constant clause ("bits are set beyond
 * the prefix's length"), *ret_prefix untouched. Pure. */
bool prefix_parse(const char *text, struct prefix *ret_prefix, const char **ret_why) MUST_USE;

/* Zero beyond bits, of which there are at most 128. Pure. */
bool prefix_is_sound(const struct prefix *prefix);
bool prefix_equal(const struct prefix *a, const struct prefix *b);

/* Whether a covers all of b. Pure. */
bool prefix_covers(const struct prefix *a, const struct prefix *b);

/* Whether it covers the address; never one that is no IP address. Pure. */
bool prefix_has(const struct prefix *prefix, const struct addr *addr);

/* "192.0.2.0/24"; an address without a length. Returns buf. */
#define PREFIX_TEXT_MAX 64
const char *prefix_format(const struct prefix *prefix, char *buf, size_t size);

/* A binary trie with path compression: few steps whatever its size. Filled by one thread, then read
 * by any without a lock. NULL: no memory. */
struct prefix_set;
struct prefix_set *prefix_set_new(void);
void prefix_set_free(struct prefix_set *set); /* NULL is fine */

/* value >= 0; of the same prefix the greater stays. False: no memory, the set as it was. */
bool prefix_set_add(struct prefix_set *set, const struct prefix *prefix, int value) MUST_USE;

/* The longest covering prefix's value; -1: none, no IP address, or set is NULL. */
int prefix_set_find(const struct prefix_set *set, const struct addr *addr);

/* The same; *ret_prefix is that prefix, untouched for -1. */
int prefix_set_find_prefix(const struct prefix_set *set, const struct addr *addr,
                           struct prefix *ret_prefix);

#endif
