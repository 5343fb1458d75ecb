#include "tls/alpn.h"

#include <stdlib.h>
#include <string.h>

#define PROTOCOL_MOST  255 /* bytes: RFC 7301, 3.1 */
#define PROTOCOLS_MOST 32

bool alpn_encode(const char *const *protocols, size_t n, struct alpn *ret,
                 struct tls_problems *problems) {
    size_t size = 0;

    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(protocols[i]);

        problems->value = i;
        if (length == 0 || length > PROTOCOL_MOST)
            tls_tell(problems, TLS_WRONG, "must be the name of a protocol, such as http/1.1 or h2");
        else if (strpbrk(protocols[i], ", ") != NULL)
            tls_tell(problems, TLS_WRONG,
                     "several protocols are a list, as in {\"h2\", \"http/1.1\"}");
        size += 1 + length;
    }
    problems->value = TLS_ONLY_VALUE;
    if (n > PROTOCOLS_MOST)
        tls_tell(problems, TLS_WRONG, "must be at most %d protocols", PROTOCOLS_MOST);
    if (problems->failed || n == 0)
        return !problems->failed;
    ret->bytes = malloc(size);
    if (ret->bytes == NULL) {
        tls_tell_no_memory(problems);
        return false;
    }
    ret->n = 0;
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(protocols[i]);

        ret->bytes[ret->n++] = (uint8_t)length;
        memcpy(ret->bytes + ret->n, protocols[i], length);
        ret->n += (unsigned)length;
    }
    return true;
}
