/* One connection's search for a server that takes it: which member to dial next, and for how
 * long. */
#ifndef UPSTREAM_SEARCH_H
#define UPSTREAM_SEARCH_H

#include "upstream/tries.h"
#include "upstream/upstream.h"

/* Called once, without a lock, before a search waits for long. */
typedef void search_wait_fn(void *arg);

struct search {
    struct upstream *upstream;
    search_wait_fn *on_wait; /* NULL, unless set after search_begin */
    void *arg;
    usec_t until; /* names that are looked up are waited for; 0: none has been yet */
    bool free;    /* the last dial is no attempt: a test, or of one that is cut off */
    bool cut_off; /* members that are were seen */
    bool probes;  /* it is the one that tries those that are left alone: upstream->probed */
    struct tries tries;
};

enum search_outcome {
    SEARCH_FOUND = 0,
    SEARCH_OVER,    /* all that can be tried was tried */
    SEARCH_FULL,    /* all that are up and were not tried have max_connections */
    SEARCH_DOWN,    /* nothing was tried: checks found all servers down, or all are left alone and
                     * another connection is finding out */
    SEARCH_DRAINED, /* nothing was tried, nor waited for: all have weight 0 */
    SEARCH_NO_NAME, /* nothing was tried: no name has an address */
    SEARCH_STOPPED, /* upstreams_cancel */
};

/* client may be a unix socket's, or none. */
void search_begin(struct search *search, struct upstream *upstream, const struct addr *client);

/* Whenever it is over, however it went: others may probe then. */
void search_end(struct search *search);

/* The next member: *ret_member is counted in (member_enter) and the caller's. The dial may take
 * *ret_timeout: less than connect_timeout while there are others to try. If there is none, waits
 * for names that are being looked up for the first time, for at most connect_timeout in all. */
enum search_outcome search_next(struct search *search, struct member **ret_member,
                                usec_t *ret_timeout) MUST_USE;

/* How the dial went: says so in the log if that changes something. The member stays the caller's if
 * it succeeded, and is counted out and blanked if not. timed_out: it was not refused, but not
 * answered within the timeout. */
void search_succeeded(struct search *search, struct member *member, usec_t took);
void search_failed(struct search *search, struct member **member, bool timed_out);
void search_not_asked(struct search *search, struct member **member); /* the fault is ours */
void search_cut_off(struct search *search, struct member **member,
                    int error); /* there is no way: route_error */

/* Every attempt failed, or there was nothing to try. */
void search_gave_up(struct search *search);

#endif
