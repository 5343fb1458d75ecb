/* TLS of a listener: which certificate a client gets, what is agreed on, and that no ticket is
 * worth more than a full handshake. */
#include "tls_fixture.h"

#include "tls/server.h"
#include "wire/tls_suite.h"

static struct pair authority, site, other, wild, by_rsa, person, stranger;
static SSL_CTX *visitor;

static int make_files(void **state) {
    (void)state;
    make_folder();
    authority = make_pair("Authority", NULL, NULL, false, 900);
    site = make_pair("site", "DNS:www.Site.example,DNS:site.example", &authority, false, 90);
    by_rsa = make_pair("site by rsa", "DNS:www.site.example", &authority, true, 90);
    other = make_pair("other", "DNS:other.example", &authority, false, 90);
    wild = make_pair("wild", "DNS:*.wild.example", &authority, true, 90);
    person = make_pair("person", "", &authority, false, 90);
    stranger = make_pair("stranger", "", NULL, false, 90);
    write_pair("site.pem", &site, &authority, true);
    write_pair("rsa.pem", &by_rsa, &authority, true);
    write_pair("other.pem", &other, &authority, true);
    write_pair("wild.pem", &wild, &authority, true);
    write_pair("ca.pem", &authority, NULL, false);
    visitor = new_visitor();
    return 0;
}

static int free_files(void **state) {
    struct pair *all[] = {&authority, &site, &other, &wild, &by_rsa, &person, &stranger};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        free_pair(all[i]);
    SSL_CTX_free(visitor);
    remove_folder();
    return 0;
}

/* With all four certificates, and their files' names. */
static const char *const *four(void) {
    static const char *paths[4];
    static char texts[4][128];
    static const char *const names[] = {"site.pem", "rsa.pem", "other.pem", "wild.pem"};

    for (size_t i = 0; i < 4; i++) {
        snprintf(texts[i], sizeof(texts[i]), "%s", in_folder(names[i]));
        paths[i] = texts[i];
    }
    return paths;
}

static struct tls_server_settings plain(void) {
    return settings_for(four(), 4);
}

/* In our order, both versions: 1.3 goes first (ssl(7)). */
static void test_suites_are_those_of_the_record_layer(void **state) {
    const struct tls_server_settings settings = plain();
    SSL_CTX *ctx = context_of(&settings);
    STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(ctx);
    const struct tls_suite *suite;
    size_t n = 0;

    (void)state;
    for (; (suite = tls_suite_at(n)) != NULL; n++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, (int)n);

        assert_non_null(cipher);
        assert_int_equal(SSL_CIPHER_get_protocol_id(cipher), suite->id);
        assert_string_equal(SSL_CIPHER_get_name(cipher), suite->openssl);
        assert_string_equal(SSL_CIPHER_standard_name(cipher), suite->name);
        assert_string_equal(SSL_CIPHER_get_version(cipher), tls_version_name(suite->version));
    }
    assert_int_equal(sk_SSL_CIPHER_num(ciphers), n);
    SSL_CTX_free(ctx);
}

static void test_certificate_by_name(void **state) {
    static const struct {
        const char *name, *common;
    } cases[] = {
        {"www.site.example", "site"},
        {"WWW.SITE.EXAMPLE", "site"},
        {"site.example", "site"},
        {"other.example", "other"},
        {"a.wild.example", "wild"},
        {"b.a.wild.example", "site"},
        {"wild.example", "site"},
        {"unknown.example", "site"},
        {NULL, "site"},
        {"a.other.example", "site"},
        {"x", "site"},
    };
    const struct tls_server_settings settings = plain();
    SSL_CTX *ctx = context_of(&settings);

    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            struct visit visit = {.name = cases[i].name, .version = version};

            meet(visitor, ctx, &visit);
            assert_true(visit.good);
            assert_string_equal(visit.common, cases[i].common);
            end_visit(&visit);
        }
    SSL_CTX_free(ctx);
}

static void test_a_client_gets_the_key_it_can_verify(void **state) {
    const struct tls_server_settings settings = plain();
    SSL_CTX *ctx = context_of(&settings);
    struct visit old = {.name = "www.site.example",
                        .version = TLS1_2_VERSION,
                        .ciphers = "ECDHE-RSA-AES128-GCM-SHA256"},
                 none = {.name = "other.example",
                         .version = TLS1_2_VERSION,
                         .ciphers = "ECDHE-RSA-AES128-GCM-SHA256"};

    (void)state;
    meet(visitor, ctx, &old);
    assert_string_equal(old.common, "site by rsa");
    end_visit(&old);
    meet(visitor, ctx, &none); /* the first's RSA certificate is not other's */
    assert_false(none.good);
    SSL_CTX_free(ctx);
}

static void test_versions_suites_and_groups(void **state) {
    struct tls_server_settings settings = plain();
    struct visit old = {.version = TLS1_1_VERSION}, second = {.version = TLS1_2_VERSION},
                 weak = {.version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-SHA"},
                 group = {.groups = "P-384"};
    SSL_CTX *ctx = context_of(&settings);

    (void)state;
    meet(visitor, ctx, &weak);
    assert_false(weak.good);
    meet(visitor, ctx, &old);
    assert_false(old.good);
    SSL_CTX_free(ctx);
    settings.min_version = TLS_LEAST_1_3;
    settings.groups = "X25519";
    ctx = context_of(&settings);
    meet(visitor, ctx, &second);
    assert_int_equal(second.alert, SSL_AD_PROTOCOL_VERSION);
    meet(visitor, ctx, &group);
    assert_false(group.good);
    SSL_CTX_free(ctx);
}

static void test_protocols(void **state) {
    static const char *const ours[] = {"h2", "http/1.1"};
    struct tls_server_settings settings = plain();
    struct visit none = {0}, first = {.alpn = (const unsigned char *)"\x08http/1.1"},
                 alien = {.alpn = (const unsigned char *)"\x04spdy"}, plain_visit = first;
    SSL_CTX *ctx = context_of(&settings);

    (void)state;
    meet(visitor, ctx, &plain_visit); /* no answer */
    assert_true(plain_visit.good);
    assert_string_equal(plain_visit.protocol, "");
    end_visit(&plain_visit);
    SSL_CTX_free(ctx);
    settings.alpn = ours;
    settings.n_alpn = 2;
    ctx = context_of(&settings);
    meet(visitor, ctx, &none);
    assert_true(none.good);
    end_visit(&none);
    meet(visitor, ctx, &first);
    assert_string_equal(first.protocol, "http/1.1");
    end_visit(&first);
    meet(visitor, ctx, &alien);
    assert_false(alien.good);
    assert_int_equal(alien.alert, SSL_AD_NO_APPLICATION_PROTOCOL);
    SSL_CTX_free(ctx);
}

/* Whether a ticket that from gave for this name is taken by to for that one. */
static bool is_resumed(SSL_CTX *from, SSL_CTX *to, const char *name, const char *again,
                       int version) {
    struct visit first = {.name = name, .version = version, .own = &person};

    meet(visitor, from, &first);
    assert_true(first.good && first.ticket != NULL);
    SSL_SESSION_up_ref(first.ticket);
    struct visit second = {
        .name = again, .version = version, .session = first.ticket, .own = &person};
    meet(visitor, to, &second);
    assert_true(second.good);
    bool resumed = second.resumed;
    end_visit(&first);
    end_visit(&second);
    return resumed;
}

/* CVE-2025-23419: a ticket of one listener, or of one name, is worth nothing at another, though all
 * have the same keys. */
static void test_a_ticket_stays_where_it_was_given(void **state) {
    struct tls_server_settings settings = plain(), inner = plain(), few = plain();

    (void)state;
    inner.listener = "inner";
    few.n_certificates = 1;
    SSL_CTX *ctx = context_of(&settings), *same = context_of(&settings),
            *elsewhere = context_of(&inner), *fewer = context_of(&few);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        assert_true(is_resumed(ctx, same, "www.site.example", "www.site.example", version));
        assert_true(is_resumed(ctx, same, "a.wild.example", "a.wild.example", version));
        assert_false(is_resumed(ctx, same, "www.site.example", "other.example", version));
        assert_false(is_resumed(ctx, elsewhere, "www.site.example", "www.site.example", version));
        assert_false(is_resumed(ctx, fewer, "www.site.example", "www.site.example", version));
    }
    SSL_CTX_free(ctx);
    SSL_CTX_free(same);
    SSL_CTX_free(elsewhere);
    SSL_CTX_free(fewer);
}

static void test_no_tickets(void **state) {
    struct tls_server_settings settings = plain();

    (void)state;
    settings.tickets = false;
    SSL_CTX *ctx = context_of(&settings);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct visit visit = {.version = version};

        meet(visitor, ctx, &visit);
        assert_true(visit.good);
        assert_true(visit.ticket == NULL || !SSL_SESSION_has_ticket(visit.ticket));
        end_visit(&visit);
    }
    SSL_CTX_free(ctx);
}

static void test_clients_are_verified(void **state) {
    struct tls_server_settings settings = plain();
    const char *ca = in_folder("ca.pem");

    (void)state;
    settings.ca = ca;
    for (int mode = TLS_VERIFY_OPTIONAL; mode <= TLS_VERIFY_REQUIRED; mode++) {
        settings.verify_client = mode;
        SSL_CTX *ctx = context_of(&settings);
        struct visit with = {.own = &person}, without = {0}, alien = {.own = &stranger};

        meet(visitor, ctx, &with);
        assert_true(with.good && with.peer != NULL);
        end_visit(&with);
        meet(visitor, ctx, &without);
        assert_true(without.good == (mode == TLS_VERIFY_OPTIONAL));
        end_visit(&without);
        meet(visitor, ctx, &alien);
        assert_false(alien.good);
        SSL_CTX_free(ctx);
    }
}

/* A ticket from when none was wanted does not stand in for a certificate. */
static void check_is_no_certificate(int verified_before) {
    struct tls_server_settings open = plain(), closed = plain();
    char ca[128];

    snprintf(ca, sizeof(ca), "%s", in_folder("ca.pem"));
    open.verify_client = verified_before;
    open.ca = verified_before == TLS_VERIFY_OFF ? "" : ca;
    closed.verify_client = TLS_VERIFY_REQUIRED;
    closed.ca = ca;
    SSL_CTX *before = context_of(&open), *after = context_of(&closed);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct visit first = {.version = version};

        meet(visitor, before, &first);
        assert_true(first.good);
        SSL_SESSION_up_ref(first.ticket);
        struct visit second = {.version = version, .session = first.ticket};
        meet(visitor, after, &second);
        assert_false(second.good);
        end_visit(&first);
        end_visit(&second);
        assert_true(is_resumed(after, after, NULL, NULL, version));
    }
    SSL_CTX_free(before);
    SSL_CTX_free(after);
}

static void test_a_ticket_is_no_certificate(void **state) {
    (void)state;
    check_is_no_certificate(TLS_VERIFY_OFF);
    check_is_no_certificate(TLS_VERIFY_OPTIONAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suites_are_those_of_the_record_layer),
        cmocka_unit_test(test_certificate_by_name),
        cmocka_unit_test(test_a_client_gets_the_key_it_can_verify),
        cmocka_unit_test(test_versions_suites_and_groups),
        cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_a_ticket_stays_where_it_was_given),
        cmocka_unit_test(test_no_tickets),
        cmocka_unit_test(test_clients_are_verified),
        cmocka_unit_test(test_a_ticket_is_no_certificate),
    };

    return cmocka_run_group_tests(tests, make_files, free_files);
}
