/* All upstreams of one configuration: where connections go. */
#ifndef UPSTREAM_UPSTREAMS_H
#define UPSTREAM_UPSTREAMS_H

#include "names/resolver.h"
#include "upstream/upstream.h"

struct upstreams {
    struct config *config;     /* a reference */
    struct resolver *resolver; /* a reference; all configurations' */
    struct names *names;
    struct upstream_shared shared;
    struct upstream *list; /* in the order of config->upstreams */
    size_t n;
    struct upstream **by_name; /* sorted */
};

/* Keeps what the former ones (or NULL) know of addresses and members. NULL: no memory. */
struct upstreams *upstreams_new(struct config *config, const struct upstreams *former,
                                upstream_down_fn *on_down, void *arg);

/* Starts lookups and checks: 0 or -errno. */
int upstreams_start(struct upstreams *upstreams) MUST_USE;

/* In force: members without checks are taken for up. */
void upstreams_begin(struct upstreams *upstreams);

/* Newer ones are in force: ends lookups and checks. Earlier connections still use them. */
void upstreams_retire(struct upstreams *upstreams);

/* Sends away who waits for a name. Any thread. */
void upstreams_cancel(struct upstreams *upstreams);

/* Ends their threads; nobody uses them any more. References to members stay good. NULL is fine. */
void upstreams_free(struct upstreams *upstreams);

/* Appends " 2 of 3 addresses of app can be used (app/b (10.0.0.2:80): connect: Connection
 * refused)." for each upstream that lacks one. Any thread. */
void upstreams_describe(struct upstreams *upstreams, char *buf, size_t size);

/* NULL: none has this name. Any thread. */
struct upstream *upstreams_find(const struct upstreams *upstreams, const char *name);

/* As members_get, for a connection of another configuration. Any thread. */
struct member *upstreams_member(struct upstreams *upstreams, const char *upstream,
                                const char *server, const struct addr *addr);

#endif
