/* Version 1 of the PROXY protocol: one line of text (proxy-protocol.txt, 2.1). */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "wire/proxy_versions.h"

#define LINE_MAX_BYTES 107 /* with CRLF: 2.1 */
#define START          "PROXY "

/* Cuts the next word off *at, which is followed by exactly one blank or the end. */
static char *next_v1_word(char **at) {
    char *word = *at, *blank;

    if (word == NULL || *word == '\0' || *word == ' ')
        return NULL;
    blank = strchr(word, ' ');
    *at = blank != NULL ? blank + 1 : NULL;
    if (blank != NULL)
        *blank = '\0';
    return word;
}

static bool read_port(const char *text, uint16_t *ret) {
    int64_t port;

    if (text == NULL || (text[0] == '0' && text[1] != '\0') || !text_parse_number(text, &port) ||
        port > 65535)
        return false;
    *ret = htons((uint16_t)port);
    return true;
}

static bool read_address(int family, const char *host, const char *port, struct addr *addr) {
    memset(addr, 0, sizeof(*addr));
    if (host == NULL)
        return false;
    addr->u.sa.sa_family = (sa_family_t)family;
    if (family == AF_INET) {
        addr->len = sizeof(addr->u.in);
        return inet_pton(AF_INET, host, &addr->u.in.sin_addr) == 1 &&
               read_port(port, &addr->u.in.sin_port);
    }
    addr->len = sizeof(addr->u.in6);
    return inet_pton(AF_INET6, host, &addr->u.in6.sin6_addr) == 1 &&
           read_port(port, &addr->u.in6.sin6_port);
}

/* What stands after "PROXY ", without CRLF. */
static bool read_line(char *line, struct proxy_header *header, const char **ret_why) {
    const char *protocol = next_v1_word(&line);

    if (protocol != NULL && strcmp(protocol, "UNKNOWN") == 0)
        return true; /* and the rest of the line must be ignored */
    int family = protocol != NULL && strcmp(protocol, "TCP4") == 0   ? AF_INET
                 : protocol != NULL && strcmp(protocol, "TCP6") == 0 ? AF_INET6
                                                                     : AF_UNSPEC;
    if (family == AF_UNSPEC)
        return proxy_fail(ret_why, "the PROXY line names neither TCP4 nor TCP6 nor UNKNOWN");
    const char *source = next_v1_word(&line), *destination = next_v1_word(&line);
    const char *source_port = next_v1_word(&line), *destination_port = next_v1_word(&line);
    header->known = read_address(family, source, source_port, &header->source) &&
                    read_address(family, destination, destination_port, &header->destination) &&
                    line == NULL;
    return header->known ||
           proxy_fail(ret_why, "the PROXY line has no two good addresses and ports");
}

enum proxy_outcome proxy_v1_parse(const char *bytes, size_t n, struct proxy_header *ret_header,
                                  size_t *ret_length, const char **ret_why) {
    size_t start = strlen(START), shown = n < LINE_MAX_BYTES ? n : LINE_MAX_BYTES;
    const char *end = memchr(bytes, '\n', shown);
    struct proxy_header header = {.known = false};
    char line[LINE_MAX_BYTES + 1];

    if (memcmp(bytes, START, n < start ? n : start) != 0) {
        (void)proxy_fail(ret_why, "it begins with other bytes than a PROXY header");
        return PROXY_BAD;
    }
    size_t length = end != NULL ? (size_t)(end - bytes) : shown;
    if (memchr(bytes, '\0', length) != NULL || (end == NULL && n >= LINE_MAX_BYTES)) {
        (void)proxy_fail(ret_why, "the PROXY line is longer than 107 bytes, or has a NUL in it");
        return PROXY_BAD;
    }
    if (end == NULL)
        return PROXY_MORE;
    if (length < start || bytes[length - 1] != '\r') {
        (void)proxy_fail(ret_why, "the PROXY line does not end with CR LF");
        return PROXY_BAD;
    }
    memcpy(line, bytes + start, length - 1 - start);
    line[length - 1 - start] = '\0';
    if (!read_line(line, &header, ret_why))
        return PROXY_BAD;
    *ret_header = header;
    *ret_length = length + 1;
    return PROXY_WHOLE;
}

size_t proxy_v1_write(const struct addr *source, const struct addr *destination,
                      unsigned char *buf) {
    char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
    struct proxy_pair pair;

    if (!proxy_pair(source, destination, &pair))
        return (size_t)snprintf((char *)buf, PROXY_WRITE_MAX, START "UNKNOWN\r\n");
    inet_ntop(pair.family, pair.source, from, sizeof(from));
    inet_ntop(pair.family, pair.destination, to, sizeof(to));
    return (size_t)snprintf((char *)buf, PROXY_WRITE_MAX, START "%s %s %s %u %u\r\n",
                            pair.family == AF_INET ? "TCP4" : "TCP6", from, to,
                            (unsigned)ntohs(pair.source_port),
                            (unsigned)ntohs(pair.destination_port));
}
