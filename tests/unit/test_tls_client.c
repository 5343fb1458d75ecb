/* TLS to servers: whose certificate is taken, and why not, in words. */
#include "tls_fixture.h"

#include "base/escape.h"
#include "tls/certificate_facts.h"
#include "tls/client.h"
#include "tls/handshake.h"

static struct pair authority, site, late, early, alone, by_ip, own, odd, stranger, strange;

static int make_pairs(void **state) {
    (void)state;
    make_folder();
    authority = make_pair("Authority", NULL, NULL, false, 900);
    site = make_pair("site", "DNS:app.example,DNS:*.app.example", &authority, false, 90);
    late = make_pair("late", "DNS:app.example", &authority, false, 0);
    early = make_pair("early", "DNS:app.example", &authority, false, 90);
    X509_gmtime_adj(X509_getm_notBefore(early.certificate), 86400);
    X509_sign(early.certificate, authority.key, EVP_sha256());
    alone = make_pair("alone", "DNS:app.example", NULL, false, 90);
    by_ip = make_pair("by ip", "IP:192.0.2.7,IP:2001:db8::7", &authority, false, 90);
    own = make_pair("own", "", &authority, false, 90);
    odd = make_pair("odd", "DNS:w\xfcrst.example", &authority, false, 90);
    stranger = make_pair("M\xfcller", NULL, NULL, false, 900);
    strange = make_pair("strange", "DNS:app.example", &stranger, false, 90);
    write_pair("ca.pem", &authority, NULL, false);
    write_pair("alone.pem", &alone, NULL, false);
    write_pair("own.pem", &own, NULL, true);
    return 0;
}

static int free_pairs(void **state) {
    struct pair *all[] = {&authority, &site, &late, &early,    &alone,
                          &by_ip,     &own,  &odd,  &stranger, &strange};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        free_pair(all[i]);
    remove_folder();
    return 0;
}

/* What came of a handshake. */
struct met {
    bool good;
    char why[TLS_WHY_MAX];
    char sni[64];
    bool has_own;
};

static int accept_any(int good, X509_STORE_CTX *store) {
    (void)good, (void)store;
    return 1;
}

/* However short it is cut. */
static void check_utf8(const SSL *ssl) {
    char why[TLS_WHY_MAX], shown[4 * TLS_WHY_MAX];

    for (size_t size = 1; size <= sizeof(why); size++)
        if (tls_client_why(ssl, why, size))
            assert_string_equal(
                escape_text(why, strlen(why), ESCAPE_UNPRINTABLE, shown, sizeof(shown)), why);
}

static struct met meet_server(const struct tls_client_settings *settings, const struct pair *pair,
                              const char *host) {
    struct tls_client *client = tls_client_new(settings, on_problem, NULL);
    SSL_CTX *to = SSL_CTX_new(TLS_server_method());
    SSL *here = tls_client_open(client, host), *there = SSL_new(to);
    struct met met = {0};
    int a = 0, b = 0;

    assert_true(SSL_use_certificate(there, pair->certificate) &&
                SSL_use_PrivateKey(there, pair->key));
    SSL_set_verify(there, SSL_VERIFY_PEER, accept_any);
    assert_non_null(here);
    SSL_set_accept_state(there);
    connect_memory(here, there);
    for (int i = 0; i < 10 && (a != 1 || b != 1); i++) {
        a = SSL_do_handshake(here);
        b = SSL_do_handshake(there);
    }
    met.good = a == 1 && b == 1;
    const char *sni = SSL_get_servername(there, TLSEXT_NAMETYPE_host_name);
    snprintf(met.sni, sizeof(met.sni), "%s", sni != NULL ? sni : "");
    assert_true(tls_client_why(here, met.why, sizeof(met.why)) != met.good);
    check_utf8(here);
    X509 *got = SSL_get1_peer_certificate(there);
    met.has_own = got != NULL;
    X509_free(got);
    SSL_free(here);
    SSL_free(there);
    SSL_CTX_free(to);
    tls_client_unref(client);
    ERR_clear_error();
    return met;
}

static struct tls_client_settings trusting(const char *file) {
    static char path[128];

    snprintf(path, sizeof(path), "%s", file != NULL ? in_folder(file) : "");
    return (struct tls_client_settings){
        .verify = true, .ca = path, .name = "", .certificate = "", .key = ""};
}

static void check_refused(const struct met *met, const char *why) {
    assert_false(met->good);
    if (strstr(met->why, why) == NULL)
        fail_msg("%s", met->why);
}

static void test_a_name_that_fits(void **state) {
    const struct tls_client_settings settings = trusting("ca.pem");
    struct met met = meet_server(&settings, &site, "app.example");

    (void)state;
    assert_true(met.good);
    assert_string_equal(met.sni, "app.example");
    met = meet_server(&settings, &site, "b.app.example.");
    assert_true(met.good);
    assert_string_equal(met.sni, "b.app.example");
}

static void test_a_name_of_its_own(void **state) {
    struct tls_client_settings settings = trusting("ca.pem");
    struct met met = meet_server(&settings, &site, "10.0.0.1");

    (void)state;
    check_refused(&met, "its certificate is for app.example, *.app.example, not for 10.0.0.1; if");
    assert_string_equal(met.sni, "");
    settings.name = "app.example";
    met = meet_server(&settings, &site, "10.0.0.1");
    assert_true(met.good);
    assert_string_equal(met.sni, "app.example");
}

static void test_an_address(void **state) {
    const struct tls_client_settings settings = trusting("ca.pem");

    (void)state;
    assert_true(meet_server(&settings, &by_ip, "192.0.2.7").good);
    assert_true(meet_server(&settings, &by_ip, "2001:db8:0::7").good);
    struct met met = meet_server(&settings, &by_ip, "192.0.2.8");
    check_refused(&met, "its certificate is for 192.0.2.7, 2001:db8::7, not for 192.0.2.8");
}

static void test_why_not(void **state) {
    struct tls_client_settings settings = trusting("ca.pem");
    struct met met = meet_server(&settings, &site, "other.example");

    (void)state;
    check_refused(&met, "its certificate is for app.example, *.app.example, not for other.example");
    met = meet_server(&settings, &late, "app.example");
    check_refused(&met, "its certificate has expired on 2");
    met = meet_server(&settings, &early, "app.example");
    check_refused(&met, "its certificate is valid from 2");
    met = meet_server(&settings, &alone, "app.example");
    check_refused(&met, "is signed by itself, and nobody vouches for it; name it as ca =");
    settings = trusting("alone.pem");
    assert_true(meet_server(&settings, &alone, "app.example").good);
    met = meet_server(&settings, &site, "app.example");
    check_refused(&met, "the authority \"Authority\" is not trusted");
    settings = trusting(NULL);
    met = meet_server(&settings, &site, "app.example");
    check_refused(&met, "the authority \"Authority\" is not trusted");
}

/* What is told goes into JSON, whatever the server has put into its certificate. */
static void test_names_that_are_no_utf8(void **state) {
    struct tls_client_settings settings = trusting("ca.pem");
    struct met met = meet_server(&settings, &odd, "app.example");

    (void)state;
    check_refused(&met, "its certificate is for w\\xfcrst.example, not for app.example");
    met = meet_server(&settings, &strange, "app.example");
    check_refused(&met, "the authority \"M\xc3\xbcller\" is not trusted");
}

static void check_said(int kind, const char *bytes, int n, const char *said) {
    X509_NAME *name = X509_NAME_new();

    assert_int_equal(X509_NAME_add_entry_by_NID(name, NID_commonName, kind,
                                                (const unsigned char *)bytes, n, -1, 0),
                     1);
    assert_int_equal(X509_NAME_add_entry_by_NID(name, NID_organizationName, MBSTRING_UTF8,
                                                (const unsigned char *)"Ex\xc3\xa4mple", -1, -1, 0),
                     1);
    char *text = certificate_say_name(name);
    assert_string_equal(text, said);
    assert_int_equal(ERR_peek_error(), 0);
    free(text);
    X509_NAME_free(name);
}

static void test_names_for_people(void **state) {
    (void)state;
    check_said(V_ASN1_T61STRING, "M\xfcller", 6, "M\xc3\xbcller (Ex\xc3\xa4mple)");
    check_said(V_ASN1_BMPSTRING, "\0M\0\xfc", 4, "M\xc3\xbc (Ex\xc3\xa4mple)");
    check_said(V_ASN1_UTF8STRING, "M\xfcller", 6, "M\\xfcller (Ex\xc3\xa4mple)");
    check_said(V_ASN1_UTF8STRING, "a\nb\0c", 5, "a\\x0ab\\x00c (Ex\xc3\xa4mple)");
}

static void test_not_verified(void **state) {
    struct tls_client_settings settings = trusting(NULL);

    (void)state;
    settings.verify = false;
    struct met met = meet_server(&settings, &alone, "other.example");
    assert_true(met.good);
    assert_string_equal(met.sni, "other.example");
}

static void test_a_certificate_of_its_own(void **state) {
    struct tls_client_settings settings = trusting("ca.pem");
    const char *path = in_folder("own.pem");

    (void)state;
    assert_false(meet_server(&settings, &site, "app.example").has_own);
    settings.certificate = path;
    assert_true(meet_server(&settings, &site, "app.example").has_own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_name_that_fits),
        cmocka_unit_test(test_a_name_of_its_own),
        cmocka_unit_test(test_an_address),
        cmocka_unit_test(test_why_not),
        cmocka_unit_test(test_names_that_are_no_utf8),
        cmocka_unit_test(test_names_for_people),
        cmocka_unit_test(test_not_verified),
        cmocka_unit_test(test_a_certificate_of_its_own),
    };

    return cmocka_run_group_tests(tests, make_pairs, free_pairs);
}
