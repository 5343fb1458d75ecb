/* Whom relayd and relayd-keeper trust with the descriptors of every connection: their own user, and
 * root. */
#ifndef KEEPER_TRUST_H
#define KEEPER_TRUST_H

#include <stdbool.h>

#include "base/check.h"

#define TRUST_WHY_MAX 192

/* Whether the other end of a unix socket is of this user or root's (SO_PEERCRED, unix(7)): whoever
 * connected, or whoever made it listen. If not, ret_why is a clause about it. Any thread. */
bool trust_peer(int fd, char ret_why[TRUST_WHY_MAX]) MUST_USE;

/* Whether nobody else can put another socket at this path: its directory belongs to this user or
 * root and is writable by nobody else; those above it are so, too, or sticky (a directory of one's
 * own in /tmp will do, /tmp itself will not). If not, ret_why is a clause about it. 0, or -errno:
 * there is no such directory, and *ret_trusted is untouched. Any thread. */
int trust_place(const char *path, bool *ret_trusted, char ret_why[TRUST_WHY_MAX]) MUST_USE;

#endif
