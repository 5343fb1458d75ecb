/* handover/link: what the table says of what the keeper was, or could not be, told. */
#include "unit.h"

#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/thread.h"
#include "handover/link_inside.h"

/* still_used in link_listeners.c. */
static void a_listener_is_in_use_until_its_release_was_said(void **state) UNCHECKED {
    const struct link_terms terms = {.path = "/none", .name = "", .keeper_timeout = USEC_PER_SEC};
    struct table *table;
    struct link link;
    int ends[2];

    (void)state;
    assert_int_equal(table_new(4, &table), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    assert_int_equal(link_init(&link, &terms, &ends[0], table, true, NULL, NULL, LINK_OK), 0);
    const struct listen_description description = {.addr = {.len = sizeof(sa_family_t)}};
    int index = link_hold_listener(&link, link.fd, &description);
    assert_true(index >= 0);
    const struct listen_description *noted = &table->head->listeners[index];
    while (send(link.fd, "", 1, MSG_DONTWAIT) == 1) /* until its keeper takes no more */
        ;
    link_release_listener(&link, index);
    assert_true(noted->used);
    char message[256];
    while (recv(ends[1], message, sizeof(message), MSG_DONTWAIT) > 0)
        ;
    link_send_listeners(&link, false);
    assert_false(noted->used);
    link_free(&link);
    fd_close(&ends[1]);
    table_free(table);
}

/* A leg that comes in the place of another one (keep_leg in conn/exchange_leg.c). */
static void what_could_not_be_held_anew_is_missing(void **state) {
    const struct link_terms terms = {.path = "/none", .name = "", .keeper_timeout = USEC_PER_SEC};
    struct table *table;
    struct link link;
    int ends[2], fd[2];

    (void)state;
    assert_int_equal(table_new(4, &table), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    assert_int_equal(link_init(&link, &terms, &ends[0], table, true, NULL, NULL, LINK_OK), 0);
    struct hold hold = {.link = &link};
    link_hold(&hold, fd);
    assert_int_equal(atomic_load(&hold.held), 1);
    while (send(link.fd, "", 1, MSG_DONTWAIT) == 1) /* until its keeper takes no more */
        ;
    atomic_store(&link.unsent, false);
    link_hold(&hold, fd);
    assert_int_equal(atomic_load(&hold.held), 0);
    assert_true(atomic_load(&link.unsent));
    link_free(&link);
    fd_close(&ends[1]);
    fd_close(&fd[0]);
    fd_close(&fd[1]);
    table_free(table);
}

/* The link's thread, which holds again what is missing. */
struct again {
    struct thread thread;
    struct hold *hold;
    const int *fd;
    atomic_int tid;
    atomic_bool ended;
};

static void hold_again(void *arg) {
    struct again *again = arg;

    atomic_store(&again->tid, gettid());
    assert_int_equal(link_hold_again(again->hold, again->fd), 0);
    atomic_store(&again->ended, true);
}

/* Nothing else makes it sleep than that it sends. */
static void wait_until_asleep(const struct again *again) {
    char path[64], state = 'R';

    while (atomic_load(&again->tid) == 0)
        usleep(1000);
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", atomic_load(&again->tid));
    for (; state != 'S'; usleep(1000)) {
        FILE *stat = fopen(path, "r");

        assert_non_null(stat);
        assert_int_equal(fscanf(stat, "%*d (%*[^)]) %c", &state), 1);
        fclose(stat);
    }
}

static uint64_t cookie_of(int fd) {
    uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);

    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
    return cookie;
}

/* What was said last of the server's socket, until nothing more is said. */
static uint64_t last_server_told(int keeper) {
    struct keeper_message message;
    uint64_t last = 0;
    char next;

    while (recv(keeper, &next, 1, MSG_PEEK | MSG_DONTWAIT) >= 0) {
        if (keeper_receive(keeper, &message) <= 0)
            continue;
        if (message.head.type == KEEPER_HOLD && message.n_fd == 2)
            last = cookie_of(message.fd[SIDE_SERVER]);
        keeper_message_drop(&message);
    }
    return last;
}

/* Its leg is another one by the time that the keeper takes what the link's thread says of it. */
static void a_former_leg_is_not_what_is_said_last(void **state) {
    const struct link_terms terms = {.path = "/none", .name = "", .keeper_timeout = USEC_PER_SEC};
    const struct timeval for_ever = {0};
    struct table *table;
    struct link link;
    int ends[2], fd[2], other[2];

    (void)state;
    assert_int_equal(table_new(4, &table), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
    assert_int_equal(link_init(&link, &terms, &ends[0], table, true, NULL, NULL, LINK_OK), 0);
    assert_int_equal(setsockopt(link.fd, SOL_SOCKET, SO_SNDTIMEO, &for_ever, sizeof(for_ever)), 0);
    struct hold hold = {.link = &link};
    struct again again = {.hold = &hold, .fd = fd};
    while (send(link.fd, "", 1, MSG_DONTWAIT) == 1) /* until its keeper takes no more */
        ;
    assert_int_equal(thread_start(&again.thread, "keeper", NULL, hold_again, &again), 0);
    wait_until_asleep(&again);
    assert_int_equal(dup2(other[0], fd[SIDE_SERVER]), fd[SIDE_SERVER]);
    link_hold(&hold, fd);
    uint64_t last = 0;
    for (bool ended = false; !ended; usleep(1000)) {
        ended = atomic_load(&again.ended);
        uint64_t told = last_server_told(ends[1]);
        last = told != 0 ? told : last;
    }
    thread_join(&again.thread);
    assert_int_equal(last, cookie_of(other[0]));
    link_free(&link);
    for (int i = 0; i < 2; i++) {
        fd_close(&fd[i]);
        fd_close(&other[i]);
    }
    fd_close(&ends[1]);
    table_free(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_former_leg_is_not_what_is_said_last),
        cmocka_unit_test(what_could_not_be_held_anew_is_missing),
        cmocka_unit_test(a_listener_is_in_use_until_its_release_was_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
