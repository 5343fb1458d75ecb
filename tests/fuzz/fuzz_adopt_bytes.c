/* How many bytes a process that died had carried, by what it has noted and what the kernel says of
 * the sockets. What is noted may be anything; no count makes bytes vanish that were noted, and none
 * runs over. */
#include "fuzz.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "conn/adopt_bytes.h"

/* Two ends of a TCP connection: the first was accepted, the second has dialled. */
static void tcp_ends(int ends[2]) {
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(any);
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(listening >= 0 && bind(listening, (struct sockaddr *)&any, size) == 0);
    CHECK(listen(listening, 1) == 0 && getsockname(listening, (struct sockaddr *)&any, &size) == 0);
    ends[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(ends[1] >= 0 && connect(ends[1], (struct sockaddr *)&any, size) == 0);
    ends[0] = accept(listening, NULL, NULL);
    CHECK(ends[0] >= 0);
    close(listening);
}

/* Resets at the end: ports that rest would be used up within a minute. */
static void drop(const int ends[2]) {
    const struct linger hard = {.l_onoff = 1};

    for (int i = 0; i < 2; i++) {
        (void)setsockopt(ends[i], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        close(ends[i]);
    }
}

/* One step on the sockets: bytes come or are read, an end or a reset comes. */
static void step(const int client[2], const int server[2], uint8_t what) {
    static char bytes[4096];
    size_t n = (size_t)(what >> 3) * 64 + 1;
    const int all[4] = {client[0], client[1], server[0], server[1]};
    int fd = all[what & 3];

    if ((what & 4) != 0)
        (void)send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    else if (what < 0xf0)
        (void)recv(fd, bytes, n, MSG_DONTWAIT);
    else
        (void)shutdown(fd, SHUT_WR);
}

static uint64_t take(const uint8_t **at, size_t *n) {
    uint64_t number = 0;

    for (size_t i = 0; i < sizeof(number) && *n > 0; i++, (*at)++, (*n)--)
        number = number << 8 | **at;
    return number;
}

/* The input: three numbers that were noted, what is in the pipe, what the sockets are (unix, closed
 * or TCP), and steps. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static struct conn_state state;
    static struct conn conn;
    int client[2], server[2];

    state.record.header = take(&bytes, &n);
    state.record.greeting = take(&bytes, &n);
    atomic_store(&state.flow[DIR_UP].bytes, take(&bytes, &n));
    atomic_store(&state.flow[DIR_DOWN].bytes, take(&bytes, &n));
    size_t in_pipe = take(&bytes, &n);
    uint8_t kind = (uint8_t)take(&bytes, &n);
    if ((kind & 1) != 0)
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client) == 0);
    else
        tcp_ends(client);
    tcp_ends(server);
    for (; n > 0; bytes++, n--)
        step(client, server, *bytes);
    conn.state = &state;
    conn.fd[SIDE_CLIENT] = (kind & 6) == 6 ? -1 : client[0];
    conn.fd[SIDE_SERVER] = server[1];
    for (enum direction dir = DIR_UP; dir <= DIR_DOWN; dir++) {
        uint64_t noted = atomic_load(&state.flow[dir].bytes);
        uint64_t count = adopt_bytes(&conn, dir, in_pipe);

        CHECK(count >=
              noted); /* and one that was noted too high is left, not made higher by an overflow: */
        CHECK(count == noted || count <= (uint64_t)1 << 32);
    }
    if (conn.fd[SIDE_CLIENT] >= 0)
        (void)adopt_look(conn.fd[SIDE_CLIENT]);
    CHECK(adopt_look(conn.fd[SIDE_SERVER]).tcp);
    drop(client);
    drop(server);
    return 0;
}
