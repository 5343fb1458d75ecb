/* The daemon's side of relayd --reload (reload_request.h): who waits for an answer. */
#ifndef DAEMON_RELOAD_REQUESTS_H
#define DAEMON_RELOAD_REQUESTS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Remembered, so that who asks again is known. */
#define RELOAD_REQUESTS_MAX 64

struct reload_requests {
    int fd; /* for answers; -1: none */
    struct reload_request {
        uintptr_t token; /* 0: none */
        enum { REQUEST_WAITS, REQUEST_SERVED, REQUEST_ANSWERED } state;
    } list[RELOAD_REQUESTS_MAX];
    size_t next; /* the oldest */
};

void reload_requests_init(struct reload_requests *requests);
void reload_requests_close(struct reload_requests *requests);

/* Answers RELOAD_HEARD to a sender who waits. False: it has only asked again. */
bool reload_requests_note(struct reload_requests *requests, const siginfo_t *hup);

/* A reload begins, for all who have asked. */
void reload_requests_serve(struct reload_requests *requests);

/* It has ended. refused: why, or NULL. */
void reload_requests_answer(struct reload_requests *requests, const char *refused);

#endif
