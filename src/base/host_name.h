/* A host's name as clients ask for it, and what else stands in its place. Pure; any thread. */
#ifndef BASE_HOST_NAME_H
#define BASE_HOST_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

#define HOST_NAME_SIZE 256 /* with NUL: RFC 1035, 2.3.4: 255 bytes at most */

enum host_name {
    HOST_NAME_GOOD, /* labels of letters, digits, "-" and "_", 63 at most, between single dots */
    HOST_NAME_IP,   /* an IP address, in brackets or not */
    HOST_NAME_BAD,
};

/* Reads n bytes (at most HOST_NAME_SIZE - 1) in lower case, without a dot at the end. Only GOOD
 * writes ret. */
enum host_name host_name_read(const char *bytes, size_t n, char ret[HOST_NAME_SIZE]) MUST_USE;

/* An IP address, not in brackets. */
bool host_name_is_ip(const char *name);

#endif
