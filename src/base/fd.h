/* File descriptors: given away and blanked in one statement, closed once. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stdbool.h>

struct pipe_ends {
    int read, write; /* both -1: no pipe */
};

/* Gives the descriptor away: returns *fd and leaves -1 there. */
int fd_take(int *fd);

/* Closes *fd, if it is one, and leaves -1 there. errno is kept, so it may be called on the way out
 * of an error. Any thread; the caller must be the only owner. */
void fd_close(int *fd);

/* Whether it is a socket that listens. Any thread. */
bool fd_listens(int fd);

/* Whether a read, or an accept, would return at once. Does not wait. */
bool fd_has_input(int fd);

/* Cuts a socket off so that the peer sees a reset, at once: connect(2) with AF_UNSPEC dissolves a
 * TCP connection with an RST, whoever else holds the descriptor, and wakes every thread blocked on
 * it. A unix socket cannot be dissolved: it is shut in both directions. The descriptor stays open
 * (its last owner closes it). Any thread that knows the descriptor to be open. */
void fd_reset(int fd);

#endif
