/* Who a client is, by the certificate that it has shown in TLS. It stands beside the record, since
 * few clients have one. Flat and immutable; any thread. */
#ifndef RECORD_BEARER_H
#define RECORD_BEARER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "wire/proxy_tls.h"

struct bearer {
    uint8_t fingerprint[PROXY_FINGERPRINT_MAX];
    /* As in RFC 4514, "CN=alice,O=Example"; of a certificate without one its first other name,
     * "URI:spiffe://example/alice"; or "". In printable UTF-8, shorter than PROXY_SUBJECT_MAX. */
    char subject[];
};

/* free(3) it. NULL: nothing was shown, or there is no memory. */
struct bearer *bearer_new(const struct proxy_certificate *shown) MUST_USE;

/* Bytes with its NUL. */
size_t bearer_size(const struct bearer *bearer);

/* In hexadecimal. Returns buf. */
#define BEARER_FINGERPRINT_TEXT (2 * PROXY_FINGERPRINT_MAX + 1)
const char *bearer_say_fingerprint(const struct bearer *bearer, char buf[BEARER_FINGERPRINT_TEXT]);

/* Whether a client is meant by this: the whole subject, one of its parts ("CN=alice"), or the
 * fingerprint, in letters of either case, with colons or without. */
bool bearer_is(const char *subject, const char *fingerprint, const char *wanted);

#endif
