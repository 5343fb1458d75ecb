#include "road/choose.h"

#include "road/generation.h"
#include "upstream/again.h"
#include "upstream/token.h"

struct route *choose_branch(const struct exchange *exchange, const struct route_config *section) {
    struct route *trunk = exchange->route->trunk;

    return section == &trunk->config->own ? trunk
                                          : &trunk->branches[section - trunk->config->routes];
}

void choose_for(void *arg, struct exchange *exchange, const struct route_config *section) {
    struct conn *conn = exchange->conn;
    struct route *route = choose_branch(exchange, section);
    struct member *held = conn_member(conn);

    (void)arg;
    exchange->wanted = again_choose(route->upstream, &conn->state->record.client,
                                    exchange->request->came_with, held);
    member_unref(held);
}

void choose_name_server(void *arg, struct exchange *exchange, const struct route_config *section) {
    struct exchange_request *request = exchange->request;
    struct route *route = choose_branch(exchange, section);

    (void)arg;
    if (exchange->named_by != route) {
        struct member *member = conn_member(exchange->conn);

        exchange->named_by = route;
        exchange->server_token = member != NULL ? token_of(route->upstream->config, member)
                                                : (struct cookie_token){0, 0};
        member_unref(member);
    }
    request->goes_with = cookie_token_equal(request->came_with, exchange->server_token)
                             ? (struct cookie_token){0, 0}
                             : exchange->server_token;
}
