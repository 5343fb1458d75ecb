#include "control/kill.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "conn/sweep.h"
#include "control/connections.h"
#include "control/steer.h"

#define IDLE_UNSET (2 * USEC_PER_SEC) /* where drain_idle = 0 */

struct killing {
    struct filter filter;
    usec_t idle; /* 0: reset at once */
    size_t n;
};

static void kill_one(void *arg, struct conn *conn) {
    struct killing *killing = arg;

    if (!connections_takes(&killing->filter, conn))
        return;
    killing->n +=
        killing->idle > 0 ? conn_tell(conn, killing->idle) : conn_abort(conn, END_KILLED, 0);
}

/* " client=192.0.2.0/24 server=app/a", as it was asked for. */
static void describe_filter(const struct question *question, char *buf, size_t size) {
    static const char *const names[] = {"client", "listener", "server",    "id",
                                        "age",    "rate",     "tls_client"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = question->argument(question->arg, names[i]);

        if (value != NULL)
            text_append(buf, size, " %s=%.64s", names[i], value);
    }
}

/* False: *ret_refusal is the answer. */
static bool read_killing(const struct question *question, struct killing *ret,
                         struct reply *ret_refusal) {
    const char *all = question->argument(question->arg, "all");
    char why[FILTER_WHY_MAX];

    if (!filter_read(&ret->filter, question->argument, question->arg, why)) {
        *ret_refusal = steer_refuse(question, 400, why);
        return false;
    }
    if (!filter_is_empty(&ret->filter) || (all != NULL && strcmp(all, "yes") == 0))
        return true;
    *ret_refusal = steer_refuse(
        question, 400,
        "which connections? client=PREFIX, server=UPSTREAM/SERVER, listener=NAME, id=N, age=TIME, "
        "rate=BYTES, tls_client=SUBJECT, or all=yes");
    return false;
}

static struct reply kill_matching(const struct question *question, struct killing *killing,
                                  const char *what) {
    struct reply refusal;
    char sentence[512];

    if (atomic_load(&question->relay->adopts))
        return steer_refuse(question, 503,
                            "relayd has just started, and not yet adopted all connections: "
                            "try again in a moment");
    if (!read_killing(question, killing, &refusal))
        return refusal;
    sweep_visit(&question->relay->road.registry, kill_one, killing);
    snprintf(sentence, sizeof(sentence), "%zu connection%s %s %s", killing->n,
             killing->n == 1 ? "" : "s", killing->n == 1 ? "is" : "are", what);
    char *filters = sentence + strlen(sentence);
    describe_filter(question, filters, sizeof(sentence) - (size_t)(filters - sentence));
    steer_log(question, NULL, NULL, sentence);
    *filters = '\0';
    return reply_json(
        200, json_pack("{s:s, s:I}", "done", sentence, "connections", (json_int_t)killing->n));
}

struct reply kill_reply(const struct question *question) {
    struct killing killing = {.idle = 0};

    return kill_matching(question, &killing, "killed");
}

struct reply drain_client_reply(const struct question *question) {
    usec_t idle = question->generation->config->global.drain_idle;
    struct killing killing = {.idle = idle > 0 ? idle : IDLE_UNSET};

    return kill_matching(question, &killing,
                         "to end once silent; those that never are: relayctl kill");
}
