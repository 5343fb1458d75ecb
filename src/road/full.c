#include "road/full.h"

#include <stdatomic.h>

#include "base/log.h"

#define FULL_FOR  USEC_PER_SEC        /* before it is worth a word */
#define QUIET_FOR (60 * USEC_PER_SEC) /* after one */

usec_t full_due(struct gate *gate) {
    usec_t told = atomic_load(&gate->told), soon = clock_now() + FULL_FOR;

    return told != 0 && told + QUIET_FOR > soon ? told + QUIET_FOR : soon;
}

static bool is_due(usec_t told, usec_t now) {
    return told == 0 || now - told >= QUIET_FOR;
}

bool full_is_untold(struct gate *gate) {
    return is_due(atomic_load(&gate->told), clock_now()) && gate_is_full(gate);
}

void full_tell(struct gate *gate, const char *listener) {
    const struct log_field fields[] = {{"RELAYD_LISTENER", listener}, {NULL, NULL}};
    usec_t told = atomic_load(&gate->told), now = clock_now();
    size_t most = gate_max(gate);

    if (!is_due(told, now) || !atomic_compare_exchange_strong(&gate->told, &told, now))
        return;
    if (listener == NULL)
        log_msg(MSG_FULL,
                "Clients wait to be accepted: max_connections, or as many of them as fit this "
                "system, is reached, with %zu. Raise what is short (the start of the log says "
                "what), or see who is connected: relayctl connections.",
                most);
    else
        log_msg_with(MSG_FULL, fields,
                     "Clients of listener %s wait to be accepted: its max_connections is reached, "
                     "with %zu. Raise it, or see who is connected: relayctl connections "
                     "listener=%s.",
                     listener, most, listener);
}
