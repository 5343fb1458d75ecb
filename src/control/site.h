/* A server of HTTP with a thread of its own: listening sockets, and who may ask what there. There
 * are two: the control socket, and the status listener, which cannot starve it. */
#ifndef CONTROL_SITE_H
#define CONTROL_SITE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "control/host.h"
#include "relay/relay.h"

#define SITE_SOCKETS_MOST 16

struct site;

/* That one may have open, with so many sockets and clients at once. */
size_t site_descriptors(size_t sockets, unsigned most);

struct site_wish {
    const char *thread; /* its name */
    struct relay *relay;
    time_t since;
    bool open;          /* whoever can connect may look at the pages that are for all */
    unsigned most;      /* clients at once */
    struct hosts hosts; /* what an open one is called; taken over */
};

/* Serves on these, which it takes over (also if it fails). NULL: no memory, no thread, no
 * descriptors. */
struct site *site_start(const int *listening, size_t n, const struct site_wish *wish) MUST_USE;

/* Whether addresses of clients are shown at an open one. Any thread. */
void site_show_clients(struct site *site, bool shown);

/* Ends streams and the thread, closes all. Takes no new clients; those that are connected may have
 * their answers first, for at most patience. */
void site_stop(struct site *site, usec_t patience);

#endif
