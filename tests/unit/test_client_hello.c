/* wire/client_hello: real ones, in whatever pieces they come, and broken ones. Pure. */
#include "unit.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "client_hellos.h"
#include "wire/client_hello.h"

#define ROOM (2 * CLIENT_HELLO_WIRE_MAX)

static size_t from_hex(const char *hex, uint8_t *bytes) {
    size_t n = strlen(hex) / 2;

    for (size_t i = 0; i < n; i++) {
        unsigned byte;

        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        bytes[i] = (uint8_t)byte;
    }
    return n;
}

static const char *why;
static struct client_hello hello;

/* Exactly these bytes: a read beyond them is a fault under the address sanitizer. */
static enum client_hello_outcome parse(const uint8_t *bytes, size_t n, size_t *need) {
    uint8_t *copy = test_malloc(n + 1);
    enum client_hello_outcome outcome;

    memcpy(copy + 1, bytes, n);
    why = NULL;
    *need = 0;
    hello = (struct client_hello){.name = "untouched"};
    outcome = client_hello_parse(copy + 1, n, &hello, need, &why);
    test_free(copy);
    assert_true((outcome == CLIENT_HELLO_BAD) == (why != NULL));
    assert_true(outcome == CLIENT_HELLO_WHOLE || strcmp(hello.name, "untouched") == 0);
    assert_true(outcome != CLIENT_HELLO_MORE || (*need > n && *need <= CLIENT_HELLO_WIRE_MAX));
    return outcome;
}

static void assert_outcome(const uint8_t *bytes, size_t n, enum client_hello_outcome expected) {
    size_t need;

    assert_int_equal(parse(bytes, n, &need), expected);
}

/* Each beginning asks for more, and whoever waits for what it asks for looks a few times only. */
static void assert_pieces(const uint8_t *bytes, size_t n) {
    unsigned looks = 0;
    size_t need = 1;

    for (size_t i = 0; i < n; i++)
        assert_outcome(bytes, i, CLIENT_HELLO_MORE);
    while (parse(bytes, need, &need) == CLIENT_HELLO_MORE)
        assert_true(need <= n && ++looks <= 2 * CLIENT_HELLO_RECORDS);
    assert_outcome(bytes, n, CLIENT_HELLO_WHOLE);
}

/* Cuts the one record of n bytes into records of `size` bytes each. Returns the length. */
static size_t cut_records(const uint8_t *bytes, size_t n, size_t size, uint8_t *to) {
    size_t length = 0;

    for (size_t at = 5; at < n; at += size) {
        size_t part = n - at < size ? n - at : size;
        uint8_t header[5] = {22, 3, 3, (uint8_t)(part >> 8), (uint8_t)part};

        memcpy(to + length, header, sizeof(header));
        memcpy(to + length + sizeof(header), bytes + at, part);
        length += sizeof(header) + part;
    }
    return length;
}

static void what_programs_send(void **state) {
    static const struct {
        const char *hex, *name, *protocols;
        bool tls13;
    } cases[] = {
        {HELLO_OPENSSL, "shop.example.com", "\2h2\10http/1.1", true},
        {HELLO_OPENSSL_1_2, "", "", false},
        {HELLO_GNUTLS, "mail.example.org", "\4imap", true},
        {HELLO_BROWSER, "localhost", "\2h2\10http/1.1", true},
    };
    static uint8_t bytes[ROOM], cut[ROOM];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = from_hex(cases[i].hex, bytes), length;

        assert_pieces(bytes, n);
        assert_string_equal(hello.name, cases[i].name);
        assert_int_equal(hello.protocols_length, strlen(cases[i].protocols));
        assert_memory_equal(hello.protocols, cases[i].protocols, hello.protocols_length);
        assert_int_equal(hello.tls13, cases[i].tls13);
        bytes[n] = 20; /* what follows is not looked at */
        assert_outcome(bytes, n + 1, CLIENT_HELLO_WHOLE);
        length = cut_records(bytes, n, (n - 5 + 7) / 8, cut);
        assert_pieces(cut, length);
        assert_string_equal(hello.name, cases[i].name);
        length = cut_records(bytes, n, (n - 5 + 8) / 9, cut);
        assert_outcome(cut, length, CLIENT_HELLO_BAD);
        assert_string_equal(why, "it is cut into more than 8 records");
    }
}

static void offers_what_it_offers(void **state) {
    static uint8_t bytes[ROOM];

    (void)state;
    assert_outcome(bytes, from_hex(HELLO_OPENSSL, bytes), CLIENT_HELLO_WHOLE);
    assert_true(client_hello_offers(&hello, "h2"));
    assert_true(client_hello_offers(&hello, "http/1.1"));
    assert_false(client_hello_offers(&hello, "http/1.0"));
    assert_false(client_hello_offers(&hello, "http/1"));
    assert_false(client_hello_offers(&hello, "2"));
    assert_false(client_hello_offers(&hello, ""));
    assert_outcome(bytes, from_hex(HELLO_OPENSSL_1_2, bytes), CLIENT_HELLO_WHOLE);
    assert_false(client_hello_offers(&hello, "h2"));
}

/* One record with a ClientHello of these extensions. */
static size_t make(const char *extensions, size_t n, uint8_t *to) {
    static const uint8_t middle[] = {0, 0, 4, 0x1a, 0x1a, 0x13, 1, 1, 0};
    uint8_t *at = to + 9;

    *at++ = 3, *at++ = 3;
    memset(at, 7, 32);
    at += 32;
    memcpy(at, middle, sizeof(middle));
    at += sizeof(middle);
    *at++ = (uint8_t)(n >> 8), *at++ = (uint8_t)n;
    memcpy(at, extensions, n);
    size_t message = (size_t)(at - to) - 9 + n;
    const uint8_t head[] = {22,
                            3,
                            1,
                            (uint8_t)((message + 4) >> 8),
                            (uint8_t)(message + 4),
                            1,
                            0,
                            (uint8_t)(message >> 8),
                            (uint8_t)message};
    memcpy(to, head, sizeof(head));
    return message + sizeof(head);
}

/* server_name with these bytes. */
static size_t make_named(const char *name, size_t n, uint8_t *to) {
    char extension[1024] = {0,
                            0,
                            (char)((n + 5) >> 8),
                            (char)(n + 5),
                            (char)((n + 3) >> 8),
                            (char)(n + 3),
                            0,
                            (char)(n >> 8),
                            (char)n};

    memcpy(extension + 9, name, n);
    return make(extension, n + 9, to);
}

static void names_of_hosts(void **state) {
    char label[] = "0123456789012345678901234567890123456789012345678901234567890123";
    char longest[260] = "", more[260];
    const struct {
        const char *sent, *name; /* NULL: it is bad */
    } cases[] = {
        {"a", "a"},
        {"Example.COM.", "example.com"},
        {"_srv._tcp.x-1.example", "_srv._tcp.x-1.example"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
        {"1.2.3", "1.2.3"},
        {"192.0.2.1", ""},
        {"::1", ""},
        {"2001:db8::1", ""},
        {"[2001:DB8::1]", ""},
        {"[]", NULL},
        {"[1.2.3.4]", NULL},
        {"fe80::1%eth0", NULL},
        {".", NULL},
        {"..", NULL},
        {".a", NULL},
        {"a..b", NULL},
        {"a b", NULL},
        {"a/b", NULL},
        {"a\n", NULL},
        {"b\xc3\xbc"
         "cher",
         NULL},
        {"a:443", NULL},
        {"*.a", NULL},
        {label, NULL},
        {label + 1, label + 1},
        {longest, longest},
        {more, NULL},
        {"", NULL},
    };
    static uint8_t bytes[ROOM];

    (void)state;
    for (size_t i = 0; i < 4; i++)
        snprintf(longest + strlen(longest), sizeof(longest) - strlen(longest), "%s.", label + 1);
    longest[255] = '\0'; /* a dot less */
    snprintf(more, sizeof(more), "%s.", longest);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = make_named(cases[i].sent, strlen(cases[i].sent), bytes);

        assert_outcome(bytes, n, cases[i].name != NULL ? CLIENT_HELLO_WHOLE : CLIENT_HELLO_BAD);
        if (cases[i].name != NULL)
            assert_string_equal(hello.name, cases[i].name);
    }
    assert_outcome(bytes, make_named("a\0b", 3, bytes), CLIENT_HELLO_BAD);
    assert_string_equal(why, "its server name has a NUL in it");
}

#define EXTENSIONS(text) text, sizeof(text) - 1

static void extensions(void **state) {
    static const struct {
        const char *bytes;
        size_t n;
        bool good;
    } cases[] = {
        {EXTENSIONS(""), true},
        {EXTENSIONS("\x0a\x0a\0\0\x1a\x1a\0\1\0\0\x2b\0\5\4\x3a\x3a\3\4"), true}, /* GREASE */
        {EXTENSIONS("\0\x23\0\0\0\x23\0\0"), false},                              /* twice */
        {EXTENSIONS("\x0a\x0a\0\0\x0a\x0a\0\0"), false},
        {EXTENSIONS("\0\0\0\6\0\4\0\0\1a\0\0\0\6\0\4\0\0\1a"), false},
        {EXTENSIONS("\0"), false},
        {EXTENSIONS("\0\x23\0"), false},
        {EXTENSIONS("\0\x23\0\1"), false},
        {EXTENSIONS("\0\0\0\0"), false}, /* server_name */
        {EXTENSIONS("\0\0\0\2\0\0"), false},
        {EXTENSIONS("\0\0\0\6\0\4\0\0\1a"), true},
        {EXTENSIONS("\0\0\0\6\0\4\1\0\1a"), false},
        {EXTENSIONS("\0\0\0\6\0\4\0\0\2a"), false},
        {EXTENSIONS("\0\0\0\6\0\3\0\0\1a"), false},
        {EXTENSIONS("\0\0\0\6\0\5\0\0\1a"), false},
        {EXTENSIONS("\0\0\0\7\0\4\0\0\1a\0"), false},
        {EXTENSIONS("\0\0\0\x0a\0\x08\0\0\1a\0\0\1b"), false},
        {EXTENSIONS("\0\x10\0\0"), false}, /* ALPN */
        {EXTENSIONS("\0\x10\0\2\0\0"), false},
        {EXTENSIONS("\0\x10\0\3\0\1\0"), false},
        {EXTENSIONS("\0\x10\0\4\0\2\1\0"), true}, /* bytes, not text: RFC 7301, 3.1 */
        {EXTENSIONS("\0\x10\0\4\0\2\2a"), false},
        {EXTENSIONS("\0\x10\0\5\0\2\1a\0"), false},
        {EXTENSIONS("\0\x10\0\5\0\3\1a\0"), false},
        {EXTENSIONS("\0\x2b\0\1\0"), false}, /* supported_versions */
        {EXTENSIONS("\0\x2b\0\2\1\3"), false},
        {EXTENSIONS("\0\x2b\0\3\2\3\3"), true},
        {EXTENSIONS("\0\x2b\0\4\2\3\3\0"), false},
    };
    static uint8_t bytes[ROOM];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_outcome(bytes, make(cases[i].bytes, cases[i].n, bytes),
                       cases[i].good ? CLIENT_HELLO_WHOLE : CLIENT_HELLO_BAD);
    assert_outcome(bytes, make(cases[1].bytes, cases[1].n, bytes), CLIENT_HELLO_WHOLE);
    assert_true(hello.tls13 && hello.name[0] == '\0');
}

/* A browser's extensions in an order of chance, GREASE among them, keys of 1.2 KB. */
static void as_a_browser_with_grease(void **state) {
    static char list[4096];
    static uint8_t bytes[ROOM];
    static const char first[] = "\x8a\x8a\0\0\0\x33\4\xef\4\xed\xda\xda\0\1\0\x11\xec\4\xc0",
                      last[] =
                          "\0\x1d\0\x20"
                          "01234567890123456789012345678901\0\x2b\0\7\6\xfa\xfa\3\4\3\3\0\x10\0"
                          "\x0e\0\x0c\2h2\x08http/1.1\0\0\0\x0a\0\x08\0\0\5w.org\x44\xcd\0\5\0"
                          "\3\2h2\x1a\x1a\0\1\0";
    size_t n = sizeof(first) - 1;

    (void)state;
    memcpy(list, first, n);
    memset(list + n, 0x5a, 0x4c0);
    memcpy(list + n + 0x4c0, last, sizeof(last) - 1);
    assert_pieces(bytes, make(list, n + 0x4c0 + sizeof(last) - 1, bytes));
    assert_string_equal(hello.name, "w.org");
    assert_true(hello.tls13 && client_hello_offers(&hello, "h2"));
}

/* The beginnings of what is no ClientHello: found as soon as it can be. */
static void other_beginnings(void **state) {
    static const struct {
        const char *bytes;
        size_t n;
        enum client_hello_outcome outcome;
    } cases[] = {
        {EXTENSIONS(""), CLIENT_HELLO_MORE},
        {EXTENSIONS("\x16"), CLIENT_HELLO_MORE},
        {EXTENSIONS("G"), CLIENT_HELLO_NOT_TLS},
        {EXTENSIONS("\x15\3\1\0\2\2\x28"), CLIENT_HELLO_NOT_TLS},
        {EXTENSIONS("\x16\2"), CLIENT_HELLO_NOT_TLS},
        {EXTENSIONS("\x16\xfe\xfd"), CLIENT_HELLO_NOT_TLS}, /* DTLS */
        {EXTENSIONS("\x16\3\1\0\0"), CLIENT_HELLO_BAD},
        {EXTENSIONS("\x16\3\1\x40\1"), CLIENT_HELLO_BAD},
        {EXTENSIONS("\x16\3\1\x40\0"), CLIENT_HELLO_MORE},
        {EXTENSIONS("\x16\3\1\0\x64\2"), CLIENT_HELLO_BAD},            /* ServerHello */
        {EXTENSIONS("\x16\3\1\0\1\1\x15\3\1"), CLIENT_HELLO_BAD},      /* an alert between */
        {EXTENSIONS("\x16\3\1\0\x64\1\0\x3f\xfd"), CLIENT_HELLO_BAD},  /* 16385 bytes */
        {EXTENSIONS("\x16\3\1\0\x64\1\0\x3f\xfc"), CLIENT_HELLO_MORE}, /* 16384 */
        {EXTENSIONS("\x16\3\1\0\x64\1\1\0\0"), CLIENT_HELLO_BAD},      /* 65536 and more */
        {EXTENSIONS("\x16\3\1\0\x64\1\0\0\x5f"), CLIENT_HELLO_BAD},    /* ends in its record */
        {EXTENSIONS("\x16\3\1\0\4\1\0\0\0"), CLIENT_HELLO_BAD},        /* empty */
        {EXTENSIONS("\x80"), CLIENT_HELLO_MORE},                       /* SSL 2 */
        {EXTENSIONS("\x80\x2e\1\0"), CLIENT_HELLO_MORE},
        {EXTENSIONS("\x80\x2e\1\0\2\0\x15"), CLIENT_HELLO_BAD},
        {EXTENSIONS("\x80\x2e\1\3\1\0\x15"), CLIENT_HELLO_BAD},
        {EXTENSIONS("\x80\x2e\1\0\1"), CLIENT_HELLO_NOT_TLS},
        {EXTENSIONS("\x80\x2e\1\1"), CLIENT_HELLO_NOT_TLS},
        {EXTENSIONS("\x80\x2e\2"), CLIENT_HELLO_NOT_TLS},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_outcome((const uint8_t *)cases[i].bytes, cases[i].n, cases[i].outcome);
}

/* Each byte of a real one changed: no outcome but these, and nothing is read beyond it. */
static void mangled(void **state) {
    static uint8_t bytes[ROOM];
    size_t n = from_hex(HELLO_GNUTLS, bytes), need, counts[4] = {0};

    (void)state;
    for (size_t i = 0; i < n; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[i] ^= (uint8_t)(1u << bit);
            counts[parse(bytes, n, &need)]++;
            bytes[i] ^= (uint8_t)(1u << bit);
        }
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        assert_true(counts[i] > 0);
}

/* The longest of all, in as many records as may be. */
static void longest(void **state) {
    static char list[CLIENT_HELLO_MAX];
    static uint8_t bytes[ROOM], cut[ROOM];
    size_t n = CLIENT_HELLO_MAX - 4 - 2 - 32 - 9 - 2, length;

    (void)state;
    list[1] = 21; /* padding: RFC 7685 */
    list[2] = (char)((n - 4) >> 8);
    list[3] = (char)(n - 4);
    length = cut_records(bytes, make(list, n, bytes), CLIENT_HELLO_MAX / 8, cut);
    assert_int_equal(length, CLIENT_HELLO_WIRE_MAX);
    assert_outcome(cut, length, CLIENT_HELLO_WHOLE);
    assert_outcome(cut, length - 1, CLIENT_HELLO_MORE);
}

/* More protocols than are kept, though each is well-formed. */
static void too_many_protocols(void **state) {
    static char list[1024] = "\0\x10";
    static uint8_t bytes[ROOM];
    size_t most = sizeof(hello.protocols);

    (void)state;
    for (size_t n = most; n <= most + 2; n += 2) {
        list[2] = (char)((n + 2) >> 8);
        list[3] = (char)(n + 2);
        list[4] = (char)(n >> 8);
        list[5] = (char)n;
        for (size_t i = 0; i < n; i += 2)
            memcpy(list + 6 + i, "\1a", 2);
        assert_outcome(bytes, make(list, 6 + n, bytes),
                       n == most ? CLIENT_HELLO_WHOLE : CLIENT_HELLO_BAD);
    }
    assert_string_equal(why, "its list of protocols (ALPN) is longer than 512 bytes");
}

/* Before TLS 1.2 a ClientHello may end behind its compressions (RFC 5246, 7.4.1.2). */
static void without_extensions(void **state) {
    uint8_t bytes[9 + 2 + 32 + 1 + 4 + 2] = {0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 1};

    (void)state;
    memcpy(bytes + 44, "\0\2\0\x2f\1\0", 6); /* behind an empty session id */
    assert_outcome(bytes, sizeof(bytes), CLIENT_HELLO_WHOLE);
    assert_true(!hello.tls13 && hello.name[0] == '\0' && hello.protocols_length == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_programs_send),
        cmocka_unit_test(offers_what_it_offers),
        cmocka_unit_test(names_of_hosts),
        cmocka_unit_test(extensions),
        cmocka_unit_test(as_a_browser_with_grease),
        cmocka_unit_test(other_beginnings),
        cmocka_unit_test(mangled),
        cmocka_unit_test(longest),
        cmocka_unit_test(too_many_protocols),
        cmocka_unit_test(without_extensions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
