/* control/visitors: who is noted, by which socket, and who makes room. */
#include "unit.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/visitors.h"

/* What this test has in the place of MHD's. */
struct MHD_Connection {
    int fd, other_end;
    struct sockaddr_in peer;
    void *visitor;
};

/* In one place, as libmicrohttpd 1.0 answers (one_answer). */
const union MHD_ConnectionInfo *MHD_get_connection_info(struct MHD_Connection *connection,
                                                        enum MHD_ConnectionInfoType what, ...) {
    static union MHD_ConnectionInfo answer;

    memset(&answer, 0xee, sizeof(answer));
    if (what == MHD_CONNECTION_INFO_CONNECTION_FD)
        answer.connect_fd = connection->fd;
    else if (what == MHD_CONNECTION_INFO_CLIENT_ADDRESS)
        answer.client_addr = (struct sockaddr *)&connection->peer;
    else if (what == MHD_CONNECTION_INFO_SOCKET_CONTEXT)
        answer.socket_context = connection->visitor;
    else
        return NULL;
    return &answer;
}

static void come(struct visitors *visitors, struct MHD_Connection *connection, const char *from) {
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    *connection = (struct MHD_Connection){.fd = pair[0], .other_end = pair[1]};
    connection->peer.sin_family = AF_INET;
    assert_int_equal(inet_pton(AF_INET, from, &connection->peer.sin_addr), 1);
    visitors_note(visitors, connection, &connection->visitor, MHD_CONNECTION_NOTIFY_STARTED);
    assert_non_null(connection->visitor);
}

static void leave(struct visitors *visitors, struct MHD_Connection *connection) {
    visitors_note(visitors, connection, &connection->visitor, MHD_CONNECTION_NOTIFY_CLOSED);
    assert_null(connection->visitor);
    close(connection->fd);
    close(connection->other_end);
}

static bool was_put_out(const struct MHD_Connection *connection) {
    char byte;

    return recv(connection->other_end, &byte, 1, MSG_DONTWAIT) == 0;
}

static void the_longest_silence_makes_room(void **state) {
    struct visitors visitors;
    struct MHD_Connection one, two, three;

    (void)state;
    visitors_init(&visitors, 2, 0);
    come(&visitors, &one, "192.0.2.1");
    come(&visitors, &two, "192.0.2.2");
    struct visitor *heard = visitors_heard(&visitors, &one);
    assert_non_null(heard);
    assert_int_equal(heard->fd, one.fd);
    come(&visitors, &three, "192.0.2.3");
    assert_true(was_put_out(&two));
    assert_false(was_put_out(&one));
    assert_false(was_put_out(&three));
    leave(&visitors, &one);
    leave(&visitors, &two);
    leave(&visitors, &three);
    assert_int_equal(visitors.n, 0);
}

static void so_many_of_a_client_may_come(void **state) {
    struct visitors visitors;
    struct MHD_Connection one, two, other;

    (void)state;
    visitors_init(&visitors, 8, 2);
    come(&visitors, &one, "192.0.2.1");
    come(&visitors, &other, "192.0.2.2");
    const struct sockaddr *peer = (const struct sockaddr *)&one.peer;
    assert_int_equal(visitors_admit(&visitors, peer, sizeof(one.peer)), MHD_YES);
    come(&visitors, &two, "192.0.2.1");
    assert_int_equal(visitors_admit(&visitors, peer, sizeof(one.peer)), MHD_NO);
    leave(&visitors, &two);
    assert_int_equal(visitors_admit(&visitors, peer, sizeof(one.peer)), MHD_YES);
    leave(&visitors, &one);
    leave(&visitors, &other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_silence_makes_room),
        cmocka_unit_test(so_many_of_a_client_may_come),
    };

    return cmocka_run_group_tests_name("visitors", tests, NULL, NULL);
}
