/* wire/proxy_protocol: headers of both versions, in every split, broken in every byte, and written
 * and read again. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "wire/proxy_protocol.h"

#define SIGNATURE   "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(text) (text), sizeof(text) - 1

static enum proxy_outcome parse(enum proxy_version accept, const void *bytes, size_t n,
                                struct proxy_header *header, size_t *length, const char **why) {
    return proxy_parse(accept, bytes, n, header, length, why);
}

/* Good: it is whole at its last byte and not before, whatever follows. */
static struct proxy_header good(enum proxy_version accept, const char *bytes, size_t n) {
    struct proxy_header header = {.known = false};
    const char *why = NULL;
    char more[PROXY_HEADER_MAX + 8];
    size_t length = 0;

    memcpy(more, bytes, n);
    memcpy(more + n, "GET / ", 6);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(parse(accept, bytes, i, &header, &length, &why), PROXY_MORE);
    assert_int_equal(parse(accept, more, n + 6, &header, &length, &why), PROXY_WHOLE);
    assert_int_equal(length, n);
    return header;
}

/* Bad from its k-th byte on; before that it may still become a header. */
static void bad(enum proxy_version accept, const char *bytes, size_t n, const char *clause) {
    struct proxy_header header;
    const char *why = NULL;
    size_t length, i = 0;

    while (i <= n && parse(accept, bytes, i, &header, &length, &why) == PROXY_MORE)
        i++;
    assert_true(i <= n);
    for (; i <= n; i++)
        assert_int_equal(parse(accept, bytes, i, &header, &length, &why), PROXY_BAD);
    if (strstr(why, clause) == NULL)
        fail_msg("\"%s\" instead of \"%s\"", why, clause);
}

static void assert_addr(const struct addr *addr, const char *expected) {
    char text[ADDR_TEXT_MAX];

    assert_string_equal(addr_format(addr, text, sizeof(text)), expected);
}

static void version_1(void **state) {
    static const char longest[] =
        "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
    struct proxy_header header =
        good(PROXY_V1, BYTES("PROXY TCP4 255.255.255.255 192.0.2.1 65535 0\r\n"));

    (void)state;
    assert_true(header.known);
    assert_addr(&header.source, "255.255.255.255:65535");
    assert_addr(&header.destination, "192.0.2.1:0");
    header = good(PROXY_ANY, BYTES("PROXY TCP6 2001:db8::1 ::1 443 80\r\n"));
    assert_addr(&header.source, "[2001:db8::1]:443");
    assert_addr(&header.destination, "[::1]:80");
    assert_false(good(PROXY_ANY, BYTES("PROXY UNKNOWN\r\n")).known);
    /* The examples and the worst cases of proxy-protocol.txt, 2.1. */
    header = good(PROXY_V1, BYTES("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"));
    assert_addr(&header.source, "192.168.0.1:56324");
    assert_addr(&header.destination, "192.168.0.11:443");
    assert_true(
        good(PROXY_V1, BYTES("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n")).known);
    header = good(PROXY_V1, BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                                  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"));
    assert_addr(&header.source, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    assert_int_equal(sizeof(longest) - 1, 107);
    assert_false(good(PROXY_V1, BYTES(longest)).known);
}

static void broken_version_1(void **state) {
    static const char *const lines[] = {
        "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",    "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n", "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",          "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n", "PROXY TCP4 1.2.3.999 5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
    };
    char endless[200] = "PROXY UNKNOWN ";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        bad(PROXY_V1, lines[i], strlen(lines[i]), "PROXY line");
    bad(PROXY_ANY, BYTES("PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n"), "neither TCP4");
    bad(PROXY_ANY, BYTES("PROXY \r\n"), "neither TCP4");
    bad(PROXY_ANY, BYTES("GET / HTTP/1.1\r\n"), "other bytes");
    bad(PROXY_V2, BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"), "accept_proxy = v2");
    bad(PROXY_V1, BYTES("PROXY UNKNOWN\0\r\n"), "NUL");
    memset(endless + 14, 'x', sizeof(endless) - 14);
    bad(PROXY_V1, endless, sizeof(endless), "longer than 107");
}

/* TCP4 with a unique id, an unknown field and a CRC. */
static size_t make_v2(char *buf) {
    static const char rest[] =
        "\x21\x11\x00\x20"
        "\xc0\x00\x02\x01\x0a\x00\x00\x01\x30\x39\x00\x50"
        "\x05\x00\x03xyz"
        "\xee\x00\x04"
        "abcd"
        "\x03\x00\x04\0\0\0\0";
    size_t n = 12 + sizeof(rest) - 1;

    memcpy(buf, SIGNATURE, 12);
    memcpy(buf + 12, rest, sizeof(rest) - 1);
    uint32_t crc = htonl(crc32c(0, buf, n));
    memcpy(buf + n - 4, &crc, 4);
    return n;
}

static void version_2(void **state) {
    char buf[256], name[256];
    struct proxy_header header;
    size_t n = make_v2(buf);

    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283); /* the check value of CRC-32C */
    header = good(PROXY_V2, buf, n);
    assert_true(header.known);
    assert_addr(&header.source, "192.0.2.1:12345");
    assert_addr(&header.destination, "10.0.0.1:80");
    assert_int_equal(header.id_length, 3);
    assert_memory_equal(header.id, "xyz", 3);
    assert_false(good(PROXY_ANY, BYTES(SIGNATURE "\x20\x00\x00\x00")).known); /* LOCAL */
    assert_false(good(PROXY_ANY, BYTES(SIGNATURE "\x20\x11\x00\x0c"
                                                 "123456789012"))
                     .known); /* LOCAL, addresses skipped */
    assert_false(good(PROXY_V2, BYTES(SIGNATURE "\x21\x00\x00\x05"
                                                "\xff\xff\xff\xff\xff"))
                     .known); /* UNSPEC */
    memset(name, 0, sizeof(name));
    memcpy(name,
           SIGNATURE
           "\x21\x31\x00\xd8"
           "/run/a",
           22);
    header = good(PROXY_V2, name, 16 + 216);
    assert_addr(&header.source, "unix:/run/a");
    assert_addr(&header.destination, "unix:");
}

static void broken_version_2(void **state) {
    char buf[256], broken[256];
    struct proxy_header header;
    const char *why;
    size_t n = make_v2(buf), length;

    (void)state;
    for (size_t i = 0; i < n;
         i++) /* each byte is under the CRC, or makes the header longer than what there is */
        for (int bit = 0; bit < 8; bit++) {
            memcpy(broken, buf, n);
            broken[i] = (char)(broken[i] ^ 1 << bit);
            enum proxy_outcome outcome = parse(PROXY_V2, broken, n, &header, &length, &why);
            if (outcome ==
                PROXY_WHOLE) /* a field that is not looked at, or the CRC under another name */
                assert_true(i == 13 || (i >= 14 && i <= 15) || i + 7 >= n - 7);
        }
    bad(PROXY_V1, BYTES(SIGNATURE "\x20\x00\x00\x00"), "accept_proxy = v1");
    bad(PROXY_ANY,
        BYTES(SIGNATURE "\x31\x11\x00\x0c"
                        "123456789012"),
        "unknown version");
    bad(PROXY_ANY,
        BYTES(SIGNATURE "\x22\x11\x00\x0c"
                        "123456789012"),
        "unknown version or command");
    bad(PROXY_ANY,
        BYTES(SIGNATURE "\x21\x12\x00\x0c"
                        "123456789012"),
        "no TCP"); /* UDP */
    bad(PROXY_ANY,
        BYTES(SIGNATURE "\x21\x11\x00\x0b"
                        "12345678901"),
        "too short");
    bad(PROXY_ANY, BYTES(SIGNATURE "\x21\x11\xff\xff"), "longer than 4096");
    bad(PROXY_ANY,
        BYTES(SIGNATURE "\x21\x11\x00\x0e"
                        "12345678901212"),
        "longer than the header");
    bad(PROXY_ANY,
        BYTES(SIGNATURE "\x21\x11\x00\x0f"
                        "123456789012\xee\x00\x01"),
        "longer than the header");
    bad(PROXY_ANY,
        BYTES(SIGNATURE "\x21\x11\x00\x13"
                        "123456789012\x03\x00\x04zzzz"),
        "CRC32c");
    bad(PROXY_ANY,
        BYTES(SIGNATURE "\x21\x11\x00\x10"
                        "123456789012\x20\x00\x01z"),
        "SSL");
    bad(PROXY_ANY, BYTES("\r\n\r\nGET"), "other bytes");
    static char long_id[16 + 12 + 3 + PROXY_ID_MAX + 1] = SIGNATURE
        "\x21\x11\0\x90"
        "123456789012\x05\0\x81";
    bad(PROXY_ANY, long_id, sizeof(long_id), "longer than 128 bytes");
}

static struct addr from_text(const char *text) {
    struct addr_spec spec;
    const char *why;

    assert_true(addr_parse(text, &spec, &why));
    return spec.addr;
}

static void written_and_read_again(void **state) {
    static const char *const texts[] = {"192.0.2.1:1", "10.0.0.1:65535", "[2001:db8::1]:80",
                                        "unix:/run/x"};
    unsigned char buf[PROXY_WRITE_MAX];
    struct addr mapped = from_text("[::ffff:192.0.2.9]:9");

    (void)state;
    for (size_t a = 0; a < ARRAY_LEN(texts); a++)
        for (size_t b = 0; b < ARRAY_LEN(texts); b++)
            for (enum proxy_version version = PROXY_V1; version <= PROXY_V2; version++) {
                struct addr source = from_text(texts[a]), destination = from_text(texts[b]);
                bool is_unix = a == 3 || b == 3,
                     told = is_unix ? version == PROXY_V2 && a == b : true;
                size_t n = proxy_write(version, &source, &destination, "id", 2, NULL, buf);
                struct proxy_header header = good(version, (const char *)buf, n);
                char expected[ADDR_TEXT_MAX];

                assert_int_equal(header.known, told);
                if (!told)
                    continue;
                snprintf(expected, sizeof(expected), "%s", texts[a]);
                assert_addr(&header.source, expected); /* ::ffff:a.b.c.d is shown as IPv4 */
                assert_addr(&header.destination, texts[b]);
                assert_int_equal(header.id_length, version == PROXY_V2 ? 2 : 0);
            }
    size_t n = proxy_write(PROXY_V1, &mapped, &mapped, NULL, 0, NULL, buf);
    assert_int_equal(n, strlen("PROXY TCP4 192.0.2.9 192.0.2.9 9 9\r\n"));
    assert_memory_equal(buf, "PROXY TCP4 192.0.2.9 192.0.2.9 9 9\r\n", n);
    n = proxy_write(PROXY_V1, NULL, NULL, NULL, 0, NULL, buf);
    assert_memory_equal(buf, "PROXY UNKNOWN\r\n", n);
    n = proxy_write(PROXY_V2, NULL, NULL, NULL, 0, NULL, buf);
    assert_int_equal(n, 16);
    assert_memory_equal(buf, SIGNATURE "\x20\x00\x00\x00", n);
}

static size_t read_length(const unsigned char *at) {
    return (size_t)at[0] << 8 | at[1];
}

/* A field of this type among n bytes, and its size; NULL: none. Counts them in *ret_count. */
static const unsigned char *field(const unsigned char *at, size_t n, unsigned char type,
                                  size_t *ret_size, size_t *ret_count) {
    const unsigned char *found = NULL;

    *ret_count = 0;
    for (size_t i = 0, size; i < n; i += 3 + size) {
        size = read_length(at + i + 1);
        assert_true(i + 3 + size <= n);
        if (at[i] != type)
            continue;
        if (found == NULL)
            *ret_size = size;
        found = found != NULL ? found : at + i + 3;
        ++*ret_count;
    }
    return found;
}

static void assert_field(const unsigned char *at, size_t n, unsigned char type,
                         const char *expected) {
    size_t size = 0, count;
    const unsigned char *found = field(at, n, type, &size, &count);

    assert_int_equal(count, 1);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(found, expected, size);
}

static size_t write_of_tls(const char *source, const struct proxy_tls *tls, unsigned char *buf) {
    static const char id[] = "6563a1b2-1f40-1f";
    struct addr client = from_text(source), here = from_text("192.0.2.2:443");
    size_t n = proxy_write(PROXY_V2, &client, &here, id, strlen(id), tls, buf);

    (void)good(PROXY_V2, (const char *)buf, n);
    return n;
}

static void of_tls_is_told_what_fits(void **state) {
    struct proxy_tls tls = {
        .version = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384", .alpn = "h2", .name = ""};
    unsigned char buf[PROXY_WRITE_MAX];
    size_t n = write_of_tls("192.0.2.1:1", &tls, buf), size = 0, count;
    const unsigned char *at = buf + 28, *ssl = field(at, n - 28, 0x20, &size, &count);

    (void)state;
    assert_in_range(n, 90, PROXY_LEAN_MAX);
    assert_memory_equal(ssl, "\1\0\0\0\1", 5); /* TLS, without a certificate */
    assert_field(ssl + 5, size - 5, 0x21, "TLSv1.3");
    assert_field(ssl + 5, size - 5, 0x23, "TLS_AES_256_GCM_SHA384");
    assert_field(at, n - 28, 0x01, "h2");
    tls.name = "www.example.com"; /* now the cipher has no room */
    n = write_of_tls("192.0.2.1:1", &tls, buf);
    ssl = field(at, n - 28, 0x20, &size, &count);
    assert_int_equal(size, 5 + 3 + strlen("TLSv1.3"));
    assert_field(at, n - 28, 0x02, "www.example.com");
    tls.name = "a-name.that-is-longer.than-what.is-left.example.com"; /* nor has the name */
    n = write_of_tls("[2001:db8::1]:1", &tls, buf);
    assert_true(n <= PROXY_LEAN_MAX);
    (void)field(buf + 52, n - 52, 0x02, &size, &count);
    assert_int_equal(count, 0);
}

static void add_name(struct proxy_certificate *shown, const char *name, size_t times) {
    for (size_t i = 0; i < times; i++) {
        shown->names[shown->n_names] = (uint8_t)strlen(name);
        memcpy(shown->names + shown->n_names + 1, name, strlen(name));
        shown->n_names += 1 + strlen(name);
    }
}

static void of_a_certificate_all_is_told(void **state) {
    struct proxy_certificate shown = {.verified = true,
                                      .common = "alice",
                                      .subject = "CN=alice,O=Example",
                                      .signature = "ecdsa-with-SHA256",
                                      .key = "EC256"};
    const struct proxy_tls tls = {.version = "TLSv1.3",
                                  .cipher = "TLS_AES_256_GCM_SHA384",
                                  .alpn = "http/1.1",
                                  .name = "www.example.com",
                                  .certificate = &shown};
    unsigned char buf[PROXY_WRITE_MAX];
    size_t size = 0, count;

    (void)state;
    add_name(&shown, "DNS:alice.example", 2);
    memset(shown.fingerprint, 0xf1, sizeof(shown.fingerprint));
    size_t n = write_of_tls("192.0.2.1:1", &tls, buf);
    const unsigned char *at = buf + 28, *ssl = field(at, n - 28, 0x20, &size, &count);
    assert_memory_equal(ssl, "\7\0\0\0\0", 5);
    assert_field(ssl + 5, size - 5, 0x22, "alice");
    assert_field(ssl + 5, size - 5, 0x24, "ecdsa-with-SHA256");
    assert_field(ssl + 5, size - 5, 0x25, "EC256");
    assert_field(at, n - 28, 0xe1, "CN=alice,O=Example");
    assert_field(at, n - 28, 0x01, "http/1.1");
    assert_field(at, n - 28, 0x02, "www.example.com");
    assert_non_null(field(at, n - 28, 0xe0, &size, &count));
    assert_int_equal(size, PROXY_FINGERPRINT_MAX);
    assert_non_null(field(at, n - 28, 0xe2, &size, &count));
    assert_int_equal(count, 2);
    shown.resumed = true;
    shown.verified = false;
    memset(shown.subject, 'x', sizeof(shown.subject) - 1);
    memset(shown.common, 'y', sizeof(shown.common) - 1);
    shown.n_names = 0;
    add_name(&shown, "DNS:a-name-that-is-thirty-bytes", 16); /* no room for all: none */
    n = write_of_tls("[2001:db8::1]:1", &tls, buf);
    at = buf + 52;
    assert_true(n <= PROXY_WRITE_MAX);
    ssl = field(at, n - 52, 0x20, &size, &count);
    assert_memory_equal(ssl, "\5\0\0\0\1", 5);
    (void)field(at, n - 52, 0xe2, &size, &count);
    assert_int_equal(count, 0);
    assert_field(at, n - 52, 0x02, "www.example.com");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_tls_is_told_what_fits),
        cmocka_unit_test(of_a_certificate_all_is_told),
        cmocka_unit_test(version_1),
        cmocka_unit_test(broken_version_1),
        cmocka_unit_test(version_2),
        cmocka_unit_test(broken_version_2),
        cmocka_unit_test(written_and_read_again),
    };

    return cmocka_run_group_tests_name("proxy_protocol", tests, NULL, NULL);
}
