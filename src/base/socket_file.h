/* The file of a unix socket: who may connect, and which file it is.
 *
 * Others may be able to put another file or a link at its path at any moment. So nothing is changed
 * by path: a descriptor pins the file, which is known for the socket's own and changed through
 * it. */
#ifndef BASE_SOCKET_FILE_H
#define BASE_SOCKET_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"

#define SOCKET_FILE_OWN UINT32_MAX /* (uid_t)-1 of chown(2): this process's user or group */

struct socket_access {
    uint32_t mode; /* permissions, up to 0777 */
    uint32_t uid, gid;
};

struct socket_file {
    dev_t device;
    ino_t inode;
};

/* Binds a unix socket to its path; its file has this access, and nobody can use it before the
 * socket listens. 0 and *ret_file; or -errno, with no file left: -EPERM also if this process may
 * not give it to that user or group, -ESTALE if it was replaced meanwhile. Changes the umask for a
 * moment: one thread at a time. */
int socket_file_bind(int fd, const struct addr *addr, const struct socket_access *access,
                     struct socket_file *ret_file) MUST_USE;

/* Gives the file at the path another access; before: the one it had. What is SOCKET_FILE_OWN in
 * both stays as it is. 0 or -errno; -ESTALE: another file is there. */
int socket_file_change(const char *path, const struct socket_file *file,
                       const struct socket_access *before,
                       const struct socket_access *access) MUST_USE;

/* Removes what a process that is gone left at the path of a unix socket: a socket of this type
 * (SOCK_STREAM or another) at which nobody answers. Anything else stays. */
void socket_file_remove_stale(const struct addr *addr, int type);

/* Whether this very file is at the path. */
bool socket_file_is_at(const char *path, const struct socket_file *file);

bool socket_access_equal(const struct socket_access *a, const struct socket_access *b);

#endif
