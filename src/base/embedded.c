#include "base/embedded.h"

#include <stdint.h>
#include <string.h>

#define TEREDO_MASK 0xff /* RFC 4380, 4: the client's address is written with every bit turned */

/* An address of these first bytes has IPv4 at these. */
struct form {
    uint8_t prefix[12];
    size_t length; /* of the prefix, in bytes */
    uint8_t at[4];
    uint8_t mask;
    /* RFC 6052, 2.2: zero at byte 8, if it is not of the IPv4 address, and from `end` on */
    bool translates;
    size_t end;
};

static const struct form forms[] = {
    {{0x00, 0x64, 0xff, 0x9b}, 12, {12, 13, 14, 15}, 0, false, 16}, /* NAT64, RFC 6052 */
    {{0x20, 0x02}, 2, {2, 3, 4, 5}, 0, false, 16},                  /* 6to4, RFC 3056 */
    {{0x20, 0x01}, 4, {12, 13, 14, 15}, TEREDO_MASK, false, 16},    /* 2001::/32 */
    {{0}, 12, {12, 13, 14, 15}, 0, false, 16}, /* ::a.b.c.d, RFC 4291, 2.5.5.1 */
    {{[8] = 0xff, [9] = 0xff}, 12, {12, 13, 14, 15}, 0, false, 16}, /* SIIT, RFC 2765, 2.1 */
    /* NAT64 of one network, RFC 8215, with a prefix of 48, 56, 64 or 96 bits. */
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 6, {6, 7, 9, 10}, 0, true, 11},
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 6, {7, 9, 10, 11}, 0, true, 12},
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 6, {9, 10, 11, 12}, 0, true, 13},
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 6, {12, 13, 14, 15}, 0, false, 16},
};

static bool has_form(const struct form *form, const uint8_t bytes[16]) {
    if (memcmp(bytes, form->prefix, form->length) != 0 || (form->translates && bytes[8] != 0))
        return false;
    for (size_t i = form->end; i < 16; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

size_t embedded_find(const struct addr *addr, struct addr ret_list[EMBEDDED_MOST]) {
    uint8_t bytes[16], ipv4[4];
    size_t n = 0;

    if (addr->len == 0 || addr->u.sa.sa_family != AF_INET6 || !addr_ipv6_bytes(addr, bytes))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(forms) && n < EMBEDDED_MOST; i++) {
        if (!has_form(&forms[i], bytes))
            continue;
        for (size_t k = 0; k < sizeof(ipv4); k++)
            ipv4[k] = bytes[forms[i].at[k]] ^ forms[i].mask;
        if (ipv4[0] == 0) /* nobody's (RFC 1122, 3.2.1.3), so that :: and ::1 are none either */
            continue;
        ret_list[n] = (struct addr){.len = sizeof(struct sockaddr_in), .u.in.sin_family = AF_INET};
        memcpy(&ret_list[n++].u.in.sin_addr, ipv4, sizeof(ipv4));
    }
    return n;
}
