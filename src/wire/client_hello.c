#include "wire/client_hello.h"

#include <stdint.h>
#include <string.h>

#define RECORD_HEADER     5
#define RECORD_HANDSHAKE  22
#define RECORD_MAX        16384 /* RFC 8446, 5.1 */
#define MESSAGE_HEADER    4
#define MESSAGE_HELLO     1
#define RANDOM_LENGTH     32
#define SESSION_ID_MAX    32
#define NAME_IS_HOST      0 /* RFC 6066, 3 */
#define EXTENSION_NAME    0
#define EXTENSION_ALPN    16
#define EXTENSION_VERSION 43
#define VERSION_1_3       0x0304u

/* What is left to read of a vector. */
struct bytes {
    const uint8_t *at;
    size_t n;
};

static bool hello_fails(const char **ret_why, const char *why) {
    *ret_why = why;
    return false;
}

/* Cuts off the first n bytes. */
static bool cut_bytes(struct bytes *from, size_t n, struct bytes *ret) {
    if (n > from->n)
        return false;
    *ret = (struct bytes){from->at, n};
    from->at += n;
    from->n -= n;
    return true;
}

/* A number of 1 to 3 bytes. */
static bool cut_number(struct bytes *from, size_t size, size_t *ret) {
    struct bytes digits;
    size_t value = 0;

    if (!cut_bytes(from, size, &digits))
        return false;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | digits.at[i];
    *ret = value;
    return true;
}

/* A vector: its length in so many bytes, and what it holds. */
static bool cut_vector(struct bytes *from, size_t size, struct bytes *ret) {
    size_t n;

    return cut_number(from, size, &n) && cut_bytes(from, n, ret);
}

/* Extensions */

static bool read_host_name(struct bytes from, char *ret_name, const char **ret_why) {
    if (from.n == 0 || from.n >= CLIENT_HELLO_NAME_MAX)
        return hello_fails(ret_why, "its server name is empty, or longer than 255 bytes");
    if (memchr(from.at, '\0', from.n) != NULL)
        return hello_fails(ret_why, "its server name has a NUL in it");
    if (host_name_read((const char *)from.at, from.n, ret_name) == HOST_NAME_BAD)
        return hello_fails(ret_why, "its server name is no name of a host");
    return true;
}

/* One name, a host's: no other kind was ever defined, and a list must not have two of a kind. */
static bool read_server_name(struct bytes from, struct client_hello *hello, const char **ret_why) {
    struct bytes list, name;
    size_t type;

    if (!cut_vector(&from, 2, &list) || from.n > 0 || !cut_number(&list, 1, &type) ||
        type != NAME_IS_HOST || !cut_vector(&list, 2, &name) || list.n > 0)
        return hello_fails(ret_why, "its list of server names is malformed");
    return read_host_name(name, hello->name, ret_why);
}

static bool read_protocols(struct bytes from, struct client_hello *hello, const char **ret_why) {
    struct bytes list, rest, protocol;

    if (!cut_vector(&from, 2, &list) || from.n > 0 || list.n == 0)
        return hello_fails(ret_why, "its list of protocols (ALPN) is malformed");
    if (list.n > sizeof(hello->protocols))
        return hello_fails(ret_why, "its list of protocols (ALPN) is longer than 512 bytes");
    for (rest = list; rest.n > 0;)
        if (!cut_vector(&rest, 1, &protocol) || protocol.n == 0)
            return hello_fails(ret_why, "its list of protocols (ALPN) is malformed");
    memcpy(hello->protocols, list.at, list.n);
    hello->protocols_length = list.n;
    return true;
}

static bool read_versions(struct bytes from, struct client_hello *hello, const char **ret_why) {
    struct bytes list;
    size_t version;

    if (!cut_vector(&from, 1, &list) || from.n > 0 || list.n == 0 || list.n % 2 != 0)
        return hello_fails(ret_why, "its list of versions is malformed");
    while (cut_number(&list, 2, &version))
        if (version == VERSION_1_3)
            hello->tls13 = true;
    return true;
}

static bool read_extension(size_t type, struct bytes from, struct client_hello *hello,
                           const char **ret_why) {
    switch (type) {
    case EXTENSION_NAME:
        return read_server_name(from, hello, ret_why);
    case EXTENSION_ALPN:
        return read_protocols(from, hello, ret_why);
    case EXTENSION_VERSION:
        return read_versions(from, hello, ret_why);
    default:
        return true;
    }
}

/* Each type may stand there once: RFC 8446, 4.2. */
static bool read_extensions(struct bytes from, struct client_hello *hello, const char **ret_why) {
    uint8_t seen[65536 / 8] = {0};
    struct bytes extension;
    size_t type;

    while (from.n > 0) {
        if (!cut_number(&from, 2, &type) || !cut_vector(&from, 2, &extension))
            return hello_fails(ret_why, "its extensions are malformed");
        if (seen[type / 8] & 1u << type % 8)
            return hello_fails(ret_why, "it has an extension twice");
        seen[type / 8] |= (uint8_t)(1u << type % 8);
        if (!read_extension(type, extension, hello, ret_why))
            return false;
    }
    return true;
}

/* The message without its header: RFC 8446, 4.1.2, and RFC 5246, 7.4.1.2. */
static bool read_hello(struct bytes from, struct client_hello *hello, const char **ret_why) {
    struct bytes random, session_id, ciphers, compressions, extensions;
    size_t major, minor;

    if (!cut_number(&from, 1, &major) || !cut_number(&from, 1, &minor) || major != 3 ||
        !cut_bytes(&from, RANDOM_LENGTH, &random) || !cut_vector(&from, 1, &session_id) ||
        session_id.n > SESSION_ID_MAX || !cut_vector(&from, 2, &ciphers) || ciphers.n == 0 ||
        ciphers.n % 2 != 0 || !cut_vector(&from, 1, &compressions) || compressions.n == 0)
        return hello_fails(ret_why, "it is malformed");
    if (from.n == 0)
        return true; /* before TLS 1.2 they may be missing */
    if (!cut_vector(&from, 2, &extensions) || from.n > 0)
        return hello_fails(ret_why, "its extensions are malformed");
    return read_extensions(extensions, hello, ret_why);
}

/* Records */

/* The message, put together from what came of its records. */
struct message {
    uint8_t bytes[CLIENT_HELLO_MAX];
    size_t n;
    size_t length; /* its own, with its header; 0: not yet known */
    size_t need;   /* bytes on the wire until there is something new to see */
};

static bool take_fragment(struct message *message, struct bytes fragment, size_t length,
                          const char **ret_why) {
    if (length > sizeof(message->bytes) - message->n)
        return hello_fails(ret_why, "it is longer than 16384 bytes");
    memcpy(message->bytes + message->n, fragment.at, fragment.n);
    message->n += fragment.n;
    if (message->n > 0 && message->bytes[0] != MESSAGE_HELLO)
        return hello_fails(ret_why, "the first message is another than a ClientHello");
    if (message->n < MESSAGE_HEADER)
        return true;
    const uint8_t *at = message->bytes;
    message->length = MESSAGE_HEADER + ((size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3]);
    if (message->length > sizeof(message->bytes))
        return hello_fails(ret_why, "it is longer than 16384 bytes");
    if (message->n - fragment.n + length > message->length)
        return hello_fails(ret_why, "something follows it within its record");
    return true;
}

/* Whole, or as much as there is. */
static bool take_hello_records(struct bytes from, struct message *message, const char **ret_why) {
    const uint8_t *start = from.at;
    struct bytes header, fragment;
    size_t length;

    for (size_t records = 0; message->length == 0 || message->n < message->length; records++) {
        if (records == CLIENT_HELLO_RECORDS)
            return hello_fails(ret_why, "it is cut into more than 8 records");
        if (from.n > 0 && from.at[0] != RECORD_HANDSHAKE)
            return hello_fails(ret_why, "another record comes in its midst");
        message->need = (size_t)(from.at - start) + RECORD_HEADER;
        if (!cut_bytes(&from, RECORD_HEADER, &header))
            return true;
        length = (size_t)header.at[3] << 8 | header.at[4];
        if (length == 0 || length > RECORD_MAX)
            return hello_fails(ret_why, "a record of it has no length that is allowed");
        message->need += length;
        bool whole = length <= from.n;
        if (!cut_bytes(&from, whole ? length : from.n, &fragment) ||
            !take_fragment(message, fragment, length, ret_why))
            return false;
        if (!whole)
            return true;
    }
    return true;
}

/* An SSLv2 ClientHello's header, which old clients sent to be understood by all; of what came. */
static bool is_sslv2(const uint8_t *bytes, size_t n) {
    return (bytes[0] & 0x80) != 0 && (n < 3 || bytes[2] == 1) &&
           (n < 4 || bytes[3] == 0 || bytes[3] == 3) && (n < 5 || bytes[3] == 3 || bytes[4] == 2);
}

/* Judges the beginning, and puts the message together. WHOLE: it is all there, but not yet read. */
static enum client_hello_outcome take_beginning(struct bytes from, struct message *message,
                                                const char **ret_why) {
    bool sslv2 = from.n > 0 && is_sslv2(from.at, from.n);

    if (sslv2 && from.n >= RECORD_HEADER) {
        *ret_why = "it is of SSL 2";
        return CLIENT_HELLO_BAD;
    }
    if (sslv2)
        return CLIENT_HELLO_MORE;
    if ((from.n > 0 && from.at[0] != RECORD_HANDSHAKE) || (from.n > 1 && from.at[1] != 3))
        return CLIENT_HELLO_NOT_TLS;
    if (!take_hello_records(from, message, ret_why))
        return CLIENT_HELLO_BAD;
    return message->length > 0 && message->n == message->length ? CLIENT_HELLO_WHOLE
                                                                : CLIENT_HELLO_MORE;
}

enum client_hello_outcome client_hello_parse(const void *bytes, size_t n, struct client_hello *ret,
                                             size_t *ret_need, const char **ret_why) {
    struct client_hello hello = {.tls13 = false};
    struct message message;

    message.n = message.length = 0;
    message.need = RECORD_HEADER;
    enum client_hello_outcome outcome = take_beginning((struct bytes){bytes, n}, &message, ret_why);
    if (outcome == CLIENT_HELLO_MORE || outcome == CLIENT_HELLO_WHOLE)
        *ret_need = message.need;
    if (outcome != CLIENT_HELLO_WHOLE)
        return outcome;
    struct bytes body = {message.bytes + MESSAGE_HEADER, message.length - MESSAGE_HEADER};
    if (!read_hello(body, &hello, ret_why))
        return CLIENT_HELLO_BAD;
    *ret = hello;
    return CLIENT_HELLO_WHOLE;
}

bool client_hello_offers(const struct client_hello *hello, const char *protocol) {
    struct bytes list = {hello->protocols, hello->protocols_length}, offered;
    size_t n = strlen(protocol);

    while (cut_vector(&list, 1, &offered))
        if (offered.n == n && memcmp(offered.at, protocol, n) == 0)
            return true;
    return false;
}
