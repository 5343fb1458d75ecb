#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

/* NULL: a regular file. */
static const char *kind_of_file(const struct stat *st) {
    switch (st->st_mode & S_IFMT) {
    case S_IFREG:
        return NULL;
    case S_IFDIR:
        return "this is a directory";
    case S_IFIFO:
        return "this is a FIFO or a pipe";
    case S_IFCHR:
    case S_IFBLK:
        return "this is a device";
    case S_IFSOCK:
        return "this is a socket";
    default:
        return "this is no file";
    }
}

/* What stands there may be another thing at the open than at the look before: O_NONBLOCK, and a
 * second look (open(2)). */
static int open_file(const char *path, int *ret_fd, const char **ret_kind) {
    struct stat st;
    const char *kind;

    if (stat(path, &st) < 0)
        return -errno;
    kind = kind_of_file(&st);
    if (kind == NULL) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

        if (fd < 0)
            return -errno;
        int r = fstat(fd, &st) < 0 ? -errno : 0;
        kind = r == 0 ? kind_of_file(&st) : NULL;
        if (r == 0 && kind == NULL) {
            *ret_fd = fd;
            return 0;
        }
        fd_close(&fd);
        if (r < 0)
            return r;
    }
    *ret_kind = kind;
    return -EBADF;
}

int file_read(const char *path, void *buf, size_t size, size_t *ret_n, const char **ret_kind) {
    size_t n = 0;
    int fd, r = open_file(path, &fd, ret_kind);

    if (r < 0)
        return r;
    while (n < size) {
        ssize_t got = read(fd, (char *)buf + n, size - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            r = -errno;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    fd_close(&fd);
    if (r == 0)
        *ret_n = n;
    return r;
}
