/* The file of a unix socket: who may connect, and which file it is.
 *
 * Its directory may be writable by others, who can put another file, or a link to one, at its path
 * at any moment. So nothing is ever changed at a path: a file is pinned by a descriptor, known for
 * the socket's own, and changed there. */
#ifndef BASE_SOCKET_FILE_H
#define BASE_SOCKET_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"

#define SOCKET_FILE_OWN                                                                            \
    UINT32_MAX /* (uid_t)-1 of chown(2): the user, or the group, that this process has */

struct socket_access {
    uint32_t mode; /* permissions, up to 0777 */
    uint32_t uid, gid;
};

struct socket_file {
    dev_t device;
    ino_t inode;
};

/* Binds a unix socket to its path, with a file of this access, which nobody can use before the
 * socket listens. 0, and *ret_file is its file; or -errno, with no file left: -EPERM also if this
 * process may not give it to that user or group, -ESTALE if somebody put another file in its place
 * meanwhile. Changes the umask for a moment: one thread at a time makes files. */
int socket_file_bind(int fd, const struct addr *addr, const struct socket_access *access,
                     struct socket_file *ret_file) MUST_USE;

/* Gives the file at the path another access; before: what it had been given. What is
 * SOCKET_FILE_OWN in both stays whatever it is. 0 or -errno, -ESTALE if another file is there. */
int socket_file_change(const char *path, const struct socket_file *file,
                       const struct socket_access *before,
                       const struct socket_access *access) MUST_USE;

/* Removes what a process that is gone has left at the path of a unix socket: one of this type
 * (SOCK_STREAM or another) that nobody answers at. Anything else stays, and is in the way. */
void socket_file_remove_stale(const struct addr *addr, int type);

/* Whether this very file is at the path. */
bool socket_file_is_at(const char *path, const struct socket_file *file);

bool socket_access_equal(const struct socket_access *a, const struct socket_access *b);

#endif
