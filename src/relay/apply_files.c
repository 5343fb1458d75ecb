/* Who may connect to the unix sockets of a configuration that is put in force: of new ones the file
 * is made so (base/socket_file.h), of those that stay, here or with the keeper, it is changed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "relay/apply.h"
#include "road/acceptor.h"

static const char *say_remedy(const struct listener_config *listener, char *buf, size_t size) {
    const struct socket_access *access = &listener->socket_access;

    if (access->uid != SOCKET_FILE_OWN && access->uid != geteuid())
        return "only root may give a file to another user: leave socket_user empty, and let the "
               "others in by socket_group";
    snprintf(buf, size,
             "a user may give its files only to a group that it is a member of: add "
             "SupplementaryGroups=%s and SystemCallFilter=fchownat to the service (systemctl "
             "edit relayd)",
             listener->socket_group);
    return buf;
}

char *apply_files_complaint(const struct config *config, const struct listener_config *listener,
                            const char *address, int error) {
    char remedy[256], *what;
    int len, line;
    const char *path = places_find(&config->places, listener->access_line, &line);

    if (error == ESTALE)
        len = asprintf(&what,
                       "%s:%d: listener %s: somebody else put another file in the place of %s; "
                       "choose a directory in which only relayd may write.",
                       path, line, listener->name, address);
    else
        len = asprintf(&what, "%s:%d: listener %s: %s cannot be given to %s%s%s: %s; %s.", path,
                       line, listener->name, address, listener->socket_user,
                       listener->socket_group[0] != '\0' ? ":" : "", listener->socket_group,
                       strerrordesc_np(error),
                       error == EPERM ? say_remedy(listener, remedy, sizeof(remedy))
                                      : "see socket_mode, socket_user and socket_group");
    return len < 0 ? NULL : what;
}

static bool is_to_change(const struct acceptor *acceptor) {
    return acceptor->next_route != NULL && acceptor->socket.unlink_path != NULL &&
           !socket_access_equal(&acceptor->socket.access,
                                &acceptor->next_route->config->socket_access);
}

static int change_file(struct listen_socket *socket, const struct socket_access *access) {
    int r = socket_file_change(socket->unlink_path, &socket->file, &socket->access, access);

    if (r == 0)
        socket->access = *access;
    return r;
}

static enum apply_outcome change_files(struct apply *apply, struct acceptor_list *acceptors) {
    struct acceptor *acceptor;

    TAILQ_FOREACH(acceptor, acceptors, entry) {
        const struct socket_access before = acceptor->socket.access;

        if (!is_to_change(acceptor))
            continue;
        const struct listener_config *listener = acceptor->next_route->config;
        int r = change_file(&acceptor->socket, &listener->socket_access);

        if (r < 0) {
            apply->what = apply_files_complaint(apply->config, listener, acceptor->socket.text, -r);
            return r == -EPERM ? APPLY_FORBIDDEN : APPLY_NO_SOCKET;
        }
        acceptor->access_before = before;
        acceptor->access_changed = true;
    }
    return APPLY_OK;
}

enum apply_outcome apply_files(struct apply *apply) {
    enum apply_outcome outcome = change_files(apply, &apply->relay->acceptors);

    return outcome == APPLY_OK ? change_files(apply, &apply->fresh) : outcome;
}

static void undo_files(struct acceptor_list *acceptors) {
    struct acceptor *acceptor;

    TAILQ_FOREACH(acceptor, acceptors, entry) {
        if (acceptor->access_changed)
            (void)change_file(&acceptor->socket, &acceptor->access_before);
        acceptor->access_changed = false;
    }
}

void apply_files_undo(struct apply *apply) {
    undo_files(&apply->relay->acceptors);
    undo_files(&apply->fresh);
}
