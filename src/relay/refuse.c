#include "relay/refuse.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/stats.h"
#include "relay/copy.h"
#include "relay/tune.h"

#define DRAIN_READS 16 /* of what has already arrived, before a close without a linger */

/* RFC 9110, 15.5 and 15.6: 403 forbidden, 502 bad gateway, 503 service unavailable, 504 gateway timeout. */
struct answer {
    int status;
    const char *reason;
    const char *body;
};

static struct answer answer_for(enum end end) {
    switch ((int)end) {
    case END_NO_NAME:
    case END_DIAL_REFUSED:
    case END_SERVERS_DOWN:
    case END_CUT_OFF:
        return (struct answer){502, "Bad Gateway", "The server could not be reached.\n"};
    case END_DENIED:
        return (struct answer){403, "Forbidden", "You may not use this service.\n"};
    case END_DIAL_TIMEOUT:
        return (struct answer){504, "Gateway Timeout", "The server did not answer in time.\n"};
    default:
        return (struct answer){503, "Service Unavailable",
                               "The service is too busy at the moment.\n"};
    }
}

static void send_answer(int fd, enum end end) {
    struct answer answer = answer_for(end);
    char text[512];
    int n = snprintf(text, sizeof(text),
                     "HTTP/1.1 %d %s\r\n"
                     "Content-Type: text/plain\r\n"
                     "Content-Length: %zu\r\n"
                     "Connection: close\r\n"
                     "\r\n%s",
                     answer.status, answer.reason, strlen(answer.body), answer.body);

    /* The socket is new and its send buffer empty: this cannot block, and if the client is gone
     * there is nobody to tell. */
    (void)send(fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(fd, SHUT_WR);
    tune_for_end(fd);
}

static void count(enum end end) {
    static const struct {
        enum end end;
        enum counter counter;
    } counted[] = {
        {END_QUEUE_FULL, STAT_refused_queue_full},
        {END_MAX_CONNECTIONS, STAT_refused_max_connections},
        {END_QUEUE_TIMEOUT, STAT_refused_queue_timeout},
        {END_NO_PUMPS, STAT_no_threads},
        {END_STOPPED, STAT_cut_at_stop},
        {END_DENIED, STAT_refused_denied},
        {END_LISTENER_FULL, STAT_refused_listener_full},
        {END_CLIENT_CONNECTIONS, STAT_refused_client_connections},
        {END_CLIENT_RATE, STAT_refused_client_rate},
        {END_SERVERS_FULL, STAT_refused_servers_full},
        {END_SERVERS_DOWN, STAT_refused_servers_down},
        {END_SENDER_DENIED, STAT_proxy_header_bad},
        {END_HEADER_BAD, STAT_proxy_header_bad},
        {END_HEADER_TIMEOUT, STAT_proxy_header_bad},
        {END_PUT_OUT, STAT_put_out},
    };

    for (size_t i = 0; i < ARRAY_LEN(counted); i++)
        if (counted[i].end == end)
            stats_add(counted[i].counter, 1);
}

/* Where a PROXY header was to come, and did not, what comes is not known to be HTTP, nor who reads the answer. */
static bool speaks_http(enum end end) {
    return end != END_SENDER_DENIED && end != END_HEADER_BAD && end != END_HEADER_TIMEOUT &&
           end != END_PUT_OUT;
}

/* Gives the client a pump that reads on until it closes. False: it gets none, and is still the
 * job's. */
static bool let_linger(struct relay *relay, struct job *job) {
    struct pump_pair *pair;
    struct conn *conn;

    if (!gate_try_enter(&relay->refused))
        return false;
    if (pump_pool_get(&relay->pumps, &pair) < 0) {
        gate_leave(&relay->refused);
        return false;
    }
    conn = conn_new_refused(&job->record, &job->route->options, &relay->registry, &relay->refused,
                            &job->has.client);
    if (conn == NULL) {
        pump_pool_put(&relay->pumps, pair);
        gate_leave(&relay->refused);
        return false;
    }
    pump_pool_run(pair, conn);
    return true;
}

/* Unread bytes would turn the close into a reset that may overtake the answer. */
static void drop_what_came(int fd) {
    char dropped[2048];
    int reads = 0;

    while (reads < DRAIN_READS && recv(fd, dropped, sizeof(dropped), MSG_DONTWAIT) > 0)
        reads++;
}

void refuse(struct relay *relay, struct job *job, enum end end, int error, bool in_gate) {
    bool http = job->route->config->mode == MODE_HTTP && speaks_http(end), lingers = false;

    count(end);
    job->record.end = (int)end;
    job->record.error = error;
    if (http) {
        send_answer(job->has.client, end);
        lingers = end != END_STOPPED && let_linger(relay, job);
    }
    if (!lingers) {
        if (http)
            drop_what_came(job->has.client);
        else
            fd_reset(job->has.client);
    }
    holdings_give_back(&job->has);
    if (in_gate)
        gate_leave(&relay->gate);
    if (!lingers) {
        job->record.ended = clock_now();
        record_log(&job->record, job->route->options.log);
    }
}
