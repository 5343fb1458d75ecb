/* The daemon's side of relayd --reload (reload_request.h): who asks for a reload, and waits to hear
 * how it went. */
#ifndef DAEMON_RELOAD_REQUESTS_H
#define DAEMON_RELOAD_REQUESTS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* That are remembered, so that who asks again is not taken for another one. */
#define RELOAD_REQUESTS_MAX 64

struct reload_requests {
    int fd; /* what they are answered through; -1: nothing */
    struct reload_request {
        uintptr_t token; /* 0: none */
        enum { REQUEST_WAITS, REQUEST_SERVED, REQUEST_ANSWERED } state;
    } list[RELOAD_REQUESTS_MAX];
    size_t next; /* the oldest */
};

void reload_requests_init(struct reload_requests *requests);
void reload_requests_close(struct reload_requests *requests);

/* Tells the sender of a HUP, if it waits to hear of it, that it was heard. Whether it asks for a
 * reload that nobody has asked for before: false if it has only asked again. */
bool reload_requests_note(struct reload_requests *requests, const siginfo_t *hup);

/* A reload begins, which is for all who have asked before. */
void reload_requests_serve(struct reload_requests *requests);

/* It has come to its end: why it was refused, or NULL: it was not. */
void reload_requests_answer(struct reload_requests *requests, const char *refused);

#endif
