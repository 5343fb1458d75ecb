#include "record/access_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define ROOM_WAIT 1000 /* milliseconds, for who reads a pipe, between two looks at give_up */

/* Its descriptor, or -errno. (O_NONBLOCK: opening a pipe waits for nobody.) */
static int open_to_append(const char *path) {
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)))
        return fd;
    fd_close(&fd);
    return -ENOTSUP;
}

static bool is_full_disk(int error) {
    return error == ENOSPC || error == EDQUOT;
}

struct access_file *access_file_open(const char *path, enum access_format format, int *ret_error) {
    size_t size = strlen(path) + 1;
    int fd = open_to_append(path);
    struct access_file *file = NULL;

    *ret_error = fd;
    if (fd < 0 && !is_full_disk(-fd))
        return NULL;
    file = malloc(sizeof(*file) + size);
    if (file == NULL) {
        fd_close(&fd);
        *ret_error = -ENOMEM;
        return NULL;
    }
    atomic_init(&file->refs, 1);
    file->fd = fd >= 0 ? fd : -1;
    file->format = format;
    memcpy(file->path, path, size);
    return file;
}

struct access_file *access_file_ref(struct access_file *file) {
    atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
    return file;
}

void access_file_unref(struct access_file *file) {
    if (file == NULL || atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel) > 1)
        return;
    fd_close(&file->fd);
    free(file);
}

const char *access_file_remedy(int error) {
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return "make room on its disk";
    case ENOENT:
    case ENOTDIR:
        return "make its folder, writable by relayd's user; /var/log/relayd is there under systemd "
               "(LogsDirectory=)";
    case EACCES:
    case EPERM:
    case EROFS:
        return "let relayd's user write there; relayd.service may write below /var/log/relayd, and "
               "elsewhere with ReadWritePaths= (systemctl edit relayd)";
    case EISDIR:
        return "name a file in it";
    case ENOTSUP:
    case ENXIO:
        return "name a file, a device, or a pipe that somebody reads";
    default:
        return "choose another place, or look after its disk";
    }
}

static int await_pipe_room(int fd, const atomic_bool *give_up) {
    struct pollfd room = {.fd = fd, .events = POLLOUT};

    for (;;) {
        int n = poll(&room, 1, ROOM_WAIT);

        if (n > 0)
            return 0;
        if (atomic_load(give_up) || (n < 0 && errno != EINTR))
            return n < 0 ? errno : EAGAIN;
    }
}

/* Somebody removed the file, to make room, say: what is written there is lost, and takes room until
 * it is closed. */
static bool is_removed(int fd) {
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0;
}

size_t access_file_write(struct access_file *file, const char *bytes, size_t n,
                         const atomic_bool *give_up, int *ret_error) {
    size_t done = 0;

    *ret_error = 0;
    if (file->fd >= 0 && is_removed(file->fd))
        fd_close(&file->fd);
    if (file->fd < 0) {
        int fd = open_to_append(file->path);

        *ret_error = fd < 0 ? -fd : 0;
        file->fd = fd >= 0 ? fd : -1;
    }
    while (done < n && *ret_error == 0) {
        ssize_t now = write(file->fd, bytes + done, n - done);
        int error = now < 0 ? errno : 0;

        if (now > 0)
            done += (size_t)now;
        else if (error == EAGAIN)
            *ret_error = await_pipe_room(file->fd, give_up);
        else if (error != EINTR || atomic_load(give_up))
            *ret_error = error != 0 ? error : EIO;
    }
    return done;
}
