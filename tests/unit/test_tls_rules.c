/* wire/tls_rules: what may come behind a handshake, and what a hostile peer can make of it. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "tls_bytes.h"
#include "tls_by_hand.h"
#include "wire/tls_rules.h"

enum { CLIENT = 1, SERVER = 2, BOTH = 3 }; /* which of them we are */

#define DATA    TLS_MEANS_DATA
#define NOTHING TLS_MEANS_NOTHING
#define END     TLS_MEANS_END
#define UPDATE  TLS_MEANS_UPDATE
#define ASKED   TLS_MEANS_UPDATE_ASKED
#define FATAL   TLS_MEANS_FATAL
#define BAD     TLS_MEANS_BAD

/* Records in hexadecimal, each behind the letter of its type: d, a, h, c, u (of no known one).
 * All but the last mean what `before` says; the last `meaning`, with `alert`. */
static const struct {
    const char *records;
    uint16_t version;
    uint8_t roles;
    enum tls_meaning before, meaning;
    uint8_t alert;
} cases[] = {
    {"d 00", TLS_1_3, BOTH, DATA, DATA, 0},
    {"d", TLS_1_3, BOTH, DATA, NOTHING, 0},
    {"d", TLS_1_2, BOTH, DATA, NOTHING, 0},

    /* RFC 8446, 6.1 and 6.2 */
    {"a 0100", TLS_1_3, BOTH, DATA, END, 0},
    {"a 0200", TLS_1_3, BOTH, DATA, END, 0}, /* the level is ignored */
    {"a 0000", TLS_1_3, BOTH, DATA, END, 0},
    {"a 015a", TLS_1_3, BOTH, DATA, NOTHING, 0}, /* user_canceled */
    {"a 025a", TLS_1_3, BOTH, DATA, NOTHING, 0},
    {"a 015a a 0100", TLS_1_3, BOTH, NOTHING, END, 0},
    {"a 0214", TLS_1_3, BOTH, DATA, FATAL, 20},
    {"a 0114", TLS_1_3, BOTH, DATA, FATAL, 20},
    {"a 0164", TLS_1_3, BOTH, DATA, FATAL, 100},
    {"a 01ff", TLS_1_3, BOTH, DATA, FATAL, 255}, /* unknown ones are errors */
    {"a 0928", TLS_1_3, BOTH, DATA, FATAL, 40},
    /* RFC 8446, 5.1 and 5.4: exactly one */
    {"a", TLS_1_3, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"a 01", TLS_1_3, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"a 010001", TLS_1_3, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"a 015a0100", TLS_1_3, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    /* RFC 5246, 7.2 */
    {"a 0100", TLS_1_2, BOTH, DATA, END, 0},
    {"a 0200", TLS_1_2, BOTH, DATA, FATAL, 0},
    {"a 0164", TLS_1_2, BOTH, DATA, NOTHING, 0}, /* no_renegotiation */
    {"a 01ff", TLS_1_2, BOTH, DATA, NOTHING, 0},
    {"a 0228", TLS_1_2, BOTH, DATA, FATAL, 40},
    {"a 0028", TLS_1_2, BOTH, DATA, BAD, TLS_ILLEGAL_PARAMETER},
    {"a 0300", TLS_1_2, BOTH, DATA, BAD, TLS_ILLEGAL_PARAMETER},
    {"a", TLS_1_2, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"a 02", TLS_1_2, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"a 01640100", TLS_1_2, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},

    /* RFC 8446, 5; RFC 5246, 6.2.1 and 7.1 */
    {"c 01", TLS_1_3, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"c 01", TLS_1_2, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"c", TLS_1_2, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"u 00", TLS_1_3, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"u 00", TLS_1_2, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"h", TLS_1_3, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"h", TLS_1_2, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},

    /* RFC 8446, 4.6.3 */
    {"h 1800000100", TLS_1_3, BOTH, DATA, UPDATE, 0},
    {"h 1800000101", TLS_1_3, BOTH, DATA, ASKED, 0},
    {"h 1800000102", TLS_1_3, BOTH, DATA, BAD, TLS_ILLEGAL_PARAMETER},
    {"h 18000001ff", TLS_1_3, BOTH, DATA, BAD, TLS_ILLEGAL_PARAMETER},
    {"h 18000000", TLS_1_3, BOTH, DATA, BAD, TLS_DECODE_ERROR},
    {"h 180000020000", TLS_1_3, BOTH, DATA, BAD, TLS_DECODE_ERROR},
    {"h 18010001", TLS_1_3, BOTH, DATA, BAD, TLS_DECODE_ERROR},
    {"h 1800000100", TLS_1_2, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    /* 5.1: nothing behind it, anything before it, and split as the peer likes */
    {"h 180000010018", TLS_1_3, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"h 18000001001800000100", TLS_1_3, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"h 180000010104000000", TLS_1_3, CLIENT, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"h 18 h 0000 h 01 h 01", TLS_1_3, BOTH, NOTHING, ASKED, 0},
    {"h 18000001 h 00", TLS_1_3, BOTH, NOTHING, UPDATE, 0},
    {"h 18000001 h 0018", TLS_1_3, BOTH, NOTHING, BAD, TLS_UNEXPECTED_MESSAGE},
    {"h 18000001 h 02", TLS_1_3, BOTH, NOTHING, BAD, TLS_ILLEGAL_PARAMETER},
    {"h 0400000199 h 1800000100", TLS_1_3, CLIENT, NOTHING, UPDATE, 0},
    {"h 04000001991800000101", TLS_1_3, CLIENT, DATA, ASKED, 0},
    /* no other record within a message */
    {"h 18 d 00", TLS_1_3, BOTH, NOTHING, BAD, TLS_UNEXPECTED_MESSAGE},
    {"h 18 d", TLS_1_3, BOTH, NOTHING, BAD, TLS_UNEXPECTED_MESSAGE},
    {"h 18000001 a 0100", TLS_1_3, BOTH, NOTHING, BAD, TLS_UNEXPECTED_MESSAGE},
    {"h 18000001 a 0228", TLS_1_3, BOTH, NOTHING, BAD, TLS_UNEXPECTED_MESSAGE},
    {"h 18000001 h", TLS_1_3, BOTH, NOTHING, BAD, TLS_UNEXPECTED_MESSAGE},

    /* RFC 8446, 4.6.1 */
    {"h 0400000401020304", TLS_1_3, CLIENT, DATA, NOTHING, 0},
    {"h 04000004010203 h 04 d 00", TLS_1_3, CLIENT, NOTHING, DATA, 0},
    {"h 0400000401020304040000020102 d 00", TLS_1_3, CLIENT, NOTHING, DATA, 0},
    {"h 04000000 d 00", TLS_1_3, CLIENT, NOTHING, DATA, 0},
    {"h 04000004010203 d 00", TLS_1_3, CLIENT, NOTHING, BAD, TLS_UNEXPECTED_MESSAGE},
    {"h 04020109", TLS_1_3, CLIENT, DATA, NOTHING, 0}, /* 131,337 bytes to come */
    {"h 0402010a", TLS_1_3, CLIENT, DATA, BAD, TLS_DECODE_ERROR},
    {"h 04ffffff", TLS_1_3, CLIENT, DATA, BAD, TLS_DECODE_ERROR},
    {"h 0400000401020304", TLS_1_3, SERVER, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"h 04000004", TLS_1_2, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    /* 4.1.2, 4.6.2, and what is never sent here */
    {"h 01", TLS_1_3, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"h 0d", TLS_1_3, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"h 00000000", TLS_1_3, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"h 14000020", TLS_1_3, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"h 05000000", TLS_1_3, SERVER, DATA, BAD, TLS_UNEXPECTED_MESSAGE}, /* EndOfEarlyData */
    {"h fe000000", TLS_1_3, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},

    /* RFC 5246, 7.4.1.1 and 7.2.2 */
    {"h 00000000", TLS_1_2, CLIENT, DATA, NOTHING, 0},
    {"h 0000000000000000 d 00", TLS_1_2, CLIENT, NOTHING, DATA, 0},
    {"h 0000 h 0000 d 00", TLS_1_2, CLIENT, NOTHING, DATA, 0},
    {"h 00000001", TLS_1_2, CLIENT, DATA, BAD, TLS_DECODE_ERROR},
    {"h 00000000", TLS_1_2, SERVER, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"h 01", TLS_1_2, SERVER, DATA, BAD, TLS_NO_RENEGOTIATION},
    {"h 010000c00303", TLS_1_2, SERVER, DATA, BAD, TLS_NO_RENEGOTIATION},
    {"h 01", TLS_1_2, CLIENT, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"h 02", TLS_1_2, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    {"h 14", TLS_1_2, BOTH, DATA, BAD, TLS_UNEXPECTED_MESSAGE},
    /* RFC 5246, 6.2.1: other types may come between */
    {"h 0000 a 0164 h 0000 d 00", TLS_1_2, CLIENT, NOTHING, DATA, 0},
    {"h 0000 a 0100", TLS_1_2, CLIENT, NOTHING, END, 0},
};

/* The next record of text: its type, and its bytes in a block of their size. */
static const char *next_record(const char *text, struct tls_opened *ret) {
    static const char letters[] = "cahd"; /* from TLS_CHANGE_CIPHER on */
    char digits[128] = "";
    const char *letter = strchr(letters, *text), *end = text + 1;

    *ret = (struct tls_opened){
        .content = letter != NULL ? TLS_CHANGE_CIPHER + (unsigned)(letter - letters) : 24,
    };
    if (end[0] == ' ' && (strchr("0123456789", end[1]) != NULL || strchr(" ", end[2]) == NULL)) {
        size_t n = strcspn(end + 1, " ");
        memcpy(digits, end + 1, n);
        end += 1 + n;
    }
    uint8_t bytes[64];
    ret->n = tls_unhex(digits, bytes, sizeof(bytes));
    ret->plain = malloc(ret->n + (ret->n == 0));
    memcpy(ret->plain, bytes, ret->n);
    return *end == ' ' ? end + 1 : end;
}

static void judge_case(size_t i, bool we_are_client) {
    struct tls_keys keys = by_hand_keys(cases[i].version, TLS_AES_128_GCM), next = keys;
    struct tls_half half = {0};
    struct tls_rules rules = {0};
    const char *text = cases[i].records;

    assert_int_equal(tls_half_begin(&half, &keys, false), 0);
    do {
        struct tls_opened opened;
        uint8_t alert = 0;

        text = next_record(text, &opened);
        enum tls_meaning meaning = tls_judge(&rules, &half, we_are_client, &opened, &alert);
        bool last = *text == '\0';
        if (meaning != (last ? cases[i].meaning : cases[i].before) ||
            alert != (last ? cases[i].alert : 0))
            fail_msg("\"%s\" (%x, %s), before \"%s\": meaning %d, alert %d", cases[i].records,
                     cases[i].version, we_are_client ? "client" : "server", text, (int)meaning,
                     alert);
        free(opened.plain);
    } while (*text != '\0');
    if (cases[i].meaning == UPDATE || cases[i].meaning == ASKED)
        assert_int_equal(tls_keys_update(&next), 0);
    assert_memory_equal(&half.keys, &next, sizeof(next));
    tls_half_end(&half);
}

static void each_in_its_place(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (cases[i].roles & CLIENT)
            judge_case(i, true);
        if (cases[i].roles & SERVER)
            judge_case(i, false);
    }
}

static enum tls_meaning judge_bytes(struct tls_rules *rules, struct tls_half *half,
                                    enum tls_content content, void *bytes, size_t n,
                                    uint8_t *ret_alert) {
    struct tls_opened opened = {.content = content, .plain = bytes, .n = n};

    return tls_judge(rules, half, true, &opened, ret_alert);
}

/* What brings no data may come 32 times in a row, and again once data has come. */
static void who_only_keeps_us_busy_is_refused(void **state) {
    static const struct {
        uint16_t version;
        enum tls_content content;
        size_t n;
        uint8_t bytes[6]; /* with a NUL */
        enum tls_meaning meaning;
    } idle[] = {
        {TLS_1_3, TLS_DATA, 0, "", NOTHING},
        {TLS_1_3, TLS_ALERT, 2, "\1\x5a", NOTHING},
        {TLS_1_3, TLS_HANDSHAKE, 5, "\x18\0\0\1", UPDATE},
        {TLS_1_3, TLS_HANDSHAKE, 5, "\x18\0\0\1\1", ASKED},
        {TLS_1_3, TLS_HANDSHAKE, 5, "\x04\0\0\1", NOTHING},
        {TLS_1_2, TLS_DATA, 0, "", NOTHING},
        {TLS_1_2, TLS_ALERT, 2, "\1\x64", NOTHING},
        {TLS_1_2, TLS_HANDSHAKE, 4, "", NOTHING},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(idle); i++) {
        struct tls_keys keys = by_hand_keys(idle[i].version, TLS_CHACHA20_POLY1305);
        struct tls_half half = {0};
        struct tls_rules rules = {0};
        uint8_t alert = 0, byte = 'x', bytes[5];

        memcpy(bytes, idle[i].bytes, sizeof(bytes));
        assert_int_equal(tls_half_begin(&half, &keys, false), 0);
        for (int rounds = 0; rounds < 2; rounds++) {
            for (int n = 0; n < TLS_IDLE_MAX; n++)
                assert_int_equal(
                    judge_bytes(&rules, &half, idle[i].content, bytes, idle[i].n, &alert),
                    idle[i].meaning);
            if (rounds == 0)
                assert_int_equal(judge_bytes(&rules, &half, TLS_DATA, &byte, 1, &alert), DATA);
        }
        assert_int_equal(judge_bytes(&rules, &half, idle[i].content, bytes, idle[i].n, &alert),
                         BAD);
        assert_int_equal(alert, TLS_UNEXPECTED_MESSAGE);
        tls_half_end(&half);
    }
}

/* Another kind each time is no way round. */
static void kinds_count_together(void **state) {
    struct tls_keys keys = by_hand_keys(TLS_1_3, TLS_AES_128_GCM);
    struct tls_half half = {0};
    struct tls_rules rules = {0};
    uint8_t alert = 0, canceled[] = {1, TLS_USER_CANCELED}, update[] = {0x18, 0, 0, 1, 0};

    (void)state;
    assert_int_equal(tls_half_begin(&half, &keys, false), 0);
    for (int n = 0; n < TLS_IDLE_MAX; n++) {
        enum tls_meaning meaning =
            n % 3 == 0   ? judge_bytes(&rules, &half, TLS_DATA, NULL, 0, &alert)
            : n % 3 == 1 ? judge_bytes(&rules, &half, TLS_ALERT, canceled, 2, &alert)
                         : judge_bytes(&rules, &half, TLS_HANDSHAKE, update, 5, &alert);
        assert_int_equal(meaning, n % 3 == 2 ? UPDATE : NOTHING);
    }
    assert_int_equal(judge_bytes(&rules, &half, TLS_HANDSHAKE, update, 5, &alert), BAD);
    tls_half_end(&half);
}

/* The largest ticket there can be, in the largest records; nothing of it is kept. */
static void a_large_ticket_is_dropped(void **state) {
    static uint8_t ticket[4 + 131337 + 4 + 1 + 4] = {4, 2, 1, 9};
    struct tls_keys keys = by_hand_keys(TLS_1_3, TLS_AES_128_GCM);
    struct tls_half half = {0};
    struct tls_rules rules = {0};
    uint8_t alert = 0, byte = 0;

    (void)state;
    memset(ticket + 4, 0x18, 131337);
    memcpy(ticket + 4 + 131337, "\4\0\0\1\x18\4\0\0", 9); /* a small one, and one under way */
    assert_int_equal(tls_half_begin(&half, &keys, false), 0);
    for (size_t at = 0; at < sizeof(ticket);) {
        size_t n = sizeof(ticket) - at < TLS_PLAIN_MAX ? sizeof(ticket) - at : TLS_PLAIN_MAX;

        assert_int_equal(judge_bytes(&rules, &half, TLS_HANDSHAKE, ticket + at, n, &alert),
                         NOTHING);
        at += n;
    }
    assert_int_equal(judge_bytes(&rules, &half, TLS_DATA, &byte, 1, &alert), DATA);
    assert_memory_equal(&half.keys, &keys, sizeof(keys));
    tls_half_end(&half);
}

/* From the record behind a KeyUpdate on, and for no other. */
static void records_are_of_the_key_that_is_in_force(void **state) {
    (void)state;
    for (enum tls_cipher cipher = 0; cipher < TLS_CIPHER_COUNT; cipher++) {
        struct tls_keys peer = by_hand_keys(TLS_1_3, cipher), old;
        struct tls_half half = {0};
        struct tls_rules rules = {0};
        struct tls_opened opened;
        uint8_t record[64], alert = 0;

        assert_int_equal(tls_half_begin(&half, &peer, false), 0);
        for (int generation = 0; generation < 3; generation++) {
            by_hand_seal(&peer, TLS_DATA, 0x0303, (const uint8_t *)"\x18\0\0\1\0\x16", 6, record);
            assert_int_equal(tls_open(&half, record, sizeof(record), &opened), TLS_OPENED);
            assert_int_equal(tls_judge(&rules, &half, false, &opened, &alert), UPDATE);
            old = peer;
            assert_int_equal(tls_keys_update(&peer), 0);
            by_hand_seal(&peer, TLS_DATA, 0x0303, (const uint8_t *)"x\x17", 2, record);
            assert_int_equal(tls_open(&half, record, sizeof(record), &opened), TLS_OPENED);
            assert_int_equal(tls_judge(&rules, &half, false, &opened, &alert), DATA);
            assert_int_equal(half.keys.sequence, 1);
        }
        by_hand_seal(&old, TLS_DATA, 0x0303, (const uint8_t *)"x\x17", 2, record);
        assert_int_equal(tls_open(&half, record, sizeof(record), &opened), TLS_BAD);
        assert_int_equal(opened.alert, TLS_BAD_RECORD_MAC);
        tls_half_end(&half);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_in_its_place),
        cmocka_unit_test(who_only_keeps_us_busy_is_refused),
        cmocka_unit_test(kinds_count_together),
        cmocka_unit_test(a_large_ticket_is_dropped),
        cmocka_unit_test(records_are_of_the_key_that_is_in_force),
    };

    return cmocka_run_group_tests_name("tls_rules", tests, NULL, NULL);
}
