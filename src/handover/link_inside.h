/* What the files of the link share. Private to them. */
#ifndef HANDOVER_LINK_INSIDE_H
#define HANDOVER_LINK_INSIDE_H

#include "handover/link.h"

/* The keeper's index for a slot of the table. */
static inline uint32_t link_index_of(uint32_t slot) {
    return KEEPER_CONNECTIONS + slot;
}

/* A message about one index, without and with a descriptor. flags: of send(2). 0 or -errno. */
int link_send_index(int fd, enum keeper_type type, uint32_t index, int flags);
int link_send_fd(int fd, size_t index, int what, int flags);

/* Only to a trusted keeper. */
enum link_outcome link_dial(const char *path, int *ret_fd, struct link_why *ret_why) MUST_USE;

/* The answers to ATTACH, up to END. The heritage must be freed in any case. */
enum link_outcome link_take_answers(int fd, struct heritage *heritage,
                                    struct link_why *ret_why) MUST_USE;

/* Sends those that wait; or forgets them: the keeper is gone. */
void link_send_releases(struct link *link, int flags);
void link_forget_releases(struct link *link);

/* Asks for a sign of life: 0 or -errno. Notes one; or that none will come: the keeper is gone. */
int link_ping(struct link *link);
void link_note_pong(struct link *link);
void link_forget_pings(struct link *link);

/* All, for a new keeper; or those that could not be sent. The thread's. */
void link_send_listeners(struct link *link, bool all);

#endif
