#include "upstream/dns.h"

#include <ares.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/fd.h"
#include "upstream/dns_srv.h"

#define TIMEOUT_MSEC 2000               /* of a first try; c-ares doubles it for each further one */
#define TRIES        3                  /* with each server of /etc/resolv.conf */
#define FRESH_FOR    (2 * USEC_PER_SEC) /* so long /etc/resolv.conf is not read again */
#define CHANNELS_MAX 16 /* each has a socket or two for each server that was asked */
#define TYPE_SRV     33
#define CLASS_IN     1

/* c-ares reads /etc/resolv.conf when a channel is made. So a channel takes new lookups for a short time, and then the
 * next one does; it stays until its last lookup has ended. Those that hang at a server that is gone keep nobody from
 * the one that the operator has put in its place. */
struct channel {
    LIST_ENTRY(channel) link;
    ares_channel cares;
    usec_t opened;
    size_t under_way; /* lookups */
    nfds_t polled;    /* sockets, by the dns_wait that goes on */
};

struct dns {
    LIST_HEAD(, channel) channels; /* the newest first */
    size_t n_channels;
    int wake; /* eventfd */
};

/* A lookup: of a name, or of a service and then of all its targets. */
struct lookup {
    struct channel *channel;
    dns_done_fn *done;
    void *arg;
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
    LIST_INIT(&dns->channels);
    set_up();
    return dns;
}

/* Lookups that are under way in it end. */
static void close_channel(struct dns *dns, struct channel *channel) {
    LIST_REMOVE(channel, link);
    dns->n_channels--;
    ares_destroy(channel->cares);
    free(channel);
}

void dns_free(struct dns *dns) {
    if (dns == NULL)
        return;
    while (!LIST_EMPTY(&dns->channels))
        close_channel(dns, LIST_FIRST(&dns->channels));
    fd_close(&dns->wake);
    free(dns);
}

void dns_wake(struct dns *dns) {
    uint64_t one = 1;

    (void)!write(dns->wake, &one, sizeof(one)); /* full: it is awake */
}

static bool is_fresh(const struct channel *channel) {
    return clock_coarse() - channel->opened < FRESH_FOR;
}

/* The channel for a new lookup, or NULL and why there is none. */
static struct channel *fresh_channel(struct dns *dns, const char **ret_why) {
    struct ares_options options = {.timeout = TIMEOUT_MSEC, .tries = TRIES};
    struct channel *channel = LIST_FIRST(&dns->channels);

    if (channel != NULL && (is_fresh(channel) || dns->n_channels == CHANNELS_MAX))
        return channel;
    channel = calloc(1, sizeof(*channel));
    if (channel == NULL) {
        *ret_why = "no memory";
        return NULL;
    }
    int status = ares_init_options(&channel->cares, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
    if (status != ARES_SUCCESS) {
        *ret_why = ares_strerror(status);
        free(channel);
        return NULL;
    }
    channel->opened = clock_coarse();
    LIST_INSERT_HEAD(&dns->channels, channel, link);
    dns->n_channels++;
    return channel;
}

static void close_idle(struct dns *dns) {
    struct channel *channel, *next;

    for (channel = LIST_FIRST(&dns->channels); channel != NULL; channel = next) {
        next = LIST_NEXT(channel, link);
        if (channel->under_way == 0 && !is_fresh(channel))
            close_channel(dns, channel);
    }
}

static void end_part(struct lookup *lookup) {
    if (--lookup->pending > 0)
        return;
    lookup->channel->under_way--;
    if (lookup->answer.n > 0)
        lookup->done(lookup->arg, &lookup->answer, NULL);
    else
        lookup->done(lookup->arg, NULL,
                     lookup->why != NULL ? lookup->why : "it has no address that can be dialled");
    free(lookup);
}

/* An answer holds for as long as each record that it is made of. */
static void take_ttl(struct dns_answer *answer, int seconds) {
    usec_t ttl = seconds > 0 ? seconds * USEC_PER_SEC : 0; /* above 2^31: RFC 2181, 8 */

    if (ttl < answer->ttl)
        answer->ttl = ttl;
}

/* Adds an address of a part's name, unless it is there. */
static void add_place(const struct part *part, const struct ares_addrinfo_node *node) {
    struct dns_answer *answer = &part->lookup->answer;
    struct dns_place place = {.priority = part->priority,
                              .weight = part->weight > 0 ? part->weight : 1};

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
    take_ttl(answer, node->ai_ttl);
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
    if (status != ARES_SUCCESS && status != ARES_ENOTFOUND && status != ARES_ENODATA)
        lookup->answer.partial = true;
    for (const struct ares_addrinfo_node *node = found != NULL ? found->nodes : NULL; node != NULL;
         node = node->ai_next)
        add_place(part, node);
    for (const struct ares_addrinfo_cname *cname = found != NULL ? found->cnames : NULL;
         cname != NULL; cname = cname->next)
        take_ttl(&lookup->answer, cname->ttl);
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
    ares_getaddrinfo(lookup->channel->cares, host, NULL, &hints, on_addresses, part);
}

/* The target of a record is a full name (RFC 2782): no domain of /etc/resolv.conf is added to one that ends in ".". */
static void begin_target(struct lookup *lookup, const struct dns_srv *srv) {
    char host[ADDR_NAME_MAX + 1];

    snprintf(host, sizeof(host), "%.*s.", ADDR_NAME_MAX - 1, srv->host);
    begin_part(lookup, host, srv->port, srv->priority, srv->weight);
}

static bool has_target(const struct dns_srv *srv) {
    return srv->host[0] != '\0' && srv->port != 0;
}

static void on_service(void *arg, int status, int timeouts, unsigned char *reply, int size) {
    struct lookup *lookup = arg;
    struct dns_srv list[DNS_SRV_MAX];
    int n =
        status == ARES_SUCCESS ? dns_srv_parse(reply, (size_t)size, list, &lookup->answer.ttl) : 0;

    (void)timeouts;
    for (int i = 0; i < n; i++)
        lookup->pending += has_target(&list[i]);
    if (status != ARES_SUCCESS)
        lookup->why = ares_strerror(status);
    else if (n < 0)
        lookup->why = "the answer makes no sense";
    else if (n == 0)
        lookup->why = "it has no SRV record";
    else if (lookup->pending == 1)
        lookup->why = "its SRV record says that the service is not available";
    for (int i = 0; i < n; i++)
        if (has_target(&list[i]))
            begin_target(lookup, &list[i]);
    end_part(lookup); /* this one */
}

void dns_lookup(struct dns *dns, const struct addr_spec *spec, dns_done_fn *done, void *arg) {
    const char *why = "no memory";
    struct channel *channel = fresh_channel(dns, &why);
    struct lookup *lookup = channel != NULL ? calloc(1, sizeof(*lookup)) : NULL;

    if (lookup == NULL) {
        done(arg, NULL, why);
        return;
    }
    *lookup = (struct lookup){.channel = channel, .done = done, .arg = arg, .pending = 1};
    lookup->answer.ttl = (usec_t)INT_MAX * USEC_PER_SEC;
    channel->under_way++;
    if (spec->form == ADDR_SRV)
        ares_query(channel->cares, spec->name, CLASS_IN, TYPE_SRV, on_service, lookup);
    else
        begin_part(lookup, spec->name, spec->port, 0, 1);
}

/* Puts the sockets of the channel's lookups into the set. */
static nfds_t add_sockets(const struct channel *channel, struct pollfd *set) {
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    /* A bit for each to be read, above them one for each to be written (ares_getsock(3), whose macros shift too far). */
    unsigned wanted = (unsigned)ares_getsock(channel->cares, sockets, ARES_GETSOCK_MAXNUM);
    nfds_t n = 0;

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
static usec_t next_timeout(const struct channel *channel, usec_t deadline) {
    struct timeval tv;

    if (ares_timeout(channel->cares, NULL, &tv) == NULL)
        return deadline;
    /* It cuts to milliseconds: without one more, it would be asked again and again before the time is up. */
    usec_t then = clock_now() + (usec_t)tv.tv_sec * USEC_PER_SEC + tv.tv_usec + USEC_PER_MSEC;
    return then < deadline ? then : deadline;
}

static void process(const struct channel *channel, const struct pollfd *set) {
    for (nfds_t i = 0; i < channel->polled; i++) {
        bool reads = (set[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0,
             writes = (set[i].revents & POLLOUT) != 0;

        if (reads || writes)
            ares_process_fd(channel->cares, reads ? set[i].fd : ARES_SOCKET_BAD,
                            writes ? set[i].fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(channel->cares, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* whose time is up */
}

void dns_wait(struct dns *dns, usec_t deadline) {
    struct pollfd set[1 + CHANNELS_MAX * ARES_GETSOCK_MAXNUM] = {
        {.fd = dns->wake, .events = POLLIN}};
    struct channel *channel;
    nfds_t n = 1;
    usec_t until = deadline;
    uint64_t count;

    close_idle(dns);
    LIST_FOREACH(channel, &dns->channels, link) {
        channel->polled = add_sockets(channel, &set[n]);
        n += channel->polled;
        until = next_timeout(channel, until);
    }
    usec_t now = clock_now();
    struct timespec left = clock_timespec(until > now ? until - now : 0);
    if (ppoll(set, n, until == USEC_NEVER ? NULL : &left, NULL) < 0)
        return; /* a signal: the caller looks what there is to do */
    if (set[0].revents != 0)
        (void)!read(dns->wake, &count, sizeof(count));
    n = 1;
    LIST_FOREACH(channel, &dns->channels, link) {
        process(channel, &set[n]);
        n += channel->polled;
    }
}

const struct dns_ops dns_cares = {
    .new = dns_new, .free = dns_free, .lookup = dns_lookup, .wait = dns_wait, .wake = dns_wake};
