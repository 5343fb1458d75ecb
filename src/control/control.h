/* The control socket: operators ask the running relayd, in HTTP with JSON, at a unix socket.
 *
 * One thread of its own answers, one question after the other, off the road: it takes locks of the
 * road for moments, and formats without them. */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/check.h"
#include "relay/relay.h"

#define CONTROL_FOLDER "/run/relayd"
#define CONTROL_SOCKET CONTROL_FOLDER "/control.sock"

struct control;

/* Opens, moves or closes the socket, as the configuration says; *control: the one before, or NULL.
 * What "auto" cannot have is logged. False: a path that was asked for by name cannot be had,
 * *ret_why is a finished sentence, and the one before stays. since: when relayd started.
 * Main's. */
bool control_use(struct control **control, struct relay *relay, const struct config *config,
                 time_t since, char *ret_why, size_t size) MUST_USE;

/* That it may have open at once, with those of the checks that are asked for. */
size_t control_descriptors(const struct config *config);

/* Ends its thread and removes the socket's file. Before relay_free. NULL is fine. */
void control_close(struct control *control);

#endif
