#include "http/client_text.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/prefix.h"

static size_t write_ipv4(const unsigned char bytes[4], char *text) {
    size_t n = 0;

    for (size_t i = 0; i < 4; i++) {
        unsigned byte = bytes[i];

        if (byte >= 100)
            text[n++] = (char)('0' + byte / 100);
        if (byte >= 10)
            text[n++] = (char)('0' + byte / 10 % 10);
        text[n++] = (char)('0' + byte % 10);
        if (i < 3)
            text[n++] = '.';
    }
    return n;
}

size_t client_text(const struct addr *addr, char ret[CLIENT_TEXT_SIZE]) {
    unsigned char bytes[16];

    if (addr->len == 0 || !addr_ipv6_bytes(addr, bytes))
        return 0;
    if (addr_bytes_are_ipv4(bytes))
        return write_ipv4(bytes + 12, ret);
    return inet_ntop(AF_INET6, bytes, ret, CLIENT_TEXT_SIZE) != NULL ? strlen(ret) : 0;
}

/* The last member of a list, or of what is left of it, which is cut off. */
static struct http1_span take_last_member(const char *bytes, struct http1_span *list) {
    struct http1_span member = {(uint16_t)(list->at + list->n), 0};

    while (list->n > 0 && bytes[list->at + list->n - 1] != ',') {
        list->n--;
        member.at--;
        member.n++;
    }
    list->n = (uint16_t)(list->n > 0 ? list->n - 1 : 0);
    while (member.n > 0 && (bytes[member.at] == ' ' || bytes[member.at] == '\t')) {
        member.at++;
        member.n--;
    }
    while (member.n > 0 &&
           (bytes[member.at + member.n - 1] == ' ' || bytes[member.at + member.n - 1] == '\t'))
        member.n--;
    return member;
}

static bool read_member(const char *bytes, struct http1_span member, struct addr *ret) {
    char text[CLIENT_TEXT_SIZE];
    const char *why;

    if (member.n == 0 || member.n >= sizeof(text))
        return false;
    memcpy(text, bytes + member.at, member.n);
    text[member.n] = '\0';
    return strchr(text, '%') == NULL && addr_parse_ip(text, ret, &why);
}

struct http1_span client_told(const char *bytes, const struct http1_head *head,
                              const struct prefix_set *trusted) {
    struct http1_span told = {0, 0};

    for (size_t i = head->n_fields; i > 0; i--) {
        const struct http1_field *field = &head->fields[i - 1];
        struct http1_span list = field->value;

        while (field->known == HTTP1_X_FORWARDED_FOR && !field->hop && list.n > 0) {
            struct http1_span member = take_last_member(bytes, &list);
            struct addr addr;

            if (!read_member(bytes, member, &addr))
                return told;
            told = member;
            if (prefix_set_find(trusted, &addr) < 0)
                return told;
        }
    }
    return told;
}
