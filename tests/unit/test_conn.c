/* conn/conn and conn/pump: every rule at the top of conn_end.c, over real TCP sockets on
 * loopback. */
#include "unit.h"

#include <errno.h>
#include <stdatomic.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/thread.h"
#include "conn/pump_pool.h"
#include "conn/sweep.h"
#include "tcp_pair.h"

static struct registry registry;
static struct pipe_pool pipes;
static struct pump_pool pumps;
static struct gate gate;
static struct link *kept; /* in the second round: every conn has a slot, as with a keeper */
static struct link to_keeper;
static int keeper; /* its end of the link: it reads nothing */

/* A conn under test, and the far ends of its two sockets. */
struct world {
    struct conn *conn;
    int client, server;
};

/* Its pumps do not run yet. */
static struct world prepare(enum copy_mode copy, bool half_close, struct pump_pair **ret_pair) {
    struct conn_options options = {.idle_timeout = 10 * USEC_PER_SEC,
                                   .linger_timeout = USEC_PER_SEC,
                                   .half_close = half_close,
                                   .copy = copy,
                                   .log = LOG_CONNECTIONS_NONE};
    struct record record = {.number = 1};
    struct world world;
    struct holdings has = HOLDINGS_NONE;

    tcp_pair(&has.client, &world.client);
    tcp_pair(&has.server, &world.server);
    assert_int_equal(pump_pool_get(&pumps, ret_pair), 0);
    gate_force_enter(&gate);
    world.conn = conn_new(&record, &options, &registry, &gate, &pipes, kept, &has);
    assert_non_null(world.conn);
    assert_true((kept != NULL) == (world.conn->hold.link != NULL));
    if (kept != NULL)
        link_hold(&world.conn->hold, world.conn->fd);
    assert_int_equal(has.client, -1);
    assert_int_equal(has.server, -1);
    conn_ref(world.conn); /* the test's own, so that it can look at the record */
    return world;
}

static struct world begin(enum copy_mode copy, bool half_close) {
    struct pump_pair *pair;
    struct world world = prepare(copy, half_close, &pair);

    pump_pool_run(pair, world.conn);
    return world;
}

/* Both pumps are done with it. */
static void await_pumps(struct world *world) {
    while (atomic_load(&world->conn->refs) > 1)
        usleep(100);
}

static void finish(struct world *world, enum end end) {
    await_pumps(world);
    assert_string_equal(end_infos[world->conn->state->record.end].code, end_infos[end].code);
    conn_unref(world->conn);
    fd_close(&world->client);
    fd_close(&world->server);
}

static bool on_its_way(struct conn *conn, enum side to) {
    int queued = 0;

    assert_int_equal(ioctl(conn->fd[to], SIOCOUTQ, &queued), 0);
    return queued > 0;
}

static void finish_somehow(struct world *world) {
    await_pumps(world);
    finish(world, world->conn->state->record.end);
}

static void say(int fd, const char *words) {
    assert_int_equal(send(fd, words, strlen(words), MSG_NOSIGNAL), strlen(words));
}

static void hear(int fd, const char *words) {
    char got[64] = "";

    assert_int_equal(recv(fd, got, strlen(words), MSG_WAITALL), strlen(words));
    assert_string_equal(got, words);
}

static void hear_end(int fd) {
    char c;

    assert_int_equal(recv(fd, &c, 1, 0), 0);
}

static void hear_reset(int fd) {
    char c;

    assert_int_equal(recv(fd, &c, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
}

static void reset(int *fd) {
    struct linger hard = {.l_onoff = 1};

    assert_int_equal(setsockopt(*fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    fd_close(fd);
}

/* Sends until the road to the reader is full and the pump blocks in its write; how much that
 * was. */
static size_t fill(struct world *world, int fd, enum direction dir) {
    static const char data[65536];
    size_t sent = 0;
    ssize_t n;

    for (int quiet = 0; quiet < 20;) {
        n = send(fd, data, sizeof(data), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            sent += (size_t)n;
            quiet = 0;
        } else {
            usleep(1000);
            quiet += atomic_load(&world->conn->state->flow[dir].writing);
        }
    }
    return sent;
}

#define EACH_COPY_MODE(mode)                                                                       \
    for (enum copy_mode mode = COPY_AUTO; mode <= COPY_SPLICE; mode = (enum copy_mode)(mode + 1))

static void in_order_client_first(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        struct world world = begin(mode, false);

        say(world.client, "question");
        shutdown(world.client, SHUT_WR);
        hear(world.server, "question");
        hear_end(world.server);
        say(world.server, "answer");
        fd_close(&world.server);
        hear(world.client, "answer");
        hear_end(world.client);
        finish(&world, END_CLIENT_ENDED);
    }
}

static void in_order_server_first(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        struct world world = begin(mode, false);

        say(world.server, "hello");
        shutdown(world.server, SHUT_WR);
        hear(world.client, "hello");
        hear_end(world.client);
        say(world.client, "still here");
        hear(world.server, "still here");
        fd_close(&world.client);
        hear_end(world.server);
        finish(&world, END_SERVER_ENDED);
    }
}

static void a_reset_is_passed_on_either_way(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        struct world world = begin(mode, false);

        say(world.server, "half an answer, nev");
        hear(world.client, "half an answer, nev");
        reset(&world.server);
        hear_reset(world.client);
        finish(&world, END_SERVER_RESET);

        world = begin(mode, false);
        say(world.client, "half a request, nev");
        hear(world.server, "half a request, nev");
        reset(&world.client);
        hear_reset(world.server);
        finish(&world, END_CLIENT_RESET);
    }
}

/* stolen_error: the pump that writes to the server is in its write while the server resets, so it
 * and not the reader may be told. The client must see a reset, however that race goes. */
static void a_stolen_error_is_no_end(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        for (int round = 0; round < 20; round++) {
            struct world world = begin(mode, false);

            fill(&world, world.client, DIR_UP);
            say(world.server, "half an answer, nev");
            hear(world.client, "half an answer, nev");
            reset(&world.server);
            hear_reset(world.client);
            finish(&world, END_SERVER_RESET);
        }
    }
}

/* sink_first: the answer was sent before the error that the upload met. */
static void an_early_answer_arrives_whole(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        struct world world = begin(mode, false);

        fill(&world, world.client, DIR_UP);
        say(world.server, "413");
        shutdown(world.server, SHUT_WR);
        hear(world.client, "413");
        hear_end(world.client);
        reset(&world.server);
        say(world.client, "more that nobody wants");
        fd_close(&world.client);
        await_pumps(&world);
        lock_acquire(&registry.lock);
        int error = world.conn->state->flow[DIR_UP].sink_error;
        lock_release(&registry.lock);
        assert_int_not_equal(error, 0);
        finish(&world, END_SERVER_ENDED);
    }
}

/* The same with the end and the reset both there before the client has read a byte of a long
 * answer. */
static void an_answer_that_was_complete_stays_complete(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        struct world world = begin(mode, false);
        size_t down;
        static char got[65536];
        ssize_t n;

        fill(&world, world.client, DIR_UP);
        down = fill(&world, world.server, DIR_DOWN);
        shutdown(world.server, SHUT_WR);
        reset(&world.server);
        while (down > 0 && (n = recv(world.client, got, sizeof(got), 0)) > 0)
            down -= (size_t)n;
        /* The reset destroyed what the server's own kernel had not sent yet; what the client then
         * sees must be a reset. If all had been sent, it is the end. Either way nothing looks whole
         * that is not. */
        if (down > 0)
            assert_int_equal(errno, ECONNRESET);
        fd_close(&world.client);
        finish_somehow(&world);
    }
}

/* Lets its idle_timeout or linger_timeout be over, and does what the reaper would do. Returns
 * how. */
static enum conn_due let_time_pass(struct world *world) {
    for (int dir = 0; dir < 2; dir++)
        while (atomic_load(&world->conn->state->flow[dir].writing))
            usleep(100); /* what was heard has been written, and its pump may not know it yet */
    struct verdict verdict = conn_review(world->conn, clock_coarse());

    assert_int_equal(verdict.what, CONN_LIVE);
    verdict = conn_review(world->conn, verdict.deadline);
    assert_int_not_equal(verdict.what, CONN_LIVE);
    if (verdict.what == CONN_EXPIRE)
        conn_expire(world->conn, verdict.end);
    else
        conn_abort(world->conn, verdict.end, 0);
    return verdict.what;
}

/* own_cut: half an answer, and silence. */
static void idle_is_a_reset_for_both(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        struct world world = begin(mode, false);
        usec_t now = clock_coarse();

        struct verdict verdict = conn_review(world.conn, now);
        assert_int_equal(verdict.what, CONN_LIVE);
        assert_in_range(verdict.deadline, now + 9 * USEC_PER_SEC, now + 10 * USEC_PER_SEC);
        say(world.client, "question");
        hear(world.server, "question");
        say(world.server, "half an answer, nev");
        hear(world.client, "half an answer, nev");
        assert_int_equal(let_time_pass(&world), CONN_ABORT);
        hear_reset(world.client);
        hear_reset(world.server);
        finish(&world, END_IDLE);
    }
}

static void idle_end_close_ends_both_in_order(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        struct world world = begin(mode, false);

        world.conn->state->options.idle_end = IDLE_END_CLOSE;
        say(world.server, "all of it");
        hear(world.client, "all of it");
        assert_int_equal(let_time_pass(&world), CONN_EXPIRE);
        hear_end(world.client);
        hear_end(world.server);
        finish(&world, END_IDLE);
    }
}

/* The side that was given its end keeps it; the other one, which was not, must see that it was
 * cut. */
static void idle_after_one_end_cuts_the_other_direction(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        for (int first = 0; first < 2; first++) {
            struct world world = begin(mode, true);
            int one = first == SIDE_CLIENT ? world.client : world.server;
            int other = first == SIDE_CLIENT ? world.server : world.client;

            say(one, "question");
            shutdown(one, SHUT_WR);
            hear(other, "question");
            hear_end(other);
            say(other, "half an answer, nev");
            hear(one, "half an answer, nev");
            assert_int_equal(let_time_pass(&world), CONN_ABORT);
            hear_reset(one);
            hear_end(other);
            finish(&world, END_IDLE);
        }
    }
}

static void bytes_of_one_direction_keep_both_alive(void **state) {
    struct world world = begin(COPY_AUTO, false);

    (void)state;
    usec_t first = conn_review(world.conn, clock_coarse()).deadline;
    while (clock_coarse() < first - 10 * USEC_PER_SEC + 20 * USEC_PER_MSEC)
        ;
    say(world.server, "news");
    hear(world.client, "news");
    assert_true(conn_review(world.conn, clock_coarse()).deadline > first);
    fd_close(&world.client);
    fd_close(&world.server);
    finish_somehow(&world);
}

/* Long enough without a byte for the reaper to look at what the peers take. */
#define QUIET (3 * USEC_PER_SEC)

static void a_stalled_reader_means_a_reset_for_both(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        struct world world = begin(mode, false);
        static char got[1 << 20];

        fill(&world, world.server, DIR_DOWN);
        struct verdict verdict = conn_review(world.conn, clock_coarse() + QUIET);
        verdict = conn_review(world.conn, verdict.deadline);
        assert_int_equal(verdict.what, CONN_ABORT);
        assert_int_equal(verdict.end, END_STALLED);
        conn_abort(world.conn, verdict.end, 0);
        while (recv(world.client, got, sizeof(got), 0) > 0)
            ;
        assert_int_equal(errno, ECONNRESET);
        finish(&world, END_STALLED);
    }
}

/* min_rate: looks for so long, a second apart; the reader takes so many bytes before each. */
static struct verdict look_on(struct world *world, int reader, size_t each, int seconds) {
    static char got[1 << 20];
    struct verdict verdict = {.what = CONN_LIVE};
    usec_t now = clock_coarse() + QUIET, next;

    for (int i = 0; i < seconds && verdict.what == CONN_LIVE; i++, now += USEC_PER_SEC) {
        for (size_t left = each; left > 0;) {
            ssize_t n = recv(reader, got, left < sizeof(got) ? left : sizeof(got), 0);
            assert_true(n > 0);
            left -= (size_t)n;
        }
        if (each > 0) /* the pump has filled up what was freed, and blocks again */
            usleep(20000);
        lock_acquire(&registry.lock);
        bool nothing = conn_glance(&registry, world->conn, now, &next);
        lock_release(&registry.lock);
        if (!nothing)
            verdict = conn_review(world->conn, now);
    }
    return verdict;
}

static void a_reader_slower_than_min_rate_is_reset(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        for (enum direction dir = DIR_UP; dir <= DIR_DOWN; dir++) {
            struct world world = begin(mode, false);
            int from = dir == DIR_UP ? world.client : world.server;
            int to = dir == DIR_UP ? world.server : world.client;

            world.conn->state->options.idle_timeout = 0;
            world.conn->state->options.min_rate = 1000;
            fill(&world, from, dir);
            assert_int_equal(look_on(&world, to, 0, 5).what, CONN_LIVE); /* not over 5 s yet */
            /* (Its kernel may take some more of its own accord at first.) */
            struct verdict verdict = look_on(&world, to, 1, 20);
            assert_int_equal(verdict.what, CONN_ABORT);
            assert_int_equal(verdict.end, END_TOO_SLOW);
            conn_abort_hard(world.conn, verdict.end, verdict.error);
            finish(&world, END_TOO_SLOW);
        }
    }
}

static void min_rate_concerns_nobody_else(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        struct world world = begin(mode, false);

        world.conn->state->options.idle_timeout = 0;
        assert_int_equal(look_on(&world, world.client, 0, 20).what, CONN_LIVE); /* none is asked */
        world.conn->state->options.min_rate = 1000;
        assert_int_equal(look_on(&world, world.client, 0, 20).what, CONN_LIVE); /* nothing waits */
        say(world.server, "a slow source");
        assert_int_equal(look_on(&world, world.client, 0, 12).what, CONN_LIVE);
        hear(world.client, "a slow source");
        size_t sent = fill(&world, world.server, DIR_DOWN);
        size_t each =
            sent / 40; /* its window opens in steps of some 64 KiB on the loopback interface */
        assert_int_equal(look_on(&world, world.client, each > 200000 ? each : 200000, 12).what,
                         CONN_LIVE);
        assert_true(conn_abort(world.conn, END_STOPPED, 0));
        assert_false(conn_abort(world.conn, END_SERVER_DOWN, 0));
        finish(&world, END_STOPPED);
    }
}

/* A reader that is slow, but takes bytes, is not stalled: the kernel's send queue shows it. */
static void a_slow_reader_is_not_stalled(void **state) {
    struct world world = begin(COPY_BUFFER, false);
    static char got[1 << 16];

    (void)state;
    fill(&world, world.server, DIR_DOWN);
    usec_t deadline = conn_review(world.conn, clock_coarse() + QUIET).deadline;
    assert_true(world.conn->review.watch[SIDE_CLIENT].on);
    enum conn_due due = CONN_ABORT;
    while (due != CONN_LIVE) { /* until the kernel has told the sender that there is room again */
        (void)recv(world.client, got, sizeof(got), MSG_DONTWAIT);
        due = conn_review(world.conn, deadline).what;
    }
    conn_abort(world.conn, END_STOPPED, 0);
    finish(&world, END_STOPPED);
}

/* After the server's end the last of a long answer may be in the send queue only, with both pumps
 * quiet. As long as the client takes it, linger_timeout does not end it: the close would destroy
 * the tail. */
static void a_tail_that_is_being_taken_is_left_alone(void **state) {
    static char got[1 << 16];
    static const char data[3 << 20];
    struct world world = begin(COPY_BUFFER, false);
    size_t left = sizeof(data);

    (void)state;
    for (size_t sent = 0; sent < sizeof(data);) {
        ssize_t n = send(world.server, data + sent, sizeof(data) - sent, MSG_DONTWAIT);

        sent += n > 0 ? (size_t)n : 0;
        if (n < 0)
            left -= (size_t)recv(world.client, got, sizeof(got), 0);
    }
    shutdown(world.server, SHUT_WR);
    while (atomic_load(&world.conn->state->flow[DIR_DOWN].bytes) < sizeof(data))
        if (atomic_load(&world.conn->state->flow[DIR_DOWN].writing))
            left -= (size_t)recv(world.client, got, sizeof(got), 0);
    (void)conn_review(world.conn, clock_coarse() + USEC_PER_SEC);
    enum conn_due due;
    bool before, after; /* the kernel may send what is left meanwhile */
    do {
        before = on_its_way(world.conn, SIDE_CLIENT);
        due = conn_review(world.conn, clock_coarse() + USEC_PER_SEC).what;
        after = on_its_way(world.conn, SIDE_CLIENT);
    } while (before != after);
    assert_int_equal(due, after ? CONN_LIVE : CONN_ABORT);
    while (left > 0) {
        ssize_t n = recv(world.client, got, sizeof(got), 0);

        assert_true(n > 0);
        left -= (size_t)n;
    }
    hear_end(world.client);
    fd_close(&world.client);
    finish(&world, END_SERVER_ENDED);
}

static void linger_counts_after_one_end(void **state) {
    (void)state;
    for (int half_close = 0; half_close < 2; half_close++) {
        struct world world = begin(COPY_AUTO, half_close);
        usec_t now = clock_coarse();

        shutdown(world.client, SHUT_WR);
        hear_end(world.server);
        while (on_its_way(world.conn, SIDE_SERVER))
            ; /* until the end of data is acknowledged */
        struct verdict verdict = conn_review(world.conn, now);
        if (half_close) {
            assert_true(verdict.deadline >= now + 10 * USEC_PER_SEC);
        } else {
            assert_true(verdict.deadline < now + 5 * USEC_PER_SEC);
            verdict = conn_review(world.conn, verdict.deadline);
            assert_int_equal(verdict.what, CONN_ABORT);
            assert_int_equal(verdict.end, END_CLIENT_LINGER);
        }
        fd_close(&world.server);
        hear_end(world.client);
        finish(&world, END_CLIENT_ENDED);
    }
}

/* The same as idle_after_one_end_cuts_the_other_direction, after linger_timeout. */
static void linger_cuts_the_other_direction(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        for (int first = 0; first < 2; first++) {
            struct world world = begin(mode, false);
            int one = first == SIDE_CLIENT ? world.client : world.server;
            int other = first == SIDE_CLIENT ? world.server : world.client;

            say(one, "question");
            shutdown(one, SHUT_WR);
            hear(other, "question");
            hear_end(other);
            say(other, "half an answer, nev");
            hear(one, "half an answer, nev");
            assert_int_equal(let_time_pass(&world), CONN_ABORT);
            hear_reset(one);
            hear_end(other);
            finish(&world, first == SIDE_CLIENT ? END_CLIENT_LINGER : END_SERVER_LINGER);
        }
    }
}

/* drain_idle in conn_review.c */

#define DRAIN_IDLE (2 * USEC_PER_SEC)

static struct world begin_http(enum copy_mode copy) {
    struct pump_pair *pair;
    struct world world = prepare(copy, false, &pair);

    world.conn->state->options.http = true;
    pump_pool_run(pair, world.conn);
    return world;
}

/* Everything that was heard has been written and acknowledged, and its pump knows it. */
static void settle(const struct world *world) {
    for (int i = 0; i < 2; i++)
        while (atomic_load(&world->conn->state->flow[i].writing) ||
               on_its_way(world->conn, (enum side)i))
            usleep(100);
}

static void exchange(const struct world *world) {
    say(world->client, "question");
    hear(world->server, "question");
    say(world->server, "answer");
    hear(world->client, "answer");
}

/* As the reaper does, now and once it may have been silent for too long. */
static enum conn_due review_in_drain(struct world *world, unsigned epoch) {
    settle(world);
    sweep_drain(&registry, DRAIN_IDLE, epoch);
    usec_t now = clock_coarse();
    struct verdict verdict = conn_review(world->conn, now);

    assert_int_equal(verdict.what, CONN_LIVE);
    verdict = conn_review(world->conn, now + DRAIN_IDLE);
    if (verdict.what == CONN_EXPIRE)
        conn_expire(world->conn, verdict.end);
    sweep_drain(&registry, USEC_NEVER, 0);
    return verdict.what;
}

static void ends_drained(struct world *world) {
    assert_int_equal(review_in_drain(world, 0), CONN_EXPIRE);
    hear_end(world->client);
    hear_end(world->server);
    finish(world, END_DRAIN_IDLE);
}

static void a_drain_ends_silent_http_in_order(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        for (int exchanges = 0; exchanges < 3; exchanges++) {
            struct world world = begin_http(mode);

            for (int i = 0; i < exchanges; i++)
                exchange(&world);
            ends_drained(&world);
        }
    }
}

/* The kernel answers bytes that come to a socket which is shut in both directions by a reset, and
 * tells its reader. */
static void a_server_that_speaks_at_its_end_resets_nobody(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        for (int i = 0; i < 20; i++) {
            struct world world = begin_http(mode);

            exchange(&world);
            assert_int_equal(review_in_drain(&world, 0), CONN_EXPIRE);
            hear_end(world.server);
            say(world.server, "408 Request Timeout");
            char rest[64];
            ssize_t n;
            while ((n = recv(world.client, rest, sizeof(rest), 0)) > 0)
                ;
            assert_int_equal(n, 0);
            finish(&world, END_DRAIN_IDLE);
        }
    }
}

/* Also if it was asked for within the same tick of the clock as the answer before. */
static void a_drain_waits_for_an_answer(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        struct world world = begin_http(mode);

        for (int i = 0; i < 20; i++) {
            exchange(&world);
            say(world.client, "next");
            hear(world.server, "next");
            if (i % 10 == 0)
                assert_int_equal(review_in_drain(&world, 0), CONN_LIVE);
            say(world.server, "answer to it");
            hear(world.client, "answer to it");
        }
        ends_drained(&world);
    }
}

static void a_drain_waits_for_a_reader(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        struct world world = begin_http(mode);
        static char got[65536];

        exchange(&world);
        size_t down = fill(&world, world.server, DIR_DOWN);
        sweep_drain(&registry, DRAIN_IDLE, 0);
        assert_int_equal(conn_review(world.conn, clock_coarse()).what, CONN_LIVE);
        assert_int_equal(conn_review(world.conn, clock_coarse() + DRAIN_IDLE).what, CONN_LIVE);
        while (down > 0) {
            ssize_t n = recv(world.client, got, sizeof(got), 0);

            assert_true(n > 0);
            down -= (size_t)n;
        }
        while (on_its_way(world.conn, SIDE_CLIENT))
            usleep(100);
        ends_drained(&world);
    }
}

static void a_drain_leaves_tcp_and_what_is_held_alone(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        for (int held = 0; held < 1 + (kept != NULL); held++) {
            struct world world = held ? begin_http(mode) : begin(mode, false);
            unsigned epoch = held ? atomic_load(&kept->epoch) : 0;

            exchange(&world);
            assert_int_equal(review_in_drain(&world, epoch), CONN_LIVE);
            shutdown(world.client, SHUT_WR);
            hear_end(world.server);
            shutdown(world.server, SHUT_WR);
            hear_end(world.client);
            finish(&world, END_CLIENT_ENDED);
        }
    }
}

/* unread in conn_review.c: sides whose error no pump is told of. */

/* The peer of fd has been told that all is over, whether it had been given its end or not. */
static bool is_told(int fd) {
    struct pollfd waits = {.fd = fd};

    return poll(&waits, 1, 0) == 1 && (waits.revents & (POLLERR | POLLHUP)) != 0;
}

/* As the reaper does. */
static void review_and_end(struct world *world, usec_t now, enum end end) {
    struct verdict verdict = conn_review(world->conn, now);

    assert_int_equal(verdict.what, CONN_ABORT);
    assert_true(verdict.hard);
    assert_int_equal(verdict.end, end);
    assert_int_not_equal(verdict.error, 0);
    conn_abort_hard(world->conn, verdict.end, verdict.error);
}

static void a_side_that_dies_after_its_end_is_noticed(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        for (int first = 0; first < 2; first++) {
            struct world world = begin(mode, true);
            int *one = first == SIDE_CLIENT ? &world.client : &world.server;
            int other = first == SIDE_CLIENT ? world.server : world.client;

            say(*one, "job");
            shutdown(*one, SHUT_WR);
            hear(other, "job");
            hear_end(other);
            say(other, "begun");
            hear(*one, "begun");
            usec_t later = clock_coarse() + 2 * USEC_PER_SEC; /* linger_timeout is over */
            assert_int_equal(conn_review(world.conn, later).what, CONN_LIVE);
            reset(one);
            assert_int_equal(conn_review(world.conn, clock_coarse()).what, CONN_LIVE);
            assert_false(is_told(other));
            review_and_end(&world, later,
                           first == SIDE_CLIENT ? END_CLIENT_RESET : END_SERVER_RESET);
            assert_true(is_told(other));
            finish(&world, first == SIDE_CLIENT ? END_CLIENT_RESET : END_SERVER_RESET);
        }
    }
}

static void a_unix_socket_that_closes_after_its_end_is_noticed(void **state) {
    (void)state;
    struct world world = begin(COPY_AUTO, true);
    int ends[2];

    fd_close(&world.client);
    hear_end(world.server);
    while (on_its_way(world.conn, SIDE_SERVER))
        ; /* until the end of data is acknowledged */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_true(dup2(ends[0], world.conn->fd[SIDE_CLIENT]) >= 0); /* whose end was read */
    fd_close(&ends[0]);
    usec_t later = clock_coarse() + 2 * USEC_PER_SEC;
    shutdown(ends[1], SHUT_WR);
    assert_int_equal(conn_review(world.conn, later).what, CONN_LIVE);
    fd_close(&ends[1]);
    review_and_end(&world, later, END_CLIENT_RESET);
    assert_true(is_told(world.server));
    finish(&world, END_CLIENT_RESET);
}

/* The pump that is in a write when the server's end is read: what it has met is known a moment
 * later. */
struct late_writer {
    struct conn *conn;
    int error; /* 0: the write succeeded */
    struct thread thread;
};

static void come_back(void *arg) {
    struct late_writer *late = arg;

    usleep(20000);
    if (late->error != 0)
        conn_sink_failed(late->conn, DIR_UP, late->error);
    atomic_store(&late->conn->state->flow[DIR_UP].writing, false);
}

/* unix_doubt: a server that answers and closes, while what the client sends is on its way to it. */
static void a_unix_socket_that_closes_in_order_is_not_reset(void **state) UNCHECKED {
    static const int errors[] = {0, EPIPE, ECONNRESET};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        struct pump_pair *pair;
        struct world world = prepare(COPY_BUFFER, false, &pair);
        struct late_writer late = {.conn = world.conn, .error = errors[i]};
        int ends[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        assert_true(dup2(ends[0], world.conn->fd[SIDE_SERVER]) >= 0);
        fd_close(&ends[0]);
        fd_close(&ends[1]);
        atomic_store(&world.conn->state->flow[DIR_UP].writing, true);
        assert_int_equal(thread_start(&late.thread, "late", NULL, come_back, &late), 0);
        conn_source_ended(world.conn, DIR_DOWN, 0);
        thread_join(&late.thread);
        if (errors[i] == ECONNRESET)
            hear_reset(world.client);
        else
            hear_end(world.client);
        fd_close(&world.client);
        pump_pool_run(pair, world.conn);
        finish(&world, errors[i] == ECONNRESET ? END_SERVER_RESET : END_SERVER_ENDED);
    }
}

/* A review has asked for its error, and found none: its end is true. */
static void a_unix_socket_in_doubt_ends_in_order(void **state) UNCHECKED {
    struct pump_pair *pair;
    struct world world = prepare(COPY_BUFFER, false, &pair);
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_true(dup2(ends[0], world.conn->fd[SIDE_SERVER]) >= 0);
    fd_close(&ends[0]);
    fd_close(&ends[1]);
    atomic_store(&world.conn->doubtful[SIDE_SERVER], true);
    conn_source_ended(world.conn, DIR_DOWN, 0);
    hear_end(world.client);
    fd_close(&world.client);
    pump_pool_run(pair, world.conn);
    finish(&world, END_SERVER_ENDED);
}

/* How it ends: 0 or -errno. */
static int hear_all(int fd) {
    static char got[65536];
    ssize_t n;

    do
        n = recv(fd, got, sizeof(got), 0);
    while (n > 0);
    return n < 0 ? -errno : 0;
}

/* Unix sockets in the place of the server's: relayd's end has little room. Returns the far end. */
static int connect_by_unix(struct world *world) {
    int ends[2], room = 4608;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
    assert_true(dup2(ends[0], world->conn->fd[SIDE_SERVER]) >= 0);
    fd_close(&ends[0]);
    return ends[1];
}

/* A write that had carried some bytes when the reset came says only how many, and the kernel tells
 * of the reset no more. */
static void a_unix_socket_that_is_reset_within_a_write_has_no_end(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        struct pump_pair *pair;
        struct world world = prepare(mode, false, &pair);
        int server = connect_by_unix(&world);

        pump_pool_run(pair, world.conn);
        fill(&world, world.client, DIR_UP);
        fill(&world, server, DIR_DOWN); /* its reader is in a write, too */
        fd_close(&server);              /* with bytes that it has not read */
        while (atomic_load(&world.conn->state->flow[DIR_UP].writing))
            usleep(100);
        assert_int_equal(hear_all(world.client), -ECONNRESET);
        finish(&world, END_SERVER_RESET);
    }
}

/* A review that looks whether it has failed leaves that to be told to its reader. */
static void a_unix_socket_that_was_looked_at_still_tells_of_its_reset(void **state) {
    struct pump_pair *pair;
    struct world world = prepare(COPY_BUFFER, false, &pair);
    int server = connect_by_unix(&world);

    (void)state;
    say(world.conn->fd[SIDE_SERVER], "question");
    fd_close(&server);
    atomic_store(&world.conn->state->flow[DIR_DOWN].writing, true); /* to a client that is slow */
    struct verdict verdict = conn_review(world.conn, clock_coarse());
    atomic_store(&world.conn->state->flow[DIR_DOWN].writing, false);
    assert_int_equal(verdict.what, CONN_ABORT);
    assert_int_equal(verdict.error, ECONNRESET);
    pump_pool_run(pair, world.conn); /* it was quicker than the reaper */
    hear_reset(world.client);
    finish(&world, END_SERVER_RESET);
}

/* Its reader is in a write that takes long. The other side reads what came before, and then the
 * reset. */
static void a_side_that_dies_while_its_reader_writes_is_noticed(void **state) {
    static char got[1 << 20];

    (void)state;
    EACH_COPY_MODE(mode) {
        for (int first = 0; first < 2; first++) {
            struct world world = begin(mode, false);
            int *one = first == SIDE_CLIENT ? &world.client : &world.server;
            int other = first == SIDE_CLIENT ? world.server : world.client;

            fill(&world, *one, first == SIDE_CLIENT ? DIR_UP : DIR_DOWN);
            assert_int_equal(conn_review(world.conn, clock_coarse()).what, CONN_LIVE);
            reset(one);
            review_and_end(&world, clock_coarse(),
                           first == SIDE_CLIENT ? END_CLIENT_RESET : END_SERVER_RESET);
            while (recv(other, got, sizeof(got), 0) > 0)
                ;
            assert_int_equal(errno, ECONNRESET);
            finish(&world, first == SIDE_CLIENT ? END_CLIENT_RESET : END_SERVER_RESET);
        }
    }
}

/* It looks the same to the kernel's state of its socket, but it has not failed. */
static void a_side_that_closes_in_order_while_its_reader_writes_is_no_dead_one(void **state) {
    static char got[1 << 20];

    (void)state;
    EACH_COPY_MODE(mode) {
        struct world world = begin(mode, true);
        ssize_t n;

        shutdown(world.server, SHUT_WR);
        hear_end(world.client);
        size_t sent = fill(&world, world.client, DIR_UP);
        fd_close(&world.client);
        assert_int_equal(conn_review(world.conn, clock_coarse()).what, CONN_LIVE);
        while ((n = recv(world.server, got, sizeof(got), 0)) > 0)
            sent -= (size_t)n;
        assert_int_equal(n, 0);
        assert_int_equal(sent, 0);
        finish(&world, END_SERVER_ENDED);
    }
}

/* What is dropped was lost: who sent it is told so in the end, though it was given its end. */
static void who_was_dropped_is_told_after_linger_timeout(void **state) {
    (void)state;
    EACH_COPY_MODE(mode) {
        struct world world = begin(mode, true);

        say(world.client, "job");
        shutdown(world.client, SHUT_WR);
        hear(world.server, "job");
        hear_end(world.server);
        reset(&world.client);
        say(world.server, "event");
        while (atomic_load(&world.conn->state->flow[DIR_DOWN].writing) ||
               conn_review(world.conn, clock_coarse()).deadline > clock_coarse() + 2 * USEC_PER_SEC)
            usleep(100);
        struct verdict verdict = conn_review(world.conn, clock_coarse() + 2 * USEC_PER_SEC);
        assert_int_equal(verdict.what, CONN_ABORT);
        assert_true(verdict.hard);
        assert_int_equal(verdict.end, END_CLIENT_LEFT);
        assert_false(is_told(world.server));
        conn_abort_hard(world.conn, verdict.end, 0);
        assert_true(is_told(world.server));
        finish(&world, END_CLIENT_LEFT);
    }
}

static void a_refused_client_is_read_until_it_closes(void **state) {
    struct conn_options options = {.linger_timeout = USEC_PER_SEC, .log = LOG_CONNECTIONS_NONE};
    struct record record = {.number = 1, .end = END_QUEUE_FULL};
    struct world world = {.server = -1};
    struct pump_pair *pair;
    struct holdings has = HOLDINGS_NONE;

    (void)state;
    tcp_pair(&has.client, &world.client);
    assert_int_equal(pump_pool_get(&pumps, &pair), 0);
    gate_force_enter(&gate);
    world.conn = conn_new_refused(&record, &options, &registry, &gate, NULL, &has);
    assert_non_null(world.conn);
    conn_ref(world.conn);
    pump_pool_run(pair, world.conn);
    for (int i = 0; i < 1000; i++)
        say(world.client, "a request that nobody reads, again and again");
    fd_close(&world.client);
    finish(&world, END_QUEUE_FULL);
}

static int set_up(void **state) {
    (void)state;
    thread_init_process();
    alarm(30); /* a hang is a failure */
    registry_init(&registry);
    gate_init(&gate, SIZE_MAX, NULL, NULL);
    pipe_pool_init(&pipes, 64);
    pump_pool_init(&pumps);
    return 0;
}

/* All threads end, all pipes are back, nothing is registered or in the gate: each of these checks
 * it. */
static int tear_down(void **state) {
    (void)state;
    pump_pool_destroy(&pumps);
    pipe_pool_destroy(&pipes);
    registry_destroy(&registry);
    assert_int_equal(gate_live(&gate), 0);
    gate_destroy(&gate);
    return 0;
}

/* What a process before had decided, and what it was killed over. */

static void an_expiry_is_done_once_more_and_has_its_time_anew(void **state) UNCHECKED {
    struct pump_pair *pair;
    struct world world = prepare(COPY_BUFFER, false, &pair);

    (void)state;
    world.conn->state->record.end = END_IDLE;
    world.conn->state->decided = true;
    world.conn->state->expired = 1; /* long ago */
    conn_redo(world.conn);
    assert_int_equal(conn_review(world.conn, clock_coarse()).what, CONN_LIVE);
    pump_pool_run(pair, world.conn);
    hear_end(world.client);
    hear_end(world.server);
    finish(&world, END_IDLE);
}

static void an_end_is_passed_on_once_more_and_not_read_again(void **state) UNCHECKED {
    struct pump_pair *pair;
    struct world world = prepare(COPY_BUFFER, true, &pair);

    (void)state;
    world.conn->state->record.end = END_CLIENT_ENDED;
    world.conn->state->decided = true;
    world.conn->state->flow[DIR_UP].ended = true;
    say(world.client, "late");
    conn_redo(world.conn);
    pump_pool_run(pair, world.conn);
    hear_end(world.server);
    say(world.server, "answer");
    hear(world.client, "answer");
    fd_close(&world.server);
    finish(&world, END_CLIENT_ENDED);
}

static void a_hard_abort_is_done_once_more(void **state) UNCHECKED {
    (void)state;
    for (int hard = 0; hard < 2; hard++) {
        struct pump_pair *pair;
        struct world world = prepare(COPY_BUFFER, true, &pair);

        world.conn->state->record.end = END_CLIENT_RESET;
        world.conn->state->decided = world.conn->state->aborted = true;
        world.conn->state->hard = hard;
        world.conn->state->flow[DIR_UP].ended = true;
        conn_redo(world.conn);
        pump_pool_run(pair, world.conn);
        hear_end(world.server);
        assert_true(is_told(world.server) == hard);
        hear_reset(world.client);
        finish(&world, END_CLIENT_RESET);
    }
}

/* A keeper that takes few messages and reads none: holding and releasing must not wait for it. */
static int set_up_kept(void **state) {
    const struct link_terms terms = {.path = "/none", .name = "", .keeper_timeout = USEC_PER_SEC};
    struct table *table;
    int ends[2];

    assert_int_equal(set_up(state), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    assert_int_equal(table_new(64, &table), 0);
    keeper = ends[1];
    assert_int_equal(link_init(&to_keeper, &terms, &ends[0], table, true, sweep_hold_missing,
                               &registry, LINK_OK),
                     0);
    kept = &to_keeper;
    return 0;
}

static int tear_down_kept(void **state) UNCHECKED {
    link_stop(&to_keeper, LINK_FORGET);
    for (size_t i = 0; i < to_keeper.table->n; i++)
        assert_int_equal(atomic_load(&to_keeper.table->states[i].live), 0);
    assert_int_equal(to_keeper.table->n_free + to_keeper.n_releases, to_keeper.table->n);
    table_free(to_keeper.table);
    link_free(&to_keeper);
    fd_close(&keeper);
    return tear_down(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_client_first),
        cmocka_unit_test(in_order_server_first),
        cmocka_unit_test(a_reset_is_passed_on_either_way),
        cmocka_unit_test(a_stolen_error_is_no_end),
        cmocka_unit_test(an_early_answer_arrives_whole),
        cmocka_unit_test(an_answer_that_was_complete_stays_complete),
        cmocka_unit_test(idle_is_a_reset_for_both),
        cmocka_unit_test(idle_end_close_ends_both_in_order),
        cmocka_unit_test(idle_after_one_end_cuts_the_other_direction),
        cmocka_unit_test(bytes_of_one_direction_keep_both_alive),
        cmocka_unit_test(a_stalled_reader_means_a_reset_for_both),
        cmocka_unit_test(a_slow_reader_is_not_stalled),
        cmocka_unit_test(a_reader_slower_than_min_rate_is_reset),
        cmocka_unit_test(min_rate_concerns_nobody_else),
        cmocka_unit_test(a_tail_that_is_being_taken_is_left_alone),
        cmocka_unit_test(linger_counts_after_one_end),
        cmocka_unit_test(linger_cuts_the_other_direction),
        cmocka_unit_test(a_drain_ends_silent_http_in_order),
        cmocka_unit_test(a_server_that_speaks_at_its_end_resets_nobody),
        cmocka_unit_test(a_drain_waits_for_an_answer),
        cmocka_unit_test(a_drain_waits_for_a_reader),
        cmocka_unit_test(a_drain_leaves_tcp_and_what_is_held_alone),
        cmocka_unit_test(a_side_that_dies_after_its_end_is_noticed),
        cmocka_unit_test(a_unix_socket_that_closes_after_its_end_is_noticed),
        cmocka_unit_test(a_unix_socket_that_closes_in_order_is_not_reset),
        cmocka_unit_test(a_unix_socket_in_doubt_ends_in_order),
        cmocka_unit_test(a_unix_socket_that_is_reset_within_a_write_has_no_end),
        cmocka_unit_test(a_unix_socket_that_was_looked_at_still_tells_of_its_reset),
        cmocka_unit_test(a_side_that_dies_while_its_reader_writes_is_noticed),
        cmocka_unit_test(a_side_that_closes_in_order_while_its_reader_writes_is_no_dead_one),
        cmocka_unit_test(who_was_dropped_is_told_after_linger_timeout),
        cmocka_unit_test(a_refused_client_is_read_until_it_closes),
        cmocka_unit_test(an_expiry_is_done_once_more_and_has_its_time_anew),
        cmocka_unit_test(an_end_is_passed_on_once_more_and_not_read_again),
        cmocka_unit_test(a_hard_abort_is_done_once_more),
    };

    int failed = cmocka_run_group_tests_name("conn", tests, set_up, tear_down);
    return failed + cmocka_run_group_tests_name("conn_kept", tests, set_up_kept, tear_down_kept);
}
