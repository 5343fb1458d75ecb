/* Who a request is for: a name or an address, and a port. */
#include <arpa/inet.h>
#include <string.h>

#include "base/host_name.h"
#include "wire/http1_parse.h"

#define PORT_DIGITS 5

/* IPvFuture is of no use, and a zone means nothing elsewhere (RFC 6874, 1). */
static bool is_ipv6_literal(const char *text, size_t n) {
    char address[INET6_ADDRSTRLEN];
    struct in6_addr ignored;

    if (n < 4 || n - 2 >= sizeof(address) || text[n - 1] != ']')
        return false;
    memcpy(address, text + 1, n - 2);
    address[n - 2] = '\0';
    return inet_pton(AF_INET6, address, &ignored) == 1;
}

/* Not what RFC 3986 also lets a name be: empty, with sub-delims, %XX, or empty labels. Some decode
 * or part these, and some do not. */
static bool is_reg_name(const char *text, size_t n) {
    if (n == 0 || n >= HOST_NAME_SIZE)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!http1_byte_is(text[i], HTTP1_IS_HOST) ||
            (text[i] == '.' && (i == 0 || text[i - 1] == '.')))
            return false;
    return true;
}

static bool is_port_of_host(const char *text, size_t n) {
    unsigned int port = 0;

    if (n < 1 || n > PORT_DIGITS)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!http1_byte_is(text[i], HTTP1_IS_DIGIT))
            return false;
        port = port * 10 + (unsigned int)(text[i] - '0');
    }
    return port <= UINT16_MAX;
}

bool http1_read_authority(const char *bytes, struct http1_span authority,
                          struct http1_span *ret_host) {
    const char *text = bytes + authority.at;
    bool is_literal = authority.n > 0 && text[0] == '[';
    const char *end = authority.n > 0 ? memchr(text, is_literal ? ']' : ':', authority.n) : NULL;
    size_t n = end == NULL ? authority.n : (size_t)(end - text) + is_literal;

    if (!(is_literal ? is_ipv6_literal(text, n) : is_reg_name(text, n)))
        return false;
    if (n < authority.n && (text[n] != ':' || !is_port_of_host(text + n + 1, authority.n - n - 1)))
        return false;
    if (text[n - 1] == '.')
        n--;
    *ret_host = http1_span_of(authority.at, authority.at + n);
    return true;
}
