/* Checks that speak a protocol: what they say, and what an answer is worth, in whatever split it
 * comes. No sockets. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/pattern.h"
#include "health/check.h"

static char user[] = "relayd";
static struct health_check_config config = {.user = user};
static struct check_wish wish = {.config = &config};

#define TEXT(bytes) bytes, sizeof(bytes) - 1

/* The first, or all that it says, as text; a step is how many bytes come at a time. */
static enum check_outcome hear(struct check *check, const char *bytes, size_t n, size_t step,
                               char *said, size_t *n_said) {
    enum check_outcome outcome = CHECK_UNDER_WAY;

    for (size_t at = 0; at < n && outcome == CHECK_UNDER_WAY; at += step) {
        check->said = check->words_length; /* it has been sent meanwhile */
        outcome = check->ops->answer(check, bytes + at, step < n - at ? step : n - at);
        if (check_has_words(check)) {
            assert_true(*n_said + check->words_length <= 512);
            memcpy(said + *n_said, check->words, check->words_length);
            *n_said += check->words_length;
        }
    }
    return outcome;
}

struct talk {
    const char *answer;
    size_t n;
    enum check_outcome outcome;
    const char *why;
};

static void try_all(enum check_type type, const struct talk *talks, size_t n) {
    static const size_t steps[] = {1, 2, 3, 7, 100000};

    config.type = (int)type;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < ARRAY_LEN(steps); j++) {
            struct check check;
            char said[512];
            size_t n_said = 0;

            assert_int_equal(check_init(&check, &wish), 0);
            enum check_outcome outcome =
                hear(&check, talks[i].answer, talks[i].n, steps[j], said, &n_said);
            if (outcome != talks[i].outcome || strcmp(check.why, talks[i].why) != 0)
                fail_msg("case %zu, step %zu: outcome %d, \"%s\"", i, steps[j], (int)outcome,
                         check.why);
            check_destroy(&check);
        }
    }
}

static void redis(void **state) {
    static const char not_redis[] = "the answer is not that of Redis";
    static char endless[ANSWER_LINES_MAX];
    const struct talk talks[] = {
        {TEXT("+PONG\r\n"), CHECK_GOOD, ""},
        {TEXT("+PONG\n"), CHECK_GOOD, ""},
        {TEXT("-NOAUTH Authentication required.\r\n"), CHECK_GOOD, ""},
        {TEXT("-NOPERM this user has no permissions\r\n"), CHECK_GOOD, ""},
        {TEXT("-ERR max number of clients reached\r\n"), CHECK_GOOD, ""},
        {TEXT("-LOADING Redis is loading\r\n"), CHECK_BAD, "the answer is error LOADING"},
        {TEXT("-MASTERDOWN Link\r\n"), CHECK_BAD, "the answer is error MASTERDOWN"},
        {TEXT("-\x1b[1m\r\n"), CHECK_BAD, "the answer is error "},
        {TEXT("+PON"), CHECK_UNDER_WAY, ""},
        {TEXT("\r"), CHECK_UNDER_WAY, ""},
        {TEXT("\r\n"), CHECK_BAD, not_redis},
        {TEXT("$4\r\nPONG\r\n"), CHECK_BAD, not_redis},
        {TEXT("HTTP/1.1 400\r\n"), CHECK_BAD, not_redis},
        {endless, sizeof(endless), CHECK_BAD, "the answer is longer than 16384 bytes"},
    };
    struct check check;

    (void)state;
    memset(endless, '+', sizeof(endless));
    try_all(CHECK_REDIS, talks, ARRAY_LEN(talks));
    assert_int_equal(check_init(&check, &wish), 0);
    assert_int_equal(check.request_length, 14);
    assert_memory_equal(check.request, "*1\r\n$4\r\nPING\r\n", 14);
    check_destroy(&check);
}

static void smtp(void **state) {
    static const char not_smtp[] = "the answer is not SMTP";
    static char endless[ANSWER_LINES_MAX];
    const struct talk talks[] = {
        {TEXT("220 mail.example ESMTP\r\n"), CHECK_GOOD, ""},
        {TEXT("220\r\n"), CHECK_GOOD, ""},
        {TEXT("220-mail.example\r\n220-hello\r\n220 go on\r\n"), CHECK_GOOD, ""},
        {TEXT("554 no service\r\n"), CHECK_BAD, "the greeting is 554"},
        {TEXT("421-busy\r\n421 later\r\n"), CHECK_BAD, "the greeting is 421"},
        {TEXT("220-mail.example\r\n"), CHECK_UNDER_WAY, ""},
        {TEXT("220 mail"), CHECK_UNDER_WAY, ""},
        {TEXT("220-mail\r\n2x0 go\r\n"), CHECK_BAD, not_smtp},
        {TEXT("220mail\r\n"), CHECK_BAD, not_smtp},
        {TEXT("\r\n"), CHECK_BAD, not_smtp},
        {TEXT("SSH-2.0-x\r\n"), CHECK_BAD, not_smtp},
        {endless, sizeof(endless), CHECK_BAD, "the greeting is longer than 16384 bytes"},
    };
    struct check check;
    char said[512];
    size_t n = 0;

    (void)state;
    memset(endless, '2', sizeof(endless));
    try_all(CHECK_SMTP, talks, ARRAY_LEN(talks));
    assert_int_equal(check_init(&check, &wish), 0);
    assert_int_equal(check.request_length, 0);
    assert_int_equal(hear(&check, TEXT("220 a\r\n"), 100, said, &n), CHECK_GOOD);
    assert_int_equal(n, 6);
    assert_memory_equal(said, "QUIT\r\n", 6);
    check_destroy(&check);
}

static void postgres(void **state) {
    static const char not_postgres[] = "the answer is not that of PostgreSQL";
    static char endless[ANSWER_PACKETS_MAX + 100];
    static const char startup[] =
        "\0\0\0\x3f\0\3\0\0user\0relayd\0database\0postgres\0application_name\0relayd\0";
    const struct talk talks[] = {
        {TEXT("R\0\0\0\x08\0\0\0\0"), CHECK_GOOD, ""},                    /* ok */
        {TEXT("R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"), CHECK_GOOD, ""}, /* a password */
        {TEXT("N\0\0\0\x05\0R\0\0\0\x08\0\0\0\3"), CHECK_GOOD, ""},
        {TEXT("E\0\0\0\x1cSFATAL\0C28000\0Mno role\0\0"), CHECK_GOOD, ""},
        {TEXT("E\0\0\0\14C53300\0\0"), CHECK_GOOD, ""}, /* full_note */
        {TEXT("E\0\0\0\x1cSFATAL\0C57P03\0Mstarts.\0\0"), CHECK_BAD,
         "the answer is error 57P03 (it takes no connections now)"},
        {TEXT("E\0\0\0\14C53100\0\0"), CHECK_BAD, "the answer is error 53100"},
        {TEXT("E\0\0\0\14CXX000\0\0"), CHECK_BAD, "the answer is error XX000"},
        {TEXT("E\0\0\0\14C\x1b[31m\0\0"), CHECK_BAD, not_postgres},
        {TEXT("E\0\0\0\x0a"
              "C57P03"),
         CHECK_BAD, not_postgres}, /* no NUL */
        {TEXT("E\0\0\0\x04"), CHECK_BAD, not_postgres},
        {TEXT("R\0\0\0\x04"), CHECK_BAD, not_postgres},
        {TEXT("R\0\0\0\3"), CHECK_BAD, not_postgres},
        {TEXT("R\xff\xff\xff\xff"), CHECK_BAD, not_postgres},
        {TEXT("HTTP/1.1 400 Bad Request\r\n"), CHECK_BAD, not_postgres},
        {TEXT("Z\0\0\0\x05I"), CHECK_BAD, not_postgres},
        {TEXT("R\0\0\0\x08\0\0\0"), CHECK_UNDER_WAY, ""},
        {endless, sizeof(endless), CHECK_BAD, not_postgres}, /* notices, one after the other */
    };
    struct check check;
    char said[512];
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i + 5 <= sizeof(endless); i += 5)
        memcpy(endless + i, "N\0\0\0\4", 5);
    try_all(CHECK_POSTGRES, talks, ARRAY_LEN(talks));
    assert_int_equal(check_init(&check, &wish), 0);
    assert_int_equal(check.request_length, sizeof(startup));
    assert_memory_equal(check.request, startup, sizeof(startup));
    assert_int_equal(hear(&check, TEXT("R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"), 100, said, &n),
                     CHECK_GOOD);
    assert_int_equal(n, 5);
    assert_memory_equal(said, "X\0\0\0\4", 5);
    check_destroy(&check);
}

/* With CLIENT_PLUGIN_AUTH. */
#define GREETING                                                                                   \
    "\x32\0\0\0\x0a"                                                                               \
    "10.11\0\1\0\0\0"                                                                              \
    "saltsalt\0\xff\xf7\x21\2\0\xff\x81\x15\0\0\0\0\0\0\0\0\0\0"                                   \
    "salt5678salt"
#define LOGIN_HEAD "\x01\x82\x08\0\0\0\0\1\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

/* What comes after the greeting, once the login is sent. */
static enum check_outcome log_in(const char *bytes, size_t n, size_t step, char *ret_why,
                                 char *said, size_t *n_said) {
    struct check check;

    assert_int_equal(check_init(&check, &wish), 0);
    assert_int_equal(hear(&check, TEXT(GREETING), 1, said, n_said), CHECK_UNDER_WAY);
    *n_said = 0;
    enum check_outcome outcome = hear(&check, bytes, n, step, said, n_said);
    snprintf(ret_why, CHECK_WHY_MAX, "%s", check.why);
    check_destroy(&check);
    return outcome;
}

static void mysql_greetings(void **state) {
    static const char not_mysql[] = "the answer is not that of MySQL";
    const struct talk talks[] = {
        {TEXT(GREETING), CHECK_UNDER_WAY, ""},
        {TEXT("\x30\0\0\0\x0a"
              "10"),
         CHECK_UNDER_WAY, ""},
        {TEXT("\x08\0\0\0\xff\x10\x04oh no"), CHECK_GOOD, ""}, /* 1040; full_note */
        {TEXT("\x08\0\0\0\xff\x69\x04Host "), CHECK_BAD,
         "the answer is error 1129 (it has blocked this host: FLUSH HOSTS there)"},
        {TEXT("\x08\0\0\0\xff\x6a\x04Host "), CHECK_BAD,
         "the answer is error 1130 (it takes no connections from this host)"},
        {TEXT("\x03\0\0\0\xff\1\2"), CHECK_BAD, "the answer is error 513"},
        {TEXT("\x02\0\0\0\xff\1"), CHECK_BAD, not_mysql},
        {TEXT("\0\0\0\0"), CHECK_BAD, not_mysql},
        {TEXT("\1\0\0\0\x0a"), CHECK_BAD, not_mysql},
        {TEXT("\4\0\0\0\x0a"
              "abc"),
         CHECK_BAD, not_mysql},
        {TEXT("\4\0\0\0\x09"
              "ab\0"),
         CHECK_BAD, not_mysql},
        {TEXT("220 mail.example ESMTP\r\n"), CHECK_BAD, not_mysql},
        {TEXT("\xff\xff\xff\0"), CHECK_BAD, not_mysql},
    };

    (void)state;
    try_all(CHECK_MYSQL, talks, ARRAY_LEN(talks));
}

static void mysql_logins(void **state) {
    static const char not_mysql[] = "the answer is not that of MySQL";
#define SWITCH                                                                                     \
    "\x1a\0\0\2\xfe"                                                                               \
    "caching_sha2_password\0abc"
    const struct talk talks[] = {
        {TEXT("\7\0\0\2\0\0\0\2\0\0\0"), CHECK_GOOD, ""},
        {TEXT("\x09\0\0\2\xff\x15\x04#28000"), CHECK_GOOD, ""}, /* access denied */
        {TEXT("\x09\0\0\2\xff\xe3\x04#08004"), CHECK_GOOD, ""}, /* 1251 */
        {TEXT("\x09\0\0\2\xff\x57\x0cHY0000"), CHECK_GOOD, ""}, /* TLS alone */
        {TEXT("\x09\0\0\2\xff\x1d\x04#08S01"), CHECK_BAD, "the answer is error 1053 (it stops)"},
        {TEXT("\x09\0\0\2\xff\x13\x04#08S01"), CHECK_BAD, "the answer is error 1043"},
        {TEXT("\2\0\0\2\1\3\7\0\0\3\0\0\0\2\0\0\0"), CHECK_GOOD, ""}, /* more, and then OK */
        {TEXT("\0\0\0\2"), CHECK_BAD, not_mysql},
        {TEXT("\1\0\0\2\5"), CHECK_BAD, not_mysql},
        {TEXT("\1\0\0\2\1\1\0\0\2\1\1\0\0\2\1\1\0\0\2\1\1\0\0\2\1"), CHECK_BAD, not_mysql},
        {TEXT(SWITCH), CHECK_UNDER_WAY, ""},
        {TEXT("\7\0\0\2\0\0"), CHECK_UNDER_WAY, ""},
    };
    char why[CHECK_WHY_MAX], said[512];
    size_t n = 0;

    (void)state;
    config.type = CHECK_MYSQL;
    for (size_t i = 0; i < ARRAY_LEN(talks); i++) {
        for (size_t step = 1; step < 100; step += 33) {
            if (log_in(talks[i].answer, talks[i].n, step, why, said, &n) != talks[i].outcome ||
                strcmp(why, talks[i].why) != 0)
                fail_msg("case %zu, step %zu: \"%s\"", i, step, why);
        }
    }
    assert_int_equal(log_in(talks[0].answer, talks[0].n, 100, why, said, &n), CHECK_GOOD);
    assert_int_equal(n, 5);
    assert_memory_equal(said, "\1\0\0\0\1", 5);
    assert_int_equal(log_in(TEXT(SWITCH), 100, why, said, &n), CHECK_UNDER_WAY);
    assert_int_equal(n, 5);
    assert_memory_equal(said, "\1\0\0\3\0", 5);
    assert_int_equal(log_in(TEXT("\x16\0\0\2\xfemysql_native_password"), 100, why, said, &n),
                     CHECK_UNDER_WAY); /* cut: no NUL */
    assert_int_equal(log_in(TEXT("\x1b\0\0\2\xfemysql_native_password\0salt"), 100, why, said, &n),
                     CHECK_UNDER_WAY);
    assert_int_equal(n, 4);
    assert_memory_equal(said, "\0\0\0\3", 4);
}

/* The login goes out once the greeting is whole; a server that goes on without waiting for it is
 * none. */
static void mysql_waits_for_its_turn(void **state) {
    static const char login[] = LOGIN_HEAD "relayd\0\0mysql_native_password";
    struct check check;
    char said[512];
    size_t n = 0;

    (void)state;
    config.type = CHECK_MYSQL;
    assert_int_equal(check_init(&check, &wish), 0);
    assert_int_equal(check.request_length, 0);
    assert_int_equal(hear(&check, TEXT(GREETING), 100, said, &n), CHECK_UNDER_WAY);
    assert_int_equal(n, 4 + sizeof(login));
    assert_memory_equal(said, "\x3e\0\0\1", 4);
    assert_memory_equal(said + 4, login, sizeof(login));
    check_destroy(&check);

    assert_int_equal(check_init(&check, &wish), 0);
    n = 0;
    assert_int_equal(hear(&check, TEXT(GREETING "\7\0\0\2\0\0\0\2\0\0\0"), 1000, said, &n),
                     CHECK_BAD);
    assert_string_equal(check.why, "the answer is not that of MySQL");
    check_destroy(&check);
}

/* The longest user fits. */
static void mysql_with_a_long_name(void **state) {
    static char longest[] = "0123456789012345678901234567890123456789012345678901234567890123";
    struct check check;
    char said[512];
    size_t n = 0;

    (void)state;
    longest[63] = '\0';
    config.user = longest;
    config.type = CHECK_MYSQL;
    assert_int_equal(check_init(&check, &wish), 0);
    assert_int_equal(hear(&check, TEXT(GREETING), 100, said, &n), CHECK_UNDER_WAY);
    assert_int_equal((unsigned char)said[0], n - 4);
    check_destroy(&check);
    config.user = user;
}

static void talk(void **state) {
    static char send[] = "a\\r\\n\\x00", long_answer[CHECK_KEPT_MAX + 1];
    const struct talk talks[] = {
        {TEXT("+PONG\r\n"), CHECK_GOOD, ""},
        {TEXT("hello\r\n+PONG"), CHECK_GOOD, ""},
        {TEXT("+PON"), CHECK_UNDER_WAY, ""},
        {TEXT("-ERR\r\n"), CHECK_UNDER_WAY, ""},
    };
    const char *why;
    struct check check;
    char said[512];
    size_t n = 0;

    (void)state;
    config.send = send;
    config.pattern = pattern_new("+PONG", &why);
    try_all(CHECK_TALK, talks, ARRAY_LEN(talks));
    memset(long_answer, '\x1b', sizeof(long_answer));
    assert_int_equal(check_init(&check, &wish), 0);
    assert_int_equal(check.request_length, 4);
    assert_memory_equal(check.request, "a\r\n\0", 4);
    assert_int_equal(hear(&check, long_answer, sizeof(long_answer), 1000, said, &n), CHECK_BAD);
    assert_non_null(strstr(check.why, "no expected answer in 4096 bytes, but \"\\x1b\\x1b"));
    assert_non_null(strstr(check.why, "...\""));
    check_destroy(&check);

    assert_int_equal(check_init(&check, &wish), 0);
    assert_int_equal(hear(&check, TEXT("-ERR\r\n"), 1, said, &n), CHECK_UNDER_WAY);
    check.heard = true;
    assert_int_equal(check_late(&check, USEC_PER_SEC), CHECK_BAD);
    assert_string_equal(check.why, "no expected answer in 1s, but \"-ERR\\x0d\\x0a\"");
    check.heard = false;
    assert_int_equal(check_late(&check, USEC_PER_SEC), CHECK_BAD);
    assert_string_equal(check.why, "no answer in 1s");
    check_destroy(&check);
    pattern_free(config.pattern);
    config.pattern = NULL;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redis),
        cmocka_unit_test(smtp),
        cmocka_unit_test(postgres),
        cmocka_unit_test(mysql_greetings),
        cmocka_unit_test(mysql_logins),
        cmocka_unit_test(mysql_waits_for_its_turn),
        cmocka_unit_test(mysql_with_a_long_name),
        cmocka_unit_test(talk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
