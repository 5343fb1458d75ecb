#include "daemon/passed.h"

#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "base/fd.h"
#include "base/log.h"

int passed_take(struct passed *ret_passed) {
    struct passed passed = {0};
    int n = sd_listen_fds_with_names(1, &passed.names);

    if (n < 0)
        return n;
    passed.list = calloc((size_t)n + 1, sizeof(*passed.list));
    if (passed.list == NULL)
        return -ENOMEM;
    passed.n = (size_t)n;
    for (int i = 0; i < n; i++)
        passed.list[i] =
            (struct passed_socket){.fd = SD_LISTEN_FDS_START + i, .name = passed.names[i]};
    *ret_passed = passed;
    return 0;
}

void passed_drop_unused(struct passed *passed) {
    for (size_t i = 0; i < passed->n; i++) {
        struct passed_socket *socket = &passed->list[i];

        if (socket->fd < 0)
            continue;
        log_msg(MSG_TROUBLE,
                "systemd passed a socket named %s, and no listener of that name has "
                "address = \"systemd\"; closing it.",
                socket->name);
        fd_close(&socket->fd);
    }
}

void passed_free(struct passed *passed) {
    for (size_t i = 0; i < passed->n; i++) {
        fd_close(&passed->list[i].fd);
        free(passed->names[i]);
    }
    free(passed->names);
    free(passed->list);
}
