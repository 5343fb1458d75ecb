/* Files of an upstream's tls section that change while they are in use. */
#include "tls_fixture.h"

#include <sched.h>
#include <sys/stat.h>

#include "base/log_tap.h"
#include "config/load.h"
#include "relay/renewal.h"
#include "tls/client.h"

static struct pair first_ca, second_ca, site, old, fresh;
static struct tls_client *client;

/* Beside it and in its place, as tools do it: it is another file. */
static void replace(const char *name, const struct pair *pair, const struct pair *issuer) {
    write_pair("new", pair, issuer, false);
    assert_int_equal(rename(in_folder("new"), in_folder(name)), 0);
}

static void write_key(const char *name, const struct pair *pair) {
    FILE *out = fopen(in_folder("new"), "w");

    assert_non_null(out);
    assert_int_equal(PEM_write_PrivateKey(out, pair->key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(rename(in_folder("new"), in_folder(name)), 0);
}

static struct tls_client_settings settings_of_test(void) {
    return (struct tls_client_settings){.verify = true,
                                        .ca = in_folder("ca.pem"),
                                        .name = "",
                                        .certificate = in_folder("own.crt"),
                                        .key = ""};
}

static int make_client(void **state) {
    (void)state;
    make_folder();
    first_ca = make_pair("First CA", NULL, NULL, false, 900);
    second_ca = make_pair("Second CA", NULL, NULL, false, 900);
    site = make_pair("site", "DNS:app.example", &second_ca, false, 90);
    old = make_pair("old", "", &first_ca, false, 90);
    fresh =
        make_pair("fresh", "", &first_ca, false, 11); /* less than a third of its life is left */
    X509_gmtime_adj(X509_getm_notBefore(fresh.certificate), -30 * 86400L);
    X509_sign(fresh.certificate, first_ca.key, EVP_sha256());
    write_pair("ca.pem", &first_ca, NULL, false);
    write_pair("own.crt", &old, &first_ca, false);
    write_key("own.key", &old);
    const struct tls_client_settings settings = settings_of_test();
    client = tls_client_new(&settings, on_problem, NULL);
    assert_non_null(client);
    return 0;
}

static int free_client_of_test(void **state) {
    struct pair *all[] = {&first_ca, &second_ca, &site, &old, &fresh};

    (void)state;
    tls_client_unref(client);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        free_pair(all[i]);
    remove_folder();
    return 0;
}

/* That of this moment. */
static SSL_CTX *take_context(struct tls_client *of) {
    SSL *ssl = tls_client_open(of, "app.example");

    assert_non_null(ssl);
    SSL_CTX *ctx = SSL_get_SSL_CTX(ssl);
    assert_int_equal(SSL_CTX_up_ref(ctx), 1);
    SSL_free(ssl);
    return ctx;
}

static char news[256], *said; /* what is fresh, each with a space behind; what is wrong */

static void note_fresh(void *arg, const struct tls_facts *facts) {
    (void)arg;
    assert_int_equal(facts->n_names, 0);
    strcat(strcat(news, facts->subject), " ");
}

static void note_file(void *arg, const char *option, const char *file) {
    (void)arg;
    assert_int_equal(access(file, F_OK), 0);
    strcat(strcat(news, option), " ");
}

static void check_look(enum tls_look expected, const char *fresh_ones, const char *told) {
    const struct tls_look_calls calls = {note_fresh, note_file, on_problem, &said};

    news[0] = '\0';
    assert_int_equal(tls_client_look(client, &calls), expected);
    assert_string_equal(news, fresh_ones);
    if (told == NULL)
        assert_null(said);
    else
        assert_non_null(said != NULL ? strstr(said, told) : NULL);
    free(said);
    said = NULL;
}

static int accept_all(int good, X509_STORE_CTX *store) {
    (void)good, (void)store;
    return 1;
}

/* Whether it trusts the site, whose authority is the second, and what it shows there. */
static void check_shows(bool trusts, const char *common) {
    SSL_CTX *from = take_context(client), *to = SSL_CTX_new(TLS_server_method());
    struct visit visit = {.name = "app.example"};
    char name[64] = "";

    assert_true(SSL_CTX_use_certificate(to, site.certificate) &&
                SSL_CTX_use_PrivateKey(to, site.key));
    SSL_CTX_set_verify(to, SSL_VERIFY_PEER, accept_all);
    meet(from, to, &visit);
    assert_int_equal(visit.good, trusts);
    if (trusts) {
        assert_non_null(visit.peer);
        X509_NAME_get_text_by_NID(X509_get_subject_name(visit.peer), NID_commonName, name,
                                  sizeof(name));
        assert_string_equal(name, common);
    }
    end_visit(&visit);
    SSL_CTX_free(from);
    SSL_CTX_free(to);
}

static void test_authorities_that_change(void **state) {
    SSL_CTX *before = take_context(client);

    (void)state;
    check_look(TLS_LOOK_SAME, "", NULL);
    check_shows(false, NULL);
    replace("ca.pem", &second_ca, NULL);
    check_look(TLS_LOOK_TAKEN, "ca ", NULL);
    check_look(TLS_LOOK_SAME, "", NULL);
    check_shows(true, "old");
    SSL_CTX *after = take_context(client);
    assert_ptr_not_equal(before, after); /* connections of before keep theirs */
    SSL_CTX_free(before);
    SSL_CTX_free(after);
}

/* The certificate first, then its key. Told is what stays so for two looks, once. */
static void test_a_pair_of_its_own_is_taken_whole(void **state) {
    (void)state;
    replace("own.crt", &fresh, &first_ca);
    check_look(TLS_LOOK_WAITS, "", NULL);
    check_shows(true, "old");
    check_look(TLS_LOOK_WAITS, "", "certificate: ");
    check_look(TLS_LOOK_WAITS, "", NULL);
    write_key("own.key", &fresh);
    check_look(TLS_LOOK_TAKEN, "fresh ", NULL);
    check_look(TLS_LOOK_SAME, "", NULL);
    check_shows(true, "fresh");
}

/* A bad one leaves all, and does not keep the other from being taken. */
static void test_what_is_bad_keeps_the_old(void **state) {
    (void)state;
    assert_int_equal(truncate(in_folder("ca.pem"), 40), 0);
    check_look(TLS_LOOK_WAITS, "", NULL);
    check_look(TLS_LOOK_WAITS, "", "ca: ");
    check_look(TLS_LOOK_WAITS, "", NULL);
    check_shows(true, "fresh");
    replace("own.crt", &old, &first_ca);
    write_key("own.key", &old);
    check_look(TLS_LOOK_TAKEN, "old ", NULL);
    check_shows(true, "old");
    replace("own.crt", &fresh, &first_ca);
    write_key("own.key", &fresh);
    check_look(TLS_LOOK_TAKEN, "fresh ", NULL);
    unlink(in_folder("own.key"));
    replace("ca.pem", &second_ca, NULL);
    check_look(TLS_LOOK_TAKEN, "ca ", NULL);
    check_look(TLS_LOOK_WAITS, "", "its key is missing");
    check_shows(true, "fresh");
    write_key("own.key", &fresh);
    check_look(TLS_LOOK_TAKEN, "fresh ", NULL);
}

/* As update-ca-certificates(8) changes the folder, whose files libssl looks up one by one. */
static void test_authorities_of_this_machine(void **state) {
    struct tls_client_settings settings = settings_of_test();
    struct tls_client *before = client;

    (void)state;
    assert_int_equal(mkdir(in_folder("certs"), 0700), 0);
    setenv("SSL_CERT_FILE", in_folder("ca.pem"), 1);
    setenv("SSL_CERT_DIR", in_folder("certs"), 1);
    settings.ca = settings.certificate = "";
    client = tls_client_new(&settings, on_problem, NULL);
    assert_non_null(client);
    check_look(TLS_LOOK_SAME, "", NULL);
    replace("ca.pem", &first_ca, NULL);
    check_look(TLS_LOOK_TAKEN, "ca ", NULL);
    check_shows(false, NULL);
    replace("certs/one.pem", &second_ca, NULL);
    check_look(TLS_LOOK_TAKEN, "ca ", NULL);
    check_look(TLS_LOOK_SAME, "", NULL);
    tls_client_unref(client);
    client = before;
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
    replace("ca.pem", &second_ca, NULL);
    check_look(TLS_LOOK_TAKEN, "ca ", NULL);
}

static void fail_of_config(void *arg, const char *message) {
    (void)arg;
    fail_msg("%s", message);
}

static void check_told(const char *text) {
    char *kept = log_tap_kept(NULL);

    assert_non_null(kept);
    if (strstr(kept, text) == NULL)
        fail_msg("%s is not in %s", text, kept);
    free(kept);
}

/* The thread itself, with an upstream alone: what it takes, and what it says. */
static void test_the_thread_takes_and_tells(void **state) {
    struct renewal renewal = {0};
    char text[1024];

    (void)state;
    snprintf(text, sizeof(text),
             "listener web { address = 1 upstream = app }\n"
             "upstream app { server a { address = 127.0.0.1:2 }\n"
             "    tls { name = app.example ca = \"%s\" certificate = \"%s\" } }\n",
             in_folder("ca.pem"), in_folder("own.crt"));
    struct config *config = config_load_buffer("f", text, strlen(text), fail_of_config, NULL);
    struct tls_client *own = config->upstreams[0].tls.client;
    SSL_CTX *before = take_context(own), *now;
    renewal_use(&renewal, config, 1);
    assert_true(renewal.thread.running);
    replace("ca.pem", &first_ca, NULL);
    do {
        sched_yield();
        now = take_context(own);
        SSL_CTX_free(now);
    } while (now == before);
    SSL_CTX_free(before);
    renewal_stop(&renewal);
    config_unref(config);
    check_told("Upstream app: the certificate of fresh (");
    check_told(") ends in ");
    check_told("Upstream app: a changed file is in force: ca: ");
    check_told("\"upstream\":\"app\"");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_authorities_that_change),
        cmocka_unit_test(test_a_pair_of_its_own_is_taken_whole),
        cmocka_unit_test(test_what_is_bad_keeps_the_old),
        cmocka_unit_test(test_authorities_of_this_machine),
        cmocka_unit_test(test_the_thread_takes_and_tells),
    };

    return cmocka_run_group_tests(tests, make_client, free_client_of_test);
}
