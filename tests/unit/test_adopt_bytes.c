/* conn/adopt_bytes: the bytes that a process had carried when it was killed in the middle of a
 * write. */
#include "unit.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "base/thread.h"
#include "conn/adopt_bytes.h"
#include "tcp_pair.h"

/* A conn whose pumps do not run: client is accepted, server is dialled. */
struct world {
    struct conn conn;
    struct conn_state state;
    int client, server; /* the far ends */
};

static struct world *begin(uint64_t header, uint64_t greeting) {
    struct world *world = aligned_alloc(_Alignof(struct world), sizeof(*world));

    memset(world, 0, sizeof(*world));
    world->conn.state = &world->state;
    world->state.record.header = header;
    world->state.record.greeting = greeting;
    tcp_pair(&world->conn.fd[SIDE_CLIENT], &world->client);
    tcp_pair(&world->server, &world->conn.fd[SIDE_SERVER]);
    return world;
}

static void finish(struct world *world) {
    fd_close(&world->conn.fd[SIDE_CLIENT]);
    fd_close(&world->conn.fd[SIDE_SERVER]);
    fd_close(&world->client);
    fd_close(&world->server);
    free(world);
}

static void pass(int from, int to, size_t n) {
    char bytes[4096];

    assert_true(n <= sizeof(bytes));
    memset(bytes, 'b', n);
    assert_int_equal(send(from, bytes, n, 0), n);
    assert_int_equal(recv(to, bytes, n, MSG_WAITALL), n);
}

/* What the pump of a killed process had read from the source and written to the sink, and not
 * noted. */
static void carry(struct world *world, enum direction dir, size_t n) {
    bool up = dir == DIR_UP;

    pass(up ? world->client : world->server, world->conn.fd[conn_source(dir)], n);
    pass(world->conn.fd[conn_sink(dir)], up ? world->server : world->client, n);
}

/* Until the kernel has it. */
static void await(int fd, short what) {
    struct pollfd wanted = {.fd = fd, .events = what};

    assert_int_equal(poll(&wanted, 1, 5000), 1);
}

static void what_was_not_noted_is_counted(void **state) {
    struct world *world = begin(0, 0);

    (void)state;
    for (int dir = 0; dir < 2; dir++) {
        assert_int_equal(adopt_bytes(&world->conn, (enum direction)dir, 0), 0);
        carry(world, (enum direction)dir, 1000);
        carry(world, (enum direction)dir, 77);
        assert_int_equal(adopt_bytes(&world->conn, (enum direction)dir, 0), 1077);
    }
    finish(world);
}

static void proxy_headers_are_no_part_of_it(void **state) {
    struct world *world = begin(16, 28);

    (void)state;
    pass(world->client, world->conn.fd[SIDE_CLIENT], 16);
    pass(world->conn.fd[SIDE_SERVER], world->server, 28);
    assert_int_equal(adopt_bytes(&world->conn, DIR_UP, 0), 0);
    carry(world, DIR_UP, 300);
    carry(world, DIR_DOWN, 500);
    assert_int_equal(adopt_bytes(&world->conn, DIR_UP, 0), 300);
    assert_int_equal(adopt_bytes(&world->conn, DIR_DOWN, 0), 500);
    finish(world);
}

static void bytes_that_the_peer_has_not_taken_count(void **state) {
    static const char bulk[1 << 20];
    struct world *world = begin(0, 0);
    size_t sent = 0;
    ssize_t n;

    (void)state;
    while ((n = send(world->conn.fd[SIDE_CLIENT], bulk, sizeof(bulk), MSG_DONTWAIT)) > 0)
        sent += (size_t)n;
    assert_int_equal(adopt_bytes(&world->conn, DIR_DOWN, 0), sent);
    finish(world);
}

/* The sink is gone: then by the source, of which 100 bytes are unread and 50 are in the pipe. */
static void without_a_sink_the_source_is_asked(void **state) {
    struct world *world = begin(16, 0);

    (void)state;
    for (int ended = 0; ended < 2; ended++) {
        pass(world->client, world->conn.fd[SIDE_CLIENT], 16 + 200 + 50);
        assert_int_equal(send(world->client, "0123456789", 10, 0), 10);
        if (ended)
            shutdown(world->client, SHUT_WR);
        await(world->conn.fd[SIDE_CLIENT], ended ? POLLRDHUP : POLLIN);
        fd_reset(world->conn.fd[SIDE_SERVER]);
        assert_int_equal(adopt_bytes(&world->conn, DIR_UP, 50), 200);
        finish(world);
        world = begin(16, 0);
    }
    finish(world);
}

static void what_was_noted_is_the_least(void **state) {
    struct world *world = begin(0, 0);
    int ends[2];

    (void)state;
    carry(world, DIR_UP, 10);
    atomic_store(&world->state.flow[DIR_UP].bytes, 11); /* nonsense: but no byte is lost for it */
    assert_int_equal(adopt_bytes(&world->conn, DIR_UP, 0), 11);
    assert_true(adopt_look(world->conn.fd[SIDE_CLIENT]).tcp);
    finish(world);

    world = begin(0, 0);
    fd_close(&world->conn.fd[SIDE_SERVER]);
    fd_close(&world->conn.fd[SIDE_CLIENT]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    world->conn.fd[SIDE_SERVER] = ends[0];
    world->conn.fd[SIDE_CLIENT] = ends[1];
    atomic_store(&world->state.flow[DIR_UP].bytes, 12);
    assert_int_equal(adopt_bytes(&world->conn, DIR_UP, 0), 12);
    assert_false(adopt_look(ends[0]).tcp);
    finish(world);
}

/* The peer of a socket reads, or writes, while the socket is asked; each read and each write moves
 * both numbers that make the sum. */
#define ROUNDS 50

struct peer {
    struct thread thread;
    int fd;
    size_t size; /* bytes to move */
    atomic_bool done;
};

static char bulk_read[1 << 16];
static const char bulk_written[1 << 16];

static void read_all(void *arg) {
    struct peer *peer = arg;

    for (size_t got = 0; got < peer->size;) {
        ssize_t n = recv(peer->fd, bulk_read, sizeof(bulk_read), 0);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    atomic_store(&peer->done, true);
}

static void write_all(void *arg) {
    struct peer *peer = arg;

    for (size_t sent = 0; sent < peer->size;) {
        ssize_t n = send(peer->fd, bulk_written, sizeof(bulk_written), MSG_DONTWAIT);
        if (n <= 0)
            break; /* there is no room for more */
        sent += (size_t)n;
    }
    atomic_store(&peer->done, true);
}

/* How often the sum was another than it should be while the peer was at work. */
static size_t count_wrong(struct world *world, enum direction dir, thread_fn *work,
                          struct peer *peer, uint64_t wanted) {
    size_t wrong = 0;

    assert_int_equal(thread_start(&peer->thread, "peer", NULL, work, peer), 0);
    while (!atomic_load(&peer->done))
        wrong += adopt_bytes(&world->conn, dir, 0) != wanted;
    thread_join(&peer->thread);
    return wrong;
}

static void a_socket_that_drains_is_asked_for_one_moment(void **state) {
    size_t wrong = 0;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct world *world = begin(0, 0);
        struct peer peer = {.fd = world->client};
        ssize_t n;

        while ((n = send(world->conn.fd[SIDE_CLIENT], bulk_written, sizeof(bulk_written),
                         MSG_DONTWAIT)) > 0)
            peer.size += (size_t)n;
        wrong += count_wrong(world, DIR_DOWN, read_all, &peer, peer.size);
        finish(world);
    }
    assert_int_equal(wrong, 0);
}

/* The sink is gone, so that the source is asked, of which 500 bytes have been read. */
static void a_socket_that_fills_is_asked_for_one_moment(void **state) {
    size_t wrong = 0;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct world *world = begin(0, 0);
        struct peer peer = {.fd = world->client, .size = 1 << 23};

        pass(world->client, world->conn.fd[SIDE_CLIENT], 500);
        fd_reset(world->conn.fd[SIDE_SERVER]);
        wrong += count_wrong(world, DIR_UP, write_all, &peer, 500);
        finish(world);
    }
    assert_int_equal(wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_noted_is_counted),
        cmocka_unit_test(proxy_headers_are_no_part_of_it),
        cmocka_unit_test(bytes_that_the_peer_has_not_taken_count),
        cmocka_unit_test(without_a_sink_the_source_is_asked),
        cmocka_unit_test(what_was_noted_is_the_least),
        cmocka_unit_test(a_socket_that_drains_is_asked_for_one_moment),
        cmocka_unit_test(a_socket_that_fills_is_asked_for_one_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
