/* What alerts say, in words. */
#include "tls/alert.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

static const char *say(uint8_t alert, enum tls_asked asked) {
    static char why[TLS_REASON_MAX];

    alert_words(alert, asked, why);
    return why;
}

static void test_whose_certificate_is_meant(void **state) {
    (void)state;
    assert_string_equal(say(48, TLS_NOT_ASKED),
                        "it does not know who has signed the certificate (alert unknown_ca)");
    assert_non_null(strstr(say(48, TLS_ASKED_SHOWN), "(alert unknown_ca); that is relayd's own"));
    for (size_t i = 0; i < 2; i++)
        assert_non_null(
            strstr(say((const uint8_t[]){40, 116}[i], TLS_ASKED_IN_VAIN), "and there is none"));
    /* with a certificate that was shown, it may be about anything */
    assert_string_equal(say(40, TLS_ASKED_SHOWN),
                        "it found nothing in common (alert handshake_failure)");
    /* what has nothing to do with it */
    assert_string_equal(say(112, TLS_ASKED_IN_VAIN), say(112, TLS_NOT_ASKED));
    assert_string_equal(say(200, TLS_ASKED_SHOWN), "it has given up (alert 200)");
}

/* Nothing is cut: each ends with its last word. */
static void test_each_clause_fits(void **state) {
    (void)state;
    for (int asked = TLS_NOT_ASKED; asked <= TLS_ASKED_SHOWN; asked++)
        for (unsigned alert = 0; alert < 256; alert++) {
            const char *why = say((uint8_t)alert, (enum tls_asked)asked);
            size_t n = strlen(why);

            assert_in_range(n, 10, TLS_REASON_MAX - 2);
            assert_true(why[n - 1] == ')' || strcmp(why + n - 7, "section") == 0);
        }
}

static void test_silence_is_guessed_at_only_where_there_is_a_reason(void **state) {
    char why[TLS_REASON_MAX];

    (void)state;
    for (int asked = TLS_NOT_ASKED; asked <= TLS_ASKED_SHOWN; asked++) {
        alert_words_of_silence((enum tls_asked)asked, why);
        assert_int_equal(why[0] != '\0', asked == TLS_ASKED_IN_VAIN);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whose_certificate_is_meant),
        cmocka_unit_test(test_each_clause_fits),
        cmocka_unit_test(test_silence_is_guessed_at_only_where_there_is_a_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
