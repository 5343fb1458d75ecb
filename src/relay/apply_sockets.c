/* The listening sockets of a configuration that is put in force. */
#include <errno.h>
#include <string.h>

#include "base/scope.h"
#include "relay/apply.h"
#include "relay/make_way.h"
#include "road/acceptor.h"

/* A new acceptor for a socket, which it takes over even if there is no memory. NULL: there is
 * none. */
static struct acceptor *add_acceptor(struct apply *apply, struct acceptor_list *to,
                                     struct listen_socket *socket, size_t listener) {
    struct acceptor *acceptor = acceptor_new(&apply->relay->road, socket);

    if (acceptor == NULL) {
        listen_socket_close(socket);
        return NULL;
    }
    acceptor->next_route = &apply->generation->routes[listener];
    TAILQ_INSERT_TAIL(to, acceptor, entry);
    return acceptor;
}

static int add_fresh(struct apply *apply, struct listen_socket *socket,
                     const struct listen_wish *wish) {
    return add_acceptor(apply, &apply->fresh, socket, wish->index) != NULL ? 0 : -ENOMEM;
}

/* Open sockets that are asked for again go on. Whether there is any for this wish. */
static bool keep_open(struct apply *apply, const struct listen_wish *wish) {
    struct acceptor *acceptor;
    bool found = false;

    TAILQ_FOREACH(acceptor, &apply->relay->acceptors, entry) {
        if (acceptor->next_route != NULL || !listen_socket_meets(&acceptor->socket, wish) ||
            (acceptor->socket.unlink_path != NULL && !listen_socket_has_file(&acceptor->socket)) ||
            listen_socket_is_stale(&acceptor->socket))
            continue; /* a file that was removed is made anew; so is the socket of an interface */
        acceptor->next_route = &apply->generation->routes[wish->index];
        found = true;
    }
    return found;
}

static int take_passed(struct apply *apply, const struct listen_wish *wish) {
    size_t found = 0;

    for (size_t i = 0; i < apply->n_passed; i++) {
        struct passed_socket *passed = &apply->passed[i];
        struct listen_socket socket;

        if (passed->fd < 0 || strcmp(passed->name, wish->listener->name) != 0)
            continue;
        int r = listen_socket_adopt(&socket, wish, passed);
        if (r == 0)
            r = add_fresh(apply, &socket, wish);
        if (r < 0)
            return r;
        found++;
    }
    return found > 0 ? 0 : -ENOENT;
}

/* What the keeper has of the previous relayd under this number, as that described it. False:
 * nothing. */
static bool describe_inherited(const struct relay *relay, int i, struct listen_socket *ret_socket) {
    const struct listen_description *description = &relay->road.link->table->head->listeners[i];

    if (relay->heritage.listeners[i] < 0 || !description->used)
        return false;
    *ret_socket = (struct listen_socket){.addr = scope_recall(&description->addr),
                                         .v6only = description->v6only,
                                         .stands_in = description->stands_in};
    return true;
}

/* Takes it. What is not as it was described is let go. */
static bool inherit_socket(struct relay *relay, int i, struct listen_socket *ret_socket) {
    if (listen_socket_inherit(ret_socket, &relay->heritage.listeners[i], i,
                              &relay->road.link->table->head->listeners[i]) == 0)
        return true;
    link_disown_listener(relay->road.link, i);
    (void)link_await_pong(relay->road.link->fd); /* then its address can be bound */
    return false;
}

/* Meets the wish with a socket that a previous relayd has bound and the keeper has held, if there
 * is one. 0 or -errno. */
static int take_inherited(struct apply *apply, const struct listen_wish *wish, bool *ret_met) {
    struct relay *relay = apply->relay;
    struct listen_socket socket;

    for (int i = 0; relay->road.link != NULL && i < KEEPER_LISTENERS_MAX; i++) {
        if (!describe_inherited(relay, i, &socket) || !listen_socket_meets(&socket, wish) ||
            !inherit_socket(relay, i, &socket))
            continue;
        listen_socket_tune(&socket, wish->listener);
        int r = add_fresh(apply, &socket, wish);
        *ret_met = r == 0;
        return r;
    }
    *ret_met = false;
    return 0;
}

/* An address that overlaps with that of a socket which goes can be bound beside it: then nobody is
 * refused in between, and who waits in the old one is served (acceptor_retire_all). Whether there
 * is such a socket. */
static bool share_with_leaving(struct apply *apply, const struct listen_wish *wish) {
    struct acceptor *acceptor;
    bool any = false;

    TAILQ_FOREACH(acceptor, &apply->relay->acceptors, entry) {
        if (acceptor->next_route != NULL || !listen_socket_overlaps(&acceptor->socket, wish) ||
            acceptor->socket.passed_as[0] != '\0')
            continue;
        listen_socket_share(&acceptor->socket, true);
        any = true;
    }
    return any;
}

/* The same for those that the keeper has of the previous relayd: who waits in one is served as this
 * wish says. */
static bool share_with_former(struct apply *apply, const struct listen_wish *wish) {
    struct relay *relay = apply->relay;
    struct acceptor *acceptor;
    struct listen_socket socket;
    bool any = false;

    TAILQ_FOREACH(acceptor, &apply->former, entry) /* for another wish */
        any = any || listen_socket_overlaps(&acceptor->socket, wish);
    for (int i = 0; relay->road.link != NULL && i < KEEPER_LISTENERS_MAX; i++) {
        if (!describe_inherited(relay, i, &socket) || !listen_socket_overlaps(&socket, wish) ||
            !inherit_socket(relay, i, &socket))
            continue;
        acceptor = add_acceptor(apply, &apply->former, &socket, wish->index);
        if (acceptor != NULL)
            listen_socket_share(&acceptor->socket, true);
        any = any || acceptor != NULL;
    }
    return any;
}

/* Of a unix socket: it has that very file, by another path. */
static bool has_same_file(const struct acceptor *acceptor, const struct listen_wish *wish) {
    if (!addr_is_unix(&wish->addr))
        return listen_socket_overlaps(&acceptor->socket, wish);
    return acceptor->socket.unlink_path != NULL &&
           socket_file_is_at(wish->addr.u.un.sun_path, &acceptor->socket.file);
}

/* One that will be open, too, and is in the way of a wish; or NULL. */
static const struct acceptor *find_obstacle(const struct apply *apply,
                                            const struct listen_wish *wish) {
    const struct acceptor *acceptor;

    TAILQ_FOREACH(acceptor, &apply->fresh, entry)
        if (acceptor->wish != wish && has_same_file(acceptor, wish))
            return acceptor;
    TAILQ_FOREACH(acceptor, &apply->relay->acceptors, entry)
        if ((acceptor->next_route != NULL || acceptor->socket.passed_as[0] != '\0') &&
            has_same_file(acceptor, wish))
            return acceptor;
    return NULL;
}

/* What it means that a wish finds no socket. obstacle: of this relayd's own, or NULL. */
static enum apply_outcome judge_wish(const struct listen_wish *wish, int error,
                                     const struct acceptor *obstacle) {
    if (wish->systemd || (obstacle != NULL && wish->address->spec.form != ADDR_NAME))
        return APPLY_WRONG; /* it will be the same at the next start */
    switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
        return APPLY_FORBIDDEN;
    case EINVAL:
    case ELOOP:
    case ENAMETOOLONG:
    case ENOTDIR:
        return APPLY_WRONG;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return APPLY_NO_RESOURCES;
    default:
        return APPLY_NO_SOCKET;
    }
}

/* Whether it is about the owner of the file: a bind alone is forbidden by EACCES. */
static bool is_about_file(const struct listen_wish *wish, int error) {
    const struct socket_access *access = &wish->listener->socket_access;

    return !wish->systemd && addr_is_unix(&wish->addr) && (error == EPERM || error == ESTALE) &&
           (access->uid != SOCKET_FILE_OWN || access->gid != SOCKET_FILE_OWN);
}

/* Its sockets move after those of listeners (control/public.h); at the start they come first. */
static bool has_status_there(const struct config *config, const struct listen_wish *wish) {
    const struct status_config *status = &config->status;

    for (size_t i = 0; i < status->n_places; i++)
        if (addr_overlaps(&status->places[i].addr, false, &wish->addr, false))
            return true;
    return false;
}

static char *complain_of_wish(const struct apply *apply, const struct listen_wish *wish, int error,
                              const struct acceptor *obstacle) {
    if (apply->relay->current != NULL && wish->systemd && error == ENOENT)
        return listen_wish_complaint(wish, error,
                                     "systemd passes sockets only when relayd starts, so this can "
                                     "only change by a restart",
                                     NULL);
    if (is_about_file(wish, error))
        return apply_files_complaint(apply->config, wish->listener, wish->address->text, error);
    if (obstacle == NULL && error == EADDRINUSE && has_status_there(apply->config, wish))
        return listen_wish_complaint(wish, error,
                                     "the status section of relayd itself has an address that "
                                     "overlaps",
                                     "leave one of the two out");
    if (obstacle == NULL && error == EADDRINUSE && apply->relay->current != NULL &&
        has_status_there(apply->relay->current->config, wish))
        return listen_wish_complaint(wish, error,
                                     "the status section in force has it until a reload is done",
                                     "move that in a reload of its own, before this one");
    if (obstacle == NULL)
        return listen_wish_complaint(wish, error, NULL, NULL);
    if (obstacle->socket.passed_as[0] != '\0')
        return listen_wish_complaint(wish, error, "systemd has that port open for relayd",
                                     "this can only change by a restart, once the socket unit is "
                                     "stopped");
    return listen_wish_complaint(
        wish, error,
        addr_is_unix(&wish->addr)
            ? "relayd itself listens there, by another path to the same file"
            : "relayd itself listens on that port at an address that overlaps",
        "leave one of the two out");
}

static enum apply_outcome fail_wish(struct apply *apply, const struct listen_wish *wish,
                                    int error) {
    const struct acceptor *obstacle =
        error == EADDRINUSE && !wish->systemd ? find_obstacle(apply, wish) : NULL;

    apply->what = complain_of_wish(apply, wish, error, obstacle);
    return judge_wish(wish, error, obstacle);
}

static int open_socket(struct apply *apply, const struct listen_wish *wish) {
    struct listen_socket socket;

    int r = listen_socket_open(&socket, wish, false);
    if (r == -EADDRINUSE && find_obstacle(apply, wish) == NULL &&
        (share_with_leaving(apply, wish) || share_with_former(apply, wish)))
        r = listen_socket_open(&socket, wish, true);
    if (r == -EADDRINUSE && apply->relay->current == NULL) {
        make_way(apply->relay, wish);
        r = listen_socket_open(&socket, wish, false);
    }
    if (r < 0)
        return r;
    struct acceptor *acceptor = add_acceptor(apply, &apply->fresh, &socket, wish->index);
    if (acceptor == NULL)
        return -ENOMEM;
    acceptor->wish = wish;
    return 0;
}

/* The rest of what the keeper has of the previous relayd: who waits there is served as the listener
 * of that name says now. */
static void take_former(struct apply *apply) {
    struct relay *relay = apply->relay;
    const struct config *config = apply->config;
    struct listen_socket socket;

    for (size_t i = 0; relay->road.link != NULL && i < KEEPER_LISTENERS_MAX; i++) {
        const char *name = relay->road.link->table->head->listeners[i].listener;
        size_t k = 0;

        if (!describe_inherited(relay, (int)i, &socket))
            continue;
        while (k < config->n_listeners && strcmp(config->listeners[k].name, name) != 0)
            k++;
        if (k < config->n_listeners && inherit_socket(relay, (int)i, &socket))
            (void)add_acceptor(apply, &apply->former, &socket, k);
    }
}

enum apply_outcome apply_find_sockets(struct apply *apply, struct listen_wish *wishes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        wishes[i].met = keep_open(apply, &wishes[i]);
        if (wishes[i].met || wishes[i].systemd)
            continue;
        int r = take_inherited(apply, &wishes[i], &wishes[i].met);
        if (r < 0)
            return apply_fail(apply, APPLY_NO_RESOURCES, -r, "no memory to listen with");
    }
    for (size_t i = 0; i < n; i++) {
        if (wishes[i].met)
            continue;
        int r = wishes[i].systemd ? take_passed(apply, &wishes[i]) : open_socket(apply, &wishes[i]);
        if (r < 0)
            return fail_wish(apply, &wishes[i], -r);
    }
    take_former(apply);
    return APPLY_OK;
}

void apply_note_sockets(const struct apply *apply) {
    struct listen_description description;
    struct acceptor *acceptor;

    TAILQ_FOREACH(acceptor, &apply->relay->acceptors, entry) {
        int index = acceptor->socket.inherited ? acceptor->socket.index : acceptor->kept;

        acceptor->access_changed = false;
        if (apply->relay->road.link != NULL && index >= 0 &&
            listen_socket_describe(&acceptor->socket, acceptor->next_route->config, &description))
            link_describe_listener(apply->relay->road.link, index, &description);
    }
}

/* Whoever looked at its file before it listened took that for a stale one: a second path to the
 * same file, or another process that starts at this moment. */
static bool is_displaced(const struct acceptor *acceptor) {
    return acceptor->socket.unlink_path != NULL && !listen_socket_has_file(&acceptor->socket);
}

enum apply_outcome apply_listen(struct apply *apply) {
    struct acceptor *acceptor;

    TAILQ_FOREACH(acceptor, &apply->fresh, entry) {
        if (acceptor->wish == NULL)
            continue;
        int r = is_displaced(acceptor)
                    ? -EADDRINUSE
                    : listen_socket_listen(&acceptor->socket, acceptor->wish->listener);

        if (r < 0)
            return fail_wish(apply, acceptor->wish, -r);
        acceptor->wish = NULL;
    }
    return APPLY_OK;
}

static void end_sharing(struct acceptor_list *acceptors) {
    struct acceptor *acceptor;

    TAILQ_FOREACH(acceptor, acceptors, entry)
        if (acceptor->socket.shares)
            listen_socket_share(&acceptor->socket, false);
}

void apply_end_sharing(struct apply *apply) {
    end_sharing(&apply->fresh);
    end_sharing(&apply->relay->acceptors);
}
