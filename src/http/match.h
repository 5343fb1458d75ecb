/* Which route of a listener in mode http takes a request: by host and path. Pure; any thread. */
#ifndef HTTP_MATCH_H
#define HTTP_MATCH_H

#include "config/config.h"
#include "wire/http1.h"

enum http_match_outcome {
    HTTP_MATCH_ROUTE, /* *ret_route takes it */
    HTTP_MATCH_OWN,   /* no route does: the listener's own upstream */
    HTTP_MATCH_NONE,  /* nor has it one: 404 */
    HTTP_MATCH_PATH,  /* a route of the listener has a path, and this one is not plain: 400 */
};

/* The most specific: an exact host before the longest *.suffix before none; then the longest path
 * prefix, by whole segments. */
enum http_match_outcome http_match(const struct listener_config *listener, const char *bytes,
                                   const struct http1_head *head,
                                   const struct route_config **ret_route) MUST_USE;

#endif
