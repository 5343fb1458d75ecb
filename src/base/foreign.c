#include "base/foreign.h"

#include <string.h>

static unsigned char read_byte(const void *at) {
    unsigned char value;

    memcpy(&value, at, 1);
    return value;
}

bool foreign_is_bool(const void *byte) {
    return read_byte(byte) <= 1;
}

bool foreign_is_true(const void *byte) {
    return read_byte(byte) != 0;
}

bool foreign_is_word(const char *word, size_t size) {
    size_t n = strnlen(word, size);

    for (size_t i = 0; i < n; i++)
        if (word[i] <= ' ' || word[i] > '~')
            return false;
    return n < size;
}

bool foreign_is_text(const char *text, size_t size) {
    return memchr(text, '\0', size) != NULL;
}

bool foreign_is_moment(usec_t moment, usec_t now) {
    return moment >= 0 && moment <= now;
}

bool foreign_is_addr(const struct addr *addr) {
    socklen_t least = sizeof(sa_family_t);

    if (addr->len == 0)
        return true;
    if (addr->len < least || addr->len > sizeof(addr->u))
        return false;
    switch (addr->u.sa.sa_family) {
    case AF_INET:
        return addr->len == sizeof(addr->u.in);
    case AF_INET6:
        return addr->len == sizeof(addr->u.in6);
    case AF_UNIX:
        return addr->len <= sizeof(addr->u.un);
    default:
        return false;
    }
}
