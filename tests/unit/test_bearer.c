/* record/bearer: whose certificate it is, in printable UTF-8, and who is meant by a word. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/bearer.h"

static struct proxy_certificate make_shown(const char *subject, const char *name) {
    struct proxy_certificate shown = {.verified = true};

    snprintf(shown.subject, sizeof(shown.subject), "%s", subject);
    shown.names[0] = (uint8_t)strlen(name);
    memcpy(shown.names + 1, name, strlen(name));
    shown.n_names = name[0] != '\0' ? strlen(name) + 1 : 0;
    for (size_t i = 0; i < sizeof(shown.fingerprint); i++)
        shown.fingerprint[i] = (uint8_t)(i * 8);
    return shown;
}

static void expect_subject(const char *subject, const char *name, const char *wanted) {
    struct proxy_certificate shown = make_shown(subject, name);
    struct bearer *bearer = bearer_new(&shown);

    assert_non_null(bearer);
    assert_string_equal(bearer->subject, wanted);
    assert_int_equal(bearer_size(bearer), sizeof(*bearer) + strlen(wanted) + 1);
    free(bearer);
}

static void test_a_subject_is_printable(void **state) {
    char longest[PROXY_SUBJECT_MAX], most[PROXY_SUBJECT_MAX];

    (void)state;
    assert_null(bearer_new(NULL));
    expect_subject("CN=alice,O=Example", "DNS:a.example", "CN=alice,O=Example");
    expect_subject("CN=J\xc3\xb6rg", "", "CN=J\xc3\xb6rg");
    expect_subject("CN=\xff\n\x1b[31m\xe2\x80\xae", "", "CN=\\xff\\x0a\\x1b[31m\\xe2\\x80\\xae");
    expect_subject("", "URI:spiffe://example/alice", "URI:spiffe://example/alice");
    expect_subject("", "", "");
    /* cut between characters, and escapes, once it gets too long */
    memset(longest, '\xff', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    for (size_t i = 0; i + 5 <= sizeof(most); i += 4)
        memcpy(most + i, "\\xff", 5);
    expect_subject(longest, "", most);
}

static void test_who_is_meant(void **state) {
    static const struct {
        const char *subject, *wanted;
        bool meant;
    } rows[] = {
        {"CN=alice,O=Example", "CN=alice,O=Example", true},
        {"CN=alice,O=Example", "CN=alice", true},
        {"CN=alice,O=Example", "O=Example", true},
        {"CN=alice+UID=7,O=Example", "UID=7", true},
        {"CN=alice,O=Example", "CN=alic", false},
        {"CN=alice,O=Example", "CN=alice2", false},
        {"CN=alice,O=Example", "alice", false},
        {"CN=alice,O=Example", "", false},
        {"", "", false},
        {"", "CN=alice", false},
        /* one that is called so has no part of that name (RFC 4514, 2.4) */
        {"CN=eve\\,CN=alice,O=Example", "CN=alice", false},
        {"CN=eve\\,CN=alice,O=Example", "CN=eve\\,CN=alice", true},
        {"CN=eve\\\\,CN=alice", "CN=alice", true},
        {"CN=eve\\", "CN=eve\\", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(bearer_is(rows[i].subject, "00ff", rows[i].wanted), rows[i].meant);
}

static void test_a_fingerprint_is_meant_as_tools_write_it(void **state) {
    struct proxy_certificate shown = make_shown("CN=alice", "");
    struct bearer *bearer = bearer_new(&shown);
    char text[BEARER_FINGERPRINT_TEXT], colons[3 * PROXY_FINGERPRINT_MAX + 8] = "";

    (void)state;
    assert_non_null(bearer);
    assert_string_equal(bearer_say_fingerprint(bearer, text),
                        "0008101820283038404850586068707880889098a0a8b0b8c0c8d0d8e0e8f0f8");
    for (size_t i = 0; i < sizeof(bearer->fingerprint); i++)
        snprintf(colons + strlen(colons), sizeof(colons) - strlen(colons), "%s%02X",
                 i > 0 ? ":" : "", bearer->fingerprint[i]);
    assert_true(bearer_is("CN=alice", text, text));
    assert_true(bearer_is("CN=alice", text, colons));
    assert_false(bearer_is("CN=alice", text, "0008101820"));
    assert_false(bearer_is("CN=alice", text, strcat(colons, "00")));
    free(bearer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_subject_is_printable),
        cmocka_unit_test(test_who_is_meant),
        cmocka_unit_test(test_a_fingerprint_is_meant_as_tools_write_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
