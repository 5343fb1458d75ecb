/* base/embedded: which IPv4 hosts an IPv6 address may stand for. */
#include "unit.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/embedded.h"

/* What an address stands for, with blanks between. */
static void stands_for(const char *text, const char *expected) {
    struct addr addr, list[EMBEDDED_MOST];
    char found[128] = "", one[INET_ADDRSTRLEN];
    const char *why;

    assert_true(addr_parse_ip(text, &addr, &why));
    size_t n = embedded_find(&addr, list);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(list[i].u.sa.sa_family, AF_INET);
        inet_ntop(AF_INET, &list[i].u.in.sin_addr, one, sizeof(one));
        strcat(strcat(found, i > 0 ? " " : ""), one);
    }
    if (strcmp(found, expected) != 0)
        fail_msg("%s stands for \"%s\", not \"%s\"", text, found, expected);
}

static void every_form_is_known(void **state) {
    (void)state;
    stands_for("64:ff9b::192.0.2.33", "192.0.2.33");
    stands_for("::192.0.2.33", "192.0.2.33");
    stands_for("::ffff:0:192.0.2.33", "192.0.2.33");
    stands_for("2002:c000:221::1", "192.0.2.33");
    stands_for("2002:c000:221:ffff:1:2:3:4", "192.0.2.33");
    stands_for("2001:0:4136:e378:8000:63bf:3fff:fdde", "192.0.2.33");
}

/* The examples of RFC 6052, 2.4, with the prefix of RFC 8215. */
static void a_network_of_its_own_has_prefixes_of_four_lengths(void **state) {
    (void)state;
    stands_for("64:ff9b:1::192.0.2.33", "192.0.2.33");
    stands_for("64:ff9b:1:1234:56ab:cdef:192.0.2.33", "192.0.2.33");
    stands_for("64:ff9b:1:c000:2:2100::", "192.0.2.33 2.33.0.0");
    stands_for("64:ff9b:1:22c0:0:221::", "192.0.2.33");
    stands_for("64:ff9b:1:c0:0:221::", "192.0.2.33");
    stands_for("64:ff9b:1:22:c0:2:2100::", "192.0.2.33 33.0.0.0");
}

static void others_stand_for_themselves(void **state) {
    (void)state;
    stands_for("::", "");
    stands_for("::1", "");
    stands_for("192.0.2.33", "");
    stands_for("::ffff:192.0.2.33", ""); /* it is that */
    stands_for("2001:db8::192.0.2.33", "");
    stands_for("64:ff9b::1:192.0.2.33", "");
    stands_for("64:ff9b:2::192.0.2.33", "");
    stands_for("fe80::192.0.2.33%lo", "");
    stands_for("2003:c000:221::1", "");
    struct addr list[EMBEDDED_MOST],
        unix_addr = {.len = sizeof(sa_family_t), .u.sa.sa_family = AF_UNIX}, none = {.len = 0};
    assert_int_equal(embedded_find(&unix_addr, list), 0);
    assert_int_equal(embedded_find(&none, list), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_known),
        cmocka_unit_test(a_network_of_its_own_has_prefixes_of_four_lengths),
        cmocka_unit_test(others_stand_for_themselves),
    };

    return cmocka_run_group_tests_name("embedded", tests, NULL, NULL);
}
