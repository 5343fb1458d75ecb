/* Listening sockets that a previous relayd left with a keeper, and that are in this one's way. */
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/scope.h"
#include "handover/link_inside.h"
#include "relay/make_way.h"

/* Asks a keeper without attaching to it. False: nobody answers. */
static bool query_keeper(const char *path, const struct keeper_message *question,
                         struct keeper_message *ret_answer) {
    struct link_why why;
    int fd = -1;
    bool answered = link_dial(path, &fd, &why) == LINK_OK && keeper_send(fd, question, 0) == 0 &&
                    keeper_receive(fd, ret_answer) > 0;

    if (answered)
        keeper_message_drop(ret_answer);
    fd_close(&fd);
    return answered;
}

/* Before version 2, a keeper knew nobody's name: it drops all that it holds when it is asked to
 * begin anew. */
static bool make_version_1_drop(const char *path) {
    struct keeper_message attach = keeper_message(KEEPER_ATTACH), answer;

    attach.head.version = 1;
    attach.head.count = 1;
    return query_keeper(path, &attach, &answer) && answer.head.type == KEEPER_HELLO;
}

/* Has a keeper, of whatever version, close the listening sockets that keep this address from being
 * bound (only: it leaves IPv4 to others), and all that it holds for a relayd of this name. False:
 * it has closed nothing, or a relayd is attached. */
static bool clear_way(const char *path, const char *name, const struct addr *addr, bool only) {
    struct keeper_message yield = keeper_message(KEEPER_YIELD), answer;

    yield.head.index = addr->len;
    yield.head.count = !only;
    keeper_message_add(&yield, &addr->u, addr->len);
    keeper_message_add(&yield, name, strlen(name));
    if (!query_keeper(path, &yield, &answer))
        return false;
    if (answer.head.type == KEEPER_REFUSED && answer.head.version == 1)
        return make_version_1_drop(path);
    return answer.head.type == KEEPER_PONG && answer.head.count > 0;
}

static void ask_keeper(const char *path, const struct relay *relay, const struct listen_wish *wish,
                       const struct addr *wanted) {
    if (clear_way(path, relay->name, wanted, wish->v6only))
        log_msg(
            MSG_KEEPER,
            "relayd-keeper at %s held listening sockets of a previous relayd in the way of %s, and "
            "has closed them.",
            path, wish->address->text);
}

/* Those that this relayd's own keeper has given it, and that no wish has met. Others stay held,
 * also if this start fails. */
static void drop_inherited(struct relay *relay, const struct addr *wanted, bool only) {
    bool any = false;

    for (int i = 0; i < KEEPER_LISTENERS_MAX; i++) {
        if (!addr_overlaps_bound(wanted, only, relay->heritage.listeners[i]))
            continue;
        any = true;
        fd_close(&relay->heritage.listeners[i]);
        link_disown_listener(relay->road.link, i);
    }
    if (any)
        (void)link_await_pong(relay->road.link->fd);
}

void make_way(struct relay *relay, const struct listen_wish *wish) {
    const char *own = relay->road.link != NULL ? relay->road.link->path : "";
    struct addr wanted; /* as the kernel writes it */

    if (scope_resolve(&wish->addr, &wanted) < 0)
        return;
    if (strcmp(own, KEEPER_SOCKET) != 0)
        ask_keeper(KEEPER_SOCKET, relay, wish, &wanted);
    if (relay->road.link == NULL)
        return;
    if (link_is_up(relay->road.link))
        drop_inherited(relay, &wanted, wish->v6only);
    else
        ask_keeper(own, relay, wish, &wanted);
}
