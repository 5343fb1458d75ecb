#include "control/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "control/probe.h"
#include "control/site.h"

#define BACKLOG 128
#define CLIENTS 32u /* at once */

struct control {
    struct addr at;
    struct socket_file file;
    struct site *site;
};

/* The listening socket, or -errno. */
static int bind_control(const struct addr *at, struct socket_file *ret_file) {
    const struct socket_access access = {
        .mode = 0660, .uid = SOCKET_FILE_OWN, .gid = SOCKET_FILE_OWN};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    socket_file_remove_stale(at, SOCK_STREAM);
    int r = socket_file_bind(fd, at, &access, ret_file);
    if (r == 0 && listen(fd, BACKLOG) < 0) {
        r = -errno;
        (void)unlink(at->u.un.sun_path);
    }
    if (r < 0)
        fd_close(&fd);
    return r < 0 ? r : fd;
}

static void remove_control(const struct control *control) {
    if (socket_file_is_at(control->at.u.un.sun_path, &control->file))
        (void)unlink(control->at.u.un.sun_path);
}

/* 0 or -errno. */
static int open_control(const char *path, struct relay *relay, time_t since,
                        struct control **ret_control) {
    struct control *control = calloc(1, sizeof(*control));

    if (control == NULL)
        return -ENOMEM;
    const struct site_wish wish = {
        .thread = "control", .relay = relay, .since = since, .most = CLIENTS};
    control->at.len = sizeof(control->at.u.un);
    control->at.u.un.sun_family = AF_UNIX;
    snprintf(control->at.u.un.sun_path, sizeof(control->at.u.un.sun_path), "%s", path);
    int fd = bind_control(&control->at, &control->file), r = fd < 0 ? fd : 0;
    if (r < 0) {
        free(control);
        return r;
    }
    control->site = site_start(&fd, 1, &wish);
    r = control->site != NULL ? 0 : -ENOMEM;
    if (r < 0) {
        remove_control(control);
        free(control);
        return r;
    }
    *ret_control = control;
    return 0;
}

/* NULL: none. */
static const char *wanted_path(const char *wish) {
    struct stat st;

    if (strcmp(wish, "off") == 0)
        return NULL;
    if (strcmp(wish, "auto") != 0)
        return wish;
    return stat(CONTROL_FOLDER, &st) == 0 && S_ISDIR(st.st_mode) ? CONTROL_SOCKET : NULL;
}

static bool is_open_at(const struct control *control, const char *path) {
    return control != NULL && strcmp(control->at.u.un.sun_path, path) == 0 &&
           socket_file_is_at(path, &control->file);
}

static const char *describe_failure(int error) {
    return error == EADDRINUSE ? "another program answers there, or it is no socket"
                               : strerrordesc_np(error);
}

bool control_use(struct control **control, struct relay *relay, const struct config *config,
                 time_t since, char *ret_why, size_t size) {
    const char *path = wanted_path(config->global.control);
    bool by_name = strcmp(config->global.control, "auto") != 0;
    struct control *opened = NULL;

    if (path != NULL && is_open_at(*control, path))
        return true;
    int r = path != NULL ? open_control(path, relay, since, &opened) : 0;
    if (r < 0) {
        snprintf(ret_why, size, "There is no control socket at %s: %s.", path,
                 describe_failure(-r));
        if (by_name)
            return false;
        log_msg(MSG_TROUBLE, "%s relayctl cannot ask this relayd (control = off: no warning).",
                ret_why);
        return true;
    }
    control_close(*control);
    *control = opened;
    return true;
}

size_t control_descriptors(const struct config *config) {
    return wanted_path(config->global.control) != NULL
               ? site_descriptors(1, CLIENTS) + probe_descriptors(config)
               : 0;
}

void control_close(struct control *control) {
    if (control == NULL)
        return;
    remove_control(control);
    site_stop(control->site, 0);
    free(control);
}
