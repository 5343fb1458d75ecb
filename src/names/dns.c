#include "names/dns.h"

#include <ares.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/fd.h"

/* A lost query or answer is asked for again after 0.4 s; a server that is not there is given up
 * after 6 s. */
#define TIMEOUT_MSEC 400                /* of a first try; c-ares doubles it for each further one */
#define TRIES        4                  /* with each server of /etc/resolv.conf */
#define FRESH_FOR    (2 * USEC_PER_SEC) /* until then /etc/resolv.conf is not read again */
#define CHANNELS_MAX 16
#define CLASS_IN     1
#define ALIASES_MOST 8 /* followed by queries of their own, in a row */

struct channel_socket {
    struct channel *channel;
    ares_socket_t fd;
    short events;
};

/* c-ares reads /etc/resolv.conf when a channel is made. So a channel takes lookups for a short
 * time, then the next does; it stays until its last lookup has ended. Lookups that hang at a dead
 * server so delay none at the server that replaced it. */
struct channel {
    LIST_ENTRY(channel) entry;
    struct dns *dns;
    ares_channel cares;
    usec_t opened;
    size_t under_way; /* lookups */
};

struct dns {
    LIST_HEAD(, channel) channels; /* the newest first */
    size_t n_channels;
    int wake;                       /* eventfd */
    struct channel_socket *sockets; /* of all channels */
    struct pollfd *set;             /* these, as the wait began, and the eventfd */
    struct channel **polled;        /* whose they are */
    size_t n_sockets, room;
};

struct lookup {
    struct channel *channel;
    enum dns_type type;
    dns_done_fn *done;
    void *arg;
    usec_t ttl; /* of the aliases so far */
    unsigned aliases;
    char name[ADDR_NAME_MAX + 1];
};

/* c-ares sets itself up, and tidies up after itself, once for the process. */
static void set_up(void) {
    static bool done;

    if (!done)
        (void)ares_library_init(ARES_LIB_INIT_ALL);
    done = true;
}

/* Sockets */

static bool dns_make_room(struct dns *dns) {
    size_t room = dns->room > 0 ? dns->room * 2 : 16;

    if (dns->n_sockets + 1 < dns->room)
        return true;
    struct channel_socket *sockets = reallocarray(dns->sockets, room, sizeof(*sockets));
    if (sockets == NULL)
        return false;
    dns->sockets = sockets;
    struct pollfd *set = reallocarray(dns->set, room, sizeof(*set));
    if (set == NULL)
        return false;
    dns->set = set;
    struct channel **polled = reallocarray(dns->polled, room, sizeof(*polled));
    if (polled == NULL)
        return false;
    dns->polled = polled;
    dns->room = room;
    return true;
}

/* c-ares waits for this at a socket; neither: it closes it. Without memory for one more, its
 * lookups time out. */
static void on_socket(void *arg, ares_socket_t fd, int readable, int writable) {
    struct channel *channel = arg;
    struct dns *dns = channel->dns;
    short events = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
    size_t i = 0;

    while (i < dns->n_sockets && (dns->sockets[i].channel != channel || dns->sockets[i].fd != fd))
        i++;
    if (events == 0 && i < dns->n_sockets)
        dns->sockets[i] = dns->sockets[--dns->n_sockets];
    else if (i < dns->n_sockets)
        dns->sockets[i].events = events;
    else if (events != 0 && dns_make_room(dns))
        dns->sockets[dns->n_sockets++] = (struct channel_socket){channel, fd, events};
}

static void free_arrays(struct dns *dns) {
    free(dns->sockets);
    free(dns->set);
    free(dns->polled);
}

/* Channels */

static struct dns *dns_new(void) {
    struct dns *dns = calloc(1, sizeof(*dns));

    if (dns == NULL)
        return NULL;
    LIST_INIT(&dns->channels);
    dns->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (dns->wake < 0 || !dns_make_room(dns)) {
        fd_close(&dns->wake);
        free_arrays(dns);
        free(dns);
        return NULL;
    }
    set_up();
    return dns;
}

/* Its lookups end. */
static void close_channel(struct dns *dns, struct channel *channel) {
    LIST_REMOVE(channel, entry);
    dns->n_channels--;
    ares_destroy(channel->cares);
    free(channel);
}

static void dns_free(struct dns *dns) {
    if (dns == NULL)
        return;
    while (!LIST_EMPTY(&dns->channels))
        close_channel(dns, LIST_FIRST(&dns->channels));
    fd_close(&dns->wake);
    free_arrays(dns);
    free(dns);
}

static void dns_wake(struct dns *dns) {
    uint64_t one = 1;

    (void)!write(dns->wake, &one, sizeof(one)); /* full: it is awake */
}

static bool is_fresh(const struct channel *channel) {
    return clock_coarse() - channel->opened < FRESH_FOR;
}

/* The channel for a new lookup, or NULL and why there is none. */
static struct channel *fresh_channel(struct dns *dns, const char **ret_why) {
    struct channel *channel = LIST_FIRST(&dns->channels);

    if (channel != NULL && (is_fresh(channel) || dns->n_channels == CHANNELS_MAX))
        return channel;
    channel = calloc(1, sizeof(*channel));
    if (channel == NULL) {
        *ret_why = "no memory";
        return NULL;
    }
    channel->dns = dns;
    struct ares_options options = {.timeout = TIMEOUT_MSEC,
                                   .tries = TRIES,
                                   .sock_state_cb = on_socket,
                                   .sock_state_cb_data = channel};
    int status = ares_init_options(&channel->cares, &options,
                                   ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS) {
        *ret_why = ares_strerror(status);
        free(channel);
        return NULL;
    }
    channel->opened = clock_coarse();
    LIST_INSERT_HEAD(&dns->channels, channel, entry);
    dns->n_channels++;
    return channel;
}

static void close_idle(struct dns *dns) {
    struct channel *channel, *next;

    for (channel = LIST_FIRST(&dns->channels); channel != NULL; channel = next) {
        next = LIST_NEXT(channel, entry);
        if (channel->under_way == 0 && !is_fresh(channel))
            close_channel(dns, channel);
    }
}

/* Lookups */

static void end_lookup(struct lookup *lookup, const struct dns_answer *answer) {
    lookup->channel->under_way--;
    lookup->done(lookup->arg, answer);
    free(lookup);
}

static void fail_lookup(struct lookup *lookup, enum dns_outcome outcome, const char *why) {
    const struct dns_answer answer = {.outcome = outcome, .why = why};

    end_lookup(lookup, &answer);
}

static void send_query(struct lookup *lookup);

/* The reply's aliases lead to a name that it has no records of: asks for them. */
static void follow_alias(struct lookup *lookup, const struct dns_records *records) {
    if (lookup->aliases++ == ALIASES_MOST) {
        fail_lookup(lookup, DNS_FAILED, "its aliases (CNAME) lead to no end");
        return;
    }
    if (records->ttl < lookup->ttl)
        lookup->ttl = records->ttl;
    snprintf(lookup->name, sizeof(lookup->name), "%.*s.", ADDR_NAME_MAX - 1, records->alias);
    send_query(lookup);
}

/* c-ares takes a server that answers SERVFAIL, NOTIMP or REFUSED for one that cannot be reached. */
static const char *why_failed(int status) {
    return status == ARES_ECONNREFUSED
               ? "no DNS server could be reached, or they answered SERVFAIL or REFUSED"
               : ares_strerror(status);
}

static void take_reply(struct lookup *lookup, int status, const unsigned char *reply, size_t size) {
    struct dns_records records = {0};

    if (status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_EBADNAME)
        fail_lookup(lookup, DNS_NONE, ares_strerror(status));
    else if (status != ARES_SUCCESS)
        fail_lookup(lookup, DNS_FAILED, why_failed(status));
    else if (!dns_reply_read(reply, size, lookup->name, lookup->type, &records))
        fail_lookup(lookup, DNS_FAILED, "the answer makes no sense");
    else if (records.n == 0 && records.alias[0] != '\0')
        follow_alias(lookup, &records);
    else if (records.n == 0)
        fail_lookup(lookup, DNS_NONE, ares_strerror(ARES_ENODATA));
    else
        end_lookup(lookup, &(struct dns_answer){.outcome = DNS_FOUND,
                                                .n = records.n,
                                                .list = records.list,
                                                .ttl = records.ttl < lookup->ttl ? records.ttl
                                                                                 : lookup->ttl});
    free(records.list);
}

/* This program reads the bytes itself: no parser of c-ares 1.18 gives the TTL of SRV records. Later
 * versions give bytes on request. */
#if ARES_VERSION >= 0x011c00
static void on_reply(void *arg, ares_status_t status, size_t timeouts,
                     const ares_dns_record_t *record) {
    unsigned char *reply = NULL;
    size_t size = 0;

    (void)timeouts;
    if (status == ARES_SUCCESS)
        status = ares_dns_write(record, &reply, &size);
    take_reply(arg, (int)status, reply, size);
    ares_free_string(reply);
}

static void send_query(struct lookup *lookup) {
    (void)ares_query_dnsrec(lookup->channel->cares, lookup->name, ARES_CLASS_IN,
                            (ares_dns_rec_type_t)lookup->type, on_reply, lookup, NULL);
}
#else
static void on_reply(void *arg, int status, int timeouts, unsigned char *reply, int size) {
    (void)timeouts;
    take_reply(arg, status, reply, size > 0 ? (size_t)size : 0);
}

static void send_query(struct lookup *lookup) {
    ares_query(lookup->channel->cares, lookup->name, CLASS_IN, (int)lookup->type, on_reply, lookup);
}
#endif

static void dns_lookup(struct dns *dns, const char *name, enum dns_type type, dns_done_fn *done,
                       void *arg) {
    struct dns_answer failed = {.outcome = DNS_FAILED, .why = "no memory"};
    struct channel *channel = fresh_channel(dns, &failed.why);
    struct lookup *lookup = channel != NULL ? calloc(1, sizeof(*lookup)) : NULL;

    if (lookup == NULL) {
        done(arg, &failed);
        return;
    }
    *lookup = (struct lookup){
        .channel = channel, .type = type, .done = done, .arg = arg, .ttl = DNS_TTL_MOST};
    snprintf(lookup->name, sizeof(lookup->name), "%s", name);
    channel->under_way++;
    send_query(lookup);
}

/* Waiting */

/* When c-ares must be asked next. */
static usec_t next_timeout(const struct channel *channel, usec_t deadline) {
    struct timeval tv;

    if (ares_timeout(channel->cares, NULL, &tv) == NULL)
        return deadline;
    /* rounded down to ms: without one more, it would be asked again and again until then */
    usec_t then = clock_now() + (usec_t)tv.tv_sec * USEC_PER_SEC + tv.tv_usec + USEC_PER_MSEC;
    return then < deadline ? then : deadline;
}

/* An answer before may have closed the socket: c-ares passes over one that it does not have. */
static void process_socket(struct channel *channel, struct pollfd polled) {
    bool reads = (polled.revents & (POLLIN | POLLERR | POLLHUP)) != 0,
         writes = (polled.revents & POLLOUT) != 0;

    if (reads || writes)
        ares_process_fd(channel->cares, reads ? polled.fd : ARES_SOCKET_BAD,
                        writes ? polled.fd : ARES_SOCKET_BAD);
}

static void dns_wait(struct dns *dns, usec_t deadline) {
    struct channel *channel;
    usec_t until = deadline;
    uint64_t count;

    close_idle(dns);
    size_t n = dns->n_sockets;
    for (size_t i = 0; i < n; i++) {
        dns->set[i] = (struct pollfd){.fd = dns->sockets[i].fd, .events = dns->sockets[i].events};
        dns->polled[i] = dns->sockets[i].channel;
    }
    dns->set[n] = (struct pollfd){.fd = dns->wake, .events = POLLIN};
    LIST_FOREACH(channel, &dns->channels, entry)
        until = next_timeout(channel, until);
    usec_t now = clock_now();
    struct timespec left = clock_timespec(until > now ? until - now : 0);
    if (ppoll(dns->set, n + 1, until == USEC_NEVER ? NULL : &left, NULL) < 0)
        return; /* a signal: the caller looks what there is to do */
    if (dns->set[n].revents != 0)
        (void)!read(dns->wake, &count, sizeof(count));
    for (size_t i = 0; i < n; i++)
        process_socket(dns->polled[i], dns->set[i]);
    LIST_FOREACH(channel, &dns->channels, entry)
        ares_process_fd(channel->cares, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* whose time is up */
}

const struct dns_ops dns_cares = {
    .new = dns_new, .free = dns_free, .lookup = dns_lookup, .wait = dns_wait, .wake = dns_wake};
