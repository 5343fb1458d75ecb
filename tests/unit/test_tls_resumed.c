/* Sessions that are resumed: by which keys, and no longer than what was verified for them lasts. */
#include "tls_fixture.h"

#include <time.h>

#include "tls/server.h"
#include "tls/tickets.h"

#define HOUR 3600

static struct pair authority, site, person;
static SSL_CTX *visitor;
static time_t ahead; /* of the clock of this process, libcrypto's included */

time_t time(time_t *ret) {
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (ret != NULL)
        *ret = now.tv_sec + ahead;
    return now.tv_sec + ahead;
}

static int make_files(void **state) {
    (void)state;
    make_folder();
    authority = make_pair("Authority", NULL, NULL, false, 900);
    site = make_pair("site", "DNS:site.example", &authority, false, 90);
    person = make_pair("person", "", &authority, false, 90);
    write_pair("site.pem", &site, &authority, true);
    write_pair("ca.pem", &authority, NULL, false);
    visitor = new_visitor();
    return 0;
}

static int free_files(void **state) {
    (void)state;
    free_pair(&authority);
    free_pair(&site);
    free_pair(&person);
    SSL_CTX_free(visitor);
    remove_folder();
    return 0;
}

static int reset_clock(void **state) {
    (void)state;
    ahead = 0;
    return 0;
}

static struct tls_server_settings plain_site(void) {
    static char path[128];
    static const char *const paths[] = {path};

    snprintf(path, sizeof(path), "%s", in_folder("site.pem"));
    return settings_for(paths, 1);
}

enum outcome { REFUSED, FULL, RESUMED, RENEWED };

static bool have_same_ticket(const SSL_SESSION *a, const SSL_SESSION *b) {
    const unsigned char *ticket_a, *ticket_b;
    size_t n_a, n_b;

    SSL_SESSION_get0_ticket(a, &ticket_a, &n_a);
    SSL_SESSION_get0_ticket(b, &ticket_b, &n_b);
    return n_a == n_b && memcmp(ticket_a, ticket_b, n_a) == 0;
}

/* Comes with *session, and has the next one in its place. */
static enum outcome come(SSL_CTX *to, int version, const struct pair *own, SSL_SESSION **session) {
    struct visit visit = {.version = version, .own = own, .session = *session};
    SSL_SESSION *before = *session;

    if (before != NULL)
        SSL_SESSION_up_ref(before);
    meet(visitor, to, &visit);
    enum outcome outcome = !visit.good                              ? REFUSED
                           : !visit.resumed                         ? FULL
                           : have_same_ticket(before, visit.ticket) ? RESUMED
                                                                    : RENEWED;
    *session = visit.ticket;
    if (*session != NULL)
        SSL_SESSION_up_ref(*session);
    SSL_SESSION_free(before);
    end_visit(&visit);
    return outcome;
}

static void write_keys(int first) {
    FILE *out = fopen(in_folder("tickets.keys"), "w");
    unsigned char bytes[80], text[128];

    assert_non_null(out);
    for (int i = first; i < first + 3; i++) {
        memset(bytes, i, sizeof(bytes));
        EVP_EncodeBlock(text, bytes, sizeof(bytes));
        fprintf(out, "%s\n", text);
    }
    assert_int_equal(fclose(out), 0);
}

/* What one encrypts is known to another that has read one key more, or one less. */
static void test_machines_that_share_a_file(void **state) {
    struct tls_server_settings settings = plain_site();
    char path[128];
    SSL_CTX *ctx[3];

    (void)state;
    snprintf(path, sizeof(path), "%s", in_folder("tickets.keys"));
    settings.ticket_keys = path;
    for (int i = 0; i < 3; i++) {
        write_keys((int[]){1, 2, 5}[i]);
        ctx[i] = context_of(&settings);
    }
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_SESSION *session = NULL;

        assert_int_equal(come(ctx[0], version, NULL, &session), FULL);
        assert_int_equal(come(ctx[1], version, NULL, &session), RENEWED);
        assert_int_equal(come(ctx[0], version, NULL, &session), RENEWED);
        assert_int_equal(come(ctx[2], version, NULL, &session), FULL);
        assert_int_equal(come(ctx[0], version, NULL, &session), FULL);
        SSL_SESSION_free(session);
    }
    for (int i = 0; i < 3; i++)
        SSL_CTX_free(ctx[i]);
}

/* A ticket by an older key is renewed; of TLS 1.3 each is. */
static void test_tickets_are_renewed(void **state) {
    struct tls_server_settings settings = plain_site();
    struct ticket_keys memory = {0};
    SSL_CTX *ctx = context_of(&settings);

    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_SESSION *session = NULL;
        struct ticket_key key;

        memset(&memory, 0, sizeof(memory));
        ahead = 0;
        tickets_begin(&memory);
        assert_true(tickets_get(time(NULL) - 11 * HOUR, &key));
        assert_int_equal(come(ctx, version, NULL, &session), FULL);
        SSL_SESSION *old = SSL_SESSION_dup(session); /* a client uses those of 1.3 once */
        assert_int_equal(come(ctx, version, NULL, &session),
                         version == TLS1_3_VERSION ? RENEWED : RESUMED);
        SSL_SESSION_free(session);
        session = old;
        ahead = HOUR;
        assert_int_equal(come(ctx, version, NULL, &session), RENEWED);
        assert_int_equal(memory.first, 2);
        assert_int_equal(come(ctx, version, NULL, &session),
                         version == TLS1_3_VERSION ? RENEWED : RESUMED);
        SSL_SESSION_free(session);
        tickets_end();
    }
    SSL_CTX_free(ctx);
}

/* In TLS 1.2 libssl goes on with the suite of the session. */
static void test_a_suite_that_was_taken_away(void **state) {
    struct tls_server_settings before = plain_site(), after = plain_site();

    (void)state;
    after.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305:TLS_AES_128_GCM_SHA256";
    SSL_CTX *old = context_of(&before), *new = context_of(&after);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_SESSION *session = NULL;

        assert_int_equal(come(old, version, NULL, &session), FULL);
        assert_int_equal(come(new, version, NULL, &session), FULL);
        SSL_SESSION_free(session);
    }
    SSL_CTX_free(old);
    SSL_CTX_free(new);
}

static void end_in_an_hour(struct pair *pair, const struct pair *by) {
    X509_gmtime_adj(X509_getm_notAfter(pair->certificate), HOUR);
    assert_true(X509_sign(pair->certificate, by->key, EVP_sha256()) > 0);
}

/* ended_certificate: resumed until the hour is over, by tickets that were made from tickets, too;
 * then the handshake is a whole one, and fails. */
static void assert_ends_in_an_hour(const struct tls_server_settings *settings,
                                   const struct pair *own) {
    SSL_CTX *ctx = context_of(settings);

    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_SESSION *session = NULL;

        ahead = 0;
        assert_int_equal(come(ctx, version, own, &session), FULL);
        for (ahead = HOUR / 2; ahead < HOUR - 60; ahead += HOUR / 10)
            assert_true(come(ctx, version, own, &session) >= RESUMED);
        ahead = HOUR + 1;
        assert_int_equal(come(ctx, version, own, &session), REFUSED);
        SSL_SESSION_free(session);
    }
    SSL_CTX_free(ctx);
}

static struct tls_server_settings verifying(const char *ca, const char *crl) {
    static char texts[2][128];
    struct tls_server_settings settings = plain_site();

    snprintf(texts[0], sizeof(texts[0]), "%s", in_folder(ca));
    settings.ca = texts[0];
    snprintf(texts[1], sizeof(texts[1]), "%s", in_folder(crl != NULL ? crl : ""));
    settings.crl = crl != NULL ? texts[1] : "";
    settings.verify_client = TLS_VERIFY_REQUIRED;
    return settings;
}

static void test_a_client_certificate_that_has_expired(void **state) {
    struct tls_server_settings settings = verifying("ca.pem", NULL);
    struct pair brief = make_pair("brief", "", &authority, false, 90);

    (void)state;
    end_in_an_hour(&brief, &authority);
    assert_ends_in_an_hour(&settings, &brief);
    free_pair(&brief);
}

static void test_an_authority_that_has_expired(void **state) {
    struct tls_server_settings settings = verifying("brief.pem", NULL);
    struct pair brief = make_pair("Brief", NULL, NULL, false, 90);
    struct pair client = make_pair("client", "", &brief, false, 90);

    (void)state;
    end_in_an_hour(&brief, &brief);
    write_pair("brief.pem", &brief, NULL, false);
    assert_ends_in_an_hour(&settings, &client);
    free_pair(&client);
    free_pair(&brief);
}

static void test_a_list_of_revoked_ones_that_has_expired(void **state) {
    struct tls_server_settings settings = verifying("ca.pem", "crl.pem");
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *moment = ASN1_TIME_new();
    FILE *out = fopen(in_folder("crl.pem"), "w");

    (void)state;
    assert_non_null(out);
    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(authority.certificate));
    X509_gmtime_adj(moment, -HOUR);
    X509_CRL_set1_lastUpdate(crl, moment);
    X509_gmtime_adj(moment, HOUR);
    X509_CRL_set1_nextUpdate(crl, moment);
    assert_true(X509_CRL_sign(crl, authority.key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_X509_CRL(out, crl), 1);
    assert_int_equal(fclose(out), 0);
    ASN1_TIME_free(moment);
    X509_CRL_free(crl);
    assert_ends_in_an_hour(&settings, &person);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machines_that_share_a_file),
        cmocka_unit_test_teardown(test_tickets_are_renewed, reset_clock),
        cmocka_unit_test(test_a_suite_that_was_taken_away),
        cmocka_unit_test_teardown(test_a_client_certificate_that_has_expired, reset_clock),
        cmocka_unit_test_teardown(test_an_authority_that_has_expired, reset_clock),
        cmocka_unit_test_teardown(test_a_list_of_revoked_ones_that_has_expired, reset_clock),
    };

    return cmocka_run_group_tests(tests, make_files, free_files);
}
