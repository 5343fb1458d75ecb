/* Bytes as RFCs print them. */
#ifndef TLS_BYTES_H
#define TLS_BYTES_H

#include <string.h>

#include "unit.h"

/* The value of hexadecimal digits, two a byte, blanks anywhere; returns how many bytes. */
static inline size_t tls_unhex(const char *text, uint8_t *ret, size_t size) {
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;

    for (; *text != '\0'; text++) {
        if (*text == ' ')
            continue;
        assert_true(n / 2 < size);
        size_t digit = (size_t)(strchr(digits, *text) - digits);
        ret[n / 2] = (uint8_t)(n % 2 == 0 ? digit << 4 : ret[n / 2] | digit);
        n++;
    }
    return n / 2;
}

static inline void assert_hex(const uint8_t *bytes, size_t n, const char *text) {
    uint8_t expected[512];

    assert_int_equal(tls_unhex(text, expected, sizeof(expected)), n);
    assert_memory_equal(bytes, expected, n);
}

#endif
