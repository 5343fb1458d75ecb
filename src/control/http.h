/* HTTP at a site: which path is answered by what, and who may ask. */
#ifndef CONTROL_HTTP_H
#define CONTROL_HTTP_H

#include <microhttpd.h>
#include <stdatomic.h>

#include "control/host.h"
#include "control/stream.h"
#include "control/visitors.h"
#include "control/vitals.h"
#include "control/waiter.h"

/* Where questions come in. But for clients, the site's thread's. */
struct http_place {
    bool open;            /* pages for all, by GET, for whoever can connect */
    _Atomic bool clients; /* they show addresses of clients */
    bool ending;          /* nothing may begin that waits (site_stop) */
    struct hosts hosts;
    struct vitals vitals;
    struct visitors visitors;
    struct stream_list streams;
    struct waiter_list waiters;
};

/* most: clients at once, the next of whom puts one out. Takes the hosts. */
void http_place_init(struct http_place *place, bool open, size_t most, const struct hosts *hosts);

/* An MHD daemon without a thread on the listening socket, which it takes over; never more than most
 * clients. place must stay. NULL: no memory, or no descriptors. */
struct MHD_Daemon *http_start(int listening, struct http_place *place, unsigned most);

#endif
