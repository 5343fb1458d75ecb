/* conn/pulse and in_flight in conn_review.c: a peer that vanishes with bytes on their way to it,
 * and one that is only slow. In a network of its own, whose loopback interface goes down. */
#include "unit.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "base/sockopt.h"
#include "conn/conn.h"
#include "conn/pulse.h"
#include "tcp_pair.h"

#define KEEPALIVE USEC_PER_SEC

static struct registry registry;
static struct gate gate;
static struct conn *conn;
static int client, server; /* the far ends */
static bool alone;         /* in a network of its own */

/* Without pumps: what is sent to a side is sent by the test. */
static void make_conn(void) {
    if (!alone)
        skip(); /* it takes root */
    const struct conn_options options = {
        .linger_timeout = 5 * USEC_PER_SEC, .keepalive = KEEPALIVE, .log = LOG_CONNECTIONS_NONE};
    const struct record record = {.number = 1};
    struct holdings has = HOLDINGS_NONE;

    tcp_pair(&has.client, &client);
    tcp_pair(&has.server, &server);
    sockopt_set_client(has.client, KEEPALIVE);
    sockopt_set_server(has.server, KEEPALIVE);
    registry_init(&registry);
    gate_init(&gate, SIZE_MAX, NULL, NULL);
    gate_force_enter(&gate);
    conn = conn_new(&record, &options, &registry, &gate, NULL, NULL, &has);
    assert_non_null(conn);
}

static void drop_conn(void) {
    conn_abort(conn, END_STOPPED, 0);
    conn_unref(conn);
    fd_close(&client);
    fd_close(&server);
    registry_destroy(&registry);
    gate_destroy(&gate);
}

static void set_loopback(bool up) {
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = up ? IFF_UP : 0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
    fd_close(&fd);
}

/* Reviews it as often as the reaper would, until it is found dead (true), or for so long. */
static bool dies_within(usec_t span, struct verdict *ret_verdict) {
    usec_t until = clock_now() + span;
    const struct timespec pause = clock_timespec(100 * USEC_PER_MSEC);

    while (clock_now() < until) {
        *ret_verdict = conn_review(conn, clock_now());
        if (ret_verdict->what != CONN_LIVE)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

static void expect_death(enum end end, usec_t since) {
    struct verdict verdict;

    assert_true(
        dies_within(4 * KEEPALIVE, &verdict)); /* about twice, and some for a busy machine */
    assert_in_range(clock_now() - since, 2 * KEEPALIVE - 100 * USEC_PER_MSEC, 4 * KEEPALIVE);
    assert_int_equal(verdict.what, CONN_ABORT);
    assert_true(verdict.hard);
    assert_int_equal(verdict.end, end);
    assert_int_equal(verdict.error, ETIMEDOUT);
}

static void one_that_vanishes_with_bytes_in_flight_is_found(void **state) {
    (void)state;
    for (int side = 0; side < 2; side++) {
        make_conn();
        set_loopback(false);
        usec_t since = clock_now();
        assert_int_equal(send(conn->fd[side], "ping", 4, MSG_NOSIGNAL), 4);
        expect_death(side == SIDE_CLIENT ? END_CLIENT_RESET : END_SERVER_RESET, since);
        set_loopback(true);
        drop_conn();
    }
}

/* And so is one that vanishes with its end of data alone on its way. */
static void one_that_vanishes_with_its_end_in_flight_is_found(void **state) UNCHECKED {
    (void)state;
    make_conn();
    set_loopback(false);
    usec_t since = clock_now();
    conn->state->flow[DIR_UP].ended = true; /* the server is given the client's */
    shutdown(conn->fd[SIDE_SERVER], SHUT_WR);
    expect_death(END_SERVER_RESET, since);
    set_loopback(true);
    drop_conn();
}

static void one_that_takes_nothing_but_answers_is_left_alone(void **state) {
    static const char data[65536];
    struct verdict verdict;

    (void)state;
    make_conn();
    while (send(conn->fd[SIDE_CLIENT], data, sizeof(data), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        ;
    assert_false(dies_within(5 * KEEPALIVE, &verdict));
    assert_true(pulse_take(conn->fd[SIDE_CLIENT]).on_its_way);
    /* Until it is gone, too. The question that was to come next is not answered, nor the one after
     * that. */
    set_loopback(false);
    assert_true(dies_within(6 * KEEPALIVE, &verdict));
    assert_int_equal(verdict.end, END_CLIENT_RESET);
    set_loopback(true);
    drop_conn();
}

/* What it did not answer before it was heard of again says nothing of the next question. */
static void a_silence_that_was_broken_does_not_count(void **state) UNCHECKED {
    const struct timespec pause = clock_timespec(20 * USEC_PER_MSEC);
    struct verdict verdict;

    (void)state;
    make_conn();
    int fd = conn->fd[SIDE_CLIENT], off = 0; /* the kernel asks nothing of its own accord */
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &off, sizeof(off)), 0);
    set_loopback(false);
    assert_int_equal(send(fd, "ping", 4, MSG_NOSIGNAL), 4);
    while (conn->review.watch[SIDE_CLIENT].unanswered == 0) {
        assert_int_equal(conn_review(conn, clock_now()).what, CONN_LIVE);
        nanosleep(&pause, NULL);
    }
    set_loopback(true); /* nobody looks until it has answered, and asks nothing for a while */
    while (pulse_take(fd).on_its_way || pulse_take(fd).heard_of < 2 * KEEPALIVE)
        nanosleep(&pause, NULL);
    set_loopback(false);
    usec_t since = clock_now();
    assert_int_equal(send(fd, "ping", 4, MSG_NOSIGNAL), 4);
    while (!pulse_take(fd).unanswered)
        nanosleep(&pause, NULL);
    assert_int_equal(conn_review(conn, clock_now()).what, CONN_LIVE);
    assert_true(dies_within(6 * KEEPALIVE, &verdict));
    assert_in_range(clock_now() - since, KEEPALIVE, 6 * KEEPALIVE);
    assert_int_equal(verdict.end, END_CLIENT_RESET);
    set_loopback(true);
    drop_conn();
}

static int set_up(void **state) {
    (void)state;
    alone = unshare(CLONE_NEWNET) == 0;
    if (alone)
        set_loopback(true);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_vanishes_with_bytes_in_flight_is_found),
        cmocka_unit_test(one_that_vanishes_with_its_end_in_flight_is_found),
        cmocka_unit_test(one_that_takes_nothing_but_answers_is_left_alone),
        cmocka_unit_test(a_silence_that_was_broken_does_not_count),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
