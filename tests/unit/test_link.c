/* handover/link: what the table says of what the keeper was, or could not be, told. */
#include "unit.h"

#include <stdatomic.h>
#include <sys/socket.h>

#include "base/fd.h"
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_could_not_be_held_anew_is_missing),
        cmocka_unit_test(a_listener_is_in_use_until_its_release_was_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
