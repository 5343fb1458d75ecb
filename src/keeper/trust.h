/* Whom relayd and relayd-keeper trust with all descriptors: their own user, and root. */
#ifndef KEEPER_TRUST_H
#define KEEPER_TRUST_H

#include <stdbool.h>

#include "base/check.h"

#define TRUST_WHY_MAX 192

/* Whether the other end of a unix socket (who connected, or made it listen) is of this user or
 * root: SO_PEERCRED, unix(7). If not, ret_why is a clause about it. Any thread. */
bool trust_peer(int fd, char ret_why[TRUST_WHY_MAX]) MUST_USE;

/* Whether nobody else can put another socket at this path: its directory is this user's or root's
 * and writable by nobody else; those above it, too, or they are sticky (a directory in /tmp will
 * do, /tmp will not). If not, ret_why is a clause about it. 0, or -errno: no such directory;
 * *ret_trusted is untouched. Any thread. */
int trust_place(const char *path, bool *ret_trusted, char ret_why[TRUST_WHY_MAX]) MUST_USE;

#endif
