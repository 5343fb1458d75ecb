/* Files of certificates that change while they are in use, and when their end is told. */
#include "tls_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "relay/renewal.h"
#include "tls/server.h"

static struct pair authority, old, fresh;
static struct tls_server *server;
static const char *paths[1];
static char path[128], keys_path[128];

static void write_ticket_keys(char fill) {
    char line[109];
    FILE *out = fopen(keys_path, "w");

    memset(line, fill, 107);
    strcpy(line + 107, "=");
    assert_non_null(out);
    fprintf(out, "%s\n%s\n%s\n", line, line, line);
    assert_int_equal(fclose(out), 0);
}

static int make_server(void **state) {
    struct tls_server_settings settings = settings_for(paths, 1);

    (void)state;
    make_folder();
    snprintf(keys_path, sizeof(keys_path), "%s", in_folder("tickets.keys"));
    write_ticket_keys('A');
    settings.ticket_keys = keys_path;
    authority = make_pair("Authority", NULL, NULL, false, 900);
    old = make_pair("old", "DNS:www.example", &authority, false, 90);
    fresh = make_pair("fresh", "DNS:www.example", &authority, false, 90);
    write_pair("site.pem", &old, &authority, true);
    write_pair("second.pem", &old, &authority, true);
    snprintf(path, sizeof(path), "%s", folder);
    paths[0] = path; /* the folder */
    server = tls_server_new(&settings, on_problem, NULL);
    assert_non_null(server);
    return 0;
}

static int free_server_of_test(void **state) {
    (void)state;
    tls_server_unref(server);
    free_pair(&authority);
    free_pair(&old);
    free_pair(&fresh);
    remove_folder();
    return 0;
}

/* Two marks in the same moment would be one. */
static void make_older(const char *name) {
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

    assert_int_equal(utimensat(AT_FDCWD, in_folder(name), times, 0), 0);
}

static int n_fresh;
static char new_files[256]; /* their options, each with a space behind */

static void count_one(void *arg, const struct tls_facts *facts) {
    (void)arg;
    assert_int_equal(facts->n_names, 1);
    assert_string_equal(facts->names[0], "www.example");
    n_fresh++;
}

static void count_file(void *arg, const char *option, const char *file) {
    (void)arg;
    assert_int_equal(access(file, R_OK), 0);
    strcat(strcat(new_files, option), " ");
}

static void check_look(enum tls_look expected, int fresh_ones, const char *told) {
    char *said = NULL;

    n_fresh = 0;
    new_files[0] = '\0';
    const struct tls_look_calls calls = {count_one, count_file, on_problem, &said};

    assert_int_equal(tls_server_look(server, &calls), expected);
    assert_int_equal(n_fresh, fresh_ones);
    if (told == NULL)
        assert_null(said);
    else
        assert_non_null(said != NULL ? strstr(said, told) : NULL);
    free(said);
}

static void check_serves(const char *name, const char *common) {
    SSL_CTX *ctx = tls_server_context(server), *visitor = new_visitor();
    struct visit visit = {.name = name};

    meet(visitor, ctx, &visit);
    assert_true(visit.good);
    assert_string_equal(visit.common, common);
    end_visit(&visit);
    SSL_CTX_free(ctx);
    SSL_CTX_free(visitor);
}

static void test_nothing_has_changed(void **state) {
    (void)state;
    check_look(TLS_LOOK_SAME, 0, NULL);
}

static void test_a_renewed_one_is_taken(void **state) {
    (void)state;
    make_older("site.pem");
    write_pair("site.pem", &fresh, &authority, true);
    unlink(in_folder("second.pem"));
    check_look(TLS_LOOK_TAKEN, 1, NULL);
    check_look(TLS_LOOK_SAME, 0, NULL);
    check_serves("www.example", "fresh");
}

/* Sessions go on for as long as a key is there. */
static void test_changed_keys_of_tickets_are_taken(void **state) {
    SSL_CTX *before = tls_server_context(server);

    (void)state;
    make_older("tickets.keys");
    check_look(TLS_LOOK_TAKEN, 0, NULL);
    assert_string_equal(new_files, "ticket_keys ");
    check_look(TLS_LOOK_SAME, 0, NULL);
    SSL_CTX *after = tls_server_context(server);
    assert_ptr_not_equal(before, after);
    SSL_CTX_free(before);
    assert_int_equal(truncate(keys_path, 150), 0);
    check_look(TLS_LOOK_WAITS, 0, NULL);
    check_look(TLS_LOOK_WAITS, 0, "ticket_keys: ");
    check_look(TLS_LOOK_WAITS, 0, NULL);
    before = tls_server_context(server);
    assert_ptr_equal(before, after); /* what is in force stays */
    SSL_CTX_free(before);
    SSL_CTX_free(after);
    write_ticket_keys('B');
    check_look(TLS_LOOK_TAKEN, 0, NULL);
}

/* Each waits for itself: certificates do not wait for a file that can be repaired any time. */
static void test_a_bad_file_keeps_no_certificate_from_being_taken(void **state) {
    (void)state;
    assert_int_equal(truncate(keys_path, 151), 0);
    write_pair("site.pem", &old, &authority, true);
    make_older("site.pem");
    check_look(TLS_LOOK_TAKEN, 1, NULL);
    assert_string_equal(new_files, "");
    check_serves("www.example", "old");
    check_look(TLS_LOOK_WAITS, 0, "ticket_keys: ");
    write_pair("site.pem", &fresh, &authority, true);
    check_look(TLS_LOOK_TAKEN, 1, NULL);
    check_serves("www.example", "fresh");
    write_ticket_keys('C');
    check_look(TLS_LOOK_TAKEN, 0, NULL);
    assert_string_equal(new_files, "ticket_keys ");
    check_look(TLS_LOOK_SAME, 0, NULL);
}

/* The same of who verifies clients; and what is bad of that leaves the other of the two, too. */
static void test_bad_authorities_keep_no_certificate_from_being_taken(void **state) {
    struct tls_server_settings settings = settings_for(paths, 1);
    struct tls_server *before = server;

    (void)state;
    settings.verify_client = TLS_VERIFY_OPTIONAL;
    settings.ca = in_folder("ca/one");
    assert_int_equal(mkdir(in_folder("ca"), 0700), 0);
    write_pair("ca/one", &authority, NULL, false);
    server = tls_server_new(&settings, on_problem, NULL);
    assert_non_null(server);
    assert_int_equal(truncate(in_folder("ca/one"), 40), 0);
    write_pair("site.pem", &old, &authority, true);
    make_older("site.pem");
    check_look(TLS_LOOK_TAKEN, 1, NULL);
    assert_string_equal(new_files, "");
    check_serves("www.example", "old");
    SSL_CTX *ctx = tls_server_context(server);
    assert_int_equal(sk_X509_NAME_num(SSL_CTX_get_client_CA_list(ctx)), 1);
    SSL_CTX_free(ctx);
    check_look(TLS_LOOK_WAITS, 0, "ca: ");
    write_pair("ca/one", &authority, NULL, false);
    check_look(TLS_LOOK_TAKEN, 0, NULL);
    assert_string_equal(new_files, "ca ");
    check_look(TLS_LOOK_SAME, 0, NULL);
    write_pair("site.pem", &fresh, &authority, true);
    tls_server_unref(server);
    server = before;
    check_look(TLS_LOOK_TAKEN, 1, NULL);
}

/* The first look says nothing, the second does, the third does not again; then it is mended. */
static void test_a_half_written_one_waits(void **state) {
    FILE *out = fopen(in_folder("site.pem"), "w");

    (void)state;
    assert_non_null(out);
    fputs("-----BEGIN CERTIFICATE-----\nMII", out);
    fclose(out);
    check_look(TLS_LOOK_WAITS, 0, NULL);
    check_serves("www.example", "fresh");
    check_look(TLS_LOOK_WAITS, 0, "certificate: ");
    check_look(TLS_LOOK_WAITS, 0, NULL);
    write_pair("site.pem", &old, &authority, true);
    check_look(TLS_LOOK_TAKEN, 1, NULL);
    check_serves("www.example", "old");
}

/* The certificate first, then its key: nothing is taken in between, but others are. */
static void test_a_pair_is_taken_whole(void **state) {
    FILE *key;

    (void)state;
    write_pair("pair.crt", &old, &authority, false);
    key = fopen(in_folder("pair.key"), "w");
    assert_int_equal(PEM_write_PrivateKey(key, old.key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(key);
    check_look(TLS_LOOK_TAKEN, 1, NULL);
    write_pair("pair.crt", &fresh, &authority, false);
    check_look(TLS_LOOK_WAITS, 0, NULL);
    write_pair("site.pem", &fresh, &authority, true); /* another goes on */
    check_look(TLS_LOOK_TAKEN, 1, "does not fit");
    check_look(TLS_LOOK_WAITS, 0, NULL);
    key = fopen(in_folder("pair.key"), "w");
    assert_int_equal(PEM_write_PrivateKey(key, fresh.key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(key);
    check_look(TLS_LOOK_TAKEN, 1, NULL);
    check_look(TLS_LOOK_SAME, 0, NULL);
}

/* A new file that is wrong, as one that relayd may not read, keeps no other from being renewed. */
static void test_a_new_one_that_is_bad_is_left_out(void **state) {
    (void)state;
    write_pair("another.crt", &old, &authority, false); /* its key is missing */
    check_look(TLS_LOOK_WAITS, 0, NULL);
    make_older("site.pem");
    write_pair("site.pem", &old, &authority, true);
    check_look(TLS_LOOK_TAKEN, 1, "its key is missing");
    check_look(TLS_LOOK_WAITS, 0, NULL);
    make_older("site.pem");
    write_pair("site.pem", &fresh, &authority, true);
    check_look(TLS_LOOK_TAKEN, 1, NULL);
    unlink(in_folder("another.crt"));
    check_look(TLS_LOOK_SAME, 0, NULL);
}

static void test_an_empty_folder_leaves_all(void **state) {
    (void)state;
    unlink(in_folder("site.pem"));
    unlink(in_folder("pair.crt"));
    check_look(TLS_LOOK_WAITS, 0, NULL);
    check_look(TLS_LOOK_WAITS, 0, "there is no certificate in this folder");
    check_serves("www.example", "fresh");
}

#define DAY 86400

/* Keys of tickets came with it: they count, and are told, once there are certificates again. */
static void test_what_came_with_an_empty_folder_is_taken_later(void **state) {
    (void)state;
    make_older("tickets.keys");
    check_look(TLS_LOOK_WAITS, 0, NULL);
    write_pair("site.pem", &fresh, &authority, true);
    check_look(TLS_LOOK_TAKEN, 1, NULL);
    assert_string_equal(new_files, "ticket_keys ");
    check_look(TLS_LOOK_SAME, 0, NULL);
}

static void test_when_an_end_is_told(void **state) {
    const int64_t begin = 1000 * DAY, end = 1090 * DAY;

    (void)state;
    assert_false(renewal_is_told(begin, end, 0, end - 31 * DAY)); /* more than a third is left */
    assert_true(renewal_is_told(begin, end, 0, end - 29 * DAY));  /* as found at the start */
    assert_true(renewal_is_told(begin, end, end - 30 * DAY - 60, end - 30 * DAY));
    assert_false(renewal_is_told(begin, end, end - 30 * DAY, end - 29 * DAY));
    assert_false(renewal_is_told(begin, end, end - 8 * DAY, end - 7 * DAY - 1));
    for (int day = 7; day >= 0; day--) {
        assert_true(renewal_is_told(begin, end, end - day * DAY - 60, end - day * DAY));
        assert_false(renewal_is_told(begin, end, end - day * DAY, end - day * DAY + 60));
    }
    /* six days long in all: a third is two */
    assert_false(renewal_is_told(end - 6 * DAY, end, 0, end - 3 * DAY));
    assert_true(renewal_is_told(end - 6 * DAY, end, end - 3 * DAY, end - 2 * DAY));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_has_changed),
        cmocka_unit_test(test_a_renewed_one_is_taken),
        cmocka_unit_test(test_changed_keys_of_tickets_are_taken),
        cmocka_unit_test(test_a_bad_file_keeps_no_certificate_from_being_taken),
        cmocka_unit_test(test_bad_authorities_keep_no_certificate_from_being_taken),
        cmocka_unit_test(test_a_half_written_one_waits),
        cmocka_unit_test(test_a_pair_is_taken_whole),
        cmocka_unit_test(test_a_new_one_that_is_bad_is_left_out),
        cmocka_unit_test(test_an_empty_folder_leaves_all),
        cmocka_unit_test(test_what_came_with_an_empty_folder_is_taken_later),
        cmocka_unit_test(test_when_an_end_is_told),
    };

    return cmocka_run_group_tests(tests, make_server, free_server_of_test);
}
