/* tls/session: what is sealed besides data, and who may. */
#include "tls/session.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls_by_hand.h"
#include "unit.h"

/* Opens the first of n bytes with half: it is of this content and holds these bytes. Returns its
 * size. */
static size_t expect_record(struct tls_half *half, uint8_t *bytes, size_t n,
                            enum tls_content content, const char *plain, size_t plain_n) {
    struct tls_opened opened;

    assert_int_equal(tls_open(half, bytes, n, &opened), TLS_OPENED);
    assert_int_equal(opened.content, content);
    assert_int_equal(opened.n, plain_n);
    assert_memory_equal(opened.plain, plain, plain_n);
    return opened.size;
}

/* RFC 8446, 5.5 and 4.6.3: a KeyUpdate under the old key, then the next one. TLS 1.2 has none. */
static void a_key_seals_so_many_records(void **state) {
    (void)state;
    EACH_BY_HAND(keys) {
        uint8_t record[TLS_SMALL_RECORD], bytes[TLS_SMALL_RECORD];
        bool modern = keys.version == TLS_1_3;
        struct tls_half peer = {0};

        keys.sequence = ((uint64_t)1 << 23) - 1;
        struct tls_session *session = tls_session_new(false, &keys, &keys);
        assert_false(tls_session_needs_update(session));
        bytes[tls_before(&session->out)] = 'x';
        assert_true(tls_seal(&session->out, TLS_DATA, bytes, 1) > 0);

        assert_int_equal(tls_half_begin(&peer, &session->out.keys, false), 0);
        assert_int_equal(tls_session_needs_update(session), modern);
        ssize_t n = tls_session_seal_update(session, record);
        assert_int_equal(n > 0, modern);
        if (modern) {
            expect_record(&peer, record, (size_t)n, TLS_HANDSHAKE, "\x18\0\0\1\0", 5);
            assert_int_equal(tls_keys_update(&peer.keys), 0);
            assert_int_equal(tls_half_begin(&peer, &peer.keys, false), 0);
            assert_int_equal(session->out.keys.sequence, 0);
        }
        assert_false(tls_session_needs_update(session));
        bytes[tls_before(&session->out)] = 'y';
        n = tls_seal(&session->out, TLS_DATA, bytes, 1);
        expect_record(&peer, bytes, (size_t)n, TLS_DATA, "y", 1);
        tls_half_end(&peer);
        tls_session_free(session);
    }
}

/* However often it was asked for (RFC 8446, 4.6.3). */
static void an_update_is_owed_once(void **state) {
    struct tls_keys keys = by_hand_keys(TLS_1_3, TLS_AES_256_GCM);
    struct tls_session *session;
    uint8_t record[TLS_SMALL_RECORD];

    (void)state;
    keys.sequence = 7;
    session = tls_session_new(true, &keys, &keys);
    assert_false(tls_session_needs_update(session));
    session->owes = true;
    assert_true(tls_session_needs_update(session));
    assert_true(tls_session_seal_update(session, record) > 0);
    assert_false(tls_session_needs_update(session));
    tls_session_free(session);
}

/* RFC 8446, 6.2, and RFC 5246, 7.2.2: an error is fatal, but for no_renegotiation, which is always
 * a warning; and a close_notify is one. */
static void alerts_have_their_levels(void **state) {
    static const struct {
        enum tls_alert alert;
        const char *plain;
    } cases[] = {
        {TLS_BAD_RECORD_MAC, "\2\x14"},
        {TLS_UNEXPECTED_MESSAGE, "\2\xa"},
        {TLS_NO_RENEGOTIATION, "\1\x64"},
    };
    uint8_t bytes[TLS_SMALL_RECORD];
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    EACH_BY_HAND(keys) {
        struct tls_half peer = {0};
        ssize_t n;

        assert_int_equal(tls_half_begin(&peer, &keys, false), 0);
        struct tls_session *session = tls_session_new(false, &keys, &keys);
        n = tls_session_seal_end(session, bytes);
        expect_record(&peer, bytes, (size_t)n, TLS_ALERT, "\1\0", 2);
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            tls_session_alert(session, fds[0], (uint8_t)cases[i].alert);
            n = recv(fds[1], bytes, sizeof(bytes), 0);
            expect_record(&peer, bytes, (size_t)n, TLS_ALERT, cases[i].plain, 2);
            /* one_writer: nothing comes behind it */
            assert_false(tls_session_begin_writing(session));
            tls_session_alert(session, fds[0], TLS_INTERNAL_ERROR);
            assert_int_equal(recv(fds[1], bytes, 1, MSG_DONTWAIT), -1);
            tls_session_end_writing(session);
        }
        tls_half_end(&peer);
        tls_session_free(session);
    }
    close(fds[0]);
    close(fds[1]);
}

/* A reader that waited there would wait for ever. */
static void an_alert_waits_for_nobody(void **state) {
    struct tls_keys keys = by_hand_keys(TLS_1_3, TLS_CHACHA20_POLY1305);
    struct tls_session *session = tls_session_new(false, &keys, &keys);
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    while (send(fds[0], &keys, sizeof(keys), MSG_DONTWAIT) > 0)
        continue;
    tls_session_alert(session, fds[0], TLS_BAD_RECORD_MAC);
    assert_false(tls_session_begin_writing(session));
    tls_session_free(session);
    close(fds[0]);
    close(fds[1]);
}

/* RFC 6066, 4: records as large as was agreed on, in both directions. */
static void records_keep_to_what_was_agreed_on(void **state) {
    static const uint16_t limits[] = {0, 512, 4096};
    static char text[40000];
    const struct iovec parts[] = {{text, 10}, {text, 30000}, {text, 5}};

    (void)state;
    memset(text, 'x', sizeof(text));
    EACH_BY_HAND(keys) {
        for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
            struct tls_session *session = tls_session_new(false, &keys, &keys);
            struct tls_half peer = {.most = limits[i]};
            size_t most = limits[i] > 0 ? limits[i] : TLS_PLAIN_MAX, n, at = 0;

            assert_int_equal(tls_half_begin(&peer, &keys, false), 0);
            session->out.most = limits[i];
            uint8_t *all = tls_session_seal_all(session, parts, ARRAY_LEN(parts), &n);
            for (size_t left = 30015; left > 0;) {
                size_t plain = left < most ? left : most;

                at += expect_record(&peer, all + at, n - at, TLS_DATA, text, plain);
                left -= plain;
            }
            at += expect_record(&peer, all + at, n - at, TLS_ALERT, "\1\0", 2);
            assert_int_equal(at, n);
            free(all);
            tls_half_end(&peer);
            tls_session_free(session);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_seals_so_many_records),
        cmocka_unit_test(an_update_is_owed_once),
        cmocka_unit_test(alerts_have_their_levels),
        cmocka_unit_test(an_alert_waits_for_nobody),
        cmocka_unit_test(records_keep_to_what_was_agreed_on),
    };

    return cmocka_run_group_tests_name("tls_session", tests, NULL, NULL);
}
