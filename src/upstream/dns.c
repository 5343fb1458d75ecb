#include "upstream/dns.h"

#include <ares.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/thread.h"
#include "upstream/dns_srv.h"

#define TIMEOUT_MSEC 2000         /* of a first try; c-ares doubles it for each further one */
#define TRIES        3            /* with each server of /etc/resolv.conf */
#define FRESH_FOR    USEC_PER_SEC /* so long /etc/resolv.conf is not read again */
#define TYPE_SRV     33
#define CLASS_IN     1

struct dns {
    ares_channel channel;
    bool open;
    usec_t opened;
    size_t under_way;
    int wake; /* eventfd */
};

/* A lookup: of a name, or of a service and then of all its targets. */
struct lookup {
    struct dns *dns;
    dns_done_fn *done;
    void *arg;
    struct addr_spec spec;
    struct dns_answer answer;
    size_t pending;  /* parts that have not ended */
    const char *why; /* of the last part that failed */
};

/* One name within a lookup. */
struct part {
    struct lookup *lookup;
    unsigned port, priority, weight;
};

/* c-ares sets itself up, and tidies up after itself, once for the process. */
static void set_up(void) {
    static bool done;

    if (!done)
        (void)ares_library_init(ARES_LIB_INIT_ALL);
    done = true;
}

struct dns *dns_new(void) {
    struct dns *dns = calloc(1, sizeof(*dns));

    if (dns == NULL)
        return NULL;
    dns->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (dns->wake < 0) {
        free(dns);
        return NULL;
    }
    set_up();
    return dns;
}

void dns_free(struct dns *dns) {
    if (dns == NULL)
        return;
    if (dns->open)
        ares_destroy(dns->channel); /* ends every lookup */
    fd_close(&dns->wake);
    free(dns);
}

void dns_wake(struct dns *dns) {
    uint64_t one = 1;

    (void)!write(dns->wake, &one, sizeof(one)); /* full: it is awake */
}

/* A channel knows /etc/resolv.conf as it was when it was made. */
static const char *freshen(struct dns *dns) {
    struct ares_options options = {.timeout = TIMEOUT_MSEC, .tries = TRIES};

    if (dns->open && (dns->under_way > 0 || clock_coarse() - dns->opened < FRESH_FOR))
        return NULL;
    if (dns->open)
        ares_destroy(dns->channel);
    int status = ares_init_options(&dns->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
    dns->open = status == ARES_SUCCESS;
    dns->opened = clock_coarse();
    return dns->open ? NULL : ares_strerror(status);
}

static void end_part(struct lookup *lookup) {
    if (--lookup->pending > 0)
        return;
    lookup->dns->under_way--;
    if (lookup->answer.n > 0)
        lookup->done(lookup->arg, &lookup->answer, NULL);
    else
        lookup->done(lookup->arg, NULL,
                     lookup->why != NULL ? lookup->why : "it has no address that can be dialled");
    free(lookup);
}

/* Adds an address of a part's name, unless it is there. */
static void add_place(const struct part *part, const struct ares_addrinfo_node *node) {
    struct dns_answer *answer = &part->lookup->answer;
    struct dns_place place = {.priority = part->priority,
                              .weight = part->weight > 0 ? part->weight : 1};
    usec_t ttl = (usec_t)(node->ai_ttl > 0 ? node->ai_ttl : 0) * USEC_PER_SEC;

    if (node->ai_addrlen > sizeof(place.addr.u))
        return;
    memcpy(&place.addr.u, node->ai_addr, node->ai_addrlen);
    place.addr.len = node->ai_addrlen;
    if (node->ai_family == AF_INET)
        place.addr.u.in.sin_port = htons((uint16_t)part->port);
    else if (node->ai_family == AF_INET6)
        place.addr.u.in6.sin6_port = htons((uint16_t)part->port);
    else
        return;
    answer->ttl = ttl < answer->ttl ? ttl : answer->ttl;
    for (size_t i = 0; i < answer->n; i++)
        if (addr_equal(&answer->places[i].addr, &place.addr))
            return;
    if (answer->n < DNS_PLACES_MAX)
        answer->places[answer->n++] = place;
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *found) {
    struct part *part = arg;
    struct lookup *lookup = part->lookup;

    (void)timeouts;
    if (status != ARES_SUCCESS)
        lookup->why = ares_strerror(status);
    for (const struct ares_addrinfo_node *node = found != NULL ? found->nodes : NULL; node != NULL;
         node = node->ai_next)
        add_place(part, node);
    if (found != NULL)
        ares_freeaddrinfo(found);
    free(part);
    end_part(lookup);
}

/* Looks up the addresses of one name. lookup->pending counts it already. */
static void begin_part(struct lookup *lookup, const char *host, unsigned port, unsigned priority,
                       unsigned weight) {
    const struct ares_addrinfo_hints hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};
    struct part *part = malloc(sizeof(*part));

    if (part == NULL) {
        lookup->why = "no memory";
        end_part(lookup);
        return;
    }
    *part = (struct part){.lookup = lookup, .port = port, .priority = priority, .weight = weight};
    ares_getaddrinfo(lookup->dns->channel, host, NULL, &hints, on_addresses, part);
}

static void on_service(void *arg, int status, int timeouts, unsigned char *reply, int size) {
    struct lookup *lookup = arg;
    struct dns_srv list[DNS_SRV_MAX];
    usec_t ttl = 0;
    int n = 0;

    (void)timeouts;
    if (status == ARES_SUCCESS)
        n = dns_srv_parse(reply, (size_t)size, list, &ttl);
    if (status != ARES_SUCCESS)
        lookup->why = ares_strerror(status);
    else if (n < 0)
        lookup->why = "the answer makes no sense";
    else if (n == 0)
        lookup->why = "it has no SRV record";
    else if (list[0].host[0] == '\0')
        lookup->why = "its SRV record says that the service is not available";
    else
        lookup->answer.ttl = ttl;
    for (int i = 0; i < n && lookup->why == NULL; i++)
        lookup->pending++;
    if (lookup->why == NULL)
        for (int i = 0; i < n; i++)
            begin_part(lookup, list[i].host, list[i].port, list[i].priority, list[i].weight);
    end_part(lookup); /* this one */
}

void dns_lookup(struct dns *dns, const struct addr_spec *spec, dns_done_fn *done, void *arg) {
    const char *why = freshen(dns);
    struct lookup *lookup = why == NULL ? calloc(1, sizeof(*lookup)) : NULL;

    if (lookup == NULL) {
        done(arg, NULL, why != NULL ? why : "no memory");
        return;
    }
    *lookup = (struct lookup){.dns = dns, .done = done, .arg = arg, .spec = *spec, .pending = 1};
    lookup->answer.ttl = (usec_t)INT_MAX * USEC_PER_SEC;
    dns->under_way++;
    if (spec->form == ADDR_SRV)
        ares_query(dns->channel, lookup->spec.name, CLASS_IN, TYPE_SRV, on_service, lookup);
    else
        begin_part(lookup, lookup->spec.name, spec->port, 0, 1);
}

/* The sockets of the lookups under way, after that of dns_wake. */
static nfds_t poll_set(const struct dns *dns, struct pollfd set[ARES_GETSOCK_MAXNUM + 1]) {
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    /* A bit for each to be read, above them one for each to be written (ares_getsock(3), whose macros shift too far). */
    unsigned wanted =
        dns->open ? (unsigned)ares_getsock(dns->channel, sockets, ARES_GETSOCK_MAXNUM) : 0;
    nfds_t n = 1;

    set[0] = (struct pollfd){.fd = dns->wake, .events = POLLIN};
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
        bool reads = (wanted >> i & 1) != 0,
             writes = (wanted >> (i + ARES_GETSOCK_MAXNUM) & 1) != 0;

        if (reads || writes)
            set[n++] = (struct pollfd){
                .fd = sockets[i], .events = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0))};
    }
    return n;
}

/* When c-ares wants to be asked next, at the latest. */
static usec_t next_timeout(const struct dns *dns, usec_t deadline) {
    struct timeval tv;

    if (!dns->open || ares_timeout(dns->channel, NULL, &tv) == NULL)
        return deadline;
    usec_t then = clock_now() + (usec_t)tv.tv_sec * USEC_PER_SEC + tv.tv_usec;
    return then < deadline ? then : deadline;
}

void dns_wait(struct dns *dns, usec_t deadline) {
    struct pollfd set[ARES_GETSOCK_MAXNUM + 1];
    nfds_t n = poll_set(dns, set);
    usec_t until = next_timeout(dns, deadline), now = clock_now();
    struct timespec left = clock_timespec(until > now ? until - now : 0);
    uint64_t count;

    if (ppoll(set, n, until == USEC_NEVER ? NULL : &left, NULL) < 0)
        return; /* a signal: the caller looks what there is to do */
    if (set[0].revents != 0)
        (void)!read(dns->wake, &count, sizeof(count));
    if (!dns->open)
        return;
    for (nfds_t i = 1; i < n; i++) {
        bool reads = (set[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0,
             writes = (set[i].revents & POLLOUT) != 0;

        if (reads || writes)
            ares_process_fd(dns->channel, reads ? set[i].fd : ARES_SOCKET_BAD,
                            writes ? set[i].fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* whose time is up */
}

const struct dns_ops dns_cares = {
    .new = dns_new, .free = dns_free, .lookup = dns_lookup, .wait = dns_wait, .wake = dns_wake};
