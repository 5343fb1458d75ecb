#include "base/bytes.h"

#include <string.h>

/* -1: it is none. */
int bytes_hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* What stands behind a backslash; moves *at behind it. */
static bool read_escape(const char **at, char *ret_byte) {
    static const char known[] = "rnt\\", bytes[] = "\r\n\t\\";
    char c = **at;
    const char *found = c != '\0' ? strchr(known, c) : NULL;

    if (found != NULL) {
        *ret_byte = bytes[found - known];
        ++*at;
        return true;
    }
    int high = c == 'x' ? bytes_hex_digit((*at)[1]) : -1,
        low = high >= 0 ? bytes_hex_digit((*at)[2]) : -1;
    if (low < 0)
        return false;
    *ret_byte = (char)(high * 16 + low);
    *at += 3;
    return true;
}

bool bytes_decode(const char *text, char *buf, size_t size, size_t *ret_n) {
    size_t n = 0;

    for (const char *at = text; *at != '\0'; n++) {
        char byte = *at++;

        if (byte == '\\' && !read_escape(&at, &byte))
            return false;
        if (n < size)
            buf[n] = byte;
    }
    *ret_n = n;
    return true;
}
