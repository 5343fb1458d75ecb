/* HTTP at the control socket: which path is answered by what, and who may ask. */
#ifndef CONTROL_HTTP_H
#define CONTROL_HTTP_H

#include <microhttpd.h>

#include "control/question.h"

/* Fills in what is not of the request; and gives back what it took. */
struct http_source {
    void (*begin)(void *arg, struct question *ret_question);
    void (*end)(void *arg, struct question *question);
    void *arg;
};

/* An MHD daemon without a thread on the listening socket, which it takes over. source must stay.
 * NULL: no memory, or no descriptors. */
struct MHD_Daemon *http_start(int listening, const struct http_source *source);

#endif
