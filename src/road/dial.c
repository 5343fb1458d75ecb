#include "road/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/route.h"
#include "base/scope.h"
#include "base/sockopt.h"
#include "base/source.h"
#include "base/stats.h"
#include "base/text.h"
#include "listen/own.h"
#include "road/shortage.h"
#include "road/generation.h"
#include "road/greet.h"
#include "road/shake.h"
#include "upstream/reach.h"
#include "upstream/search.h"

#define LOOP_SAID_FOR (60 * USEC_PER_SEC)

/* One connection's dialling. */
struct attempts {
    struct job *job;
    const struct upstream_config *upstream;
    struct turn *turn;
    const _Atomic bool *stop;
    struct search search;
    usec_t timeout; /* of the attempt at hand; and of it: */
    bool missing;   /* a local address that is not this machine's was passed over */
    bool loops;     /* it leads to this relayd itself, and round */
    bool insecure;  /* the connection stands, but not the TLS over it */
    enum end end;   /* of the last attempt */
};

/* connect(2) with SO_SNDTIMEO gives up with EINPROGRESS, and for a unix socket whose backlog is
 * full with EAGAIN (socket(7)). After that, and after a signal, a second connect waits for the same
 * attempt. */
static int connect_within(int fd, const struct addr *addr, const struct attempts *attempts) {
    usec_t left = attempts->timeout, patience = turn_patience(attempts->turn);
    usec_t span = patience < left ? patience : left;
    int r = sockopt_set_send_timeout(fd, span);

    while (r == 0 && connect(fd, &addr->u.sa, addr->len) < 0) {
        if (errno == EISCONN)
            break;
        if (errno == EINPROGRESS || errno == EAGAIN || errno == EALREADY) {
            left -= span;
            if (left <= 0)
                return -ETIMEDOUT;
            turn_leave(attempts->turn);
            span = left;
            r = sockopt_set_send_timeout(fd, span);
        } else if (errno != EINTR) {
            return -errno;
        } else if (atomic_load(attempts->stop)) {
            return -ECANCELED;
        }
    }
    /* From here on writes wait for as long as the peer does. */
    return r == 0 ? sockopt_set_send_timeout(fd, 0) : r;
}

/* Takes a local address, and where the dial leads to ourselves a port as well. */
static int bind_socket(int fd, const struct addr *source, const struct addr *to,
                       struct attempts *attempts) {
    const struct job *job = attempts->job;
    const struct addr *peer = job->record.peer.len > 0 ? &job->record.peer : &job->record.client;
    unsigned hops;
    int r;

    if (!own_is(to)) {
        r = source_bind(fd, source);
    } else if (!own_is_loop(to, job->has.client, peer, &hops)) {
        r = own_hop(fd, to, source, hops);
    } else {
        attempts->loops = true;
        r = -ELOOP;
    }
    attempts->missing |= r == -EADDRNOTAVAIL;
    return r == -EADDRINUSE ? -EADDRNOTAVAIL : r; /* bind(2) and connect(2) without a port */
}

static int dial_from(const struct addr *source, const struct addr *addr, struct attempts *attempts,
                     int *ret_fd) {
    int fd = socket(addr->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    int r = bind_socket(fd, source, addr, attempts);
    if (r == 0)
        r = connect_within(fd, addr, attempts);
    if (r == 0 && scope_met_itself(fd, addr))
        r = -ECONNREFUSED;
    if (r == 0 && !addr_is_unix(addr))
        sockopt_set_server(fd, attempts->job->route->config->keepalive);
    if (r == 0 && attempts->upstream->send_proxy != PROXY_OFF)
        r = greet_server(attempts->job, (enum proxy_version)attempts->upstream->send_proxy, fd);
    if (r < 0)
        fd_close(&fd);
    else
        *ret_fd = fd;
    return r;
}

/* From the local addresses in turn, and on from one that is missing or has no port left: that takes
 * no time. *addr is as the kernel takes it from here on. */
static int dial_address(struct addr *addr, struct attempts *attempts, int *ret_fd) {
    const struct source_list *list = &attempts->upstream->source_address;
    size_t n = source_count(list, addr), tried = 0, turn = 0;
    const struct addr *source;
    int r = scope_resolve(addr, addr);

    stats_add(STAT_dial_attempts, 1);
    attempts->job->record.attempts++;
    attempts->missing = attempts->loops = false;
    if (r < 0)
        return r;
    if (n > 1)
        turn = atomic_fetch_add_explicit(&attempts->job->route->upstream->source_turn, 1,
                                         memory_order_relaxed);
    do {
        source = source_at(list, addr, turn++ % n);
        r = dial_from(source, addr, attempts, ret_fd);
    } while (r < 0 && ++tried < n && source_is_useless(source, addr, -r));
    return r;
}

static enum end end_of_error(const struct attempts *attempts, int error) {
    if (attempts->loops)
        return END_LOOP;
    if (attempts->insecure)
        return END_SERVER_TLS;
    switch (error) {
    case 0:
        return END_NONE;
    case ETIMEDOUT:
        return END_DIAL_TIMEOUT;
    case ECANCELED:
        return END_STOPPED;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL: /* no local port is left */
        return END_NO_SOCKET;
    default:
        return END_DIAL_REFUSED;
    }
}

static void leave_turn(void *turn) {
    turn_leave(turn);
}

/* TLS over the connection that stands, within the same time. 0, or -errno without the socket. */
static int secure_server(struct attempts *attempts, usec_t began) {
    struct job *job = attempts->job;
    const struct shake_wait wait = {.deadline = began + attempts->timeout,
                                    .patience = turn_patience(attempts->turn),
                                    .stop = attempts->stop,
                                    .on_wait = leave_turn,
                                    .arg = attempts->turn};
    int r = shake_server(job, &attempts->upstream->tls, attempts->search.server->host, &wait);

    if (r < 0)
        fd_close(&job->has.server);
    attempts->insecure = r == -EPROTO || r == -ECONNRESET;
    return r;
}

/* What the record tells is the last attempt, but one of an address that is cut off only if there
 * was no other. */
static void note_attempt(struct attempts *attempts, const struct member *member,
                         const struct addr *addr, int error, enum end end) {
    struct record *record = &attempts->job->record;

    if (end == END_CUT_OFF && attempts->end != END_NO_NAME)
        return;
    attempts->end = end;
    snprintf(record->server, sizeof(record->server), "%s", member->server);
    record->server_addr = *addr; /* the kernel's: the next relayd does not know names of here */
    record->error = error;
}

static void say_loop(const struct job *job, const struct member *member) {
    static _Atomic usec_t said;
    usec_t now = clock_now(), last = atomic_load(&said);
    char text[MEMBER_TEXT_MAX];
    struct member_fields fields;

    if ((last == 0 || now - last >= LOOP_SAID_FOR) &&
        atomic_compare_exchange_strong(&said, &last, now))
        log_msg_with(
            MSG_LOOP, member_fields(&fields, member, member_state(member)),
            "Server %s is this relayd itself, and connections of listener %s would come back "
            "for ever: they are refused.",
            member_format(member, text, sizeof(text)), job->record.listener);
}

/* Gives the member back. */
static void tell_failure(struct search *search, struct member *member, enum end end, int error) {
    if (end == END_STOPPED || end == END_NO_SOCKET)
        search_not_asked(search, &member);
    else
        search_failed(search, &member, error);
    if (end != END_STOPPED)
        stats_add(STAT_dial_failures, 1);
}

/* One attempt. On END_NONE the member is the job's; else it is given back. */
static enum end dial_member(struct attempts *attempts, struct member *member) {
    struct job *job = attempts->job;
    struct addr addr = member->addr;
    usec_t began = clock_now();

    job->record.why[0] = '\0';
    job->record.server_header = 0;
    attempts->insecure = false;
    int error = -dial_address(&addr, attempts, &job->has.server);
    if (error == 0 && attempts->upstream->tls.given)
        error = -secure_server(attempts, began);
    usec_t took = clock_now() - began;
    int lack = route_may_lack(error)
                   ? source_route_error(&attempts->upstream->source_address, &member->addr)
                   : 0;
    enum end end = lack != 0 ? END_CUT_OFF : end_of_error(attempts, error);

    note_attempt(attempts, member, &addr, error, end);
    if (attempts->missing && end != END_CUT_OFF)
        reach_say_missing_sources(job->route->upstream);
    if (end != END_STOPPED && end != END_NO_SOCKET && end != END_CUT_OFF)
        turn_note(attempts->turn, took);
    if (end == END_NONE) {
        search_succeeded(&attempts->search, member, took);
        job->has.member = member;
        job->has.line = line_ref(job->route->line);
        return end;
    }
    if (end == END_LOOP)
        say_loop(job, member);
    if (end == END_NO_SOCKET)
        shortage_log("connect to a server", error);
    if (end == END_CUT_OFF)
        search_cut_off(&attempts->search, &member, lack);
    else
        tell_failure(&attempts->search, member, end, error);
    return end;
}

/* There is nothing (more) to try. before: how the last attempt went. */
static enum end end_of_search(struct search *search, enum search_outcome found, enum end before) {
    switch (found) {
    case SEARCH_STOPPED:
        return END_STOPPED;
    case SEARCH_FULL:
        return END_SERVERS_FULL;
    case SEARCH_DRAINED:
        return END_DRAINED;
    case SEARCH_DOWN:
        before = END_SERVERS_DOWN;
        break;
    case SEARCH_NO_NAME:
        before = END_NO_NAME;
        break;
    case SEARCH_FOUND:
    case SEARCH_OVER:
    default:
        break;
    }
    if (before != END_NO_SOCKET)
        search_gave_up(search);
    return before;
}

/* Why they have none was logged when they were looked up. */
static void note_nameless(struct job *job) {
    const struct upstream_config *upstream = job->route->upstream->config;
    struct record *record = &job->record;

    record->why[0] = '\0';
    for (size_t i = 0; i < upstream->n_servers; i++)
        if (upstream->servers[i].address.form != ADDR_LITERAL)
            text_append(record->why, sizeof(record->why), "%s%s",
                        record->why[0] != '\0' ? ", " : "", upstream->servers[i].address_text);
}

enum end dial(struct job *job, struct turn *turn, const _Atomic bool *stop) {
    struct attempts attempts = {.job = job,
                                .upstream = job->route->upstream->config,
                                .turn = turn,
                                .stop = stop,
                                .end = END_NO_NAME};
    enum search_outcome found;
    struct member *member;
    bool over = false;

    search_begin(&attempts.search, job->route->upstream, &job->record.client);
    attempts.search.on_wait = leave_turn;
    attempts.search.arg = turn;
    attempts.search.wanted = job->wanted;
    if (job->mute != NULL)
        search_shun(&attempts.search, job->mute);
    while (!over &&
           (found = search_next(&attempts.search, &member, &attempts.timeout)) == SEARCH_FOUND) {
        enum end end = dial_member(&attempts, member);

        over = end == END_NONE || end == END_STOPPED;
    }
    search_end(&attempts.search);
    enum end end = over ? attempts.end : end_of_search(&attempts.search, found, attempts.end);
    if (end == END_NO_NAME)
        note_nameless(job);
    return end;
}
