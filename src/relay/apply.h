/* The parts of relay_apply: apply.c has the whole, apply_sockets.c what listens. The owner's. */
#ifndef RELAY_APPLY_H
#define RELAY_APPLY_H

#include "listen/listen_wish.h"
#include "relay/relay.h"

struct apply {
    struct relay *relay;
    struct config *config;
    const struct listen_names *names;
    struct generation *generation;
    struct passed_socket *passed;
    size_t n_passed;
    struct acceptor_list fresh; /* for new sockets */
    /* for unwanted ones of the previous relayd: who has come is served */
    struct acceptor_list former;
    size_t n_workers; /* started for it, or kept from ending */
    char *what;       /* why it failed; NULL: it has not, or no memory */
};

/* error: errno. Sets what, if unset; returns the outcome. */
enum apply_outcome apply_fail(struct apply *apply, enum apply_outcome outcome, int error,
                              const char *what);

/* Finds each wish a socket: open here, the keeper's, or new (bound, not yet listening). Not
 * APPLY_OK: what is set. What is open stays as it is. */
enum apply_outcome apply_find_sockets(struct apply *apply, struct listen_wish *wishes,
                                      size_t n) MUST_USE;

/* Makes the new ones listen. Not APPLY_OK: what is set. */
enum apply_outcome apply_listen(struct apply *apply) MUST_USE;

/* Notes for the next relayd the listeners and access of those that stay, which may be new. */
void apply_note_sockets(const struct apply *apply);

/* Gives the files of unix sockets that stay their new access (not APPLY_OK: what is set). */
enum apply_outcome apply_files(struct apply *apply) MUST_USE;
void apply_files_undo(struct apply *apply);

/* Why a file's access could not be changed: a finished sentence, which the caller frees. */
char *apply_files_complaint(const struct config *config, const struct listener_config *listener,
                            const char *address, int error);

/* New and old sockets share no ports any more. */
void apply_end_sharing(struct apply *apply);

#endif
