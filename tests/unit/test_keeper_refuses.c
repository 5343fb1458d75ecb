/* keeper/: relayds that come too early or late, speak something else, or for which there is no
 * room: nothing that is held is lost, and no descriptor stays behind. */
#include "unit.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "keeper_peer.h"

/* It may have said ATTACH already, and then the answer must reach it none the less. */
static void a_second_relayd_is_refused(void **state) {
    struct keeper keeper;
    struct six six;

    (void)state;
    open_keeper(&keeper);
    six_open(&six);
    int fd = begin(&keeper, HOUR), early = come(&keeper), late = come(&keeper);
    say_attach(early, 1, HOUR);
    settle(&keeper);
    is_refused(early, KEEPER_BUSY);
    struct keeper_message attach = keeper_message(KEEPER_ATTACH);
    assert_int_equal(keeper_send(late, &attach, 0), -EPIPE);
    is_refused(late, KEEPER_BUSY);
    say_hold(fd, SLOT, &six, KEEPER_FDS);
    settle(&keeper);
    six_let_go(&six);
    assert_string_equal(six_state(&six), "oooooo");
    leave(&keeper, fd);
    six_close(&six);
    close_keeper(&keeper);
}

static void another_version_is_told_ours(void **state) {
    struct keeper_message attach = keeper_message(KEEPER_ATTACH);
    struct keeper keeper;

    (void)state;
    open_keeper(&keeper);
    int fd = come(&keeper);
    attach.head.version = KEEPER_VERSION + 1;
    assert_int_equal(keeper_send(fd, &attach, 0), 0);
    say(fd, KEEPER_TERMS, 0, 0); /* is not read any more */
    settle(&keeper);
    is_refused(fd, KEEPER_OTHER_VERSION);
    assert_true(keeper.told != 0);
    leave(&keeper, begin(&keeper, HOUR));
    assert_int_equal(keeper.told, 0); /* the next is logged, too */
    close_keeper(&keeper);
}

static void a_silent_client_makes_way(void **state) {
    struct keeper keeper;

    (void)state;
    open_keeper(&keeper);
    int silent = come(&keeper);
    settle(&keeper);
    int fd = begin(&keeper, HOUR);
    is_cut_off(silent);
    leave(&keeper, fd);
    close_keeper(&keeper);
}

/* Packets that are no message of a relayd: n bytes of the head and whatever follows. */
struct nonsense {
    struct keeper_head head;
    size_t size;
    uint32_t index; /* the first of what follows */
};

static void cuts_off(const struct nonsense *nonsense, bool attached) {
    struct six six, brought;
    struct keeper keeper;
    struct keeper_message message = {.head = nonsense->head, .n_fd = KEEPER_FDS};
    char packet[1024] = "";

    open_keeper(&keeper);
    six_open(&six);
    six_open(&brought);
    int fd = begin(&keeper, HOUR);
    say_hold(fd, SLOT, &six, KEEPER_FDS);
    settle(&keeper);
    six_let_go(&six);
    if (!attached) {
        leave(&keeper, fd);
        fd = come(&keeper);
    }
    memcpy(packet, &nonsense->head, sizeof(nonsense->head));
    memcpy(packet + sizeof(nonsense->head), &nonsense->index, sizeof(nonsense->index));
    if (nonsense->size == sizeof(nonsense->head)) { /* with descriptors, which must not leak */
        memcpy(message.fd, brought.near, sizeof(message.fd));
        assert_int_equal(keeper_send(fd, &message, 0), 0);
    } else {
        assert_int_equal(send(fd, packet, nonsense->size, 0), nonsense->size);
    }
    settle(&keeper);
    six_let_go(&brought);
    is_cut_off(fd);
    assert_string_equal(six_state(&brought), "cccccc");
    assert_string_equal(six_state(&six), "oooooo");
    leave(&keeper, adopt(&keeper, SLOT, KEEPER_FDS));
    six_close(&six);
    six_close(&brought);
    close_keeper(&keeper);
}

#define HEAD(a, b, c)                                                                              \
    { .magic = (a), .version = KEEPER_VERSION, .type = (b), .index = (c) }
#define WHOLE sizeof(struct keeper_head)

static void nonsense_is_cut_off_and_costs_nothing(void **state) {
    const struct nonsense always[] = {
        {HEAD(KEEPER_MAGIC + 1, KEEPER_ATTACH, 0), WHOLE, 0},
        {HEAD(KEEPER_MAGIC, 0, 0), WHOLE, 0},
        {HEAD(KEEPER_MAGIC, KEEPER_HELLO, 0), WHOLE, 0},
        {HEAD(KEEPER_MAGIC, KEEPER_LOST, SLOT), WHOLE, 0},
        {HEAD(KEEPER_MAGIC, UINT16_MAX, 0), WHOLE, 0},
        {HEAD(KEEPER_MAGIC, KEEPER_ATTACH, 0), 0, 0},
        {HEAD(KEEPER_MAGIC, KEEPER_ATTACH, 0), 1, 0},
        {HEAD(KEEPER_MAGIC, KEEPER_ATTACH, 0), WHOLE - 1, 0},
        {HEAD(KEEPER_MAGIC, KEEPER_ATTACH, 0), WHOLE + 4 * KEEPER_INDEXES + 1, 0},
    };
    const struct nonsense before_attach[] = {
        {HEAD(KEEPER_MAGIC, KEEPER_HOLD, SLOT), WHOLE, 0},
        {HEAD(KEEPER_MAGIC, KEEPER_RELEASE, 0), WHOLE + 4, SLOT},
        {HEAD(KEEPER_MAGIC, KEEPER_FORGET, 0), WHOLE, 0},
        {HEAD(KEEPER_MAGIC, KEEPER_TERMS, 0), WHOLE, 0},
    };
    const struct nonsense again = {HEAD(KEEPER_MAGIC, KEEPER_ATTACH, 0), WHOLE, 0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(always); i++) {
        cuts_off(&always[i], true);
        cuts_off(&always[i], false);
    }
    for (size_t i = 0; i < ARRAY_LEN(before_attach); i++)
        cuts_off(&before_attach[i], false);
    cuts_off(&again, true);
}

/* A relayd whose table is larger than this keeper, which was restarted with fewer descriptors. */
static void what_is_beyond_the_last_slot_is_lost_and_harms_nobody(void **state) {
    const uint32_t beyond[] = {SLOTS, SLOTS | KEEPER_KEEP_PIPES, UINT32_MAX};
    struct keeper_message hold = keeper_message(KEEPER_HOLD);
    struct keeper keeper;
    struct six six;

    (void)state;
    open_keeper(&keeper);
    six_open(&six);
    int fd = begin(&keeper, HOUR);
    for (size_t i = 0; i < ARRAY_LEN(beyond); i++)
        say_release(fd, beyond[i]);
    hold.head.index = SLOTS;
    hold.head.count = 77;
    hold.n_fd = KEEPER_FDS;
    memcpy(hold.fd, six.near, sizeof(hold.fd));
    assert_int_equal(keeper_send(fd, &hold, 0), 0);
    settle(&keeper);
    six_let_go(&six);
    struct keeper_message lost = hear(fd);
    assert_int_equal(lost.head.type, KEEPER_LOST);
    assert_int_equal(lost.head.index, SLOTS);
    assert_int_equal(lost.head.count, 77);
    assert_string_equal(six_state(&six), "cccccc");
    say(fd, KEEPER_PING, 0, 0);
    settle(&keeper);
    assert_int_equal(hear(fd).head.type, KEEPER_PONG);
    leave(&keeper, fd);
    six_close(&six);
    close_keeper(&keeper);
}

/* With fewer descriptors than a connection has, or with some that did not fit into the keeper. */
static void loses(size_t n_fd, bool kept, rlim_t room) {
    struct rlimit before, less;
    struct keeper keeper;
    struct six first, second;

    open_keeper(&keeper);
    six_open(&first);
    six_open(&second);
    int fd = begin(&keeper, HOUR);
    if (kept) {
        say_hold(fd, SLOT, &first, KEEPER_FDS);
        say_release(fd, SLOT | KEEPER_KEEP_PIPES);
        settle(&keeper);
    }
    six_let_go(&first);
    say_hold(fd, SLOT, &second, n_fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int next = 0;
    for (; fcntl(next, F_GETFD) >= 0; next++)
        ;
    less = (struct rlimit){.rlim_cur = (rlim_t)next + room, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &less), 0);
    settle(&keeper);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    six_let_go(&second);
    assert_string_equal(six_state(&first), "cccccc");
    assert_string_equal(six_state(&second), "cccccc");
    struct keeper_message lost = hear(fd);
    assert_int_equal(lost.head.type, KEEPER_LOST);
    assert_int_equal(lost.head.index, SLOT);
    assert_int_equal(lost.n_fd, 0);
    says_nothing(fd);
    leave(&keeper, fd);
    leave(&keeper, begin(&keeper, HOUR));
    six_close(&first);
    six_close(&second);
    close_keeper(&keeper);
}

static void what_does_not_come_whole_is_lost(void **state) {
    const rlim_t plenty = 100;

    (void)state;
    for (rlim_t room = 0; room < KEEPER_FDS; room++)
        loses(KEEPER_FDS, false, room);
    for (rlim_t room = 0; room < KEEPER_CONNECTION_FDS; room++)
        loses(KEEPER_CONNECTION_FDS, true, room);
    for (size_t n_fd = 0; n_fd < KEEPER_FDS; n_fd++)
        if (n_fd != KEEPER_CONNECTION_FDS) /* without pipes */
            loses(n_fd, false, plenty);
    for (size_t n_fd = 0; n_fd < KEEPER_CONNECTION_FDS; n_fd++)
        loses(n_fd, true, plenty);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_relayd_is_refused),
        cmocka_unit_test(another_version_is_told_ours),
        cmocka_unit_test(a_silent_client_makes_way),
        cmocka_unit_test(nonsense_is_cut_off_and_costs_nothing),
        cmocka_unit_test(what_is_beyond_the_last_slot_is_lost_and_harms_nobody),
        cmocka_unit_test(what_does_not_come_whole_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
