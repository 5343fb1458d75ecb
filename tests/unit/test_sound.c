/* handover/sound: what a process that died may have left makes sense, or it does not. */
#include "unit.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#include "handover/sound.h"
#include "record/request_record.h"

static struct conn_state sound(void) {
    usec_t now = clock_now();
    struct conn_state state = {
        .live = CONN_STATE_LIVE,
        .record = {.number = 17,
                   .listener = "web",
                   .upstream = "app",
                   .server = "a",
                   .client = {.len = sizeof(struct sockaddr_in), .u.in.sin_family = AF_INET},
                   .server_addr = {.len = sizeof(struct sockaddr_in6),
                                   .u.in6.sin6_family = AF_INET6},
                   .accepted = now,
                   .queued = now,
                   .popped = now,
                   .dialled = now},
        .options = {.idle_timeout = USEC_PER_SEC, .linger_timeout = USEC_PER_SEC},
    };

    atomic_init(&state.flow[DIR_UP].active, now);
    atomic_init(&state.flow[DIR_DOWN].active, now);
    return state;
}

static void a_sound_one_is_sound(void **state) UNCHECKED {
    struct conn_state good = sound();

    (void)state;
    assert_true(state_is_sound(&good));
    assert_false(state_lacks_bytes(&good));
    good.record.peer = good.record.client;
    good.record.server_addr = (struct addr){.len = 2, .u.sa.sa_family = AF_UNIX};
    good.flow[DIR_UP].sink_error = 104;
    good.record.end = END_CLIENT_ENDED;
    good.decided = true;
    strcpy(good.record.sni, "www.example.com");
    strcpy(good.record.alpn, "h2");
    assert_true(state_is_sound(&good));
    atomic_store(&good.flow[DIR_DOWN].in_memory, true);
    assert_true(state_lacks_bytes(&good));
}

/* What C would not write into a bool. */
static void set_byte(uintptr_t at, unsigned char value) {
    memcpy((void *)at, &value, 1);
}

#define REFUSE(change)                                                                             \
    do {                                                                                           \
        struct conn_state bad = sound();                                                           \
        change;                                                                                    \
        assert_false(state_is_sound(&bad));                                                        \
    } while (0)

static void each_thing_that_makes_no_sense_is_found(void **state) UNCHECKED {
    usec_t later = clock_now() + 3600 * USEC_PER_SEC;

    (void)state;
    REFUSE(atomic_store(&bad.live, 1));
    REFUSE(bad.record.number = 0);
    REFUSE(memset(bad.record.listener, 'x', CONFIG_NAME_MAX));
    REFUSE(memset(bad.record.upstream, 'x', CONFIG_NAME_MAX));
    REFUSE(memset(bad.record.server, 'x', CONFIG_NAME_MAX));
    REFUSE(bad.record.client.len = 0);
    REFUSE(bad.record.client.len = 5);
    REFUSE(bad.record.client.len = sizeof(bad.record.client.u) + 1);
    REFUSE(bad.record.client.u.sa.sa_family = AF_NETLINK);
    REFUSE(bad.record.peer.len = 1);
    REFUSE(bad.record.server_addr.len = 0);
    REFUSE(bad.record.server_addr.u.sa.sa_family = AF_INET);
    REFUSE(bad.record.listen_addr.len = 1);
    REFUSE(memset(bad.record.sni, 'x', sizeof(bad.record.sni)));
    REFUSE(strcpy(bad.record.sni, "a b"));
    REFUSE(strcpy(bad.record.alpn, "\x1b[31m"));
    REFUSE(bad.record.accepted = -1);
    REFUSE(bad.record.accepted = later);
    REFUSE(bad.record.queued = later);
    REFUSE(bad.record.popped = later);
    REFUSE(bad.record.dialled = later);
    REFUSE(bad.record.end = (enum end)INT_MAX);
    REFUSE(bad.record.end = END_COUNT);
    REFUSE(bad.record.error = -5);
    REFUSE(bad.options.idle_timeout = -1);
    REFUSE(bad.options.linger_timeout = INT64_MAX);
    REFUSE(bad.options.keepalive = -1);
    REFUSE(bad.options.copy = (enum copy_mode)9);
    REFUSE(bad.options.log = (enum log_connections)9);
    REFUSE(bad.options.idle_end = (enum idle_end)9);
    REFUSE(bad.options.min_rate = -1);
    REFUSE(set_byte((uintptr_t)&bad.options.half_close, 2));
    REFUSE(set_byte((uintptr_t)&bad.options.http, 2));
    REFUSE(set_byte((uintptr_t)&bad.options.exchanges, 2));
    REFUSE(set_byte((uintptr_t)&bad.by_steps, 2));
    REFUSE(set_byte((uintptr_t)&bad.record.tls_resumed, 2));
    REFUSE(atomic_store(&bad.flow[DIR_UP].active, later));
    REFUSE(atomic_store(&bad.flow[DIR_DOWN].spoke, later));
    REFUSE(atomic_store(&bad.flow[DIR_DOWN].first, later));
    REFUSE(bad.record.answered = later);
    REFUSE(set_byte((uintptr_t)&bad.flow[DIR_UP].writing, 3));
    REFUSE(set_byte((uintptr_t)&bad.flow[DIR_DOWN].in_memory, 3));
    REFUSE(set_byte((uintptr_t)&bad.flow[DIR_DOWN].ended, 0xff));
    REFUSE(bad.flow[DIR_DOWN].sink_error = -1);
    REFUSE(set_byte((uintptr_t)&bad.aborted, 2));
    REFUSE(set_byte((uintptr_t)&bad.hard, 2));
    REFUSE(set_byte((uintptr_t)&bad.lingering, 2));
    REFUSE(set_byte((uintptr_t)&bad.decided, 2));
    REFUSE(bad.decided = true); /* how? */
    REFUSE(bad.flow[DIR_UP].ended = true);
    REFUSE(bad.flow[DIR_UP].sink_error = bad.flow[DIR_DOWN].sink_error = EPIPE);
    REFUSE(bad.aborted = true);
    REFUSE(bad.expired = bad.record.accepted);
    REFUSE(bad.expired = later);
    REFUSE(bad.told_idle = -1);
    REFUSE(bad.told_idle = INT64_MAX);
}

static struct request_record sound_note(void) {
    usec_t now = clock_now();
    struct request_record note = {
        .begun = now,
        .headed = now,
        .id = "0123-abc",
        .method = "GET",
        .client = {.len = sizeof(struct sockaddr_in), .u.in.sin_family = AF_INET},
    };

    return note;
}

#define REFUSE_NOTE(change)                                                                        \
    do {                                                                                           \
        struct request_record bad = sound_note();                                                  \
        change;                                                                                    \
        assert_false(request_record_is_sound(&bad));                                               \
    } while (0)

static void what_is_noted_of_a_request_makes_sense_or_does_not(void **state) {
    usec_t later = clock_now() + 3600 * USEC_PER_SEC;
    struct request_record good = sound_note();

    (void)state;
    assert_true(request_record_is_sound(&good));
    REFUSE_NOTE(strcpy(bad.id, "a\r\nb: c")); /* it goes to the server */
    REFUSE_NOTE(memset(bad.id, 'x', sizeof(bad.id)));
    REFUSE_NOTE(memset(bad.method, 'x', sizeof(bad.method)));
    REFUSE_NOTE(memset(bad.listener, 'x', sizeof(bad.listener)));
    REFUSE_NOTE(memset(bad.upstream, 'x', sizeof(bad.upstream)));
    REFUSE_NOTE(memset(bad.server, 'x', sizeof(bad.server)));
    REFUSE_NOTE(bad.client.len = 5);
    REFUSE_NOTE(bad.client.len = sizeof(bad.client.u) + 1);
    REFUSE_NOTE(bad.server_addr.len = sizeof(bad.server_addr.u) + 1);
    REFUSE_NOTE(bad.begun = INT64_MIN);
    REFUSE_NOTE(bad.headed = later);
    REFUSE_NOTE(bad.answered = -1);
    REFUSE_NOTE(bad.whole = later);
    REFUSE_NOTE(bad.queue = -1);
    REFUSE_NOTE(bad.dial = INT64_MAX);
    REFUSE_NOTE(bad.end = END_COUNT);
    REFUSE_NOTE(set_byte((uintptr_t)&bad.own, 2));
    REFUSE_NOTE(set_byte((uintptr_t)&bad.v1_0, 2));
    REFUSE_NOTE(set_byte((uintptr_t)&bad.reused, 2));
    REFUSE_NOTE(bad.n_host = 1);
    REFUSE_NOTE(bad.texts[0] = 'x');
    REFUSE_NOTE(bad.n_route = REQUEST_TEXTS_SIZE);
    REFUSE_NOTE(bad.n_why = 1);
}

static void a_listening_socket_makes_sense_or_does_not(void **state) {
    struct listen_description good = {
        .used = true, .addr = {.len = sizeof(struct sockaddr_in), .u.in.sin_family = AF_INET}};
    struct listen_description *const all = &good;

    (void)state;
    assert_true(listener_is_sound(&good));
    const uintptr_t bytes[] = {(uintptr_t)&all->used, (uintptr_t)&all->v6only,
                               (uintptr_t)&all->stands_in, (uintptr_t)&all->unlinks};
    for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
        set_byte(bytes[i], 7);
        assert_false(listener_is_sound(&good));
        set_byte(bytes[i], 1);
    }
    assert_true(listener_is_sound(&good));
    good.access.mode = 04755;
    assert_false(listener_is_sound(&good));
    good.access.mode = 0600;
    good.addr.len = sizeof(good.addr.u) + 1;
    assert_false(listener_is_sound(&good));
    good.addr.len = sizeof(struct sockaddr_in);
    assert_true(listener_is_sound(&good));
    memset(good.listener, 'a', sizeof(good.listener));
    assert_false(listener_is_sound(&good));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_one_is_sound),
        cmocka_unit_test(each_thing_that_makes_no_sense_is_found),
        cmocka_unit_test(what_is_noted_of_a_request_makes_sense_or_does_not),
        cmocka_unit_test(a_listening_socket_makes_sense_or_does_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
