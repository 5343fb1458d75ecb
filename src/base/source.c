#include "base/source.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/route.h"
#include "base/scope.h"

size_t source_count(const struct source_list *list, const struct addr *to) {
    size_t n = 0;

    for (size_t i = 0; list != NULL && i < list->n; i++)
        n += list->addrs[i].u.sa.sa_family == to->u.sa.sa_family;
    return n > 0 ? n : 1;
}

const struct addr *source_at(const struct source_list *list, const struct addr *to, size_t n) {
    for (size_t i = 0; list != NULL && i < list->n; i++)
        if (list->addrs[i].u.sa.sa_family == to->u.sa.sa_family && n-- == 0)
            return &list->addrs[i];
    return NULL;
}

int source_bind(int fd, const struct addr *source) {
    int yes = 1;

    if (source == NULL)
        return 0;
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
    return scope_bind(fd, source);
}

bool source_is_useless(const struct addr *source, const struct addr *to, int error) {
    return error == EADDRNOTAVAIL ||
           (source != NULL && route_may_lack(error) && route_error(to, source) != 0);
}

int source_route_error(const struct source_list *list, const struct addr *to) {
    size_t n = source_count(list, to);
    int error = 0;

    for (size_t i = 0; i < n; i++) {
        int one = route_error(to, source_at(list, to, i));

        if (one == 0)
            return 0;
        if (error == 0 || error == EADDRNOTAVAIL) /* a way that is missing says more */
            error = one;
    }
    return error;
}

/* A datagram socket, which a lack of TCP ports does not concern. */
bool source_is_missing(const struct addr *source) {
    int fd = socket(source->u.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool missing = fd >= 0 ? source_bind(fd, source) == -EADDRNOTAVAIL : errno == EAFNOSUPPORT;

    fd_close(&fd);
    return missing;
}

bool source_all_missing(const struct source_list *list, const struct addr *to) {
    for (size_t i = 0; i < source_count(list, to); i++) {
        const struct addr *source = source_at(list, to, i);

        if (source == NULL || !source_is_missing(source))
            return false;
    }
    return true;
}
