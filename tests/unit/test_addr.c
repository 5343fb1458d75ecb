/* Addresses: every form that is read, every reason for a refusal, and the way back to text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "base/addr.h"

static struct addr_spec parsed(const char *text) {
    struct addr_spec spec;
    const char *why = NULL;

    if (!addr_parse(text, &spec, &why))
        fail_msg("%s: %s", text, why);
    return spec;
}

static void refused(const char *text, const char *expected) {
    struct addr_spec spec, before;
    const char *why = NULL;

    memset(&spec, 0x5a, sizeof spec);
    before = spec;
    if (addr_parse(text, &spec, &why))
        fail_msg("%s was taken", text);
    assert_non_null(why);
    if (!strstr(why, expected))
        fail_msg("%s: \"%s\" does not say \"%s\"", text, why, expected);
    assert_memory_equal(&spec, &before, sizeof spec);
}

/* A literal that is written as it was read. */
static void round_trip(const char *text) {
    struct addr_spec spec = parsed(text);
    char buf[ADDR_TEXT_MAX];

    assert_int_equal(spec.form, ADDR_LITERAL);
    assert_string_equal(spec.name, "");
    assert_string_equal(addr_format(&spec.addr, buf, sizeof buf), text);
}

static void test_literals_come_back(void **state) {
    (void)state;
    round_trip("1.2.3.4:80");
    round_trip("0.0.0.0:1");
    round_trip("255.255.255.255:65535");
    round_trip("[::]:80");
    round_trip("[::1]:80");
    round_trip("[2001:db8::1]:443");
    round_trip("[fe80::1%lo]:80");
    round_trip("[fe80::1%4095]:80");
    round_trip("[fe80::1%nosuchif]:80"); /* it may come */
    round_trip("[fe80::1%abcdefghijklmno]:80");
    round_trip("unix:/run/app.sock");
    round_trip("unix:/");
    assert_int_equal(parsed("[::1]:80").port, 80);
    assert_int_equal(parsed("1.2.3.4:81").port, 81);
    assert_int_equal(parsed("unix:/x").port, 0);
}

static void one_path_is_one_address(void **state) {
    static const char *const paths[][2] = {
        {"unix:/run//a", "unix:/run/a"},      {"unix:///run/./a", "unix:/run/a"},
        {"unix:/././/a", "unix:/a"},          {"unix:/run/.a/./b", "unix:/run/.a/b"},
        {"unix:/run/../a", "unix:/run/../a"}, {"unix:/run/a.", "unix:/run/a."},
        {"unix:/run/.", "unix:/run/."},
    };
    char text[ADDR_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct addr addr = parsed(paths[i][0]).addr, plain = parsed(paths[i][1]).addr;

        assert_string_equal(addr_format(&addr, text, sizeof(text)), paths[i][1]);
        assert_true(addr_equal(&addr, &plain));
    }
}

static void test_names_and_ports(void **state) {
    struct addr_spec spec = parsed("app.example:8080");
    char name[300];

    (void)state;
    assert_int_equal(spec.form, ADDR_NAME);
    assert_string_equal(spec.name, "app.example");
    assert_int_equal(spec.port, 8080);
    assert_int_equal(spec.addr.len, 0);
    assert_string_equal(parsed("my_host-1.example.:1").name, "my_host-1.example.");
    assert_string_equal(parsed("0x7f:1").name, "0x7f");
    assert_int_equal(parsed(":80").form, ADDR_ANY);
    assert_int_equal(parsed(":80").port, 80);
    assert_int_equal(parsed("65535").form, ADDR_ANY);
    assert_int_equal(parsed("65535").port, 65535);

    memset(name, 'a', sizeof name); /* 63 + 1 + 63 + 1 + 63 + 1 + 61 = 253 */
    name[63] = name[127] = name[191] = '.';
    strcpy(name + 253, ":80");
    assert_int_equal(strlen(parsed(name).name), 253);
    strcpy(name + 254, ":80");
    name[253] = 'a';
    refused(name, "longer than 253");
}

static void test_services(void **state) {
    struct addr_spec spec = parsed("srv:_http._tcp.app.example");
    char name[300] = "srv:_http._tcp.";

    (void)state;
    assert_int_equal(spec.form, ADDR_SRV);
    assert_string_equal(spec.name, "_http._tcp.app.example");
    assert_int_equal(spec.port, 0);
    assert_int_equal(spec.addr.len, 0);
    assert_string_equal(parsed("srv:_a-b._tcp.example.").name, "_a-b._tcp.example.");
    refused("srv:", "srv:_http._tcp.app.example");
    refused("srv:app.example", "srv:_http._tcp.app.example");
    refused("srv:http.tcp.app.example", "srv:_http._tcp.app.example");
    refused("srv:_http", "srv:_http._tcp.app.example");
    refused("srv:_http.app.example", "srv:_http._tcp.app.example");
    refused("srv:_http._udp.app.example", "srv:_http._tcp.app.example");
    refused("srv:_._tcp.app.example", "srv:_http._tcp.app.example");
    refused("srv:_http._tcp", "srv:_http._tcp.app.example");
    refused("srv:_http._tcp.", "srv:_http._tcp.app.example");
    refused("srv:_http._tcp..", "empty part");
    refused("srv:_http._tcp.a b", "only letters");
    refused("srv:_http._tcp.app.example:80", "takes no port");
    memset(name + 15, 'a', 243);
    for (size_t i = 15 + 60; i < 258; i += 61)
        name[i] = '.';
    refused(name, "longer than 253");
    name[4 + 253] = '\0';
    assert_int_equal(strlen(parsed(name).name), 253);

    spec = parsed("srv:8080"); /* a host */
    assert_int_equal(spec.form, ADDR_NAME);
    assert_string_equal(spec.name, "srv");
    assert_int_equal(spec.port, 8080);
}

static void test_refusals(void **state) {
    char path[200] = "unix:/", label[80];

    (void)state;
    refused("", "empty");
    refused("0", "from 1 to 65535");
    refused("65536", "from 1 to 65535");
    refused(":", "port is missing");
    refused(":x", "from 1 to 65535");
    refused(":-1", "from 1 to 65535");
    refused(": 80", "from 1 to 65535");
    refused("name:", "port is missing");
    refused("name:0", "from 1 to 65535");
    refused("name:http", "from 1 to 65535");
    refused("name", "port is missing");
    refused("1.2.3.4", "port is missing");
    refused("1.2.3:80", "IPv4");
    refused("1.2.3.999:80", "IPv4");
    refused("12:80", "IPv4");
    refused("...:80", "IPv4");
    refused("*:80", ":80");
    refused("a b:80", "only letters");
    refused("caf\xc3\xa9:80", "only letters");
    refused("user@host:80", "only letters");
    refused("a..b:80", "empty part");
    refused(".a:80", "empty part");
    refused("-a:80", "\"-\"");
    refused("a-.b:80", "\"-\"");
    refused("::1:80", "[::1]:80");
    refused("2001:db8::1", "[::1]:80");
    refused("::", "[::1]:80");
    refused("[::1]", "[::1]:80");
    refused("[::1]80", "[::1]:80");
    refused("[::1", "\"]\"");
    refused("[::1]:", "port is missing");
    refused("[::1]:99999", "from 1 to 65535");
    refused("[1.2.3.4]:80", "not an IPv6");
    refused("[]:80", "not an IPv6");
    refused("[::g]:80", "not an IPv6");
    refused("[fe80::1]:80", "[fe80::1%eth0]:80");
    refused("[fe80::1%0]:80", "from 1 to 2147483647");
    refused("[fe80::1%2147483648]:80", "from 1 to 2147483647");
    refused("[fe80::1%99999999999999999999]:80", "from 1 to 2147483647");
    refused("[fe80::1%abcdefghijklmnop]:80", "15");
    refused("[fe80::1%a/b]:80", "cannot have the name");
    refused("[fe80::1%a b]:80", "cannot have the name");
    refused("[fe80::1%eth0%eth1]:80", "cannot have the name");
    refused("[fe80::1%..]:80", "cannot have the name");
    refused("[fe80::1%]:80", "interface");
    refused("[::1%lo]:80", "link-local");
    refused("http://host:80", "URL");
    refused("http://[::1]:80/", "URL");
    refused("unix:", "absolute");
    refused("unix:run/x", "absolute");
    refused("unix:@x", "absolute");
    refused("unix:/a\nb", "control");
    memset(label, 'a', 64);
    strcpy(label + 64, ".b:80");
    refused(label, "63");
    memset(path + 6, 'p', 106); /* the path has 107 bytes now */
    round_trip(path);
    path[6 + 106] = 'p';
    refused(path, "107");
}

static void test_format(void **state) {
    struct addr addr = {0};
    char buf[ADDR_TEXT_MAX];

    (void)state;
    assert_string_equal(addr_format(&addr, buf, sizeof buf), "-");
    addr.u.sa.sa_family = AF_UNIX;
    addr.len = sizeof(sa_family_t);
    assert_string_equal(addr_format(&addr, buf, sizeof buf), "unix:");
    memcpy(addr.u.un.sun_path, "\0name", 5);
    addr.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 5);
    assert_string_equal(addr_format(&addr, buf, sizeof buf), "unix:@name");
    memset(addr.u.un.sun_path, 'x', sizeof addr.u.un.sun_path); /* no NUL at all */
    addr.len = sizeof addr.u.un;
    assert_int_equal(strlen(addr_format(&addr, buf, sizeof buf)), 5 + 108);
    addr = parsed("[::ffff:1.2.3.4]:80").addr;
    assert_string_equal(addr_format(&addr, buf, sizeof buf), "1.2.3.4:80");
    assert_string_equal(addr_format(&addr, buf, 5), "1.2.");
}

static void test_format_host(void **state) {
    static const char *const texts[][2] = {{"1.2.3.4:80", "1.2.3.4"},
                                           {"[::1]:80", "::1"},
                                           {"[fe80::1%7]:80", "fe80::1%7"},
                                           {"[::ffff:1.2.3.4]:80", "1.2.3.4"},
                                           {"unix:/a:b]c", "unix:/a:b]c"}};
    struct addr none = {0};
    char buf[ADDR_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct addr addr = parsed(texts[i][0]).addr;

        assert_string_equal(addr_format_host(&addr, buf, sizeof buf), texts[i][1]);
    }
    assert_string_equal(addr_format_host(&none, buf, sizeof buf), "-");
}

static void test_equal(void **state) {
    struct addr a = parsed("1.2.3.4:80").addr, none = {0};
    struct addr l = parsed("unix:/a").addr;

    (void)state;
    assert_true(addr_equal(&none, &none));
    assert_false(addr_equal(&a, &none));
    assert_true(addr_equal(&a, &(struct addr){.len = a.len, .u.in = a.u.in}));
    assert_false(addr_equal(&a, &(struct addr){.len = l.len, .u.un = l.u.un}));
    a = parsed("1.2.3.4:81").addr;
    l = parsed("1.2.3.4:80").addr;
    assert_false(addr_equal(&a, &l));
    a = parsed("[fe80::1%1]:80").addr;
    l = parsed("[fe80::1%2]:80").addr;
    assert_false(addr_equal(&a, &l));
    assert_false(addr_is_unix(&a));
    a = parsed("unix:/a").addr;
    l = parsed("unix:/ab").addr;
    assert_false(addr_equal(&a, &l));
    assert_true(addr_equal(&a, &a));
    assert_true(addr_is_unix(&a));
    assert_false(addr_is_unix(&none));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literals_come_back), cmocka_unit_test(one_path_is_one_address),
        cmocka_unit_test(test_names_and_ports),    cmocka_unit_test(test_services),
        cmocka_unit_test(test_refusals),           cmocka_unit_test(test_format),
        cmocka_unit_test(test_format_host),        cmocka_unit_test(test_equal),
    };

    return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
