/* keeper/: each relayd has a name; what is held for one is given to no other, and makes way for one
 * as far as it must. */
#include "unit.h"

#include <netinet/in.h>

#include "base/addr.h"
#include "keeper_peer.h"

static void say_attach_as(int fd, const char *name) {
    struct keeper_message message = keeper_message(KEEPER_ATTACH);

    message.head.index = SLOTS - KEEPER_CONNECTIONS;
    message.head.usec = HOUR;
    keeper_message_add(&message, name, strlen(name));
    assert_int_equal(keeper_send(fd, &message, 0), 0);
}

static int begin_as(struct keeper *keeper, const char *name) {
    int fd = come(keeper);

    say_attach_as(fd, name);
    settle(keeper);
    assert_int_equal(hear(fd).head.type, KEEPER_HELLO);
    assert_int_equal(hear(fd).head.type, KEEPER_END);
    return fd;
}

static void is_refused_for(struct keeper *keeper, const char *name, const char *holder) {
    struct keeper_message refused;
    char told[KEEPER_NAME_MAX];
    int fd = come(keeper);

    say_attach_as(fd, name);
    settle(keeper);
    assert_int_equal(keeper_receive(fd, &refused), 1);
    assert_int_equal(refused.head.type, KEEPER_REFUSED);
    assert_int_equal(refused.head.count, KEEPER_FOREIGN);
    keeper_message_name(&refused, 0, told);
    assert_string_equal(told, holder);
    is_cut_off(fd);
}

static void what_is_anothers_is_not_given(void **state) {
    struct keeper keeper;
    struct six six;

    (void)state;
    open_keeper(&keeper);
    six_open(&six);
    int fd = begin_as(&keeper, "first");
    say_hold(fd, KEEPER_LISTENERS, &six, 1); /* a listening socket will do */
    settle(&keeper);
    six_let_go(&six);
    leave(&keeper, fd);
    for (int i = 0; i < 3; i++)
        is_refused_for(&keeper, i == 1 ? "firs" : "second", "first");
    assert_string_equal(six_state(&six), "occccc");
    keeper.timeout = 0;
    assert_int_equal(keeper_step(&keeper), 0); /* gives up */
    assert_string_equal(six_state(&six), "cccccc");
    leave(&keeper, begin_as(&keeper, "second")); /* with nothing held */
    leave(&keeper, begin_as(&keeper, "first"));
    six_close(&six);
    close_keeper(&keeper);
}

static void the_name_can_change(void **state) {
    struct keeper_message patience = keeper_message(KEEPER_TERMS);
    struct keeper keeper;
    struct six six;

    (void)state;
    open_keeper(&keeper);
    six_open(&six);
    int fd = begin_as(&keeper, "old");
    say_hold(fd, SLOT, &six, KEEPER_FDS);
    patience.head.usec = HOUR;
    assert_int_equal(keeper_send(fd, &patience, 0), 0); /* without one it stays */
    settle(&keeper);
    assert_string_equal(keeper.name, "old");
    keeper_message_add(&patience, "new", 3);
    assert_int_equal(keeper_send(fd, &patience, 0), 0);
    settle(&keeper);
    leave(&keeper, fd);
    is_refused_for(&keeper, "old", "new");
    fd = come(&keeper);
    say_attach_as(fd, "new");
    settle(&keeper);
    assert_int_equal(hear(fd).head.count, 1);
    leave(&keeper, fd);
    six_close(&six);
    close_keeper(&keeper);
}

/* A name is as long as it may be, or longer, or none, and not every byte of it is a character. */
static void any_name_is_one(void **state) {
    char name[KEEPER_INDEXES * sizeof(uint32_t)];
    struct keeper keeper;

    (void)state;
    open_keeper(&keeper);
    memset(name, 'x', sizeof(name));
    name[1] = '\n';
    for (size_t n = 0; n <= sizeof(name); n++) {
        struct keeper_message attach = keeper_message(KEEPER_ATTACH);

        keeper_message_add(&attach, name, n);
        int fd = come(&keeper);
        assert_int_equal(keeper_send(fd, &attach, 0), 0);
        settle(&keeper);
        assert_int_equal(hear(fd).head.type, KEEPER_HELLO);
        assert_true(n == 0 ||
                    strlen(keeper.name) == (n < KEEPER_NAME_MAX ? n : KEEPER_NAME_MAX - 1));
        leave(&keeper, fd);
    }
    close_keeper(&keeper);
}

static int listen_at(const struct addr *addr) {
    int fd = socket(addr->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, &addr->u.sa, addr->len), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static struct addr local(in_addr_t address, in_port_t port) {
    return (struct addr){
        .len = sizeof(struct sockaddr_in),
        .u.in = {.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(address)}};
}

/* Of a version that this keeper does not know. How many descriptors it has closed for that. */
static unsigned yields(struct keeper *keeper, const char *name, const struct addr *addr) {
    struct keeper_message yield = keeper_message(KEEPER_YIELD);
    int fd = come(keeper);

    yield.head.version = KEEPER_VERSION + 75;
    yield.head.index = addr->len;
    keeper_message_add(&yield, &addr->u, addr->len);
    keeper_message_add(&yield, name, strlen(name));
    assert_int_equal(keeper_send(fd, &yield, 0), 0);
    settle(keeper);
    struct keeper_message done = hear(fd);
    assert_int_equal(done.head.type, KEEPER_PONG);
    leave(keeper, fd);
    return done.head.count;
}

/* A relayd that has left a connection and a listening socket. Where that is. */
static struct addr leave_both(struct keeper *keeper, struct six *six) {
    struct addr any = local(INADDR_LOOPBACK, 0), bound = {.len = sizeof(bound.u)};
    struct keeper_message hold = keeper_message(KEEPER_HOLD);
    int fd = begin_as(keeper, "first"), listening = listen_at(&any);

    six_open(six);
    say_hold(fd, SLOT, six, KEEPER_FDS);
    hold.head.index = KEEPER_LISTENERS;
    hold.fd[0] = listening;
    hold.n_fd = 1;
    assert_int_equal(keeper_send(fd, &hold, 0), 0);
    settle(keeper);
    six_let_go(six);
    assert_int_equal(getsockname(listening, &bound.u.sa, &bound.len), 0);
    fd_close(&listening);
    leave(keeper, fd);
    return bound;
}

static void a_listening_socket_makes_way_for_another_relayd(void **state) {
    struct keeper keeper;
    struct six six;

    (void)state;
    open_keeper(&keeper);
    struct addr bound = leave_both(&keeper, &six);
    struct addr beside = local(INADDR_LOOPBACK + 1, bound.u.in.sin_port);
    struct addr port = local(INADDR_LOOPBACK, (in_port_t)(bound.u.in.sin_port + htons(1)));
    struct addr any = local(INADDR_ANY, bound.u.in.sin_port), none = {.len = 0};
    assert_int_equal(yields(&keeper, "second", &beside), 0);
    assert_int_equal(yields(&keeper, "second", &port), 0);
    assert_int_equal(yields(&keeper, "second", &none), 0);
    assert_int_equal(yields(&keeper, "second", &any), 1);
    assert_int_equal(yields(&keeper, "second", &bound), 0);
    int fd = listen_at(&bound);
    fd_close(&fd);
    assert_string_equal(six_state(&six), "oooooo");
    assert_int_not_equal(keeper.gone, 0);
    six_close(&six);
    close_keeper(&keeper);
}

static void all_makes_way_for_the_same_relayd(void **state) {
    struct keeper keeper;
    struct six six;

    (void)state;
    open_keeper(&keeper);
    struct addr bound = leave_both(&keeper, &six);
    assert_int_equal(yields(&keeper, "first", &bound), 2);
    assert_string_equal(six_state(&six), "cccccc");
    assert_int_equal(keeper.gone, 0);
    leave(&keeper, begin_as(&keeper, "second"));
    six_close(&six);
    close_keeper(&keeper);
}

static void nothing_makes_way_while_a_relayd_is_attached(void **state) {
    struct keeper_message yield = keeper_message(KEEPER_YIELD);
    struct keeper keeper;
    struct six six;

    (void)state;
    open_keeper(&keeper);
    six_open(&six);
    int fd = begin_as(&keeper, "first"), other = come(&keeper);
    say_hold(fd, SLOT, &six, KEEPER_FDS);
    keeper_message_add(&yield, "first", 5);
    assert_int_equal(keeper_send(other, &yield, 0), 0);
    settle(&keeper);
    is_refused(other, KEEPER_BUSY);
    six_let_go(&six);
    assert_string_equal(six_state(&six), "oooooo");
    leave(&keeper, fd);
    six_close(&six);
    close_keeper(&keeper);
}

static void an_address_that_is_none_is_cut_off(void **state) {
    struct keeper keeper;

    (void)state;
    open_keeper(&keeper);
    for (int i = 0; i < 3; i++) {
        struct keeper_message yield = keeper_message(KEEPER_YIELD);
        int fd = come(&keeper);

        yield.head.index =
            (const uint32_t[]){4, sizeof(struct sockaddr_storage) + 1, UINT32_MAX}[i];
        keeper_message_add(&yield, "xxx", 3);
        assert_int_equal(keeper_send(fd, &yield, 0), 0);
        settle(&keeper);
        is_cut_off(fd);
    }
    close_keeper(&keeper);
}

static void it_has_as_many_slots_as_it_was_asked_for(void **state) {
    struct keeper keeper;

    (void)state;
    open_keeper(&keeper);
    keeper.most = 1000000;
    assert_int_equal(keeper.n_slots, KEEPER_CONNECTIONS);
    for (uint32_t wanted = 100; wanted < 1000; wanted += 300) {
        struct keeper_message attach = keeper_message(KEEPER_ATTACH);
        int fd = come(&keeper);

        attach.head.index = wanted;
        assert_int_equal(keeper_send(fd, &attach, 0), 0);
        settle(&keeper);
        assert_int_equal(hear(fd).head.index, KEEPER_CONNECTIONS + wanted);
        leave(&keeper, fd);
    }
    leave(&keeper, begin_as(&keeper, "of fewer"));
    assert_int_equal(keeper.n_slots, KEEPER_CONNECTIONS + 700);
    keeper.most = KEEPER_CONNECTIONS + 800;
    int fd = come(&keeper);
    struct keeper_message attach = keeper_message(KEEPER_ATTACH);
    attach.head.index = UINT32_MAX;
    assert_int_equal(keeper_send(fd, &attach, 0), 0);
    settle(&keeper);
    assert_int_equal(hear(fd).head.index, KEEPER_CONNECTIONS + 800);
    leave(&keeper, fd);
    close_keeper(&keeper);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_anothers_is_not_given),
        cmocka_unit_test(the_name_can_change),
        cmocka_unit_test(any_name_is_one),
        cmocka_unit_test(a_listening_socket_makes_way_for_another_relayd),
        cmocka_unit_test(all_makes_way_for_the_same_relayd),
        cmocka_unit_test(nothing_makes_way_while_a_relayd_is_attached),
        cmocka_unit_test(an_address_that_is_none_is_cut_off),
        cmocka_unit_test(it_has_as_many_slots_as_it_was_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
