#include "keeper/trust.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_user_trusted(uid_t user) {
    return user == 0 || user == geteuid();
}

bool trust_peer(int fd, char ret_why[TRUST_WHY_MAX]) {
    struct ucred who;
    socklen_t size = sizeof(who);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0) {
        snprintf(ret_why, TRUST_WHY_MAX, "the other end is unknown (%s)", strerrordesc_np(errno));
        return false;
    }
    snprintf(ret_why, TRUST_WHY_MAX, "process %ld there is user %ld's", (long)who.pid,
             (long)who.uid);
    return is_user_trusted(who.uid);
}

/* One directory on the way; the last is the one that has the socket. */
static int trust_directory(const char *path, bool last, bool *ret_trusted,
                           char ret_why[TRUST_WHY_MAX]) {
    struct stat st;

    if (stat(path, &st) < 0)
        return -errno;
    bool open = (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (last || (st.st_mode & S_ISVTX) == 0);
    if (!is_user_trusted(st.st_uid))
        snprintf(ret_why, TRUST_WHY_MAX, "the directory %.100s is user %ld's", path,
                 (long)st.st_uid);
    else if (open)
        snprintf(ret_why, TRUST_WHY_MAX,
                 "others may write in the directory %.100s: use one of its own, of mode 0755",
                 path);
    *ret_trusted = is_user_trusted(st.st_uid) && !open;
    return 0;
}

int trust_place(const char *path, bool *ret_trusted, char ret_why[TRUST_WHY_MAX]) {
    char copy[PATH_MAX], real[PATH_MAX];
    bool trusted = true;

    snprintf(copy, sizeof(copy), "%s", path);
    char *at = realpath(dirname(copy), real);
    int r = at == NULL ? -errno : trust_directory(at, true, &trusted, ret_why);
    while (r == 0 && trusted && strcmp(at, "/") != 0) {
        at = dirname(at);
        r = trust_directory(at, false, &trusted, ret_why);
    }
    if (r == 0)
        *ret_trusted = trusted;
    return r;
}
