/* The cache as a whole: its beginning and end, and what is due in it. Its thread's. */
#ifndef NAMES_CACHE_WALK_H
#define NAMES_CACHE_WALK_H

#include "names/cache.h"

/* Empty; `dns` is the caller's to set and to free, before the end of the cache. */
void cache_init(struct cache *cache, const struct dns_ops *ops);

/* Frees all that is known. No query may be under way. */
void cache_free(struct cache *cache);

/* Begins what is due, at most a burst at a time. Returns when to call again. */
usec_t cache_go_on(struct cache *cache);

#endif
