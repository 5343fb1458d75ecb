/* Where connections go: all upstreams of one configuration, and who keeps them up to date. */
#ifndef UPSTREAM_UPSTREAMS_H
#define UPSTREAM_UPSTREAMS_H

#include "names/resolver.h"
#include "upstream/upstream.h"

struct upstreams {
    struct config *config;     /* a reference */
    struct resolver *resolver; /* a reference; all configurations have the same */
    struct names *names;
    struct upstream_shared shared;
    struct upstream *list; /* in the order of config->upstreams */
    size_t n;
    struct upstream **by_name; /* sorted */
};

/* Makes them. What the former ones (or NULL) know of addresses and members goes on. Takes a
 * reference to config. NULL: no memory. */
struct upstreams *upstreams_new(struct config *config, const struct upstreams *former,
                                upstream_down_fn *on_down, void *arg);

/* Starts looking up names, and checks: 0 or -errno. */
int upstreams_start(struct upstreams *upstreams) MUST_USE;

/* These are in force now: those of their members that they do not check are not taken for down any
 * more. */
void upstreams_begin(struct upstreams *upstreams);

/* Newer ones are in force: no more lookups and checks. Connections that were accepted before go on
 * using them. */
void upstreams_retire(struct upstreams *upstreams);

/* Sends away whoever waits for a name. Any thread. */
void upstreams_cancel(struct upstreams *upstreams);

/* Ends the threads and frees all. No thread may use them any more, but members may still have
 * references. NULL is fine. */
void upstreams_free(struct upstreams *upstreams);

/* For the status line: "; 2 of 3 servers of app are up (app/b (10.0.0.2:80): connect: Connection
 * refused)" for each upstream that lacks one; appends to buf. Any thread. */
void upstreams_describe(struct upstreams *upstreams, char *buf, size_t size);

/* The member of this server and address, known or not, with a reference: for a connection that was
 * not dialled under this configuration. NULL: no memory. Any thread. */
struct member *upstreams_member(struct upstreams *upstreams, const char *upstream,
                                const char *server, const struct addr *addr);

#endif
