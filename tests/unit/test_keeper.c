/* keeper/: what relayd-keeper holds, gives back and lets go. It works in steps between the test's
 * own, except where it has to wait for the test. */
#include "unit.h"

#include <stdatomic.h>
#include <sys/resource.h>

#include "base/thread.h"
#include "keeper_peer.h"

static void holds_and_gives_back(void **state) {
    struct keeper keeper;
    struct six six;

    (void)state;
    open_keeper(&keeper);
    six_open(&six);
    int fd = begin(&keeper, HOUR);
    say_hold(fd, SLOT, &six, KEEPER_FDS);
    settle(&keeper);
    says_nothing(fd);
    six_let_go(&six);
    leave(&keeper, fd);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(six_state(&six), "oooooo");
        leave(&keeper, adopt(&keeper, SLOT, KEEPER_FDS));
    }
    fd = adopt(&keeper, SLOT, KEEPER_FDS);
    say_release(fd, SLOT);
    settle(&keeper);
    assert_string_equal(six_state(&six), "cccccc");
    leave(&keeper, fd);
    leave(&keeper, begin(&keeper, HOUR)); /* nothing is held: nobody is waited for */
    six_close(&six);
    close_keeper(&keeper);
}

/* What comes back is what was given, each at its place: a byte from the far end arrives there. */
static void gives_back_the_same_in_the_same_order(void **state) {
    struct keeper keeper;
    struct keeper_message held;
    struct six six;

    (void)state;
    open_keeper(&keeper);
    six_open(&six);
    int fd = begin(&keeper, HOUR);
    say_hold(fd, SLOT, &six, KEEPER_FDS);
    settle(&keeper);
    six_let_go(&six);
    leave(&keeper, fd);
    fd = come(&keeper);
    say_attach(fd, 0, HOUR);
    settle(&keeper);
    assert_int_equal(hear(fd).head.type, KEEPER_HELLO);
    assert_int_equal(keeper_receive(fd, &held), 1);
    for (int i = 0; i < KEEPER_FDS; i++) {
        char byte = 0;

        assert_int_equal(send(six.far[i], &"abcdef"[i], 1, 0), 1);
        assert_int_equal(recv(held.fd[i], &byte, 1, 0), 1);
        assert_int_equal(byte, "abcdef"[i]);
    }
    keeper_message_drop(&held);
    leave(&keeper, fd);
    six_close(&six);
    close_keeper(&keeper);
}

static void a_listener_has_one_descriptor(void **state) {
    struct keeper keeper;
    struct six six;

    (void)state;
    open_keeper(&keeper);
    six_open(&six);
    int fd = begin(&keeper, HOUR);
    say_hold(fd, KEEPER_LISTENERS, &six, 1);
    settle(&keeper);
    says_nothing(fd);
    six_let_go(&six);
    leave(&keeper, fd);
    assert_string_equal(six_state(&six), "occccc");
    fd = adopt(&keeper, KEEPER_LISTENERS, 1);
    leave(&keeper, fd);
    six_close(&six);
    close_keeper(&keeper);
}

static void pipes_stay_for_the_next_connection(void **state) {
    struct keeper keeper;
    struct six first, second;

    (void)state;
    open_keeper(&keeper);
    six_open(&first);
    six_open(&second);
    int fd = begin(&keeper, HOUR);
    say_hold(fd, SLOT, &first, KEEPER_FDS);
    say_release(fd, SLOT | KEEPER_KEEP_PIPES);
    settle(&keeper);
    six_let_go(&first);
    assert_string_equal(six_state(&first), "ccoooo");
    say_hold(fd, SLOT, &second, KEEPER_CONNECTION_FDS);
    settle(&keeper);
    says_nothing(fd);
    six_let_go(&second);
    assert_string_equal(six_state(&first), "ccoooo");
    assert_string_equal(six_state(&second), "oocccc");
    leave(&keeper, fd);
    fd = adopt(&keeper, SLOT, KEEPER_FDS);
    say_release(fd, SLOT | KEEPER_KEEP_PIPES);
    settle(&keeper);
    assert_string_equal(six_state(&first), "ccoooo");
    leave(&keeper, fd);
    leave(&keeper, begin(&keeper, HOUR)); /* which knows nothing of the pipes */
    assert_string_equal(six_state(&first), "cccccc");
    six_close(&first);
    six_close(&second);
    close_keeper(&keeper);
}

/* A hold takes the place of what was there, whether that was released or not. */
static void a_hold_replaces(void **state) {
    struct keeper keeper;
    struct six first, second;

    (void)state;
    open_keeper(&keeper);
    six_open(&first);
    six_open(&second);
    int fd = begin(&keeper, HOUR);
    say_hold(fd, SLOT, &first, KEEPER_FDS);
    say_hold(fd, SLOT, &second, KEEPER_FDS);
    settle(&keeper);
    six_let_go(&first);
    assert_string_equal(six_state(&first), "cccccc");
    assert_string_equal(six_state(&second), "oooooo");
    leave(&keeper, fd);
    six_close(&first);
    six_close(&second);
    close_keeper(&keeper);
}

static void a_hold_brings_releases(void **state) {
    struct keeper_message message = keeper_message(KEEPER_HOLD);
    struct keeper keeper;
    struct six six[3];

    (void)state;
    open_keeper(&keeper);
    int fd = begin(&keeper, HOUR);
    for (uint32_t i = 0; i < 3; i++) {
        six_open(&six[i]);
        say_hold(fd, SLOT + i, &six[i], KEEPER_FDS);
    }
    settle(&keeper);
    /* Its own slot is emptied before it is filled. */
    message.head.index = SLOT;
    message.n_fd = KEEPER_CONNECTION_FDS;
    memcpy(message.fd, six[2].far, sizeof(int) * KEEPER_CONNECTION_FDS);
    message.indexes[message.n_indexes++] = SLOT | KEEPER_KEEP_PIPES;
    message.indexes[message.n_indexes++] = SLOT + 1;
    assert_int_equal(keeper_send(fd, &message, 0), 0);
    settle(&keeper);
    says_nothing(fd);
    for (int i = 0; i < 3; i++)
        six_let_go(&six[i]);
    assert_string_equal(six_state(&six[0]), "ccoooo");
    assert_string_equal(six_state(&six[1]), "cccccc");
    assert_string_equal(six_state(&six[2]), "oooooo");
    leave(&keeper, fd);
    for (int i = 0; i < 3; i++)
        six_close(&six[i]);
    close_keeper(&keeper);
}

static void forgets_all_when_told(void **state) {
    struct keeper keeper;
    struct six six[2];

    (void)state;
    open_keeper(&keeper);
    int fd = begin(&keeper, HOUR);
    for (uint32_t i = 0; i < 2; i++) {
        six_open(&six[i]);
        say_hold(fd, SLOT + i, &six[i], KEEPER_FDS);
        settle(&keeper);
        six_let_go(&six[i]);
    }
    say_release(fd, SLOT | KEEPER_KEEP_PIPES);
    say(fd, KEEPER_FORGET, 0, 0);
    settle(&keeper);
    assert_string_equal(six_state(&six[0]), "cccccc");
    assert_string_equal(six_state(&six[1]), "cccccc");
    leave(&keeper, fd);
    leave(&keeper, begin(&keeper, HOUR));
    for (int i = 0; i < 2; i++)
        six_close(&six[i]);
    close_keeper(&keeper);
}

static void a_relayd_can_begin_anew(void **state) {
    struct keeper keeper;
    struct six six;

    (void)state;
    open_keeper(&keeper);
    six_open(&six);
    int fd = begin(&keeper, HOUR);
    say_hold(fd, SLOT, &six, KEEPER_FDS);
    settle(&keeper);
    six_let_go(&six);
    leave(&keeper, fd);
    fd = come(&keeper);
    say_attach(fd, 1, HOUR);
    settle(&keeper);
    assert_string_equal(six_state(&six), "cccccc");
    struct keeper_message hello = hear(fd);
    assert_int_equal(hello.head.type, KEEPER_HELLO);
    assert_int_equal(hello.head.count, 0);
    assert_int_equal(hear(fd).head.type, KEEPER_END);
    leave(&keeper, fd);
    six_close(&six);
    close_keeper(&keeper);
}

/* The timeout as ATTACH has it, or as PATIENCE has it later; 0 is at once, as is what makes no
 * sense. */
static void gives_up_after(usec_t attach, usec_t patience, usec_t wanted) {
    struct keeper keeper;
    struct six six;

    open_keeper(&keeper);
    six_open(&six);
    int fd = begin(&keeper, attach);
    say_hold(fd, SLOT, &six, KEEPER_FDS);
    if (patience != attach)
        say(fd, KEEPER_TERMS, 0, patience);
    settle(&keeper);
    six_let_go(&six);
    usec_t began = clock_now();
    leave(&keeper, fd);
    assert_string_equal(six_state(&six), "oooooo");
    while (keeper.gone != 0)
        assert_int_equal(keeper_step(&keeper), 0);
    assert_true(clock_now() - began >= wanted);
    assert_true(clock_now() - began < wanted + 10 * USEC_PER_SEC);
    assert_string_equal(six_state(&six), "cccccc");
    leave(&keeper, begin(&keeper, HOUR));
    six_close(&six);
    close_keeper(&keeper);
}

static void gives_up_after_keeper_timeout(void **state) {
    (void)state;
    gives_up_after(50 * USEC_PER_MSEC, 50 * USEC_PER_MSEC, 50 * USEC_PER_MSEC);
    gives_up_after(HOUR, 30 * USEC_PER_MSEC, 30 * USEC_PER_MSEC);
    gives_up_after(0, 0, 0);
    gives_up_after(-1, INT64_MIN, 0);
}

/* One that knocks and says nothing, or is no relayd, or dies before it has gone on, is not the one
 * that is waited for. */
static void only_one_that_goes_on_ends_the_wait(void **state) {
    struct keeper keeper;
    struct six six;

    (void)state;
    open_keeper(&keeper);
    six_open(&six);
    int fd = begin(&keeper, 100 * USEC_PER_MSEC);
    say_hold(fd, SLOT, &six, KEEPER_FDS);
    settle(&keeper);
    six_let_go(&six);
    leave(&keeper, fd);
    usec_t gone = keeper.gone;
    leave(&keeper, come(&keeper));
    int dies = come(&keeper);
    say_attach(dies, 0, 100 * USEC_PER_MSEC);
    leave(&keeper, dies);
    int silent = come(&keeper);
    settle(&keeper);
    assert_int_equal(keeper.gone, gone);
    while (keeper.gone != 0)
        assert_int_equal(keeper_step(&keeper), 0);
    assert_string_equal(six_state(&six), "cccccc");
    leave(&keeper, silent);
    six_close(&six);
    close_keeper(&keeper);
}

static void waits_for_ever_when_told(void **state) {
    struct keeper keeper;
    struct six six;

    (void)state;
    open_keeper(&keeper);
    six_open(&six);
    int fd = begin(&keeper, USEC_NEVER);
    say_hold(fd, SLOT, &six, KEEPER_FDS);
    settle(&keeper);
    six_let_go(&six);
    leave(&keeper, fd);
    fd = come(&keeper);
    assert_int_equal(keeper_step(&keeper), 0); /* which has not given up, but met it */
    leave(&keeper, fd);
    leave(&keeper, adopt(&keeper, SLOT, KEEPER_FDS));
    six_close(&six);
    close_keeper(&keeper);
}

/* relayd was killed with its last words unread, and may have left the keeper's unread, too: the
 * kernel then tells of the latter before it gives out the former. */
static void last_words_count(void **state) {
    (void)state;
    for (int unread = 0; unread < 2; unread++) {
        struct keeper keeper;
        struct six first, second;

        open_keeper(&keeper);
        six_open(&first);
        six_open(&second);
        int fd = unread ? come(&keeper) : begin(&keeper, HOUR), next = come(&keeper);
        if (unread)
            say_attach(fd, 0, HOUR);
        say_hold(fd, SLOT, &first, KEEPER_FDS);
        if (unread)
            for (int i = 0; i < 3; i++)
                assert_int_equal(keeper_step(&keeper), 0);
        say_release(fd, SLOT);
        say_hold(fd, SLOT + 1, &second, KEEPER_FDS);
        fd_close(&fd);
        six_let_go(&first);
        six_let_go(&second);
        say_attach(next, 0, HOUR);
        settle(&keeper);
        assert_string_equal(six_state(&first), "cccccc");
        assert_string_equal(six_state(&second), "oooooo");
        struct keeper_message hello = hear(next), held = hear(next);
        assert_int_equal(hello.head.count, 1);
        assert_int_equal(held.head.index, SLOT + 1);
        leave(&keeper, next);
        six_close(&first);
        six_close(&second);
        close_keeper(&keeper);
    }
}

struct loop {
    struct keeper keeper;
    atomic_bool stop;
};

static void keep(void *arg) {
    struct loop *loop = arg;

    while (!atomic_load(&loop->stop) && keeper_step(&loop->keeper) == 0)
        ;
}

/* More than a socket's buffer takes at once: the keeper waits until relayd has read. */
static void gives_back_more_than_a_socket_takes(void **state) {
    struct rlimit before, more;
    struct loop loop = {.stop = false};
    struct thread thread = {.running = false};
    struct six six;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    more = (struct rlimit){.rlim_cur = before.rlim_max, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &more), 0);
    open_keeper(&loop.keeper);
    six_open(&six);
    int fd = begin(&loop.keeper, HOUR);
    for (uint32_t i = KEEPER_CONNECTIONS; i < SLOTS; i++) {
        say_hold(fd, i, &six, KEEPER_FDS);
        settle(&loop.keeper);
    }
    leave(&loop.keeper, fd);
    assert_int_equal(thread_start(&thread, "keeper", NULL, keep, &loop), 0);
    fd = come(&loop.keeper);
    say_attach(fd, 0, HOUR);
    assert_int_equal(hear(fd).head.count, SLOTS - KEEPER_CONNECTIONS);
    for (uint32_t i = KEEPER_CONNECTIONS; i < SLOTS; i++) {
        struct keeper_message held = hear(fd);

        assert_int_equal(held.head.index, i);
        assert_int_equal(held.n_fd, KEEPER_FDS);
    }
    assert_int_equal(hear(fd).head.type, KEEPER_END);
    atomic_store(&loop.stop, true);
    fd_close(&fd); /* which is its last step */
    thread_join(&thread);
    six_close(&six);
    close_keeper(&loop.keeper);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_and_gives_back),
        cmocka_unit_test(gives_back_the_same_in_the_same_order),
        cmocka_unit_test(a_listener_has_one_descriptor),
        cmocka_unit_test(pipes_stay_for_the_next_connection),
        cmocka_unit_test(a_hold_replaces),
        cmocka_unit_test(a_hold_brings_releases),
        cmocka_unit_test(forgets_all_when_told),
        cmocka_unit_test(a_relayd_can_begin_anew),
        cmocka_unit_test(gives_up_after_keeper_timeout),
        cmocka_unit_test(only_one_that_goes_on_ends_the_wait),
        cmocka_unit_test(waits_for_ever_when_told),
        cmocka_unit_test(last_words_count),
        cmocka_unit_test(gives_back_more_than_a_socket_takes),
    };

    thread_init_process();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
