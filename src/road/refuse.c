#include "road/refuse.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/stats.h"
#include "conn/answer.h"
#include "conn/copy.h"
#include "road/generation.h"

#define DRAIN_READS 16 /* of what has already arrived, before a close without a linger */

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
        {END_DRAINED, STAT_refused_servers_down},
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

/* Gives the client a pump that answers it, and reads on until it closes. False: it gets none, and is still the
 * job's. */
static bool let_linger(struct road *road, struct job *job) {
    struct pump_pair *pair;
    struct conn *conn;

    if (!gate_try_enter(&road->refused))
        return false;
    if (pump_pool_get(&road->pumps, &pair) < 0) {
        gate_leave(&road->refused);
        return false;
    }
    conn = conn_new_refused(&job->record, &job->route->options, &road->registry, &road->refused,
                            &job->has.client);
    if (conn == NULL) {
        pump_pool_put(&road->pumps, pair);
        gate_leave(&road->refused);
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

void refuse(struct road *road, struct job *job, enum end end, int error, bool in_gate) {
    bool http = job->route->config->mode == MODE_HTTP && speaks_http(end), lingers = false;

    count(end);
    job->record.end = end;
    job->record.error = error;
    if (http)
        lingers = end != END_STOPPED && let_linger(road, job);
    if (http && !lingers) {
        answer_send(job->has.client, end); /* nobody can wait for its request */
        drop_what_came(job->has.client);
    } else if (!lingers) {
        fd_reset(job->has.client);
    }
    holdings_give_back(&job->has);
    if (in_gate)
        gate_leave(&road->gate);
    if (!lingers) {
        job->record.ended = clock_now();
        record_log(&job->record, job->route->options.log);
    }
}
