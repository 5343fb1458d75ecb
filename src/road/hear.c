#include "road/hear.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/sockopt.h"
#include "road/admit.h"
#include "road/branch.h"
#include "road/enqueue.h"
#include "road/exchanges.h"
#include "road/generation.h"
#include "road/greet.h"
#include "road/hello.h"
#include "road/refuse.h"
#include "road/shake.h"
#include "road/shortage.h"
#include "wire/tls_record.h"

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

/* Whoever speaks no TLS where that is due is told so: in HTTP, or by an alert (RFC 8446, 5.1 and
 * 6.2). libssl would send none. Where TLS passes through, one that is malformed is not ours. */
static void note_answer(struct job *job, enum client_hello_outcome outcome) {
    const struct listener_config *config = job->route->config;

    if (outcome == CLIENT_HELLO_NOT_TLS && config->mode == MODE_HTTP)
        job->plain = true;
    else if (outcome == CLIENT_HELLO_NOT_TLS)
        job->alert = TLS_UNEXPECTED_MESSAGE;
    else if (outcome == CLIENT_HELLO_BAD && config->tls.given)
        job->alert = TLS_DECODE_ERROR;
}

/* Looks at the ClientHello, and takes the route that it asks for. */
static enum end hear_hello(struct opening *opening) {
    struct job *job = &opening->job;
    bool ends_here = job->route->config->tls.given;
    struct client_hello hello;
    const char *why = NULL;
    enum client_hello_outcome outcome = CLIENT_HELLO_MORE;

    enum end end = hello_look(opening, &hello, &outcome, &why);
    bool tls = outcome == CLIENT_HELLO_WHOLE;
    if (end == END_NONE && job->route->config->mode != MODE_HTTP && (tls || !ends_here))
        end = branch_choose(job, tls ? &hello : NULL);
    else if (end == END_NONE && tls)
        branch_note(job, &hello);
    if (end == END_NONE && !tls && ends_here)
        end = END_CLIENT_HELLO;
    if (end == END_CLIENT_HELLO)
        note_answer(job, outcome);
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
    if (end == END_NONE && listener_hears_hello(config))
        end = hear_hello(opening);
    if (!openings_keep(opening) && end == END_NONE)
        end = END_PUT_OUT;
    if (end != END_NONE)
        return end;
    if (job->route->config->tls.given) /* of a reload since, perhaps: config may be gone */
        return shake_client(opening);
    bool timed = opening->timeout > 0;
    return timed && sockopt_set_receive_timeout(job->has.client, 0) < 0 ? END_NO_SOCKET : END_NONE;
}

void hear_opening(void *arg, struct opening *opening) {
    struct road *road = arg;
    struct job *job = &opening->job;
    enum end end = admit_opening(opening);

    if (end == END_NONE)
        end = job->route->config->mode == MODE_HTTP ? exchanges_begin(road, job)
                                                    : enqueue_job(road, job);
    if (end != END_NONE)
        refuse_client(road, job, end, job->record.error, true);
}
