/* Who is connected to a site. When it is full, whoever has been silent for longest makes room for
 * the next: clients that stall keep nobody out. */
#ifndef CONTROL_VISITORS_H
#define CONTROL_VISITORS_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <sys/socket.h>

struct visitor {
    TAILQ_ENTRY(visitor) entry;
    int fd;
    unsigned char client[16]; /* client_table_prefix; zeros: no IP address */
    bool stays;               /* it listens to a stream */
    bool gone;                /* shut down */
};

/* By their last request, or connect. */
struct visitors {
    TAILQ_HEAD(, visitor) list;
    size_t n, most;
    size_t most_of_one; /* of a client; 0: no limit */
};

void visitors_init(struct visitors *visitors, size_t most, size_t most_of_one);

/* An MHD_AcceptPolicyCallback; arg: the visitors. No more of one client than may be: an IPv4
 * address, or an IPv6 /64, as limits of listeners have it. */
enum MHD_Result visitors_admit(void *arg, const struct sockaddr *addr, socklen_t len);

/* An MHD_NotifyConnectionCallback; arg: the visitors. */
void visitors_note(void *arg, struct MHD_Connection *connection, void **visitor,
                   enum MHD_ConnectionNotificationCode what);

/* Its socket; MHD's. -1: it is not known. */
int visitors_fd(struct MHD_Connection *connection);

/* This one asks. NULL: there was no memory to note him. */
struct visitor *visitors_heard(struct visitors *visitors, struct MHD_Connection *connection);

#endif
