#include "listen/seat.h"

bool seat_enter(struct seat *seat, struct limit *limit) {
    if (!gate_try_enter(&limit->gate))
        return false;
    *seat = (struct seat){.limit = limit_ref(limit)};
    return true;
}

enum client_outcome seat_count_client(struct seat *seat, const struct listener_config *config,
                                      const struct addr *client) {
    return client_table_enter(seat->limit->clients, client, config->max_connections_per_client,
                              config->max_rate_per_client, clock_coarse(), &seat->client);
}

bool seat_await_client(struct seat *seat, const struct addr *client, struct leaver_wait *wait) {
    struct limit *limit = seat->limit;
    usec_t now = clock_now();

    if (wait->until == 0 && client_table_was_vain(limit->clients, client, now))
        return false;
    if (gate_await_leaver(&limit->gate, wait))
        return true;
    client_table_note_vain(limit->clients, client, now);
    return false;
}

void seat_adopt(struct seat *seat, struct limit *limit, const struct addr *client) {
    gate_force_enter(&limit->gate);
    *seat = (struct seat){.limit = limit_ref(limit)};
    (void)client_table_enter(limit->clients, client, 0, 0, clock_coarse(), &seat->client);
}

void seat_leave(struct seat *seat) {
    struct limit *limit = seat->limit;

    if (limit == NULL)
        return;
    if (seat->client != NULL)
        client_table_leave(limit->clients, seat->client);
    gate_leave(&limit->gate);
    *seat = (struct seat){0};
    limit_unref(limit);
}
