#include "control/steer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sync.h"
#include "base/text.h"
#include "relay/steer.h"
#include "upstream/orders.h"

#define SENTENCE_MAX STEER_SENTENCE_MAX
#define REFUSED_SPAN (60 * USEC_PER_SEC)
#define REFUSED_SAID 10u /* in that */

struct asker_fields {
    char uid[16], pid[16];
    struct log_field list[5];
};

static const struct log_field *fill_asker(struct asker_fields *fields,
                                          const struct question *question, const char *upstream,
                                          const char *server) {
    snprintf(fields->uid, sizeof(fields->uid), "%u", question->asker.uid);
    snprintf(fields->pid, sizeof(fields->pid), "%d", question->asker.pid);
    const struct log_field list[] = {{"RELAYD_UPSTREAM", upstream},
                                     {"RELAYD_SERVER", server},
                                     {"RELAYD_BY_UID", fields->uid},
                                     {"RELAYD_BY_PID", fields->pid},
                                     {NULL, NULL}};
    memcpy(fields->list, list, sizeof(list));
    return fields->list;
}

/* Names of users are not looked up: whoever knows them may be on the network. */
static const char *name_asker(const struct question *question, char *buf, size_t size) {
    snprintf(buf, size, "%suid %u%s pid %d)", question->asker.uid == 0 ? "root (" : "",
             question->asker.uid, question->asker.uid == 0 ? "," : " (", question->asker.pid);
    return buf;
}

void steer_log(const struct question *question, const char *upstream, const char *server,
               const char *sentence) {
    struct asker_fields fields;
    char by[64];

    log_msg_with(MSG_OPERATOR, fill_asker(&fields, question, upstream, server), "%s: by %s.",
                 sentence, name_asker(question, by, sizeof(by)));
}

/* Refusals of this minute. Of two threads for a moment, when the socket moves. */
static struct {
    struct lock lock;
    usec_t since GUARDED; /* the first of them */
    unsigned n GUARDED;   /* logged or not */
} refused = {.lock = LOCK_INITIAL(RANK_LEAF)};

bool steer_owes_words(void) {
    lock_acquire(&refused.lock);
    bool owes = refused.n > 0;
    lock_release(&refused.lock);
    return owes;
}

void steer_tell_refused(bool now) {
    unsigned n = 0;

    lock_acquire(&refused.lock);
    if (now || clock_now() - refused.since >= REFUSED_SPAN) {
        n = refused.n;
        refused.n = 0;
    }
    lock_release(&refused.lock);
    if (n > REFUSED_SAID)
        log_msg(MSG_OPERATOR_REFUSED, "%u more orders were refused within a minute.",
                n - REFUSED_SAID);
}

static bool is_refusal_said(void) {
    steer_tell_refused(false);
    lock_acquire(&refused.lock);
    if (refused.n == 0)
        refused.since = clock_now();
    bool said = ++refused.n <= REFUSED_SAID;
    lock_release(&refused.lock);
    return said;
}

struct reply steer_refuse(const struct question *question, unsigned status, const char *sentence) {
    struct asker_fields fields;
    char by[64];

    if (is_refusal_said())
        log_msg_with(MSG_OPERATOR_REFUSED, fill_asker(&fields, question, NULL, NULL),
                     "Refused: %s: by %s.", sentence, name_asker(question, by, sizeof(by)));
    return reply_error(status, sentence);
}

const char *steer_caveat(const struct question *question) {
    const struct link *link = relay_link(question->relay);

    return link != NULL && link_is_up(link)
               ? NULL
               : "no relayd-keeper holds this: it survives reloads, and ends with this relayd";
}

json_t *steer_json(const struct server_order *order) {
    static const char *const states[] = {[ORDER_DRAIN] = "drain", [ORDER_DOWN] = "down"};

    if (order == NULL)
        return json_null();
    return json_pack(
        "{s:o, s:o, s:I, s:I}", "state",
        order->state == ORDER_NONE ? json_null() : json_string(states[order->state]), "weight",
        order->weight == ORDER_FILE ? json_null() : json_integer(order->weight), "by_uid",
        (json_int_t)order->by_uid, "since", (json_int_t)clock_wall(order->since));
}

/* False: *ret_why is a sentence. */
static bool read_steered(const struct question *question, struct steered *ret, char *ret_why) {
    const char *name = question->argument(question->arg, "server"),
               *slash = name != NULL ? strchr(name, '/') : NULL;
    size_t n = slash != NULL ? (size_t)(slash - name) : 0;

    if (slash == NULL || n == 0 || n >= CONFIG_NAME_MAX || slash[1] == '\0' ||
        strlen(slash + 1) >= CONFIG_NAME_MAX) {
        snprintf(ret_why, SENTENCE_MAX,
                 "which server is meant? Its name is UPSTREAM/SERVER, as in app/a");
        return false;
    }
    snprintf(ret->upstream, sizeof(ret->upstream), "%.*s", (int)n, name);
    snprintf(ret->server, sizeof(ret->server), "%s", slash + 1);
    ret->config = steer_find_server(question->generation->config, ret->upstream, ret->server);
    return true;
}

static void explain_no_server(const struct question *question, const struct steered *steered,
                              char *ret_why) {
    const struct config *config = question->generation->config;
    bool any = false;

    snprintf(ret_why, SENTENCE_MAX, "there is no server %.64s/%.64s", steered->upstream,
             steered->server);
    for (size_t i = 0; i < config->n_upstreams; i++)
        for (size_t k = 0; k < config->upstreams[i].n_servers; k++) {
            text_append(ret_why, SENTENCE_MAX - 64, "%s %s/%s", any ? "," : "; there are",
                        config->upstreams[i].name, config->upstreams[i].servers[k].name);
            any = true;
        }
}

bool steer_read_server(const struct question *question, struct steered *ret,
                       char ret_why[STEER_SENTENCE_MAX]) {
    if (!read_steered(question, ret, ret_why))
        return false;
    if (ret->config == NULL)
        explain_no_server(question, ret, ret_why);
    return ret->config != NULL;
}

static const char *explain_outcome(enum order_outcome outcome) {
    return outcome == ORDER_NO_ROOM
               ? "256 servers are ordered already: lift some (relayctl servers --reset)"
               : "there is no memory";
}

/* What is said of clients, if the upstream now has nobody for them. */
static void append_drained(const struct question *question, const struct steered *steered,
                           char *sentence) {
    const struct upstream *upstream =
        upstreams_find(question->generation->upstreams, steered->upstream);

    if (upstream != NULL && upstream_is_drained(upstream))
        text_append(sentence, SENTENCE_MAX,
                    "; that was the last server of %s, so its clients are refused",
                    steered->upstream);
}

/* Done: logged, in force, told. */
static struct reply tell_steered(const struct question *question, const struct steered *steered,
                                 const char *did) {
    struct server_order order;
    bool ordered = orders_find(steered->upstream, steered->server, &order);
    const char *caveat = ordered ? steer_caveat(question) : NULL;
    char sentence[SENTENCE_MAX];

    snprintf(sentence, sizeof(sentence), "%s/%s %s", steered->upstream, steered->server, did);
    steer_log(question, steered->upstream, steered->server, sentence);
    steer_look_again(question->generation, steered->upstream);
    leg_pool_clear(&question->relay->road.legs); /* none is left to what was taken out */
    if (ordered && order.state == ORDER_DOWN)
        steer_end_conns(&question->relay->road.registry, question->generation, steered->upstream,
                        steered->server);
    append_drained(question, steered, sentence);
    return reply_json(200, json_pack("{s:s, s:s, s:s, s:o, s:I, s:s?}", "upstream",
                                     steered->upstream, "server", steered->server, "done", sentence,
                                     "ordered", steer_json(ordered ? &order : NULL), "live",
                                     (json_int_t)steer_count_live(
                                         question->generation, steered->upstream, steered->server),
                                     "caveat", caveat));
}

static struct reply steer_state(const struct question *question, enum order_state state,
                                const char *did) {
    char why[SENTENCE_MAX];
    struct steered steered;

    if (!steer_read_server(question, &steered, why))
        return steer_refuse(question, 400, why);
    enum order_outcome outcome =
        orders_set_state(steered.upstream, steered.server, state, question->asker.uid);
    return outcome == ORDER_DONE ? tell_steered(question, &steered, did)
                                 : steer_refuse(question, 507, explain_outcome(outcome));
}

struct reply drain_reply(const struct question *question) {
    return steer_state(question, ORDER_DRAIN, "is drained");
}

struct reply down_reply(const struct question *question) {
    return steer_state(question, ORDER_DOWN, "is down for maintenance");
}

struct reply lift_reply(const struct question *question) {
    return steer_state(question, ORDER_NONE, "is neither drained nor down any more");
}

struct reply weight_reply(const struct question *question) {
    const char *text = question->argument(question->arg, "weight");
    char why[SENTENCE_MAX], did[64];
    int64_t weight = ORDER_FILE;
    struct steered steered;

    if (!read_steered(question, &steered, why))
        return steer_refuse(question, 400, why);
    if (text == NULL || (strcmp(text, "file") != 0 &&
                         (!text_parse_number(text, &weight) || weight > ORDER_WEIGHT_MAX)))
        return steer_refuse(question, 400,
                            "a weight is a number from 0 to 1000, or file: that of the file");
    if (steered.config == NULL) {
        explain_no_server(question, &steered, why);
        return steer_refuse(question, 400, why);
    }
    enum order_outcome outcome =
        orders_set_weight(steered.upstream, steered.server, (int32_t)weight, question->asker.uid);
    if (outcome != ORDER_DONE)
        return steer_refuse(question, 507, explain_outcome(outcome));
    snprintf(did, sizeof(did), "has weight %lld%s",
             (long long)(weight == ORDER_FILE ? steered.config->weight : weight),
             weight == ORDER_FILE ? ", as in the file" : "");
    return tell_steered(question, &steered, did);
}

/* Lifts what there is of one, also of one that is not in the file. */
static struct reply reset_one(const struct question *question) {
    char sentence[SENTENCE_MAX];
    struct steered steered;

    if (!read_steered(question, &steered, sentence))
        return steer_refuse(question, 400, sentence);
    if (orders_reset(steered.upstream, steered.server) == 0) {
        snprintf(sentence, sizeof(sentence), "nothing is ordered of %s/%s", steered.upstream,
                 steered.server);
        return steer_refuse(question, 400, sentence);
    }
    return tell_steered(question, &steered, "is as the file says");
}

struct reply reset_reply(const struct question *question) {
    char sentence[SENTENCE_MAX];

    if (question->argument(question->arg, "server") != NULL)
        return reset_one(question);
    size_t n = orders_reset(NULL, NULL);
    snprintf(sentence, sizeof(sentence),
             n == 0 ? "Nothing was ordered of any server"
                    : "Servers are as the file says: %zu order%s lifted",
             n, n == 1 ? " was" : "s were");
    if (n > 0)
        steer_log(question, NULL, NULL, sentence);
    for (size_t i = 0; i < question->generation->upstreams->n; i++)
        steer_look_again(question->generation,
                         question->generation->upstreams->list[i].config->name);
    return reply_json(200, json_pack("{s:s, s:I}", "done", sentence, "reset", (json_int_t)n));
}

struct reply lame_reply(const struct question *question) {
    const char *off = question->argument(question->arg, "off");
    bool on = off == NULL;
    const char *sentence = on ? "GET /ready says no from now on, and relayd goes on accepting"
                              : "GET /ready says again what is so";

    if (off != NULL && strcmp(off, "yes") != 0)
        return steer_refuse(question, 400, "off= is yes, or it is left out");
    steer_set_lame(on, question->asker.uid);
    steer_log(question, NULL, NULL, sentence);
    return reply_json(200, json_pack("{s:s, s:b, s:s?}", "done", sentence, "lame", on, "caveat",
                                     on ? steer_caveat(question) : NULL));
}
