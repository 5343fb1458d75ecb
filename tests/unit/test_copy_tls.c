/* The handshake and the copy engine, with libssl at the other end. */
#include "conn/copy_tls.h"

#include <errno.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls_by_hand.h"
#include "tls_peers.h"

#define MOST ((size_t)3 << 20)

static const size_t sizes[] = {1, 100, 16383, 16384, 16385, 131072, 131073, 400000, MOST};

static struct tls_buffers buffers;
static _Atomic bool stop;
static _Atomic usec_t active;

struct kind {
    const char *name;
    int version;
    const char *suite;
    bool is_client;   /* we are */
    uint8_t fragment; /* TLSEXT_max_fragment_length_*, which the peer asks for */
};

static const struct kind kinds[] = {
    {"1.3, AES-128, server", TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", false},
    {"1.3, AES-256, server", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", false},
    {"1.3, ChaCha20, server", TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", false},
    {"1.2, AES-128, server", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", false},
    {"1.2, AES-256, server", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", false},
    {"1.2, ChaCha20, server", TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", false},
    {"1.3, AES-256, client", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", true},
    {"1.3, ChaCha20, client", TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", true},
    {"1.2, AES-128, client", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", true},
    {"1.2, ChaCha20, client", TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", true},
    {"1.3, records of 512", TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", false, 1},
    {"1.3, records of 4096", TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", false, 4},
    {"1.2, records of 1024", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", false, 2},
};

/* Contexts for one connection after the other, and a session to be resumed; or NULL. */
static struct {
    SSL_CTX *ours, *theirs;
    SSL_SESSION *session;
} again;

static void choose(SSL_CTX *ctx, const struct kind *kind) {
    SSL_CTX_set_min_proto_version(ctx, kind->version);
    SSL_CTX_set_max_proto_version(ctx, kind->version);
    if (kind->version == TLS1_3_VERSION)
        assert_int_equal(SSL_CTX_set_ciphersuites(ctx, kind->suite), 1);
    else
        assert_int_equal(SSL_CTX_set_cipher_list(ctx, kind->suite), 1);
}

/* The other end: libssl, in a thread of its own. */
struct other {
    pthread_t thread;
    SSL *ssl;
    int fd;
    uint8_t *sent, *got;
    size_t n_sent, n_got; /* of n_got: what is expected */
    bool updates;         /* asks for new keys now and then */
    bool cuts;            /* ends without close_notify */
    bool renegotiates;    /* tries to */
    int alert;            /* the last one it got: level << 8 | which */
    int result;           /* of the last SSL_read */
};

static void take_alert(const SSL *ssl, int where, int code) {
    struct other *other = SSL_get_app_data(ssl);

    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
        other->alert = code;
}

static void *other_thread(void *arg) {
    struct other *other = arg;
    size_t at = 0;

    SSL_set_fd(other->ssl, other->fd);
    if (SSL_do_handshake(other->ssl) != 1)
        return NULL;
    if (other->renegotiates) {
        SSL_set_app_data(other->ssl, other);
        SSL_set_info_callback(other->ssl, take_alert);
        SSL_renegotiate(other->ssl);
        other->result = SSL_do_handshake(other->ssl);
        return NULL;
    }
    while (at < other->n_got) {
        int n = SSL_read(other->ssl, other->got + at, (int)(other->n_got - at));

        if (n <= 0)
            break;
        bool far = (at + (size_t)n) >> 18 != at >> 18;
        at += (size_t)n;
        if (other->updates && far) /* sent at once: fewer than TLS_IDLE_MAX */
            SSL_key_update(other->ssl, SSL_KEY_UPDATE_REQUESTED);
    }
    other->n_got = at;
    for (at = 0; at < other->n_sent;) {
        size_t step = other->n_sent - at < 50000 ? other->n_sent - at : 50000;
        int n = SSL_write(other->ssl, other->sent + at, (int)step);

        if (n <= 0)
            break;
        at += (size_t)n;
        if (other->updates && at < other->n_sent)
            SSL_key_update(other->ssl, SSL_KEY_UPDATE_REQUESTED);
    }
    if (!other->cuts)
        SSL_shutdown(other->ssl);
    shutdown(other->fd, SHUT_WR);
    char byte;
    other->result = SSL_read(other->ssl, &byte, 1);
    return NULL;
}

/* A connection whose other end is libssl's, and whose plain end is this program's. */
struct world {
    SSL_CTX *ours, *theirs;
    SSL *ssl;
    struct other other;
    bool joined;
    struct tls_session *session;
    int tls, plain, near; /* tls and plain are relayed; near is plain's other end */
    struct tls_agreed facts;
    enum tls_handshake_outcome outcome;
    char why[TLS_REASON_MAX];
};

static void connect_pair(int *a, int *b) {
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    *a = fds[0];
    *b = fds[1];
}

static void make_contexts(struct world *world, const struct kind *kind) {
    if (again.ours != NULL) {
        SSL_CTX_up_ref(world->ours = again.ours);
        SSL_CTX_up_ref(world->theirs = again.theirs);
        return;
    }
    world->ours = kind->is_client ? tls_make_client(true) : tls_make_server(true);
    world->theirs = kind->is_client ? tls_make_server(false) : tls_make_client(false);
}

static void begin(struct world *world, const struct kind *kind) {
    make_contexts(world, kind);
    choose(world->theirs, kind);
    connect_pair(&world->tls, &world->other.fd);
    connect_pair(&world->plain, &world->near);
    world->other.ssl = SSL_new(world->theirs);
    world->ssl = SSL_new(world->ours);
    if (kind->is_client) {
        SSL_set_accept_state(world->other.ssl);
        SSL_set_connect_state(world->ssl);
    } else {
        SSL_set_connect_state(world->other.ssl);
        SSL_set_accept_state(world->ssl);
        assert_int_equal(SSL_set_tlsext_max_fragment_length(world->other.ssl, kind->fragment), 1);
        if (again.session != NULL)
            assert_int_equal(SSL_set_session(world->other.ssl, again.session), 1);
    }
    struct tls_wire wire = {
        .fd = world->tls, .deadline = clock_now() + 10 * USEC_PER_SEC, .stop = &stop};
    assert_int_equal(pthread_create(&world->other.thread, NULL, other_thread, &world->other), 0);
    world->outcome = tls_handshake(world->ssl, &wire, &world->session, &world->facts, world->why);
    SSL_free(world->ssl);
}

static void end(struct world *world) {
    close(world->tls);
    close(world->plain);
    close(world->near);
    if (!world->joined)
        pthread_join(world->other.thread, NULL);
    SSL_free(world->other.ssl);
    close(world->other.fd);
    SSL_CTX_free(world->ours);
    SSL_CTX_free(world->theirs);
    tls_session_free(world->session);
}

/* Moves bytes until the source ends: what copy_tls_read returned then. */
static ssize_t carry(struct copy_tls *copy, int from, int to, uint64_t *written) {
    size_t wire;
    ssize_t n;

    while ((n = copy_tls_read(copy, from, &wire)) > 0)
        assert_int_equal(copy_tls_write(copy, to, written), 0);
    return n;
}

struct sender {
    int fd;
    const uint8_t *bytes;
    size_t n;
};

static void *send_thread(void *arg) {
    const struct sender *sender = arg;

    for (size_t at = 0; at < sender->n;) {
        ssize_t n = send(sender->fd, sender->bytes + at, sender->n - at, MSG_NOSIGNAL);

        assert_true(n > 0);
        at += (size_t)n;
    }
    shutdown(sender->fd, SHUT_WR);
    return NULL;
}

struct receiver {
    int fd;
    uint8_t *bytes;
    size_t n;
};

static void *receive_thread(void *arg) {
    struct receiver *receiver = arg;
    ssize_t n;

    while ((n = recv(receiver->fd, receiver->bytes + receiver->n, MOST + 1 - receiver->n, 0)) > 0)
        receiver->n += (size_t)n;
    return NULL;
}

static void exchange(const struct kind *kind, size_t size, bool updates) {
    uint8_t *sent = malloc(MOST), *got = malloc(MOST + 1), *back = malloc(MOST + 1);
    struct world world = {
        .other = {.sent = sent, .n_sent = size, .got = got, .n_got = size, .updates = updates}};
    struct sender sender = {.bytes = sent, .n = size};
    struct receiver receiver = {.bytes = back};
    struct copy_tls down, up;
    pthread_t sending, receiving;
    uint64_t written = 0, written_up = 0;

    RAND_bytes(sent, (int)size);
    begin(&world, kind);
    if (world.outcome != TLS_DONE)
        fail_msg("%s: %d %s", kind->name, (int)world.outcome, world.why);
    assert_int_equal(world.facts.version, kind->version);
    assert_int_equal(world.facts.resumed, again.session != NULL);
    sender.fd = receiver.fd = world.near;
    assert_int_equal(pthread_create(&sending, NULL, send_thread, &sender), 0);
    copy_tls_init(&down, NULL, world.session, &buffers, &active);
    assert_int_equal(carry(&down, world.plain, world.tls, &written), 0);
    assert_int_equal(written, size);
    pthread_join(sending, NULL);

    assert_int_equal(pthread_create(&receiving, NULL, receive_thread, &receiver), 0);
    copy_tls_init(&up, world.session, NULL, &buffers, &active);
    assert_int_equal(carry(&up, world.tls, world.plain, &written_up), 0);
    shutdown(world.plain, SHUT_WR);
    pthread_join(receiving, NULL);
    assert_int_equal(written_up, size);
    assert_int_equal(receiver.n, size);
    assert_memory_equal(back, sent, size);

    assert_int_equal(copy_tls_end(&down, world.tls), 0);
    shutdown(world.tls, SHUT_WR);
    copy_tls_release(&down);
    copy_tls_release(&up);
    pthread_join(world.other.thread, NULL);
    assert_int_equal(world.other.n_got, size);
    assert_memory_equal(got, sent, size);
    assert_int_equal(SSL_get_error(world.other.ssl, world.other.result), SSL_ERROR_ZERO_RETURN);
    world.joined = true;
    SSL_SESSION_free(again.session);
    again.session = again.ours != NULL ? SSL_get1_session(world.other.ssl) : NULL;
    end(&world);
    free(sent);
    free(got);
    free(back);
}

static void bytes_go_both_ways(void **state) {
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
            exchange(&kinds[k], sizes[i], false);
}

static void keys_change_on_the_way(void **state) {
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
        if (kinds[k].version == TLS1_3_VERSION)
            exchange(&kinds[k], MOST, true);
}

/* Where the numbers go on is seen on the wire (first_sequence): with fewer tickets, and with our
 * Finished before the peer's, too. */
static void sessions_are_resumed(void **state) {
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        if (kinds[k].is_client)
            continue;
        again.ours = tls_make_server(true);
        again.theirs = tls_make_client(false);
        for (int times = 0; times < 3; times++)
            exchange(&kinds[k], 20000, false);
        SSL_CTX_free(again.ours);
        SSL_CTX_free(again.theirs);
        SSL_SESSION_free(again.session);
        memset(&again, 0, sizeof(again));
    }
}

/* Sends the last byte once nobody has a buffer. */
static void *wait_for_buffers(void *arg) {
    const int *near = arg;
    bool back = false;

    while (!back) {
        lock_acquire(&buffers.lock);
        back = buffers.n_free == 1;
        lock_release(&buffers.lock);
        sched_yield();
    }
    assert_int_equal(send(*near, "x", 1, 0), 1);
    return NULL;
}

static void who_falls_silent_has_no_buffer(void **state) {
    enum { MESSAGES = 40 };
    uint8_t got[MESSAGES + 1];
    struct world world = {.other = {.got = got, .n_got = sizeof(got)}};
    struct copy_tls down;
    uint64_t written = 0;
    pthread_t waiting;
    size_t wire;

    (void)state;
    begin(&world, &kinds[0]);
    assert_int_equal(world.outcome, TLS_DONE);
    copy_tls_init(&down, NULL, world.session, &buffers, &active);
    for (int i = 0; i < MESSAGES; i++) {
        assert_int_equal(send(world.near, "x", 1, 0), 1);
        assert_int_equal(copy_tls_read(&down, world.plain, &wire), 1);
        assert_int_equal(copy_tls_write(&down, world.tls, &written), 0);
    }
    assert_non_null(down.in); /* busy */
    pthread_create(&waiting, NULL, wait_for_buffers, &world.near);
    assert_int_equal(copy_tls_read(&down, world.plain, &wire), 1);
    pthread_join(waiting, NULL);
    assert_int_equal(copy_tls_write(&down, world.tls, &written), 0);
    copy_tls_release(&down);
    end(&world);
}

static void a_cut_is_no_end(void **state) {
    struct world world = {.other = {.cuts = true}};
    struct copy_tls up;
    uint64_t written = 0;

    (void)state;
    begin(&world, &kinds[0]);
    assert_int_equal(world.outcome, TLS_DONE);
    copy_tls_init(&up, world.session, NULL, &buffers, &active);
    assert_int_equal(carry(&up, world.tls, world.plain, &written), COPY_CUT);
    copy_tls_release(&up);
    end(&world);
}

static void a_torn_record_is_answered_by_an_alert(void **state) {
    struct world world = {.other = {.n_got = 1}};
    uint8_t got[1];
    struct copy_tls up;
    uint64_t written = 0;

    (void)state;
    world.other.got = got;
    begin(&world, &kinds[0]);
    assert_int_equal(world.outcome, TLS_DONE);
    assert_int_equal(send(world.other.fd,
                          "\x17\x03\x03\x00\x20"
                          "01234567890123456789012345678901",
                          37, 0),
                     37);
    copy_tls_init(&up, world.session, NULL, &buffers, &active);
    assert_int_equal(carry(&up, world.tls, world.plain, &written), COPY_BROKEN);
    assert_false(tls_session_begin_writing(world.session));
    copy_tls_release(&up);
    end(&world);
    assert_int_equal(world.other.n_got, 0);
}

/* RFC 5246, 7.2.2: no_renegotiation is always a warning. */
static void who_renegotiates_is_told_no(void **state) {
    struct world world = {.other = {.renegotiates = true}};
    struct copy_tls up;
    uint64_t written = 0;

    (void)state;
    begin(&world, &kinds[3]);
    assert_int_equal(world.outcome, TLS_DONE);
    copy_tls_init(&up, world.session, NULL, &buffers, &active);
    assert_int_equal(carry(&up, world.tls, world.plain, &written), COPY_BROKEN);
    copy_tls_release(&up);
    pthread_join(world.other.thread, NULL);
    world.joined = true;
    assert_int_equal(world.other.alert, 1 << 8 | TLS_NO_RENEGOTIATION);
    end(&world);
}

/* From one TLS to the other, whose records are so small that what came at once does not fit when it
 * is sealed again. */
static void large_records_become_small_ones(void **state) {
    enum { N = 7 * TLS_PLAIN_MAX };
    static uint8_t records[TLS_BUFFER_SIZE], got[2 * TLS_BUFFER_SIZE];
    struct tls_keys keys = by_hand_keys(TLS_1_3, TLS_AES_128_GCM);
    struct tls_half peer = {0}, reader = {0};
    struct tls_session *from, *to;
    struct receiver receiver = {.bytes = got};
    struct sender sender = {.bytes = records};
    struct copy_tls copy;
    pthread_t sending, receiving;
    uint64_t written = 0;
    int in, out;

    (void)state;
    keys.sequence = 0; /* else an update is due */
    from = tls_session_new(false, &keys, &keys);
    to = tls_session_new(false, &keys, &keys);
    to->out.most = reader.most = 512;
    assert_int_equal(tls_half_begin(&peer, &keys, true), 0);
    assert_int_equal(tls_half_begin(&reader, &keys, false), 0);
    for (int i = 0; i < 7; i++) {
        memset(records + sender.n + TLS_HEADER, 'a' + i, TLS_PLAIN_MAX);
        sender.n += (size_t)tls_seal(&peer, TLS_DATA, records + sender.n, TLS_PLAIN_MAX);
    }
    connect_pair(&in, &sender.fd);
    connect_pair(&out, &receiver.fd);
    assert_int_equal(pthread_create(&sending, NULL, send_thread, &sender), 0);
    assert_int_equal(pthread_create(&receiving, NULL, receive_thread, &receiver), 0);
    copy_tls_init(&copy, from, to, &buffers, &active);
    assert_int_equal(carry(&copy, in, out, &written), COPY_CUT);
    assert_int_equal(written, N);
    shutdown(out, SHUT_WR);
    pthread_join(sending, NULL);
    pthread_join(receiving, NULL);
    size_t plain = 0;
    for (size_t at = 0; at < receiver.n;) {
        struct tls_opened opened;

        assert_int_equal(tls_open(&reader, got + at, receiver.n - at, &opened), TLS_OPENED);
        for (size_t i = 0; i < opened.n; i++, plain++)
            assert_int_equal(opened.plain[i], 'a' + plain / TLS_PLAIN_MAX);
        at += opened.size;
    }
    assert_int_equal(plain, N);
    copy_tls_release(&copy);
    tls_half_end(&peer);
    tls_half_end(&reader);
    tls_session_free(from);
    tls_session_free(to);
    for (int *fd = (int[]){in, out, sender.fd, receiver.fd, -1}; *fd >= 0; fd++)
        close(*fd);
}

/* RFC 8446, 6.1: what comes behind close_notify is ignored, whatever it is. */
static void nothing_counts_behind_the_end(void **state) {
    (void)state;
    EACH_BY_HAND(keys) {
        struct tls_session *session = tls_session_new(false, &keys, &keys);
        bool modern = keys.version == TLS_1_3;
        struct tls_keys peer = keys;
        uint8_t record[TLS_WIRE_MAX], got[64];
        struct copy_tls up;
        uint64_t written = 0;
        int in, from, to, near;
        size_t n = 0;

        n += by_hand_seal(&peer, TLS_DATA, 0x0303, (const uint8_t *)"x\x17", 1 + modern, record);
        n += by_hand_seal(&peer, modern ? TLS_DATA : TLS_ALERT, 0x0303, (const uint8_t *)"\1\0\x15",
                          2 + modern, record + n);
        n +=
            by_hand_seal(&peer, TLS_DATA, 0x0303, (const uint8_t *)"y\x17", 1 + modern, record + n);
        memset(record + n, 0xff, 64); /* no record at all */
        connect_pair(&in, &from);
        connect_pair(&to, &near);
        assert_int_equal(send(from, record, n + 64, 0), n + 64);
        copy_tls_init(&up, session, NULL, &buffers, &active);
        assert_int_equal(carry(&up, in, to, &written), 0);
        assert_int_equal(written, 1);
        assert_int_equal(recv(near, got, sizeof(got), 0), 1);
        assert_int_equal(got[0], 'x');
        assert_int_equal(recv(from, got, 1, MSG_DONTWAIT), -1); /* no alert */
        copy_tls_release(&up);
        tls_session_free(session);
        for (int *fd = (int[]){in, from, to, near, -1}; *fd >= 0; fd++)
            close(*fd);
    }
}

static void a_deadline_ends_a_handshake(void **state) {
    SSL_CTX *ctx = tls_make_server(true);
    SSL *ssl = SSL_new(ctx);
    struct tls_session *session = NULL;
    struct tls_agreed facts;
    char why[TLS_REASON_MAX] = "";
    int near, far;

    (void)state;
    connect_pair(&near, &far);
    SSL_set_accept_state(ssl);
    struct tls_wire wire = {
        .fd = near, .deadline = clock_now() + 20 * USEC_PER_MSEC, .stop = &stop};
    assert_int_equal(tls_handshake(ssl, &wire, &session, &facts, why), TLS_TIMEOUT);
    SSL_free(ssl);
    close(near);
    close(far);
    SSL_CTX_free(ctx);
}

static void plain_bytes_are_named(void **state) {
    static const struct {
        const char *bytes;
        enum tls_handshake_outcome outcome;
        const char *why;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", TLS_FAILED, "it speaks plain HTTP, not TLS"},
        {"SSH-2.0-OpenSSH\r\n", TLS_FAILED, "it does not speak TLS"},
        {"", TLS_LEFT, ""},
        {"\x16\x03\x01", TLS_LEFT, ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SSL_CTX *ctx = tls_make_server(true);
        SSL *ssl = SSL_new(ctx);
        struct tls_session *session = NULL;
        struct tls_agreed facts;
        char why[TLS_REASON_MAX] = "";
        int near, far;

        connect_pair(&near, &far);
        SSL_set_accept_state(ssl);
        (void)!send(far, cases[i].bytes, strlen(cases[i].bytes), 0);
        shutdown(far, SHUT_WR);
        struct tls_wire wire = {.fd = near, .deadline = clock_now() + USEC_PER_SEC, .stop = &stop};
        assert_int_equal(tls_handshake(ssl, &wire, &session, &facts, why), cases[i].outcome);
        assert_string_equal(why, cases[i].why);
        SSL_free(ssl);
        close(near);
        close(far);
        SSL_CTX_free(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(keys_change_on_the_way),
        cmocka_unit_test(sessions_are_resumed),
        cmocka_unit_test(who_falls_silent_has_no_buffer),
        cmocka_unit_test(a_cut_is_no_end),
        cmocka_unit_test(a_torn_record_is_answered_by_an_alert),
        cmocka_unit_test(who_renegotiates_is_told_no),
        cmocka_unit_test(large_records_become_small_ones),
        cmocka_unit_test(nothing_counts_behind_the_end),
        cmocka_unit_test(a_deadline_ends_a_handshake),
        cmocka_unit_test(plain_bytes_are_named),
    };

    signal(SIGPIPE, SIG_IGN); /* libssl writes with write(2) */
    tls_buffers_init(&buffers);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tls_buffers_destroy(&buffers);
    return failed;
}
