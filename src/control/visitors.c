#include "control/visitors.h"

#include <stdlib.h>
#include <sys/socket.h>

void visitors_init(struct visitors *visitors, size_t most) {
    TAILQ_INIT(&visitors->list);
    visitors->n = 0;
    visitors->most = most;
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

static struct visitor *add_visitor(struct visitors *visitors, int fd) {
    struct visitor *visitor = calloc(1, sizeof(*visitor));

    if (visitor == NULL)
        return NULL;
    if (visitors->n >= visitors->most)
        put_out_silent(visitors);
    visitor->fd = fd;
    visitors->n++;
    TAILQ_INSERT_TAIL(&visitors->list, visitor, entry);
    return visitor;
}

void visitors_note(void *arg, struct MHD_Connection *connection, void **visitor,
                   enum MHD_ConnectionNotificationCode what) {
    struct visitors *visitors = arg;
    struct visitor *known = *visitor;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

        *visitor = info != NULL ? add_visitor(visitors, info->connect_fd) : NULL;
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
