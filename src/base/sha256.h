/* HMAC-SHA-256 (RFC 2104, FIPS 180-4), for what must not be forged, in a build without libcrypto,
 * too. Not made for long messages or many of them. Pure; any thread. */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

/* Of n bytes. */
void sha256(const void *bytes, size_t n, uint8_t ret[SHA256_SIZE]);

/* Of a message of n bytes, with a key of any length. */
void hmac_sha256(const void *key, size_t n_key, const void *bytes, size_t n,
                 uint8_t ret[SHA256_SIZE]);

#endif
