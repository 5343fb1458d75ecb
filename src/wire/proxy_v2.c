/* Version 2 of the PROXY protocol: binary (proxy-protocol.txt, 2.2). */
#include <stddef.h>
#include <string.h>
#include <arpa/inet.h>

#include "base/crc32c.h"
#include "wire/proxy_versions.h"

#define HEAD_SIZE   16 /* signature, version and command, family, length */
#define UNIX_SIZE   108
#define CRC_SIZE    4
#define TLV_SIZE    3 /* type, length; the value follows */
#define SSL_LEAST   5 /* client, verify: 2.2.6 */
#define VERSION_TWO 0x20

enum { COMMAND_LOCAL = 0, COMMAND_PROXY = 1 };
enum { FAMILY_UNSPEC = 0x00, FAMILY_TCP4 = 0x11, FAMILY_TCP6 = 0x21, FAMILY_UNIX = 0x31 };
enum {
    TLV_ALPN = 0x01,
    TLV_AUTHORITY = 0x02,
    TLV_CRC32C = 0x03,
    TLV_UNIQUE_ID = 0x05,
    TLV_SSL = 0x20,
    TLV_SSL_VERSION = 0x21,
    TLV_SSL_CN = 0x22,
    TLV_SSL_CIPHER = 0x23,
    TLV_SSL_SIG_ALG = 0x24,
    TLV_SSL_KEY_ALG = 0x25,
    /* Ours: 0xE0 to 0xEF are for applications (2.2.8). */
    TLV_FINGERPRINT = 0xe0,
    TLV_SUBJECT = 0xe1,
    TLV_ALT_NAME = 0xe2,
};
enum { CLIENT_SSL = 0x01, CLIENT_CERT_CONN = 0x02, CLIENT_CERT_SESS = 0x04 }; /* 2.2.6 */

static unsigned read_header16(const unsigned char *at) {
    return (unsigned)at[0] << 8 | at[1];
}

static void write_header16(unsigned char *at, size_t value) {
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

static void read_v2_ip(int family, const unsigned char *address, const unsigned char *port,
                       struct addr *addr) {
    memset(addr, 0, sizeof(*addr));
    addr->u.sa.sa_family = (sa_family_t)family;
    if (family == AF_INET) {
        memcpy(&addr->u.in.sin_addr, address, 4);
        memcpy(&addr->u.in.sin_port, port, 2);
        addr->len = sizeof(addr->u.in);
    } else {
        memcpy(&addr->u.in6.sin6_addr, address, 16);
        memcpy(&addr->u.in6.sin6_port, port, 2);
        addr->len = sizeof(addr->u.in6);
    }
}

/* The length of a unix address is not told: its name ends with the first NUL, but for the one that
 * begins the name of an abstract one. */
static void read_unix(const unsigned char *name, struct addr *addr) {
    size_t first = name[0] == '\0' ? 1 : 0,
           length = first + strnlen((const char *)name + first, UNIX_SIZE - first);

    memset(addr, 0, sizeof(*addr));
    addr->u.un.sun_family = AF_UNIX;
    memcpy(addr->u.un.sun_path, name, length);
    if (length == first)
        length = 0; /* nameless */
    addr->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

/* The size of both addresses; SIZE_MAX for a family that relayd does not carry. */
static size_t read_addresses(unsigned family, const unsigned char *at, size_t left,
                             struct proxy_header *header) {
    size_t size = family == FAMILY_TCP4 ? 4 : family == FAMILY_TCP6 ? 16 : 0;
    int af = family == FAMILY_TCP4 ? AF_INET : AF_INET6;

    if (family == FAMILY_UNSPEC)
        return left; /* whatever it is, it is not to be read */
    if (family == FAMILY_UNIX && left >= 2 * UNIX_SIZE) {
        read_unix(at, &header->source);
        read_unix(at + UNIX_SIZE, &header->destination);
        header->known = true;
        return 2 * UNIX_SIZE;
    }
    if (size == 0 || left < 2 * size + 4)
        return SIZE_MAX;
    read_v2_ip(af, at, at + 2 * size, &header->source);
    read_v2_ip(af, at + size, at + 2 * size + 2, &header->destination);
    header->known = true;
    return 2 * size + 4;
}

/* Over the whole header, its own four bytes taken for zeros (2.2.3). */
static bool crc_matches(const unsigned char *header, size_t length, size_t at) {
    static const unsigned char zeros[CRC_SIZE];
    uint32_t crc = crc32c(0, header, at), told;

    crc = crc32c(crc, zeros, CRC_SIZE);
    crc = crc32c(crc, header + at + CRC_SIZE, length - at - CRC_SIZE);
    memcpy(&told, header + at, CRC_SIZE);
    return ntohl(told) == crc;
}

static bool read_tlv(const unsigned char *header, size_t length, size_t at, size_t size,
                     struct proxy_header *ret, const char **ret_why) {
    switch (header[at - TLV_SIZE]) {
    case TLV_CRC32C:
        if (size != CRC_SIZE || !crc_matches(header, length, at))
            return proxy_fail(ret_why, "the CRC32c of the PROXY header does not match");
        return true;
    case TLV_UNIQUE_ID:
        if (size > PROXY_ID_MAX)
            return proxy_fail(ret_why,
                              "the unique id in the PROXY header is longer than 128 bytes");
        memcpy(ret->id, header + at, size);
        ret->id_length = size;
        return true;
    case TLV_SSL:
        return size >= SSL_LEAST ||
               proxy_fail(ret_why, "the SSL field of the PROXY header is too short");
    default:
        return true;
    }
}

static bool read_tlvs(const unsigned char *header, size_t length, size_t at,
                      struct proxy_header *ret, const char **ret_why) {
    while (at < length) {
        size_t left = length - at, size = left >= TLV_SIZE ? read_header16(header + at + 1) : 0;

        if (left < TLV_SIZE || size > left - TLV_SIZE)
            return proxy_fail(ret_why, "a field of the PROXY header is longer than the header");
        at += TLV_SIZE;
        if (!read_tlv(header, length, at, size, ret, ret_why))
            return false;
        at += size;
    }
    return true;
}

static bool read_body(const unsigned char *bytes, size_t length, struct proxy_header *header,
                      const char **ret_why) {
    size_t left = length - HEAD_SIZE,
           size = read_addresses(bytes[13], bytes + HEAD_SIZE, left, header);

    if (size == SIZE_MAX)
        return proxy_fail(
            ret_why,
            "the PROXY header is of no TCP or unix connection, or too short for its addresses");
    if (!read_tlvs(bytes, length, HEAD_SIZE + size, header, ret_why))
        return false;
    if ((bytes[12] & 0x0f) == COMMAND_LOCAL)
        *header = (struct proxy_header){.known = false};
    return true;
}

/* What can be said of the first 16 bytes, or as many of them as are there. */
static bool check_head(const unsigned char *bytes, size_t n, const char **ret_why) {
    size_t signature = n < PROXY_V2_SIGNATURE_SIZE ? n : PROXY_V2_SIGNATURE_SIZE;

    if (memcmp(bytes, PROXY_V2_SIGNATURE, signature) != 0)
        return proxy_fail(ret_why, "it begins with other bytes than a PROXY header");
    if (n > 12 && ((bytes[12] & 0xf0) != VERSION_TWO || (bytes[12] & 0x0f) > COMMAND_PROXY))
        return proxy_fail(ret_why, "the PROXY header is of an unknown version or command");
    if (n >= HEAD_SIZE && HEAD_SIZE + read_header16(bytes + 14) > PROXY_HEADER_MAX)
        return proxy_fail(ret_why, "the PROXY header is longer than 4096 bytes");
    return true;
}

enum proxy_outcome proxy_v2_parse(const unsigned char *bytes, size_t n,
                                  struct proxy_header *ret_header, size_t *ret_length,
                                  const char **ret_why) {
    struct proxy_header header = {.known = false};

    if (!check_head(bytes, n, ret_why))
        return PROXY_BAD;
    if (n < HEAD_SIZE || n < HEAD_SIZE + read_header16(bytes + 14))
        return PROXY_MORE;
    size_t length = HEAD_SIZE + read_header16(bytes + 14);
    if (!read_body(bytes, length, &header, ret_why))
        return PROXY_BAD;
    *ret_header = header;
    *ret_length = length;
    return PROXY_WHOLE;
}

static void write_unix(const struct addr *addr, unsigned char *at) {
    size_t offset = offsetof(struct sockaddr_un, sun_path),
           size = addr->len > offset ? addr->len - offset : 0;

    memset(at, 0, UNIX_SIZE);
    memcpy(at, addr->u.un.sun_path, size < UNIX_SIZE ? size : UNIX_SIZE);
}

/* Writes the addresses; returns their size, and the family. */
static size_t write_addresses(const struct addr *source, const struct addr *destination,
                              unsigned char *at, unsigned char *ret_family) {
    struct proxy_pair pair;

    *ret_family = FAMILY_UNSPEC;
    if (source == NULL)
        return 0;
    if (proxy_pair(source, destination, &pair)) {
        memcpy(at, pair.source, pair.size);
        memcpy(at + pair.size, pair.destination, pair.size);
        memcpy(at + 2 * pair.size, &pair.source_port, 2);
        memcpy(at + 2 * pair.size + 2, &pair.destination_port, 2);
        *ret_family = pair.family == AF_INET ? FAMILY_TCP4 : FAMILY_TCP6;
        return 2 * pair.size + 4;
    }
    if (destination == NULL || source->len == 0 || destination->len == 0 || !addr_is_unix(source) ||
        !addr_is_unix(destination))
        return 0;
    write_unix(source, at);
    write_unix(destination, at + UNIX_SIZE);
    *ret_family = FAMILY_UNIX;
    return 2 * UNIX_SIZE;
}

/* Fields in the making: room for n of most bytes. */
struct fields {
    unsigned char *at;
    size_t n, most;
};

/* Left out, if there is no room; none if it is empty. */
static bool add_tlv(struct fields *fields, unsigned char type, const void *value, size_t size) {
    if (size == 0 || fields->n + TLV_SIZE + size > fields->most)
        return false;
    unsigned char *at = fields->at + fields->n;
    at[0] = type;
    write_header16(at + 1, size);
    memcpy(at + TLV_SIZE, value, size);
    fields->n += TLV_SIZE + size;
    return true;
}

static void add_text_tlv(struct fields *fields, unsigned char type, const char *text) {
    (void)add_tlv(fields, type, text, strlen(text));
}

/* 2.2.6. cipher: also that. False: no room. */
static bool add_ssl_tlv(struct fields *fields, const struct proxy_tls *tls, bool cipher) {
    const struct proxy_certificate *shown = tls->certificate;
    unsigned char value[SSL_LEAST + 512] = {CLIENT_SSL, 0, 0, 0, 1}; /* verify: 0 is good */
    struct fields parts = {.at = value, .n = SSL_LEAST, .most = sizeof(value)};

    add_text_tlv(&parts, TLV_SSL_VERSION, tls->version);
    if (cipher)
        add_text_tlv(&parts, TLV_SSL_CIPHER, tls->cipher);
    if (shown != NULL) {
        value[0] |= CLIENT_CERT_SESS | (shown->resumed ? 0 : CLIENT_CERT_CONN);
        value[SSL_LEAST - 1] = !shown->verified;
        add_text_tlv(&parts, TLV_SSL_CN, shown->common);
        add_text_tlv(&parts, TLV_SSL_SIG_ALG, shown->signature);
        add_text_tlv(&parts, TLV_SSL_KEY_ALG, shown->key);
    }
    return add_tlv(fields, TLV_SSL, value, parts.n);
}

/* A field for each name, or none: a server must not take some for all. */
static void add_name_tlvs(struct fields *fields, const struct proxy_certificate *shown) {
    const struct fields before = *fields;

    for (size_t at = 0; at < shown->n_names; at += 1u + shown->names[at])
        if (!add_tlv(fields, TLV_ALT_NAME, &shown->names[at + 1], shown->names[at])) {
            *fields = before;
            return;
        }
}

/* What is worth most goes first; without a certificate the cipher is worth least. */
static void add_tls_tlvs(struct fields *fields, const struct proxy_tls *tls) {
    const struct proxy_certificate *shown = tls->certificate;

    if (shown == NULL) {
        struct fields least = *fields;

        (void)add_ssl_tlv(&least, tls, false);
        add_text_tlv(&least, TLV_ALPN, tls->alpn);
        add_text_tlv(&least, TLV_AUTHORITY, tls->name);
        size_t cipher = TLV_SIZE + strlen(tls->cipher);
        (void)add_ssl_tlv(fields, tls, least.n + cipher <= fields->most);
    } else {
        (void)add_ssl_tlv(fields, tls, true);
        (void)add_tlv(fields, TLV_FINGERPRINT, shown->fingerprint, sizeof(shown->fingerprint));
        add_text_tlv(fields, TLV_SUBJECT, shown->subject);
        add_name_tlvs(fields, shown);
    }
    add_text_tlv(fields, TLV_ALPN, tls->alpn);
    add_text_tlv(fields, TLV_AUTHORITY, tls->name);
}

/* Neither family, and so UNSPEC, has no fields: a receiver skips what follows. */
size_t proxy_v2_write(const struct addr *source, const struct addr *destination, const void *id,
                      size_t id_length, const struct proxy_tls *tls, unsigned char *buf) {
    static const unsigned char zeros[CRC_SIZE];
    struct fields fields = {.at = buf, .n = HEAD_SIZE, .most = PROXY_WRITE_MAX};

    memcpy(buf, PROXY_V2_SIGNATURE, PROXY_V2_SIGNATURE_SIZE);
    buf[12] = VERSION_TWO | (source != NULL ? COMMAND_PROXY : COMMAND_LOCAL);
    fields.n += write_addresses(source, destination, buf + fields.n, &buf[13]);
    if (buf[13] == FAMILY_UNSPEC) {
        write_header16(buf + 14, 0);
        return fields.n;
    }
    (void)add_tlv(&fields, TLV_UNIQUE_ID, id, id_length);
    (void)add_tlv(&fields, TLV_CRC32C, zeros, CRC_SIZE);
    size_t crc_at = fields.n - CRC_SIZE;
    if (tls != NULL && tls->certificate == NULL && fields.n <= PROXY_LEAN_MAX)
        fields.most = PROXY_LEAN_MAX;
    if (tls != NULL)
        add_tls_tlvs(&fields, tls);
    write_header16(buf + 14, fields.n - HEAD_SIZE);
    uint32_t crc = htonl(crc32c(0, buf, fields.n));
    memcpy(buf + crc_at, &crc, CRC_SIZE);
    return fields.n;
}
