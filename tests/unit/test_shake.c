/* What handshakes on the way of a connection leave in its job: of both ends, over a socket. */
#include "tls_fixture.h"

#include <pthread.h>

#include "config/config.h"
#include "road/generation.h"
#include "road/openings.h"
#include "road/shake.h"
#include "tcp_pair.h"
#include "tls/client.h"
#include "tls/session.h"

#define PATIENCE (10 * USEC_PER_SEC)

static struct tls_server *server;
static struct tls_client *client;

static int make_ends(void **state) {
    struct pair site = make_pair("site", "DNS:site.example", NULL, false, 90);
    struct tls_client_settings any = {.ca = "", .name = "", .certificate = "", .key = ""};

    (void)state;
    make_folder();
    write_pair("site.pem", &site, NULL, true);
    free_pair(&site);
    const char *paths[] = {in_folder("site.pem")};
    struct tls_server_settings settings = settings_for(paths, 1);
    server = tls_server_new(&settings, on_problem, NULL);
    client = tls_client_new(&any, on_problem, NULL);
    assert_true(server != NULL && client != NULL);
    return 0;
}

static int free_ends(void **state) {
    (void)state;
    tls_server_unref(server);
    tls_client_unref(client);
    remove_folder();
    return 0;
}

/* With whom the job of a worker speaks: an opener has another end of the same socket. */
struct dialled {
    struct job job;
    struct upstream_tls_config tls;
    int r;
};

static void *shake_with_server(void *arg) {
    static const _Atomic bool stop;
    struct dialled *dialled = arg;
    const struct shake_wait wait = {.deadline = clock_now() + PATIENCE, .stop = &stop};

    dialled->r = shake_server(&dialled->job, &dialled->tls, "site.example", &wait);
    return NULL;
}

/* By each side's own option. */
static void check_outlives(bool of_listener, bool of_upstream) {
    struct listener_config listener = {
        .tls = {.given = true, .outlive = of_listener, .server = server}};
    static struct limit limit; /* counts alone */
    struct route route = {.config = &listener, .limit = &limit};
    static struct openings openings; /* never stopped */
    struct opening opening = {.openings = &openings, .deadline = clock_now() + PATIENCE};
    struct dialled dialled = {.tls = {.given = true, .outlive = of_upstream, .client = client}};
    pthread_t thread;
    int near, far;

    tcp_pair(&near, &far);
    opening.job.has = dialled.job.has = HOLDINGS_NONE;
    opening.job.route = &route;
    opening.job.has.client = near;
    dialled.job.has.server = far;
    assert_int_equal(pthread_create(&thread, NULL, shake_with_server, &dialled), 0);
    assert_int_equal(shake_client(&opening), END_NONE);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(dialled.r, 0);
    assert_int_equal(opening.job.has.client_tls->outlives, of_listener);
    assert_int_equal(dialled.job.has.server_tls->outlives, of_upstream);
    tls_session_free(opening.job.has.client_tls);
    tls_session_free(dialled.job.has.server_tls);
    free(opening.job.has.shown);
    close(near);
    close(far);
}

static void test_each_side_says_whether_it_outlives(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++)
        check_outlives((i & 1) != 0, (i & 2) != 0);
}

/* What nobody has allowed does not outlive the process. */
static void test_a_session_alone_does_not_outlive(void **state) {
    struct tls_keys keys = {.version = TLS_1_3, .cipher = TLS_AES_128_GCM};
    struct tls_session *session = tls_session_new(true, &keys, &keys);

    (void)state;
    assert_non_null(session);
    assert_false(session->outlives);
    tls_session_free(session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_side_says_whether_it_outlives),
        cmocka_unit_test(test_a_session_alone_does_not_outlive),
    };

    return cmocka_run_group_tests(tests, make_ends, free_ends);
}
