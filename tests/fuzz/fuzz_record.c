/* What a process that died has noted of a connection. Whatever it is, looking at it is safe; and if
 * it is found to be sound, so is everything that is done with it. */
#include "fuzz.h"

#include <stdatomic.h>
#include <string.h>

#include "handover/sound.h"

/* One of a connection at its best. */
static struct conn_state sound(void) {
    struct conn_state state = {
        .live = CONN_STATE_LIVE,
        .record = {.number = 1,
                   .listener = "web",
                   .upstream = "app",
                   .server = "a",
                   .client = {.len = sizeof(struct sockaddr_in), .u.in.sin_family = AF_INET},
                   .server_addr = {.len = sizeof(struct sockaddr_in6),
                                   .u.in6.sin6_family = AF_INET6}},
    };

    return state;
}

static void look_at(const struct addr *addr) {
    char text[ADDR_TEXT_MAX];
    struct addr copy = *addr;

    CHECK(addr->len <= sizeof(addr->u));
    CHECK(strlen(addr_format(addr, text, sizeof(text))) < sizeof(text));
    CHECK(addr_equal(addr, &copy));
}

/* The input changes bytes: a place, a value, a place, a value ...; or it is the state as a
 * whole. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    struct conn_state state = sound();
    unsigned char *at = (unsigned char *)&state;

    CHECK(state_is_sound(&state));
    if (n >= sizeof(state))
        memcpy(&state, bytes, sizeof(state));
    else
        for (size_t i = 0; i + 2 < n; i += 3)
            at[((size_t)bytes[i] << 8 | bytes[i + 1]) % sizeof(state)] = bytes[i + 2];
    if (!state_is_sound(&state))
        return 0;
    (void)state_lacks_bytes(&state);
    const struct record *record = &state.record;
    CHECK(strlen(record->listener) < CONFIG_NAME_MAX &&
          strlen(record->upstream) < CONFIG_NAME_MAX && strlen(record->server) < CONFIG_NAME_MAX);
    look_at(&record->client);
    look_at(&record->peer);
    look_at(&record->server_addr);
    look_at(&record->listen_addr);
    CHECK(end_infos[record->end].sentence != NULL);
    CHECK(clock_now() - record->accepted >= 0);
    return 0;
}
