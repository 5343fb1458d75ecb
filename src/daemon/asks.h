/* The daemon's side of relayd --reload (ask.h): who asks for a reload, and waits to hear how it
 * went. */
#ifndef DAEMON_ASKS_H
#define DAEMON_ASKS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ASKS_MAX                                                                                   \
    64 /* askers that are remembered, so that who asks again is not taken for another one */

struct asks {
    int fd; /* what they are answered through; -1: nothing */
    struct ask {
        uintptr_t token; /* 0: none */
        enum { ASK_WAITS, ASK_SERVED, ASK_ANSWERED } state;
    } list[ASKS_MAX];
    size_t next; /* the oldest */
};

void asks_init(struct asks *asks);
void asks_close(struct asks *asks);

/* Tells the sender of a HUP, if it waits to hear of it, that it was heard. Whether it asks for a
 * reload that nobody has asked for before: false if it has only asked again. */
bool asks_note(struct asks *asks, const siginfo_t *hup);

/* A reload begins, which is for all who have asked before. */
void asks_serve(struct asks *asks);

/* It has come to its end: why it was refused, or NULL: it was not. */
void asks_answer(struct asks *asks, const char *refused);

#endif
