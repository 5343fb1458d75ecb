#include "road/admit.h"

#include "base/embedded.h"
#include "listen/blocks.h"
#include "road/generation.h"
#include "wire/proxy_protocol.h"

/* An IPv4 host that comes as IPv6 (base/embedded.h) is refused by what refuses it as IPv4; an allow
 * of IPv4 lets nobody in who comes as IPv6, since it was not meant for the translators and tunnels
 * of others. */
static bool is_denied_within(const struct listener_config *config, const struct addr *client) {
    struct addr within[EMBEDDED_MOST];
    size_t n = embedded_find(client, within);

    for (size_t i = 0; i < n; i++)
        if (prefix_set_find(config->access, &within[i]) == ACCESS_DENY)
            return true;
    return false;
}

/* The longest prefix of both lists that covers the client decides. What none covers is let in,
 * unless there is a list of those who are. */
static enum end check_access(const struct listener_config *config, const struct addr *client) {
    int access = prefix_set_find(config->access, client);

    if (access == ACCESS_DENY || (access < 0 && config->allow.n > 0) ||
        is_denied_within(config, client))
        return END_DENIED;
    return END_NONE;
}

/* A unix socket is guarded by the permissions of its file: whoever may connect to it may send a
 * header. */
static enum end check_sender(const struct listener_config *config, const struct addr *sender) {
    return addr_is_unix(sender) || prefix_set_find(config->senders, sender) >= 0
               ? END_NONE
               : END_SENDER_DENIED;
}

static enum end end_of_count(enum client_outcome outcome) {
    switch (outcome) {
    case CLIENT_TOO_MANY:
        return END_CLIENT_CONNECTIONS;
    case CLIENT_TOO_FAST:
        return END_CLIENT_RATE;
    case CLIENT_OK:
    default:
        return END_NONE;
    }
}

/* One that has ended a connection, and comes back, may be quicker than its pumps. */
static enum end count_client(struct job *job) {
    const struct addr *client = &job->record.client;
    struct leaver_wait wait = {0};
    enum client_outcome outcome;

    do
        outcome = seat_count_client(&job->has.seat, job->route->config, client);
    while (outcome == CLIENT_TOO_MANY && seat_await_client(&job->has.seat, client, &wait));
    return end_of_count(outcome);
}

static bool is_blocked(const struct addr *client) {
    return blocks_any() && blocks_cover(client);
}

enum end admit_peer(const struct job *job) {
    const struct listener_config *config = job->route->config;

    if (is_blocked(&job->record.client))
        return END_BLOCKED;
    return config->accept_proxy == PROXY_OFF ? check_access(config, &job->record.client)
                                             : check_sender(config, &job->record.client);
}

enum end admit_client(struct job *job) {
    return job->route->config->accept_proxy == PROXY_OFF ? count_client(job) : END_NONE;
}

/* Without the counts. */
static enum end judge_named(const struct listener_config *config, const struct addr *client) {
    return is_blocked(client) ? END_BLOCKED : check_access(config, client);
}

enum end admit_named(struct job *job) {
    enum end end = judge_named(job->route->config, &job->record.client);

    return end != END_NONE ? end : count_client(job);
}

struct admit_look admit_look(const struct route *route, const struct addr *client) {
    const struct listener_config *config = route->config;
    struct admit_look look = {
        .end = judge_named(config, client),
        .count =
            client_table_look(route->limit->clients, client, config->max_connections_per_client,
                              config->max_rate_per_client, clock_coarse()),
    };

    look.listed = prefix_set_find_prefix(config->access, client, &look.prefix);
    if (look.end == END_NONE)
        look.end = end_of_count(look.count.outcome);
    return look;
}
