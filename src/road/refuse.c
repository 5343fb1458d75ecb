#include "road/refuse.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/sockopt.h"
#include "conn/answer.h"
#include "conn/copy.h"
#include "road/exchanges.h"
#include "road/generation.h"

#define DRAIN_READS 16 /* of what has already arrived, before a close without a linger */

/* Gives the client a pump that answers it, and reads on until it closes. False: it gets none, and
 * is still the job's. */
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
                            job->route->config->pages, &job->has);
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

/* How the client of a connection that ends so is answered. Who is sent an alert has asked. */
static enum end_answer answer_to(const struct job *job, enum end end) {
    if (answer_is_alert(end))
        return END_ANSWER_ONCE_ASKED;
    if (job->plain)
        return END_ANSWER_ONCE_ASKED;
    if (job->route->config->tls.given && job->has.client_tls == NULL)
        return END_ANSWER_NEVER; /* before its handshake it understands nothing */
    return job->route->config->mode == MODE_HTTP ? end_infos[end].answer : END_ANSWER_NEVER;
}

/* By an alert, in the handshake, which a reset might overtake. */
static bool was_told(const struct job *job, enum end end) {
    return job->alert != 0 ||
           (job->route->config->tls.given && (end == END_CLIENT_HELLO || end == END_UNKNOWN_NAME));
}

void refuse_client(struct road *road, struct job *job, enum end end, int error, bool in_gate) {
    if (job->exchange != NULL) {
        exchanges_deliver(job, end, error);
        return;
    }
    enum end_answer answer = answer_to(job, end);

    end_count(end);
    meter_add(&job->route->limit->refused[end], LIMIT_REFUSED_PERIOD, clock_coarse());
    job->record.end = end;
    job->record.error = error;
    bool lingers = answer == END_ANSWER_ONCE_ASKED && let_linger(road, job);
    if (!lingers && answer != END_ANSWER_NEVER) {
        /* nobody can wait for its request */
        answer_send(job->has.client, job->has.client_tls, end, job->route->config->pages);
        drop_what_came(job->has.client);
    } else if (!lingers && was_told(job, end)) {
        if (job->alert != 0)
            answer_alert(job->has.client, job->alert);
        drop_what_came(job->has.client);
        (void)shutdown(job->has.client, SHUT_WR);
        sockopt_set_for_end(job->has.client);
    } else if (!lingers) {
        fd_reset(job->has.client);
    }
    struct bearer *bearer = lingers ? NULL : bearer_new(job->has.shown);
    holdings_give_back(&job->has);
    if (in_gate)
        gate_leave(&road->gate);
    if (!lingers) {
        job->record.ended = clock_now();
        record_log(&job->record, bearer, job->route->options.log);
    }
    free(bearer);
    route_unref(job->route);
    job->route = NULL;
}
