/* conn/passage_ask, relay/adopt_steps: how far a step came that was not done, by what the kernel
 * has counted. */
#include "unit.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "conn/exchange_area.h"
#include "relay/adopt_steps.h"
#include "conn/passage.h"
#include "tcp_pair.h"

/* One direction, up: of a client to a server. */
struct world {
    struct passages passages;
    int fd[2];   /* by side */
    int peer[2]; /* the far ends */
};

static struct world *begin(void) {
    struct world *world = aligned_alloc(_Alignof(struct world), sizeof(*world));
    static const struct record record;

    memset(world, 0, sizeof(*world));
    tcp_pair(&world->fd[SIDE_CLIENT], &world->peer[SIDE_CLIENT]);
    tcp_pair(&world->peer[SIDE_SERVER], &world->fd[SIDE_SERVER]);
    passages_begin(&world->passages, &record, world->fd, (struct tls_session *[2]){NULL, NULL});
    return world;
}

static void finish(struct world *world) {
    for (int side = 0; side < 2; side++) {
        fd_close(&world->fd[side]);
        fd_close(&world->peer[side]);
    }
    free(world);
}

/* n bytes come from the client. */
static void come(struct world *world, size_t n) {
    char bytes[4096] = {0};

    assert_int_equal(send(world->peer[SIDE_CLIENT], bytes, n, 0), n);
    assert_int_equal(recv(world->fd[SIDE_CLIENT], bytes, n, MSG_PEEK | MSG_WAITALL), n);
}

static void take(struct world *world, size_t n) {
    char bytes[4096];

    assert_int_equal(recv(world->fd[SIDE_CLIENT], bytes, n, 0), n);
}

static void give(struct world *world, size_t n) {
    char bytes[4096] = {0};

    assert_int_equal(send(world->fd[SIDE_SERVER], bytes, n, 0), n);
}

/* A step that is to take, and to send so much. */
static void commit(struct world *world, uint32_t took, uint32_t size) {
    struct passage *passage = &world->passages.way[DIR_UP];
    struct passage_mark *draft = passage_draft(passage);

    draft->read += took;
    draft->took = took;
    draft->sent[SIDE_SERVER] += size;
    draft->size = size;
    draft->sink = SIDE_SERVER;
    draft->step = PASSAGE_MESSAGE;
    passage_commit(passage);
}

static bool ask(struct world *world, struct passage_rest *ret) {
    return passage_ask(&world->passages.way[DIR_UP], DIR_UP, false, world->fd, ret);
}

static void test_how_far(void **state) {
    struct world *world = begin();
    struct passage_rest rest;

    (void)state;
    come(world, 300);
    commit(world, 100, 50);
    assert_true(ask(world, &rest));
    assert_true(rest.undone && rest.again && rest.done == 0 && rest.left == 100);
    give(world, 20);
    assert_true(ask(world, &rest));
    assert_true(rest.undone && rest.again && rest.done == 20 && rest.left == 100);
    give(world, 30);
    take(world, 40);
    assert_true(ask(world, &rest));
    assert_true(rest.undone && !rest.again && rest.left == 60);
    take(world, 60);
    assert_true(ask(world, &rest));
    assert_false(rest.undone);
    take(world, 1); /* more than there was to take */
    assert_false(ask(world, &rest));
    finish(world);
}

static void reset(int *fd) {
    struct linger hard = {.l_onoff = 1};

    assert_int_equal(setsockopt(*fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    fd_close(fd);
}

/* Nobody takes the rest; what it was made of is to be taken all the same. */
static void test_dead_sink(void **state) {
    struct world *world = begin();
    struct passage_rest rest;

    (void)state;
    come(world, 300);
    commit(world, 100, 50);
    give(world, 20);
    reset(&world->peer[SIDE_SERVER]);
    assert_true(ask(world, &rest));
    assert_true(rest.undone && rest.dead && !rest.unsure && rest.left == 100);
    take(world, 70);
    assert_true(ask(world, &rest));
    assert_true(rest.undone && rest.dead && !rest.unsure && rest.left == 30);
    take(world, 100);
    assert_true(ask(world, &rest));
    assert_true(rest.dead && rest.unsure);
    finish(world);
}

/* A step that sends nothing does not depend on its sink: whether it is shut, is gone, or was sent
 * to by the other direction. */
static void test_silent_step(void **state) {
    (void)state;
    for (int which = 0; which < 3; which++) {
        struct world *world = begin();
        struct passage_rest rest;

        come(world, 300);
        commit(world, 100, 0);
        if (which == 0)
            give(world, 20);
        else if (which == 1)
            assert_int_equal(shutdown(world->fd[SIDE_SERVER], SHUT_WR), 0);
        else
            reset(&world->peer[SIDE_SERVER]);
        assert_true(ask(world, &rest));
        assert_true(rest.undone && !rest.dead && !rest.again && rest.left == 100);
        take(world, 100);
        assert_true(ask(world, &rest));
        assert_false(rest.undone);
        finish(world);
    }
}

/* A step that takes nothing does not depend on its source: whether it has gone on, with another
 * client (shared_leg in conn/exchange.h), or is closed. */
static void test_step_that_takes_nothing(void **state) {
    (void)state;
    for (int which = 0; which < 3; which++) {
        struct world *world = begin();
        struct passage_rest rest;

        come(world, 300);
        commit(world, 0, 50);
        if (which == 0)
            take(world, 200);
        else if (which == 1)
            reset(&world->peer[SIDE_CLIENT]);
        else
            reset(&world->peer[SIDE_SERVER]);
        assert_true(ask(world, &rest));
        if (which == 2) {
            assert_true(rest.undone && rest.dead && !rest.unsure && rest.left == 0);
        } else {
            assert_true(rest.undone && rest.again && rest.done == 0 && rest.left == 0);
            give(world, 50);
            assert_true(ask(world, &rest));
            assert_false(rest.undone);
        }
        finish(world);
    }
}

/* Whether an end is in its count cannot be told of a source that is closed: one byte that was taken
 * may be that, or the end. */
static void test_closed_source(void **state) {
    (void)state;
    for (uint32_t took = 1; took <= 2; took++) {
        struct world *world = begin();
        struct passage_rest rest;

        come(world, 300);
        commit(world, took, 50);
        give(world, 50);
        reset(&world->peer[SIDE_CLIENT]);
        assert_true(ask(world, &rest));
        assert_true(rest.undone && rest.left == took);
        take(world, took);
        assert_true(ask(world, &rest) == (took > 1));
        if (took > 1)
            assert_false(rest.undone);
        finish(world);
    }
}

/* What a torn or a strange table says of an area: none is lent that others have written, and
 * nothing is read beyond one. */
static void test_areas(void **state) {
    struct table *table;
    uint32_t slot;

    (void)state;
    assert_int_equal(table_new(1, &table), 0);
    assert_int_equal(table_take(table, false, &slot), 0);
    table->slots[0].area_claims = 1;
    struct world *world = begin();
    static const uint32_t sizes[] = {0, 1, EXCHANGE_OUT_SIZE, EXCHANGE_OUT_SIZE + 1};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        commit(world, 0, sizes[i]);
        table->passages[slot] = world->passages;
        assert_true(adopt_is_sound(table, slot) == (sizes[i] == 0));
        table->passages[slot].area = 1;
        assert_true(adopt_is_sound(table, slot) == (sizes[i] <= EXCHANGE_OUT_SIZE));
    }
    finish(world);
    world = begin();
    struct passage *up = &world->passages.way[DIR_UP];
    passage_draft(up)->exchange.count = 1; /* its head is missing */
    passage_commit(up);
    table->passages[slot] = world->passages;
    assert_false(adopt_is_sound(table, slot));
    table->passages[slot].area = 1;
    assert_true(adopt_is_sound(table, slot));
    passage_draft(up)->exchange.stored = PUMP_BUFFER_SIZE + STREAM_SLACK + 1;
    passage_commit(up);
    table->passages[slot] = world->passages;
    table->passages[slot].area = 1;
    assert_false(adopt_is_sound(table, slot));
    finish(world);
    table_free(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_areas),         cmocka_unit_test(test_how_far),
        cmocka_unit_test(test_dead_sink),     cmocka_unit_test(test_silent_step),
        cmocka_unit_test(test_closed_source), cmocka_unit_test(test_step_that_takes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
