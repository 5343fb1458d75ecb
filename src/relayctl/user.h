/* Names of users. */
#ifndef RELAYCTL_USER_H
#define RELAYCTL_USER_H

#include <jansson.h>
#include <stddef.h>

/* The name of the user whose uid is `by_uid` of this object, or "uid 1000". Returns buf. */
#define USER_TEXT_MAX 64
const char *user_format(const json_t *object, char *buf, size_t size);

#endif
