/* One connection's search for a server: which member to dial next, and how long. */
#ifndef UPSTREAM_SEARCH_H
#define UPSTREAM_SEARCH_H

#include "upstream/tries.h"
#include "upstream/upstream.h"

/* Called once, without a lock, before a long wait. */
typedef void search_wait_fn(void *arg);

struct search {
    struct upstream *upstream;
    const struct server_config *server; /* of the member that was found last */
    search_wait_fn *on_wait;            /* NULL, unless set after search_begin */
    void *arg;
    const struct member *wanted; /* likewise: first, if it can be had (again.h); or NULL */
    usec_t until;                /* of waiting for names; 0: none yet */
    bool free;                   /* the last dial is no attempt: a test, or to one cut off */
    bool cut_off;                /* saw such members */
    bool probes;                 /* tries those left alone (upstream->probed) */
    struct tries tries;
};

enum search_outcome {
    SEARCH_FOUND = 0,
    SEARCH_OVER,    /* all that can be tried was */
    SEARCH_FULL,    /* the rest has max_connections */
    SEARCH_DOWN,    /* nothing tried: all are down, or left alone and probed */
    SEARCH_DRAINED, /* nothing tried: all have weight 0 */
    SEARCH_NO_NAME, /* nothing tried: no name has an address */
    SEARCH_STOPPED, /* upstreams_cancel */
};

/* client may be a unix socket's, or none. */
void search_begin(struct search *search, struct upstream *upstream, const struct addr *client);

/* Before the first search_next: this one only if there is no other. */
void search_shun(struct search *search, const struct member *member);

/* Whom a connection of this client would be sent to now: fills in, each with a reference, up to
 * `most` of those among whom its first dial would choose (source_hash: the one), and returns how
 * many there are; 0: *ret_none says why. Changes nothing. Any thread that holds its
 * configuration. */
size_t search_look(struct upstream *upstream, const struct addr *client, struct member **ret_list,
                   size_t most, enum search_outcome *ret_none);

/* Always: others may probe then. */
void search_end(struct search *search);

/* Finds the next member, counted in (member_enter), and its dial's timeout: less than
 * connect_timeout while there are others. Else waits for names looked up for the first time, at
 * most connect_timeout in all. */
enum search_outcome search_next(struct search *search, struct member **ret_member,
                                usec_t *ret_timeout) MUST_USE;

/* Logs changes. After success the member stays the caller's; else it is counted out and blanked.
 * error: errno; ETIMEDOUT: unanswered, not refused. */
void search_succeeded(struct search *search, struct member *member, usec_t took);
void search_failed(struct search *search, struct member **member, int error);
void search_not_asked(struct search *search, struct member **member); /* the fault is ours */
void search_cut_off(struct search *search, struct member **member,
                    int error); /* no way there: route_error */

/* Nothing could be tried, or all failed. */
void search_gave_up(struct search *search);

#endif
