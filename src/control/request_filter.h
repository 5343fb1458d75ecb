/* Which requests are asked for: status=, method=, host=, path=, route=; and whether ends of
 * connections, requests or both (of=). */
#ifndef CONTROL_REQUEST_FILTER_H
#define CONTROL_REQUEST_FILTER_H

#include <stdbool.h>

#include "base/log_tap.h"
#include "control/filter.h"

#define REQUEST_FILTER_TEXT 256 /* with NUL */

struct request_filter {
    unsigned hears;                     /* of enum log_tap_hears */
    unsigned status_least, status_most; /* 0: whatever it is */
    char method[24];                    /* "": whichever; so all of these */
    char host[REQUEST_FILTER_TEXT];     /* in whatever case */
    char path[REQUEST_FILTER_TEXT];     /* it begins so */
    char route[REQUEST_FILTER_TEXT];    /* its pattern, as written */
};

/* argument: as in struct question. Who asks for one of these and not by of= is given requests; who
 * asks for none, ends. False: ret_why is a sentence. Pure. */
bool request_filter_read(struct request_filter *ret_filter,
                         const char *(*argument)(void *arg, const char *name), void *arg,
                         char ret_why[FILTER_WHY_MAX]) MUST_USE;

/* Whether the line is the end of a connection, or a request that is asked for. Pure. */
bool request_filter_takes(const struct request_filter *filter, const struct log_line *line);

#endif
