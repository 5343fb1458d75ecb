#include "road/opening.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/sockopt.h"
#include "road/admit.h"
#include "road/exhausted.h"
#include "road/generation.h"
#include "road/greet.h"
#include "road/openings.h"
#include "road/refuse.h"

/* For how long a client has been silent that has sent nothing: it may have waited in the kernel's
 * backlog. */
static usec_t silent_for(int fd) {
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
        return 0;
    return info.tcpi_last_data_recv *
           USEC_PER_MSEC; /* counted from the handshake until data come */
}

struct opening *opening_new(struct openings *openings, struct job *job) {
    struct opening *opening = calloc(1, sizeof(*opening));

    if (opening == NULL)
        return NULL;
    opening->openings = openings;
    opening->limit = limit_ref(job->has.seat.limit);
    opening->ripens = job->record.accepted + OPENING_PATIENCE - silent_for(job->has.client);
    opening->deadline = job->record.accepted + job->route->config->opening_timeout;
    job_give(&opening->job, job);
    return opening;
}

void opening_return(struct opening *opening, struct job *job) {
    job_give(job, &opening->job);
    opening_free(opening);
}

void opening_free(struct opening *opening) {
    CHECK(opening->job.route == NULL && opening->job.has.client < 0);
    limit_unref(opening->limit);
    free(opening);
}

/* When it is to look up again, at the latest. */
static usec_t next_opening_look(const struct opening *opening, usec_t deadline) {
    return !opening->stays && opening->ripens < deadline ? opening->ripens : deadline;
}

/* Each moment that it waits for is looked at once more without waiting: what came in time counts,
 * even if the opener comes late. */
ssize_t opening_peek(struct opening *opening, void *buf, size_t size, usec_t deadline) {
    int fd = opening->job.has.client;

    for (;;) {
        usec_t now = clock_now(), until = next_opening_look(opening, deadline);
        bool waits = now < until;

        if (atomic_load(&opening->openings->stop))
            return -ECANCELED;
        int r = waits ? sockopt_set_receive_timeout(fd, until - now) : 0;
        if (r < 0)
            return r;
        ssize_t n = recv(fd, buf, size, MSG_PEEK | (waits ? 0 : MSG_DONTWAIT));
        if (n == 0 && openings_was_put_out(opening))
            return -EUSERS;
        if (n >= 0)
            return n;
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        if (waits || errno == EINTR)
            continue;
        if (until == deadline)
            return -ETIMEDOUT;
        if (!openings_ripen(opening))
            return -EUSERS;
        opening->stays = true;
    }
}

/* What was wrong with a PROXY header. */
struct bad_header {
    char listener[CONFIG_NAME_MAX];
    struct addr sender;
    char why[128];
};

static void format_bad_header(struct log_line *line, const void *payload) {
    const struct bad_header *bad = payload;
    char sender[ADDR_TEXT_MAX];

    log_line_text(line, "Listener %s refuses a connection from %s, which is in proxy_from: %s.",
                  bad->listener, addr_format(&bad->sender, sender, sizeof(sender)), bad->why);
}

static void format_more_bad_headers(struct log_line *line, const void *last, unsigned long count) {
    const struct bad_header *bad = last;

    log_line_text(
        line,
        "%lu more PROXY headers were refused within a second; the last one on listener %s: %s.",
        count, bad->listener, bad->why);
    log_line_field(line, "RELAYD_COUNT", "%lu", count);
}

/* A balancer that is set up wrongly sends many. */
static void say_header_bad(const struct job *job, const char *why) {
    static const struct log_group group = {LOG_GROUP_COUNT - 1, 100, MSG_PROXY_HEADER,
                                           format_more_bad_headers};
    struct bad_header bad = {.sender = job->record.peer};

    _Static_assert(END_COUNT < LOG_GROUP_COUNT, "the last group is no end's (record.c)");
    memcpy(bad.listener, job->record.listener, sizeof(bad.listener));
    snprintf(bad.why, sizeof(bad.why), "%s", why);
    log_event_grouped(MSG_PROXY_HEADER, format_bad_header, &bad, sizeof(bad), &group);
}

/* All that it has to send before there is a server to dial. END_NONE, or how the connection
 * ends. */
static enum end hear_opening(struct opening *opening) {
    struct job *job = &opening->job;
    const char *why = NULL;

    job->record.peer = job->record.client;
    enum end end = greet_read(opening, &why);
    if (why != NULL)
        say_header_bad(job, why);
    if (!openings_keep(opening) && end == END_NONE)
        end = END_PUT_OUT;
    return end != END_NONE ? end : admit_named(job);
}

/* As the acceptor does for those that have nothing to send first. What it waits for comes from the
 * workers; at the stop it is nudged. */
static enum end enqueue_opening(struct road *road, struct job *job) {
    bool waits = job->route->generation->config->global.when_full == WHEN_FULL_WAIT;
    struct line *line = job->route->line;
    int r;

    while ((r = queue_push(&road->queue, line, job)) < 0) {
        if (r != -EAGAIN) {
            exhausted_say("queue a connection", -r);
            return END_NO_PUMPS;
        }
        if (!waits && !atomic_load(&road->stop_accept))
            return END_QUEUE_FULL;
        if (queue_wait_room(&road->queue, line) == ROOM_CLOSED)
            waits = true; /* in a drain there is no bound */
    }
    return END_NONE;
}

void opening_serve(void *arg, struct opening *opening) {
    struct road *road = arg;
    struct job *job = &opening->job;
    enum end end = hear_opening(opening);

    if (end == END_NONE)
        end = enqueue_opening(road, job);
    if (end != END_NONE)
        refuse_client(road, job, end, 0, true);
}
