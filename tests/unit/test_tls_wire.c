/* libssl's way to the socket: how little it calls, what it leaves, and what it must not hold back.
 * The peer is libssl in memory, so that the test cuts what it sends. */
#include "unit.h"

#include <errno.h>
#include <linux/tcp.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/sockopt.h"
#include "tcp_pair.h"
#include "tls_peers.h"

#define BEHIND "behind the handshake, and the pumps' alone"

static _Atomic bool stop;
static SSL_CTX *contexts[2]; /* the peer's, and ours */

struct scene {
    SSL *client, *server;
    BIO *in, *out; /* of the client */
    int near, far;
    struct tls_wire wire;
    struct tls_session *session;
    enum tls_handshake_outcome outcome;
    char why[TLS_REASON_MAX];
    pthread_t thread;
    size_t sent; /* bytes of the client's handshake */
};

static void begin(struct scene *scene, int version, usec_t patience) {
    memset(scene, 0, sizeof(*scene));
    tcp_pair(&scene->near, &scene->far);
    sockopt_set_client(scene->near, 0); /* TCP_NODELAY: a segment for each send */
    sockopt_set_client(scene->far, 0);
    scene->client = SSL_new(contexts[0]);
    scene->server = SSL_new(contexts[1]);
    SSL_set_max_proto_version(scene->client, version);
    SSL_set_min_proto_version(scene->client, version);
    scene->in = BIO_new(BIO_s_mem());
    scene->out = BIO_new(BIO_s_mem());
    SSL_set_bio(scene->client, scene->in, scene->out);
    SSL_set_connect_state(scene->client);
    SSL_set_accept_state(scene->server);
    scene->wire =
        (struct tls_wire){.fd = scene->near, .deadline = clock_now() + patience, .stop = &stop};
}

static void end(struct scene *scene) {
    SSL_free(scene->client);
    SSL_free(scene->server);
    tls_session_free(scene->session);
    close(scene->near);
    if (scene->far >= 0)
        close(scene->far);
}

static void *server_thread(void *arg) {
    struct scene *scene = arg;
    struct tls_agreed facts;

    scene->outcome =
        tls_handshake(scene->server, &scene->wire, &scene->session, &facts, scene->why);
    return NULL;
}

static void start_server(struct scene *scene) {
    assert_int_equal(pthread_create(&scene->thread, NULL, server_thread, scene), 0);
}

static void join_server(struct scene *scene) {
    assert_int_equal(pthread_join(scene->thread, NULL), 0);
}

/* What the client has to say next, with more behind it. Returns the size of the first. */
static size_t take_flight(struct scene *scene, const char *behind, uint8_t *ret_bytes, size_t size,
                          size_t *ret_n) {
    int n = BIO_read(scene->out, ret_bytes, (int)size);

    assert_true(n > 0 && (size_t)n + strlen(behind) <= size);
    memcpy(ret_bytes + n, behind, strlen(behind));
    *ret_n = (size_t)n + strlen(behind);
    return (size_t)n;
}

static void send_flight(struct scene *scene, const char *behind, size_t cut) {
    uint8_t bytes[4096];
    size_t n;

    scene->sent += take_flight(scene, behind, bytes, sizeof(bytes), &n);
    for (size_t at = 0; at < n; at += cut) {
        size_t step = n - at < cut ? n - at : cut;

        assert_int_equal(send(scene->far, bytes + at, step, 0), step);
    }
}

/* Until the client has the server's flight, or (1.2) is done. */
static void read_flight(struct scene *scene) {
    char bytes[4096];

    do {
        ssize_t n = recv(scene->far, bytes, sizeof(bytes), 0);

        assert_true(n > 0);
        BIO_write(scene->in, bytes, (int)n);
    } while (SSL_do_handshake(scene->client) != 1 && BIO_pending(scene->out) == 0);
}

static void say_hello(struct scene *scene, size_t cut) {
    assert_int_equal(SSL_do_handshake(scene->client), -1);
    send_flight(scene, "", cut);
}

static size_t timeout_of(int fd, int option) {
    struct timeval timeout;
    socklen_t size = sizeof(timeout);

    assert_int_equal(getsockopt(fd, SOL_SOCKET, option, &timeout, &size), 0);
    return (size_t)timeout.tv_sec * 1000000 + (size_t)timeout.tv_usec;
}

static void assert_untimed(const struct scene *scene) {
    assert_int_equal(timeout_of(scene->near, SO_RCVTIMEO), 0);
    assert_int_equal(timeout_of(scene->near, SO_SNDTIMEO), 0);
}

static void assert_left(const struct scene *scene, const char *behind) {
    char bytes[256];
    size_t n = strlen(behind);

    assert_int_equal(recv(scene->near, bytes, n, MSG_WAITALL), n);
    assert_memory_equal(bytes, behind, n);
    assert_int_equal(recv(scene->near, bytes, 1, MSG_DONTWAIT), -1);
}

/* All of a handshake, its flights cut so. The ClientHello is there before the server looks. */
static void shake_cut(int version, size_t cut, bool certain, usec_t armed) {
    struct scene scene;

    begin(&scene, version, 10 * USEC_PER_SEC);
    say_hello(&scene, cut);
    scene.wire.certain = certain ? scene.sent : 0;
    scene.wire.receive_span = armed;
    if (armed > 0)
        assert_int_equal(sockopt_set_receive_timeout(scene.near, armed), 0);
    start_server(&scene);
    read_flight(&scene);
    send_flight(&scene, BEHIND, cut);
    join_server(&scene);
    assert_int_equal(scene.outcome, TLS_DONE);
    assert_int_equal(scene.wire.received, scene.sent);
    assert_untimed(&scene);
    assert_left(&scene, BEHIND);
    end(&scene);
}

static void what_is_behind_stays(void **state) {
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    static const size_t cuts[] = {1, 4, 5, 6, 7, 100, 4096};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++)
        for (size_t j = 0; j < ARRAY_LEN(cuts); j++)
            for (int certain = 0; certain < 2; certain++)
                shake_cut(versions[i], cuts[j], certain, 0);
}

/* The socket's timeout may be another's: too short, or longer than there is time. */
static void a_timeout_may_be_there(void **state) {
    (void)state;
    shake_cut(TLS1_3_VERSION, 7, true, USEC_PER_MSEC);
    shake_cut(TLS1_3_VERSION, 7, true, 100 * USEC_PER_SEC);
}

static void a_longer_timeout_ends_in_time(void **state) {
    struct scene scene;

    (void)state;
    begin(&scene, TLS1_3_VERSION, 20 * USEC_PER_MSEC);
    assert_int_equal(sockopt_set_receive_timeout(scene.near, 100 * USEC_PER_SEC), 0);
    scene.wire.receive_span = 100 * USEC_PER_SEC;
    server_thread(&scene);
    assert_int_equal(scene.outcome, TLS_TIMEOUT);
    end(&scene);
}

static unsigned segments_of(int fd) {
    struct tcp_info info;
    socklen_t size = sizeof(info);

    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    return info.tcpi_data_segs_out;
}

/* The flight, and all tickets. */
static void two_sends_will_do(void **state) {
    struct scene scene;

    (void)state;
    begin(&scene, TLS1_3_VERSION, 10 * USEC_PER_SEC);
    say_hello(&scene, 4096);
    start_server(&scene);
    read_flight(&scene);
    send_flight(&scene, "", 4096);
    join_server(&scene);
    assert_int_equal(scene.outcome, TLS_DONE);
    assert_int_equal(scene.session->out.keys.sequence, 2);
    assert_int_equal(segments_of(scene.near), 2);
    end(&scene);
}

/* Returns how many bytes it takes. */
static size_t fill_socket(int fd) {
    static const char bytes[65536];
    size_t sum = 0;
    ssize_t n;

    while ((n = send(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        sum += (size_t)n;
    assert_int_equal(errno, EAGAIN);
    return sum;
}

static void empty_socket(int fd, size_t n) {
    char bytes[65536];

    while (n > 0) {
        ssize_t r = recv(fd, bytes, n < sizeof(bytes) ? n : sizeof(bytes), 0);

        assert_true(r > 0);
        n -= (size_t)r;
    }
}

static void a_send_waits_for_room(void **state) {
    struct scene scene;

    (void)state;
    begin(&scene, TLS1_3_VERSION, 10 * USEC_PER_SEC);
    size_t n = fill_socket(scene.near);
    say_hello(&scene, 4096);
    start_server(&scene);
    while (timeout_of(scene.near, SO_SNDTIMEO) == 0)
        sched_yield();
    empty_socket(scene.far, n);
    read_flight(&scene);
    send_flight(&scene, BEHIND, 4096);
    join_server(&scene);
    assert_int_equal(scene.outcome, TLS_DONE);
    assert_untimed(&scene);
    assert_left(&scene, BEHIND);
    end(&scene);
}

static void a_send_waits_no_longer(void **state) {
    struct scene scene;

    (void)state;
    begin(&scene, TLS1_3_VERSION, 100 * USEC_PER_MSEC);
    (void)fill_socket(scene.near);
    say_hello(&scene, 4096);
    server_thread(&scene);
    assert_int_equal(scene.outcome, TLS_TIMEOUT);
    end(&scene);
}

static void assert_alert(const struct scene *scene) {
    uint8_t bytes[7];

    assert_int_equal(recv(scene->far, bytes, sizeof(bytes), MSG_WAITALL), sizeof(bytes));
    assert_int_equal(bytes[0], 21);
    assert_int_equal(bytes[5], 2); /* fatal */
}

static void an_alert_goes_out(void **state) {
    struct scene scene;

    (void)state;
    begin(&scene, TLS1_2_VERSION, 10 * USEC_PER_SEC);
    assert_int_equal(SSL_set_cipher_list(scene.client, "ECDHE-ECDSA-AES128-SHA"), 1); /* no AEAD */
    say_hello(&scene, 4096);
    server_thread(&scene);
    assert_int_equal(scene.outcome, TLS_FAILED);
    assert_alert(&scene);
    assert_untimed(&scene);
    end(&scene);
}

static void so_does_one_behind_a_flight(void **state) {
    static const uint8_t torn[] = {23, 3,  3,  0,  20, 1,  2,  3,  4,  5,  6,  7, 8,
                                   9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
    struct scene scene;

    (void)state;
    begin(&scene, TLS1_3_VERSION, 10 * USEC_PER_SEC);
    say_hello(&scene, 4096);
    start_server(&scene);
    read_flight(&scene);
    assert_int_equal(send(scene.far, torn, sizeof(torn), 0), sizeof(torn));
    join_server(&scene);
    assert_int_equal(scene.outcome, TLS_FAILED);
    uint8_t record;
    assert_int_equal(recv(scene.far, &record, 1, MSG_PEEK), 1);
    end(&scene);
}

/* It is not there to take its tickets, but what it has said counts. */
static void a_client_may_leave_at_once(void **state) {
    static const struct linger reset = {.l_onoff = 1};

    (void)state;
    for (int i = 0; i < 50; i++) {
        struct scene scene;

        begin(&scene, TLS1_3_VERSION, 10 * USEC_PER_SEC);
        say_hello(&scene, 4096);
        start_server(&scene);
        read_flight(&scene);
        send_flight(&scene, BEHIND, 4096);
        setsockopt(scene.far, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(scene.far);
        scene.far = -1;
        join_server(&scene);
        assert_int_equal(scene.outcome, TLS_DONE);
        end(&scene);
    }
}

static void the_stop_is_heeded(void **state) {
    struct scene scene;

    (void)state;
    begin(&scene, TLS1_3_VERSION, 10 * USEC_PER_SEC);
    say_hello(&scene, 4096);
    atomic_store(&stop, true);
    server_thread(&scene);
    atomic_store(&stop, false);
    assert_int_equal(scene.outcome, TLS_STOPPED);
    end(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_behind_stays),
        cmocka_unit_test(a_timeout_may_be_there),
        cmocka_unit_test(a_longer_timeout_ends_in_time),
        cmocka_unit_test(two_sends_will_do),
        cmocka_unit_test(a_send_waits_for_room),
        cmocka_unit_test(a_send_waits_no_longer),
        cmocka_unit_test(an_alert_goes_out),
        cmocka_unit_test(so_does_one_behind_a_flight),
        cmocka_unit_test(a_client_may_leave_at_once),
        cmocka_unit_test(the_stop_is_heeded),
    };

    contexts[0] = tls_make_client(false);
    contexts[1] = tls_make_server(true);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    SSL_CTX_free(contexts[0]);
    SSL_CTX_free(contexts[1]);
    return failed;
}
