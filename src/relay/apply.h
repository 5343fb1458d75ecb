/* What is known while a configuration is put in force (relay_apply): apply.c has the whole,
 * apply_sockets.c what listens. The owner's of the relay. */
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
    struct acceptor_list fresh; /* acceptors for sockets that are new */
    /* for those of the previous relayd that nobody wants now: who has come is served */
    struct acceptor_list former;
    size_t n_workers; /* started for it, or kept from ending */
    char *what;       /* why it failed; NULL: it has not, or no memory */
};

/* It fails for this errno: sets what, and returns the outcome. */
enum apply_outcome apply_fail(struct apply *apply, enum apply_outcome outcome, int error,
                              const char *what);

/* Finds each wish a socket: one that is open here, one that the keeper has, or a new one, which is
 * bound and does not listen yet. Not APPLY_OK: what is set. What is open stays as it is. */
enum apply_outcome apply_find_sockets(struct apply *apply, struct listen_wish *wishes,
                                      size_t n) MUST_USE;

/* Makes the new ones listen, in the same way. */
enum apply_outcome apply_listen(struct apply *apply) MUST_USE;

/* Notes what the next relayd must know of those that stay: their listener and their access may be
 * others now. */
void apply_note_sockets(const struct apply *apply);

/* Gives the files of unix sockets that stay the access that is asked for now, in the same way. And
 * undoes that (apply_files.c). */
enum apply_outcome apply_files(struct apply *apply) MUST_USE;
void apply_files_undo(struct apply *apply);

/* Why a file could not be given the access that the listener asks for, as a finished sentence; the
 * caller frees it. */
char *apply_files_complaint(const struct config *config, const struct listener_config *listener,
                            const char *address, int error);

/* Addresses are shared no more, with those that go or have not come. */
void apply_end_sharing(struct apply *apply);

#endif
