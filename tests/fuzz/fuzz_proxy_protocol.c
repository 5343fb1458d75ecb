/* The PROXY header: what is whole lies within the bytes, more of them change nothing, and every
 * beginning of it asks for more. */
#include "fuzz.h"

#include <string.h>

#include "wire/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";
    struct proxy_header header, again;
    size_t length = 0, same = 0;
    uint8_t copy[PROXY_HEADER_MAX];
    const char *why = NULL;

    if (n > sizeof(copy))
        return 0;
    memcpy(copy, bytes, n);
    if (n > sizeof(signature) && bytes[0] == '2') /* helps it past the signature */
        memcpy(copy, signature, sizeof(signature));
    enum proxy_outcome outcome = proxy_parse(PROXY_ANY, copy, n, &header, &length, &why);
    CHECK(outcome != PROXY_BAD || why != NULL);
    if (outcome != PROXY_WHOLE)
        return 0;
    CHECK(length > 0 && length <= n && header.id_length <= PROXY_ID_MAX);
    CHECK(proxy_parse(PROXY_ANY, copy, length, &again, &same, &why) == PROXY_WHOLE &&
          same == length);
    for (size_t i = 0; i < length; i++)
        CHECK(proxy_parse(PROXY_ANY, copy, i, &again, &same, &why) == PROXY_MORE);
    return 0;
}
