/* one_answer: libmicrohttpd 1.0 answers each question about a connection in the same place: an
 * answer is good only until the next one (MHD_get_connection_info). */
#include "control/visitors.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "listen/client_table.h"

/* Zeros: it is no IP address. */
static void find_visitor(const struct sockaddr *addr, socklen_t len, unsigned char ret_client[16]) {
    struct addr client = {.len = len};

    memset(ret_client, 0, 16);
    if (addr == NULL || len > sizeof(client.u))
        return;
    memcpy(&client.u, addr, len);
    if (!client_table_prefix(&client, CLIENT_TABLE_PREFIX_V6, ret_client))
        memset(ret_client, 0, 16);
}

enum MHD_Result visitors_admit(void *arg, const struct sockaddr *addr, socklen_t len) {
    static const unsigned char nobody[16];
    const struct visitors *visitors = arg;
    const struct visitor *visitor;
    unsigned char client[16];
    size_t n = 0;

    find_visitor(addr, len, client);
    if (visitors->most_of_one == 0 || memcmp(client, nobody, sizeof(client)) == 0)
        return MHD_YES;
    TAILQ_FOREACH(visitor, &visitors->list, entry)
        n += memcmp(visitor->client, client, sizeof(client)) == 0;
    return n < visitors->most_of_one ? MHD_YES : MHD_NO;
}

void visitors_init(struct visitors *visitors, size_t most, size_t most_of_one) {
    TAILQ_INIT(&visitors->list);
    visitors->n = 0;
    visitors->most = most;
    visitors->most_of_one = most_of_one;
}

/* MHD sees the end and closes. */
static void put_out_silent(struct visitors *visitors) {
    struct visitor *visitor;

    TAILQ_FOREACH(visitor, &visitors->list, entry) {
        if (visitor->stays || visitor->gone)
            continue;
        visitor->gone = true;
        visitors->n--;
        (void)shutdown(visitor->fd, SHUT_RDWR);
        return;
    }
}

/* MHD does not tell. */
static socklen_t length_of(const struct sockaddr *peer) {
    return peer->sa_family == AF_INET    ? sizeof(struct sockaddr_in)
           : peer->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                         : 0;
}

/* one_answer. NULL: it is not known. */
static struct sockaddr *peer_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

    return info != NULL ? info->client_addr : NULL;
}

/* one_answer */
int visitors_fd(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    return info != NULL ? info->connect_fd : -1;
}

static struct visitor *add_visitor(struct visitors *visitors, int fd, struct sockaddr *peer) {
    struct visitor *visitor = calloc(1, sizeof(*visitor));

    if (visitor == NULL)
        return NULL;
    if (visitors->n >= visitors->most)
        put_out_silent(visitors);
    visitor->fd = fd;
    find_visitor(peer, peer != NULL ? length_of(peer) : 0, visitor->client);
    visitors->n++;
    TAILQ_INSERT_TAIL(&visitors->list, visitor, entry);
    return visitor;
}

void visitors_note(void *arg, struct MHD_Connection *connection, void **visitor,
                   enum MHD_ConnectionNotificationCode what) {
    struct visitors *visitors = arg;
    struct visitor *known = *visitor;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        int fd = visitors_fd(connection);

        *visitor = fd >= 0 ? add_visitor(visitors, fd, peer_of(connection)) : NULL;
    } else if (known != NULL) {
        TAILQ_REMOVE(&visitors->list, known, entry);
        visitors->n -= !known->gone;
        free(known);
        *visitor = NULL;
    }
}

struct visitor *visitors_heard(struct visitors *visitors, struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct visitor *visitor = info != NULL ? info->socket_context : NULL;

    if (visitor == NULL)
        return NULL;
    TAILQ_REMOVE(&visitors->list, visitor, entry);
    TAILQ_INSERT_TAIL(&visitors->list, visitor, entry);
    visitor->stays = false;
    return visitor;
}
