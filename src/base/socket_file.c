#include "base/socket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fd.h"

#define PERMISSIONS 0777u

/* O_PATH: whatever it is, it is neither followed nor opened (open(2)). A descriptor or -errno. */
static int pin_file(const char *path, struct stat *ret_st) {
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    if (fstat(fd, ret_st) == 0)
        return fd;
    int r = -errno;
    fd_close(&fd);
    return r;
}

/* fchmod(2) takes no O_PATH; the link of proc(5) leads to the very file, wherever it is by now. */
static int change_mode(int pinned, uint32_t mode) {
    char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", pinned);
    return chmod(path, (mode_t)mode) < 0 ? -errno : 0;
}

/* To have what it has takes no system call: the service's filter allows none
 * (systemd/relayd.service.in). */
static int change_owner(int pinned, const struct stat *st, uint32_t uid, uint32_t gid) {
    if ((uid == SOCKET_FILE_OWN || uid == st->st_uid) &&
        (gid == SOCKET_FILE_OWN || gid == st->st_gid))
        return 0;
    return fchownat(pinned, "", (uid_t)uid, (gid_t)gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static bool is_file(const struct stat *st, const struct socket_file *file) {
    return S_ISSOCK(st->st_mode) && st->st_dev == file->device && st->st_ino == file->inode;
}

bool socket_file_is_at(const char *path, const struct socket_file *file) {
    struct stat st;

    return lstat(path, &st) == 0 && is_file(&st, file);
}

void socket_file_remove_stale(const struct addr *addr, int type) {
    struct timeval patience = {.tv_usec = 10000}; /* with a full backlog, somebody is there */
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    struct stat st;

    if (fd >= 0 && lstat(addr->u.un.sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
        connect(fd, &addr->u.sa, addr->len) < 0 && errno == ECONNREFUSED)
        (void)unlink(addr->u.un.sun_path);
    fd_close(&fd);
}

/* bind(2) makes the file with the permissions of the socket, less the umask. (fchmod sets those of
 * the socket. Where the directory has a default ACL the umask is not asked.) */
static int bind_with_mode(int fd, const struct addr *addr, uint32_t mode) {
    mode_t before = umask((mode_t)(~mode & PERMISSIONS));

    (void)fchmod(fd, (mode_t)mode);
    int r = bind(fd, &addr->u.sa, addr->len) < 0 ? -errno : 0;
    (void)umask(before);
    return r;
}

/* A file that was made without any permission a moment ago, by this user, is known by that: nobody
 * else can make one, and no other of this user's has none. Only then it is given away, and opened
 * to others. */
static int give_away(int pinned, const struct stat *st, const struct socket_access *access) {
    if (!S_ISSOCK(st->st_mode) || (st->st_mode & PERMISSIONS) != 0 || st->st_uid != geteuid() ||
        st->st_nlink != 1)
        return -ESTALE;
    int r = change_owner(pinned, st, access->uid, access->gid);
    return r == 0 ? change_mode(pinned, access->mode) : r;
}

int socket_file_bind(int fd, const struct addr *addr, const struct socket_access *access,
                     struct socket_file *ret_file) {
    const char *path = addr->u.un.sun_path;
    bool own = access->uid == SOCKET_FILE_OWN && access->gid == SOCKET_FILE_OWN;
    struct stat st = {0};
    int r = bind_with_mode(fd, addr, own ? access->mode : 0);

    if (r < 0)
        return r;
    int pinned = pin_file(path, &st);
    struct socket_file file = {st.st_dev, st.st_ino};
    r = pinned;
    if (pinned >= 0) {
        r = own ? 0 : give_away(pinned, &st, access);
        fd_close(&pinned);
    }
    if (r == 0)
        *ret_file = file;
    else if (r != -ESTALE && socket_file_is_at(path, &file))
        (void)unlink(path);
    return r;
}

/* As for a file that is made new: a directory may hand down its group (inode(7), S_ISGID). */
static uint32_t own_group(const char *path) {
    char copy[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct stat st;

    snprintf(copy, sizeof(copy), "%s", path);
    return stat(dirname(copy), &st) == 0 && (st.st_mode & S_ISGID) != 0 ? st.st_gid : getegid();
}

int socket_file_change(const char *path, const struct socket_file *file,
                       const struct socket_access *before, const struct socket_access *access) {
    uint32_t uid = access->uid, gid = access->gid;
    struct stat st;
    int pinned = pin_file(path, &st), r = pinned;

    if (pinned < 0)
        return r;
    if (uid == SOCKET_FILE_OWN && before->uid != SOCKET_FILE_OWN)
        uid = geteuid();
    if (gid == SOCKET_FILE_OWN && before->gid != SOCKET_FILE_OWN)
        gid = own_group(path);
    bool moves = uid != SOCKET_FILE_OWN || gid != SOCKET_FILE_OWN;
    r = is_file(&st, file) ? 0 : -ESTALE;
    /* Nobody gets what only the old, or only the new owner was meant to have. */
    if (r == 0 && moves)
        r = change_mode(pinned, st.st_mode & access->mode & PERMISSIONS);
    if (r == 0 && moves)
        r = change_owner(pinned, &st, uid, gid);
    if (r == 0)
        r = change_mode(pinned, access->mode);
    else if (r != -ESTALE)
        (void)change_mode(pinned, st.st_mode & PERMISSIONS);
    fd_close(&pinned);
    return r;
}

bool socket_access_equal(const struct socket_access *a, const struct socket_access *b) {
    return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid;
}
