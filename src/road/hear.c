#include "road/hear.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/sockopt.h"
#include "road/admit.h"
#include "road/branch.h"
#include "road/generation.h"
#include "road/greet.h"
#include "road/hello.h"
#include "road/refuse.h"
#include "road/shake.h"
#include "road/shortage.h"

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
    log_line_field(line, "RELAYD_LISTENER", bad->listener);
    log_line_field(line, "RELAYD_PEER", sender);
}

static void format_more_bad_headers(struct log_line *line, const void *last, unsigned long count) {
    const struct bad_header *bad = last;

    log_line_text(
        line,
        "%lu more PROXY headers were refused within a second; the last one on listener %s: %s.",
        count, bad->listener, bad->why);
    log_line_number(line, "RELAYD_COUNT", count);
    log_line_field(line, "RELAYD_LISTENER", bad->listener);
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

/* Takes the PROXY header, and judges whom it names. END_NONE, or how the connection ends; as of the
 * next. */
static enum end hear_header(struct opening *opening) {
    struct job *job = &opening->job;
    const char *why = NULL;

    job->record.peer = job->record.client;
    enum end end = greet_read(opening, &why);
    if (why != NULL)
        say_header_bad(job, why);
    return end != END_NONE ? end : admit_named(job);
}

/* Looks at the ClientHello, and takes the route that it asks for. Where TLS ends here, the
 * handshake has the better words, and an alert, for what is none, but for one who asks in HTTP:
 * he is answered so. */
static enum end hear_hello(struct opening *opening) {
    struct job *job = &opening->job;
    bool ends_here = job->route->config->tls.given;
    struct client_hello hello;
    const char *why = NULL;
    bool tls = false;

    enum end end = hello_look(opening, &hello, &tls, &why);
    if (end == END_NONE && (tls || !ends_here))
        end = branch_choose(job, tls ? &hello : NULL);
    if (end == END_NONE && !tls && ends_here && job->route->config->mode == MODE_HTTP) {
        job->plain = true;
        end = END_CLIENT_HELLO;
    }
    if (end == END_UNKNOWN_NAME && job->record.sni[0] == '\0')
        why = "it asked for none";
    if (end != END_NONE && why != NULL)
        snprintf(job->record.why, sizeof(job->record.why), "%s", why);
    return end;
}

/* Reads what it has to send before there is a server to dial, and judges it. */
static enum end admit_opening(struct opening *opening) {
    struct job *job = &opening->job;
    const struct listener_config *config = job->route->config;
    enum end end = END_NONE;

    if (config->accept_proxy != PROXY_OFF)
        end = hear_header(opening);
    if (end == END_NONE && (config->n_routes > 0 || config->tls.given))
        end = hear_hello(opening);
    if (!openings_keep(opening) && end == END_NONE)
        end = END_PUT_OUT;
    if (end == END_NONE && sockopt_set_receive_timeout(job->has.client, 0) < 0)
        end = END_NO_SOCKET;
    config = job->route->config; /* of a reload since, perhaps: the former one may be gone */
    if (end == END_NONE && config->tls.given)
        end = shake_client(job, opening->deadline, &opening->openings->stop);
    return end;
}

/* As the acceptor does for those that have nothing to send first. What it waits for comes from the
 * workers; at the stop it is nudged. */
static enum end enqueue_opening(struct road *road, struct job *job) {
    bool waits = job->route->generation->config->global.when_full == WHEN_FULL_WAIT;
    struct line *line = job->route->line;
    int r;

    while ((r = queue_push(&road->queue, line, job)) < 0) {
        if (r != -EAGAIN) {
            shortage_log("queue a connection", -r);
            return END_NO_PUMPS;
        }
        if (!waits && !atomic_load(&road->stop_accept))
            return END_QUEUE_FULL;
        if (queue_wait_room(&road->queue, line) == ROOM_CLOSED)
            waits = true; /* in a drain there is no bound */
    }
    return END_NONE;
}

void hear_opening(void *arg, struct opening *opening) {
    struct road *road = arg;
    struct job *job = &opening->job;
    enum end end = admit_opening(opening);

    if (end == END_NONE)
        end = enqueue_opening(road, job);
    if (end != END_NONE)
        refuse_client(road, job, end, 0, true);
}
