/* CRC-32C (Castagnoli), as in RFC 3720, appendix B.4. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from crc, which is 0 for the first bytes. Pure. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t n);

#endif
