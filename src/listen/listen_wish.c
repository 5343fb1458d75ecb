#include "listen/listen_wish.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

struct addr listen_wish_any_address(int family, unsigned port) {
    struct addr addr = {0};

    addr.u.sa.sa_family = (sa_family_t)family;
    if (family == AF_INET6) {
        addr.len = sizeof(addr.u.in6);
        addr.u.in6.sin6_port = htons((uint16_t)port);
    } else {
        addr.len = sizeof(addr.u.in);
        addr.u.in.sin_port = htons((uint16_t)port);
    }
    return addr;
}

struct addr listen_wish_fallback(const struct listen_wish *wish) {
    return listen_wish_any_address(AF_INET, ntohs(wish->addr.u.in6.sin6_port));
}

static const char *usual_advice(int error, const struct listen_wish *wish) {
    const struct listen_address *address = wish->address;

    if (address->systemd)
        return error == ENOENT ? "systemd passed no socket under this listener's name: set "
                                 "FileDescriptorName= in "
                                 "the socket unit and start that unit"
                               : "the socket unit must have Accept=no and ListenStream=";
    switch (error) {
    case EADDRINUSE:
        return addr_is_unix(&address->spec.addr)
                   ? "another process listens there: find it with ss -lxp, or choose another path"
                   : "another process listens there: find it with ss -ltnp, or choose another "
                     "address";
    case EEXIST:
        return "what is there is no socket: remove it, or choose another path";
    case EACCES:
        return addr_is_unix(&address->spec.addr)
                   ? "relayd needs the right to write in that directory"
                   : "a port below 1024 needs CAP_NET_BIND_SERVICE (see PORTS BELOW 1024 in "
                     "relayd(8))";
    case EROFS:
        return "relayd.service may write in /run/relayd alone: use that, or add ReadWritePaths= "
               "(systemctl edit relayd)";
    case EADDRNOTAVAIL:
        return wish->listener != NULL
                   ? "this machine has no such address; if it comes later, set ip_freebind = true"
                   : "this machine has no such address";
    case ENODEV:
        return "there is no network interface of this name now; it is tried again when relayd is "
               "started again, as the service is by itself";
    case EMFILE:
        return "raise LimitNOFILE";
    case ENFILE:
        return "all programs together have too many files open: raise fs.file-max (sysctl)";
    case ENOBUFS:
    case ENOMEM:
        return "the machine has too little memory";
    default:
        return "correct the address";
    }
}

char *listen_wish_complaint(const struct listen_wish *wish, int error, const char *why,
                            const char *advice) {
    char *what;

    if (asprintf(&what, "%s%s cannot listen on %s: %s; %s.",
                 wish->listener != NULL ? "Listener " : "The status section",
                 wish->listener != NULL ? wish->listener->name : "", wish->address->text,
                 why != NULL ? why : strerrordesc_np(error),
                 advice != NULL ? advice : usual_advice(error, wish)) < 0)
        return NULL;
    return what;
}
