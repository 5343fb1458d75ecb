/* What is asked at the control socket, and what the answers are made from. */
#ifndef CONTROL_QUESTION_H
#define CONTROL_QUESTION_H

#include <jansson.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "control/samples.h"
#include "relay/relay.h"

struct question {
    struct relay *relay;
    struct generation *generation; /* in force, held; NULL: none yet */
    time_t since;                  /* when this relayd started */
    struct samples *samples;       /* of this moment, once they are taken */
    const char *accept;            /* which types the client takes; NULL: whichever */
    struct ucred asker;            /* who asks, at the control socket */
    bool clients;                  /* whether he may see addresses of clients */
    /* What follows ? in the request: NULL if it does not name this. */
    const char *(*argument)(void *arg, const char *name);
    void *arg;
};

struct stream;
struct waiter;

struct reply {
    unsigned status; /* of HTTP */
    const char *type;
    char *body;            /* malloc(3)'s; NULL: there was no memory, or: */
    struct stream *stream; /* what follows one by one (control/stream.h) */
    struct waiter *waiter; /* nothing yet: he waits (control/waiter.h) */
    const char *policy;    /* a page's Content-Security-Policy; NULL: it is no page */
};

/* JSON, which it frees, as a reply. */
struct reply reply_json(unsigned status, json_t *json);

/* Appends to a list, or sets in an object, what it takes over. Without memory (*json or item NULL,
 * too) frees all of it, and *json is NULL from then on: no answer has a part missing. */
void json_add(json_t **json, json_t *item);
void json_put(json_t **json, const char *name, json_t *item);

/* {"error": "..."}; what a request said in it is escaped. */
struct reply reply_error(unsigned status, const char *sentence);

/* Closes the memory stream that its body is written to. Without a body, if that failed or it is not
 * whole. */
void reply_close(struct reply *reply, FILE *out, bool whole);

#endif
