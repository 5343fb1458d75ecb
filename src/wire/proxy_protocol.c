#include "wire/proxy_protocol.h"

#include "base/check.h"
#include "wire/proxy_versions.h"

enum proxy_outcome proxy_parse(enum proxy_version accept, const void *bytes, size_t n,
                               struct proxy_header *ret_header, size_t *ret_length,
                               const char **ret_why) {
    const char *text = bytes;

    if (n == 0)
        return PROXY_MORE;
    bool v2 = text[0] == PROXY_V2_SIGNATURE[0], v1 = text[0] == 'P';
    if ((v2 && accept == PROXY_V1) || (v1 && accept == PROXY_V2)) {
        (void)proxy_fail(
            ret_why,
            v2 ? "it seems to begin with version 2 of the PROXY protocol, and accept_proxy = v1"
               : "it seems to begin with version 1 of the PROXY protocol, and accept_proxy = v2");
        return PROXY_BAD;
    }
    return v2 ? proxy_v2_parse(bytes, n, ret_header, ret_length, ret_why)
              : proxy_v1_parse(text, n, ret_header, ret_length, ret_why);
}

size_t proxy_write(enum proxy_version version, const struct addr *source,
                   const struct addr *destination, const void *id, size_t id_length,
                   const struct proxy_tls *tls, unsigned char *buf) {
    CHECK(version == PROXY_V1 || version == PROXY_V2);
    CHECK(id_length <= PROXY_ID_MAX);
    return version == PROXY_V1 ? proxy_v1_write(source, destination, buf)
                               : proxy_v2_write(source, destination, id, id_length, tls, buf);
}
