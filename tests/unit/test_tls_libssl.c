/* wire/tls_*: against libssl. It makes a handshake with itself, in memory; then our record layer
 * takes the place of one of the two, with keys from the key log. What libssl refuses is refused. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

#include "tls_bytes.h"
#include "tls_by_hand.h"
#include "tls_pair.h"
#include "wire/tls_rules.h"

#define WIRE_MAX (4 * TLS_WIRE_MAX)

static const struct suite {
    uint16_t version;
    enum tls_cipher cipher;
    const char *name;
} suites[] = {
    {TLS_1_3, TLS_AES_128_GCM, "TLS_AES_128_GCM_SHA256"},
    {TLS_1_3, TLS_AES_256_GCM, "TLS_AES_256_GCM_SHA384"},
    {TLS_1_3, TLS_CHACHA20_POLY1305, "TLS_CHACHA20_POLY1305_SHA256"},
    {TLS_1_2, TLS_AES_128_GCM, "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {TLS_1_2, TLS_AES_256_GCM, "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {TLS_1_2, TLS_CHACHA20_POLY1305, "ECDHE-ECDSA-CHACHA20-POLY1305"},
};

/* One end of a handshake, and what was seen of the records that it wrote. */
struct end {
    SSL *ssl;
    BIO *in, *out;
    bool changed;           /* its cipher: TLS 1.2 */
    uint64_t nonce;         /* of its Finished, explicit */
    size_t after_handshake; /* records behind it */
    struct tls_keys keys;   /* what it seals with, as the key log said it */
    uint8_t wire[WIRE_MAX]; /* behind the handshake, not yet taken by anybody */
    size_t wire_n;
};

static struct { struct end client, server; } two;
static const struct suite *suite_now;
static SSL_CTX *contexts[2];
static char master_line[512];

static void take_secret(struct tls_keys *keys, const char *hex) {
    uint8_t secret[48];
    size_t n = tls_unhex(hex, secret, sizeof(secret));

    assert_int_equal(tls_keys_from_secret(suite_now->cipher, secret, n, keys), 0);
}

static void take_key_log(const SSL *ssl, const char *line) {
    const char *hex = strrchr(line, ' ') + 1;

    if (SSL_is_server(ssl))
        return;
    if (strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0)
        take_secret(&two.client.keys, hex);
    if (strncmp(line, "SERVER_TRAFFIC_SECRET_0 ", 24) == 0)
        take_secret(&two.server.keys, hex);
    if (strncmp(line, "CLIENT_RANDOM ", 14) == 0)
        snprintf(master_line, sizeof(master_line), "%s", hex);
}

static void take_master(void) {
    uint8_t master[48], client_random[32], server_random[32];

    assert_int_equal(tls_unhex(master_line, master, sizeof(master)), 48);
    SSL_get_client_random(two.client.ssl, client_random, 32);
    SSL_get_server_random(two.client.ssl, server_random, 32);
    assert_int_equal(tls_keys_from_master(suite_now->cipher, suite_now->cipher == TLS_AES_256_GCM,
                                          master, client_random, server_random, &two.client.keys,
                                          &two.server.keys),
                     0);
}

static void make_contexts(void) {
    struct pair pair = make_pair("test", "", NULL, false, 2);

    for (int server = 0; server < 2; server++) {
        SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());

        SSL_CTX_set_keylog_callback(ctx, take_key_log);
        SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
        if (server) {
            assert_int_equal(SSL_CTX_use_certificate(ctx, pair.certificate), 1);
            assert_int_equal(SSL_CTX_use_PrivateKey(ctx, pair.key), 1);
        }
        contexts[server] = ctx;
    }
    free_pair(&pair);
}

static void open_end(struct end *end, SSL_CTX *ctx) {
    memset(end, 0, sizeof(*end));
    end->ssl = SSL_new(ctx);
    end->in = BIO_new(BIO_s_mem());
    end->out = BIO_new(BIO_s_mem());
    SSL_set_bio(end->ssl, end->in, end->out);
    SSL_set_min_proto_version(end->ssl, suite_now->version);
    SSL_set_max_proto_version(end->ssl, suite_now->version);
    if (suite_now->version == TLS_1_3)
        assert_int_equal(SSL_set_ciphersuites(end->ssl, suite_now->name), 1);
    else
        assert_int_equal(SSL_set_cipher_list(end->ssl, suite_now->name), 1);
}

/* Moves what libssl wrote to where we have it: whole records. */
static void take_written(struct end *end) {
    int n = BIO_read(end->out, end->wire + end->wire_n, (int)(sizeof(end->wire) - end->wire_n));

    end->wire_n += n > 0 ? (size_t)n : 0;
    assert_true(end->wire_n < sizeof(end->wire));
}

static size_t record_size(const uint8_t *record) {
    return TLS_HEADER + ((size_t)record[3] << 8 | record[4]);
}

/* What our own BIO would see of a handshake's records. */
static void look_at_records(struct end *end) {
    for (size_t at = 0; at < end->wire_n; at += record_size(end->wire + at)) {
        const uint8_t *record = end->wire + at;

        if (end->changed && suite_now->version == TLS_1_2)
            for (int i = 0; i < 8; i++)
                end->nonce = end->nonce << 8 | record[TLS_HEADER + i];
        end->changed = record[0] == TLS_CHANGE_CIPHER;
    }
}

static bool step(struct end *end, struct end *peer) {
    bool done = SSL_do_handshake(end->ssl) == 1;

    take_written(end);
    look_at_records(end);
    if (!done || !SSL_is_init_finished(peer->ssl)) { /* else: tickets, and we are to read them */
        BIO_write(peer->in, end->wire, (int)end->wire_n);
        end->wire_n = 0;
    }
    return done;
}

static void shake_hands(const struct suite *suite) {
    suite_now = suite;
    open_end(&two.client, contexts[0]);
    open_end(&two.server, contexts[1]);
    SSL_set_connect_state(two.client.ssl);
    SSL_set_accept_state(two.server.ssl);
    for (int flights = 0; flights < 8; flights++) {
        step(&two.client, &two.server);
        step(&two.server, &two.client);
    }
    assert_true(SSL_is_init_finished(two.client.ssl) && SSL_is_init_finished(two.server.ssl));
    assert_int_equal(SSL_version(two.client.ssl), suite->version);
    if (suite->version == TLS_1_2)
        take_master();
    for (size_t at = 0; at < two.server.wire_n; at += record_size(two.server.wire + at))
        two.server.after_handshake++;
    /* two tickets */
    assert_int_equal(two.server.after_handshake, suite->version == TLS_1_3 ? 2 : 0);
    two.client.keys.nonce = two.client.nonce + 1;
    two.server.keys.nonce = two.server.nonce + 1;
}

static void let_go(void) {
    SSL_free(two.client.ssl);
    SSL_free(two.server.ssl);
}

/* We in the place of one end, libssl at the other. */
struct we {
    bool client;
    struct end *libssl;
    struct tls_half seals, opens;
    struct tls_rules rules;
    uint8_t alert; /* of the last meaning */
};

static struct we take_place(const struct suite *suite, bool client) {
    struct we we = {.client = client};

    shake_hands(suite);
    we.libssl = client ? &two.server : &two.client;
    struct end *place = client ? &two.client : &two.server;
    assert_int_equal(tls_half_begin(&we.opens, &we.libssl->keys, false), 0);
    assert_int_equal(tls_half_begin(&we.seals, &place->keys, true), 0);
    if (suite->version == TLS_1_3) /* the tickets that libssl wrote in our place */
        we.seals.keys.sequence = place->after_handshake;
    /* and that it has not read yet */
    BIO_write(we.libssl->in, place->wire, (int)place->wire_n);
    return we;
}

static void leave_place(struct we *we) {
    tls_half_end(&we->seals);
    tls_half_end(&we->opens);
    let_go();
}

/* The meaning of the next record of libssl; its bytes, if it is data, behind *ret_n others. */
static enum tls_meaning hear_libssl(struct we *we, uint8_t *data, size_t *ret_n) {
    struct tls_opened opened;
    struct end *end = we->libssl;

    take_written(end);
    if (tls_nonce_is_explicit(&we->opens.keys)) { /* it goes on from its Finished */
        uint8_t nonce[8];
        by_hand_number(nonce, end->keys.nonce++);
        assert_memory_equal(end->wire + TLS_HEADER, nonce, sizeof(nonce));
    }
    assert_int_equal(tls_open(&we->opens, end->wire, end->wire_n, &opened), TLS_OPENED);
    enum tls_meaning meaning = tls_judge(&we->rules, &we->opens, we->client, &opened, &we->alert);
    if (meaning == TLS_MEANS_DATA) {
        memcpy(data + *ret_n, opened.plain, opened.n);
        *ret_n += opened.n;
    }
    end->wire_n -= opened.size;
    memmove(end->wire, end->wire + opened.size, end->wire_n);
    return meaning;
}

static void say_to_libssl(struct we *we, enum tls_content content, const uint8_t *bytes, size_t n) {
    uint8_t record[TLS_WIRE_MAX];

    memcpy(record + tls_before(&we->seals), bytes, n);
    ssize_t size = tls_seal(&we->seals, content, record, n);
    assert_true(size > 0);
    assert_int_equal(BIO_write(we->libssl->in, record, (int)size), size);
}

static void data_goes_both_ways(struct we *we) {
    static const size_t sizes[] = {1, 2, 15, 16, 17, 255, 1000, 16383, 16384, 16385, 40000};
    static uint8_t sent[40000], came[40000];

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        size_t n = sizes[i], came_n = 0;
        int got = 0;

        for (size_t k = 0; k < n; k++)
            sent[k] = (uint8_t)(k * 11 + i);
        assert_int_equal(SSL_write(we->libssl->ssl, sent, (int)n), n);
        while (came_n < n) {
            enum tls_meaning meaning = hear_libssl(we, came, &came_n);
            /* tickets come first */
            assert_true(meaning == TLS_MEANS_DATA || (meaning == TLS_MEANS_NOTHING && we->client));
        }
        assert_int_equal(came_n, n);
        assert_memory_equal(came, sent, n);

        for (size_t at = 0; at < n; at += TLS_PLAIN_MAX)
            say_to_libssl(we, TLS_DATA, sent + at, n - at < TLS_PLAIN_MAX ? n - at : TLS_PLAIN_MAX);
        say_to_libssl(we, TLS_DATA, sent, 0); /* an empty one does no harm */
        for (size_t at = 0; at < n; at += (size_t)got) {
            got = SSL_read(we->libssl->ssl, came + at, (int)(sizeof(came) - at));
            assert_true(got > 0);
        }
        assert_memory_equal(came, sent, n);
    }
}

static void update_ours(struct we *we, bool asks) {
    uint8_t update[] = {24, 0, 0, 1, asks};

    say_to_libssl(we, TLS_HANDSHAKE, update, sizeof(update));
    assert_int_equal(tls_keys_update(&we->seals.keys), 0);
    assert_int_equal(tls_half_begin(&we->seals, &we->seals.keys, true), 0);
}

/* Each side's, with and without one in return. */
static void keys_change_both_ways(struct we *we) {
    uint8_t byte = 0;
    size_t n = 0;

    for (int asks = 0; asks < 2; asks++) {
        assert_int_equal(SSL_key_update(we->libssl->ssl, asks ? SSL_KEY_UPDATE_REQUESTED
                                                              : SSL_KEY_UPDATE_NOT_REQUESTED),
                         1);
        assert_int_equal(SSL_do_handshake(we->libssl->ssl), 1);
        assert_int_equal(hear_libssl(we, &byte, &n),
                         asks ? TLS_MEANS_UPDATE_ASKED : TLS_MEANS_UPDATE);
        if (asks)
            update_ours(we, false);
        data_goes_both_ways(we);
        update_ours(we, asks);
        say_to_libssl(we, TLS_DATA, &byte, 1);
        assert_int_equal(SSL_read(we->libssl->ssl, &byte, 1), 1);
        if (asks) { /* before its next data: RFC 8446, 4.6.3 */
            assert_int_equal(SSL_write(we->libssl->ssl, &byte, 1), 1);
            assert_int_equal(hear_libssl(we, &byte, &n), TLS_MEANS_UPDATE);
            n = 0;
            assert_int_equal(hear_libssl(we, &byte, &n), TLS_MEANS_DATA);
        }
        data_goes_both_ways(we);
    }
}

static void in_both_places(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(suites); i++)
        for (int client = 0; client < 2; client++) {
            struct we we = take_place(&suites[i], client);
            uint8_t end[] = {1, TLS_CLOSE_NOTIFY}, byte;
            size_t n = 0;

            data_goes_both_ways(&we);
            if (suites[i].version == TLS_1_3)
                keys_change_both_ways(&we);
            SSL_shutdown(we.libssl->ssl);
            assert_int_equal(hear_libssl(&we, &byte, &n), TLS_MEANS_END);
            say_to_libssl(&we, TLS_ALERT, end, sizeof(end));
            assert_int_equal(SSL_read(we.libssl->ssl, &byte, 1), 0);
            assert_int_equal(SSL_get_error(we.libssl->ssl, 0), SSL_ERROR_ZERO_RETURN);
            leave_place(&we);
        }
}

/* A hostile peer's records, for libssl and for us. The cleartext: bytes, then, in TLS 1.3, the
 * type, then zeros. */
static const struct hostile {
    const char *name;
    uint16_t versions; /* TLS_1_2, TLS_1_3; 0: both */
    enum { OURS_EQUAL, OURS_STRICTER, OURS_OTHER_ALERT } ours;
    uint8_t outer, type; /* outer, 0: as it should be */
    uint16_t record_version;
    const char *hex;
    size_t more, zeros; /* bytes behind hex; behind the type */
    size_t spoils;      /* which byte of the record is changed at last; 0: none */
    size_t times;       /* 0: once */
} hostiles[] = {
    {.name = "data", .type = TLS_DATA, .more = 100},
    {.name = "as much as there may be", .type = TLS_DATA, .more = TLS_PLAIN_MAX},
    {.name = "a byte more", .type = TLS_DATA, .more = TLS_PLAIN_MAX + 1},
    {.name = "much more", .type = TLS_DATA, .more = TLS_PLAIN_MAX + 400},
    {.name = "padded", .versions = TLS_1_3, .type = TLS_DATA, .more = 5, .zeros = 1000},
    {.name = "padded beyond the limit (RFC 8446, 5.4)",
     .versions = TLS_1_3,
     .ours = OURS_STRICTER,
     .type = TLS_DATA,
     .more = TLS_PLAIN_MAX,
     .zeros = 100},
    {.name = "padding alone", .versions = TLS_1_3, .zeros = 100},
    {.name = "nothing at all, not even a type (RFC 8446, 5.4)",
     .versions = TLS_1_3,
     .ours = OURS_OTHER_ALERT},
    {.name = "a changed body", .type = TLS_DATA, .more = 100, .spoils = 40},
    {.name = "a changed tag", .type = TLS_DATA, .more = 1, .spoils = 20},
    {.name = "another version, 1.2",
     .versions = TLS_1_2,
     .record_version = 0x0301,
     .type = TLS_DATA},
    {.name = "another version, 1.3",
     .versions = TLS_1_3,
     .record_version = 0x0301,
     .type = TLS_DATA,
     .more = 1},
    {.name = "of no known type within", .versions = TLS_1_3, .type = 99, .more = 1},
    {.name = "of no known type", .versions = TLS_1_2, .type = 99, .more = 1},
    {.name = "an outer type, 1.3",
     .versions = TLS_1_3,
     .outer = TLS_HANDSHAKE,
     .type = TLS_DATA,
     .more = 1},
    {.name = "change_cipher_spec within", .type = TLS_CHANGE_CIPHER, .hex = "01"},
    {.name = "change_cipher_spec", .versions = TLS_1_3, .outer = TLS_CHANGE_CIPHER, .hex = "01"},
    {.name = "an empty handshake", .versions = TLS_1_3, .type = TLS_HANDSHAKE},
    {.name = "an empty handshake, 1.2",
     .versions = TLS_1_2,
     .ours = OURS_STRICTER,
     .type = TLS_HANDSHAKE},
    {.name = "an empty alert", .versions = TLS_1_3, .type = TLS_ALERT},
    {.name = "an empty alert, 1.2", .versions = TLS_1_2, .ours = OURS_STRICTER, .type = TLS_ALERT},
    {.name = "half an alert", .type = TLS_ALERT, .hex = "01"},
    {.name = "an alert and a half", .type = TLS_ALERT, .hex = "015a01"},
    {.name = "two alerts", .type = TLS_ALERT, .hex = "015a0100"},
    {.name = "user_canceled", .versions = TLS_1_3, .type = TLS_ALERT, .hex = "015a"},
    {.name = "a warning, 1.2", .versions = TLS_1_2, .type = TLS_ALERT, .hex = "0170"},
    {.name = "of another level, 1.2", .versions = TLS_1_2, .type = TLS_ALERT, .hex = "0528"},
    {.name = "a key", .versions = TLS_1_3, .type = TLS_HANDSHAKE, .hex = "1800000100"},
    {.name = "a key, 1.2", .versions = TLS_1_2, .type = TLS_HANDSHAKE, .hex = "1800000100"},
    {.name = "no such request", .versions = TLS_1_3, .type = TLS_HANDSHAKE, .hex = "1800000102"},
    {.name = "a long request",
     .versions = TLS_1_3,
     .ours = OURS_OTHER_ALERT,
     .type = TLS_HANDSHAKE,
     .hex = "180000020000"},
    {.name = "no request", .versions = TLS_1_3, .type = TLS_HANDSHAKE, .hex = "18000000"},
    {.name = "more behind a key",
     .versions = TLS_1_3,
     .type = TLS_HANDSHAKE,
     .hex = "180000010018"},
    {.name = "two keys in one",
     .versions = TLS_1_3,
     .type = TLS_HANDSHAKE,
     .hex = "18000001001800000100"},
    {.name = "Finished again", .type = TLS_HANDSHAKE, .hex = "1400000c000000000000000000000000"},
    {.name = "32 without data", .type = TLS_DATA, .times = 32},
    {.name = "33 without data", .type = TLS_DATA, .times = 33},
    {.name = "33 keys",
     .versions = TLS_1_3,
     .ours = OURS_STRICTER,
     .type = TLS_HANDSHAKE,
     .hex = "1800000100",
     .times = 33},
};

static size_t make_hostile(const struct hostile *hostile, struct tls_keys *keys, uint8_t *record) {
    static uint8_t inner[BY_HAND_MAX];
    bool modern = keys->version == TLS_1_3;
    size_t n = hostile->hex != NULL ? tls_unhex(hostile->hex, inner, sizeof(inner)) : 0;

    memset(inner + n, 0x5a, hostile->more);
    n += hostile->more;
    if (modern && hostile->type != 0)
        inner[n++] = hostile->type;
    memset(inner + n, 0, hostile->zeros);
    n += hostile->zeros;
    uint8_t outer = hostile->outer != 0 ? hostile->outer : modern ? TLS_DATA : hostile->type;
    size_t size =
        by_hand_seal(keys, outer, hostile->record_version != 0 ? hostile->record_version : 0x0303,
                     inner, n, record);
    if (hostile->spoils != 0)
        record[hostile->spoils] ^= 1;
    if (hostile->hex != NULL && hostile->hex[0] == '1' && hostile->hex[1] == '8' && modern)
        (void)!tls_keys_update(keys);
    return size;
}

/* -1: taken; else the alert. */
static int ask_us(struct we *we, uint8_t *record, size_t size, struct tls_rules *rules,
                  struct tls_half *half) {
    struct tls_opened opened;
    uint8_t alert = 0;

    if (tls_open(half, record, size, &opened) == TLS_BAD)
        return opened.alert;
    return tls_judge(rules, half, !we->client, &opened, &alert) == TLS_MEANS_BAD ? alert : -1;
}

static int ask_libssl(struct we *we) {
    static uint8_t data[TLS_WIRE_MAX];
    size_t n = 0;
    int got;

    do
        got = SSL_read(we->libssl->ssl, data, sizeof(data));
    while (got > 0);
    if (SSL_get_error(we->libssl->ssl, got) == SSL_ERROR_WANT_READ)
        return -1;
    do
        take_written(we->libssl);
    while (hear_libssl(we, data, &n) == TLS_MEANS_NOTHING); /* tickets, keys in return */
    return we->alert;
}

static void judge_hostile(const struct hostile *hostile, const struct suite *suite, bool client) {
    static uint8_t record[BY_HAND_MAX];
    struct we we = take_place(suite, client);
    struct tls_keys keys = we.seals.keys;
    struct tls_half half = {0}; /* with which we, at libssl's place, would read it */
    struct tls_rules rules = {0};
    int ours = -1;

    assert_int_equal(tls_half_begin(&half, &keys, false), 0);
    for (size_t i = 0; i < (hostile->times != 0 ? hostile->times : 1); i++) {
        size_t size = make_hostile(hostile, &keys, record);

        BIO_write(we.libssl->in, record, (int)size);
        ours = ours < 0 ? ask_us(&we, record, size, &rules, &half) : ours;
    }
    int theirs = ask_libssl(&we);
    bool fits = hostile->ours == OURS_EQUAL      ? ours == theirs
                : hostile->ours == OURS_STRICTER ? ours >= 0
                                                 : ours >= 0 && theirs >= 0;
    if (!fits)
        fail_msg("%s (%s, we are %s): we say %d, libssl %d", hostile->name, suite->name,
                 client ? "client" : "server", ours, theirs);
    tls_half_end(&half);
    leave_place(&we);
}

static void what_libssl_refuses_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hostiles); i++)
        for (size_t k = 0; k < ARRAY_LEN(suites); k++)
            if (hostiles[i].versions == 0 || hostiles[i].versions == suites[k].version)
                for (int client = 0; client < 2; client++)
                    judge_hostile(&hostiles[i], &suites[k], client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_both_places),
        cmocka_unit_test(what_libssl_refuses_is_refused),
    };

    make_contexts();
    int failed = cmocka_run_group_tests_name("tls_libssl", tests, NULL, NULL);
    SSL_CTX_free(contexts[0]);
    SSL_CTX_free(contexts[1]);
    return failed;
}
