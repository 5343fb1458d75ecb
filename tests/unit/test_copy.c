/* conn/copy: both engines and the choice between them, over socket pairs. */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sockopt.h"
#include "conn/copy.h"
#include "tcp_pair.h"

struct road {
    struct pipe_pool pipes;
    struct copy copy;
    int in[2];  /* we write [0], copy reads [1] */
    int out[2]; /* copy writes [0], we read [1] */
    char buffer[COPY_BUFFER_SIZE];
};

static void open_road(struct road *road, enum copy_mode mode, size_t pipes) {
    pipe_pool_init(&road->pipes, pipes);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, road->in), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, road->out), 0);
    copy_init(&road->copy, mode, &road->pipes, road->buffer);
}

static void close_road(struct road *road) {
    copy_release(&road->copy);
    for (int i = 0; i < 2; i++) {
        fd_close(&road->in[i]);
        fd_close(&road->out[i]);
    }
    pipe_pool_destroy(&road->pipes); /* checks that the pipe came back */
}

static void carries(struct road *road, const char *data, size_t size) {
    char got[8192];

    assert_true(size <= sizeof(got));
    assert_int_equal(send(road->in[0], data, size, 0), size);
    for (size_t done = 0; done < size;) {
        ssize_t n = copy_read(&road->copy, road->in[1]);

        assert_true(n > 0);
        assert_int_equal(copy_write(&road->copy, road->out[0]), 0);
        assert_int_equal(recv(road->out[1], got, (size_t)n, MSG_WAITALL), n);
        assert_memory_equal(got, data + done, (size_t)n);
        done += (size_t)n;
    }
}

static void each_mode_carries_and_counts(void **state) {
    char data[8192];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)rand();
    for (int mode = COPY_AUTO; mode <= COPY_SPLICE; mode++) {
        struct road road;

        open_road(&road, (enum copy_mode)mode, 1);
        for (size_t size = 1; size <= sizeof(data); size *= 2)
            carries(&road, data, size);
        assert_int_equal(road.copy.written, 2 * sizeof(data) - 1);
        close_road(&road);
    }
}

static void each_mode_sees_the_end(void **state) {
    (void)state;
    for (int mode = COPY_AUTO; mode <= COPY_SPLICE; mode++) {
        struct road road;

        open_road(&road, (enum copy_mode)mode, 1);
        carries(&road, "last words", 10);
        assert_int_equal(shutdown(road.in[0], SHUT_WR), 0);
        assert_int_equal(copy_read(&road.copy, road.in[1]), 0);
        close_road(&road);
    }
}

static void each_mode_reports_a_dead_sink_and_keeps_no_pipe(void **state) {
    (void)state;
    for (int mode = COPY_AUTO; mode <= COPY_SPLICE; mode++) {
        struct road road;

        open_road(&road, (enum copy_mode)mode, 1);
        fd_close(&road.out[1]);
        assert_int_equal(send(road.in[0], "lost", 4, 0), 4);
        assert_int_equal(copy_read(&road.copy, road.in[1]), 4);
        assert_int_equal(copy_write(&road.copy, road.out[0]), -EPIPE);
        assert_int_equal(road.copy.in_hand, 4);
        close_road(&road);
    }
}

/* One full read of the buffer, or what a pipe takes of it. */
static void carry_full(struct road *road) {
    static char data[COPY_BUFFER_SIZE], got[COPY_BUFFER_SIZE];

    assert_int_equal(send(road->in[0], data, sizeof(data), 0), sizeof(data));
    for (size_t done = 0; done < sizeof(data);) {
        ssize_t n = copy_read(&road->copy, road->in[1]);

        assert_true(n > 0);
        assert_int_equal(copy_write(&road->copy, road->out[0]), 0);
        assert_int_equal(recv(road->out[1], got, (size_t)n, MSG_WAITALL), n);
        done += (size_t)n;
    }
}

static bool splices(const struct road *road) {
    return road->copy.pipe.read >= 0;
}

static void auto_moves_to_the_pipe_and_back(void **state) {
    struct road road;

    (void)state;
    open_road(&road, COPY_AUTO, 1);
    carries(&road, "small", 5);
    assert_false(splices(&road));
    for (int i = 0; i < 8 && !splices(&road); i++)
        carry_full(&road);
    assert_true(splices(&road));
    for (int i = 0; i < 64 && splices(&road); i++)
        carries(&road, "small", 5);
    assert_false(splices(&road));
    close_road(&road);
}

/* Answers of 16 KiB and a header, one after the other: each is a full read and a small one. */
static void auto_moves_for_messages_beyond_the_buffer(void **state) {
    struct road road;

    (void)state;
    open_road(&road, COPY_AUTO, 1);
    for (int i = 0; i < 8 && !splices(&road); i++) {
        carry_full(&road);
        carries(&road, "the rest", 8);
    }
    assert_true(splices(&road));
    close_road(&road);
}

static void auto_borrows_a_pipe_until_messages_come_quickly(void **state) {
    struct road road;

    (void)state;
    open_road(&road, COPY_AUTO, 1);
    for (int i = 0; i < 100; i++) {
        carries(&road, "seldom", 6);
        assert_int_equal(road.copy.way, COPY_WAY_LOAN);
        assert_false(splices(&road)); /* the pipe is back in the pool */
        road.copy.last -= USEC_PER_SEC;
    }
    for (int i = 0; i < 20; i++)
        carries(&road, "quick", 5);
    assert_int_equal(road.copy.way, COPY_WAY_BUFFER);
    close_road(&road);
}

static void without_a_pipe_the_buffer_serves(void **state) {
    struct road road;

    (void)state;
    open_road(&road, COPY_SPLICE, 0);
    assert_false(splices(&road));
    carries(&road, "as well", 7);
    close_road(&road);

    open_road(&road, COPY_AUTO, 0);
    for (int i = 0; i < 8; i++)
        carry_full(&road);
    assert_false(splices(&road));
    close_road(&road);
}

/* TCP's urgent byte: splice stops at it as if at the end of data; no byte may be lost, and none is
 * the end. */
static void urgent_data_is_data(void **state) {
    (void)state;
    for (int mode = COPY_AUTO; mode <= COPY_SPLICE; mode++) {
        struct road road;
        char got[16] = "";

        open_road(&road, (enum copy_mode)mode, 1);
        fd_close(&road.in[0]);
        fd_close(&road.in[1]);
        tcp_pair(&road.in[1], &road.in[0]);
        sockopt_set_server(road.in[1], 0);
        assert_int_equal(send(road.in[0], "before", 6, 0), 6);
        assert_int_equal(send(road.in[0], "!", 1, MSG_OOB), 1);
        assert_int_equal(send(road.in[0], "after", 5, 0), 5);
        shutdown(road.in[0], SHUT_WR);
        for (ssize_t n; (n = copy_read(&road.copy, road.in[1])) != 0;) {
            assert_true(n > 0);
            assert_int_equal(copy_write(&road.copy, road.out[0]), 0);
        }
        assert_int_equal(recv(road.out[1], got, 12, MSG_WAITALL), 12);
        assert_string_equal(got, "before!after");
        close_road(&road);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mode_carries_and_counts),
        cmocka_unit_test(each_mode_sees_the_end),
        cmocka_unit_test(each_mode_reports_a_dead_sink_and_keeps_no_pipe),
        cmocka_unit_test(auto_moves_to_the_pipe_and_back),
        cmocka_unit_test(auto_moves_for_messages_beyond_the_buffer),
        cmocka_unit_test(auto_borrows_a_pipe_until_messages_come_quickly),
        cmocka_unit_test(without_a_pipe_the_buffer_serves),
        cmocka_unit_test(urgent_data_is_data),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
