/* File descriptors: given away and blanked in one statement, closed once. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stdbool.h>

struct pipe_ends {
    int read, write; /* both -1: no pipe */
};

/* Returns *fd and leaves -1 there. */
int fd_take(int *fd);

/* Closes *fd, if it is one, and leaves -1 there. Keeps errno, for the way out of an error. Any
 * thread; the only owner. */
void fd_close(int *fd);

/* Whether it is a listening socket. Any thread. */
bool fd_listens(int fd);

/* Whether a read or accept would return at once. */
bool fd_has_input(int fd);

/* Resets the peer at once: connect(2) with AF_UNSPEC dissolves a TCP connection with an RST,
 * whoever else holds the descriptor, and wakes every thread blocked on it. A unix socket is shut in
 * both directions instead. The descriptor stays open. Any thread that knows it to be open. */
void fd_reset(int fd);

#endif
