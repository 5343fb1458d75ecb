#include "tls/session.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/nonce_watch.h"

/* RFC 8446, 5.5: AES-GCM is good for 2^24.5 full records with a key. TLS 1.2 has no other key
 * without a handshake: there the first one stays. */
#define KEY_RECORDS_MOST ((uint64_t)1 << 23)

/* RFC 8446, 6. */
#define ALERT_WARNING 1
#define ALERT_FATAL   2

struct tls_session *tls_session_new(bool is_client, const struct tls_keys *in,
                                    const struct tls_keys *out) {
    struct tls_session *session = calloc(1, sizeof(*session));

    if (session == NULL)
        return NULL;
    session->is_client = is_client;
    if (tls_half_begin(&session->in, in, false) < 0 ||
        tls_half_begin(&session->out, out, true) < 0) {
        tls_session_free(session);
        return NULL;
    }
    return session;
}

void tls_session_free(struct tls_session *session) {
    if (session == NULL)
        return;
    tls_half_end(&session->in);
    tls_half_end(&session->out);
    free(session);
}

bool tls_session_begin_writing(struct tls_session *session) {
    return !atomic_exchange_explicit(&session->writing, true, memory_order_acquire);
}

void tls_session_end_writing(struct tls_session *session) {
    atomic_store_explicit(&session->writing, false, memory_order_release);
}

/* The next record has the next key (RFC 8446, 4.6.3 and 7.2). */
ssize_t tls_session_seal_update(struct tls_session *session, uint8_t *record) {
    static const uint8_t update[] = {24, 0, 0, 1, 0}; /* key_update, update_not_requested */
    struct tls_half *out = &session->out;

    if (out->keys.version != TLS_1_3)
        return -EPROTO;
    atomic_store_explicit(&session->owes, false, memory_order_relaxed);
    memcpy(record + tls_before(out), update, sizeof(update));
    ssize_t size = tls_seal(out, TLS_HANDSHAKE, record, sizeof(update));
    if (size < 0)
        return size;
    int r = tls_keys_update(&out->keys);
    if (r == 0)
        r = tls_half_begin(out, &out->keys, true);
    return r < 0 ? r : size;
}

bool tls_session_needs_update(const struct tls_session *session) {
    const struct tls_keys *keys = &session->out.keys;
    bool owes = atomic_load_explicit(&session->owes, memory_order_relaxed);

    return keys->version == TLS_1_3 && (owes || keys->sequence >= KEY_RECORDS_MOST);
}

static ssize_t seal_alert(struct tls_session *session, uint8_t level, uint8_t alert,
                          uint8_t *record) {
    struct tls_half *out = &session->out;

    record[tls_before(out)] = level;
    record[tls_before(out) + 1] = alert;
    return tls_seal(out, TLS_ALERT, record, 2);
}

ssize_t tls_session_seal_end(struct tls_session *session, uint8_t *record) {
    return seal_alert(session, ALERT_WARNING, TLS_CLOSE_NOTIFY, record);
}

/* Bytes at `at` of all parts, n at most; how many. */
static size_t copy_parts(const struct iovec *parts, size_t n_parts, size_t at, uint8_t *to,
                         size_t n) {
    size_t copied = 0;

    for (size_t i = 0; i < n_parts && copied < n; i++) {
        if (at >= parts[i].iov_len) {
            at -= parts[i].iov_len;
            continue;
        }
        size_t rest = parts[i].iov_len - at, take = rest < n - copied ? rest : n - copied;

        memcpy(to + copied, (const uint8_t *)parts[i].iov_base + at, take);
        copied += take;
        at = 0;
    }
    return copied;
}

/* The size of all records, or 0. */
static size_t seal_parts(struct tls_session *session, const struct iovec *parts, size_t n,
                         uint8_t *records) {
    size_t at = 0, size = 0, plain;
    ssize_t sealed;

    while ((plain = copy_parts(parts, n, at, records + size + tls_before(&session->out),
                               tls_most(&session->out))) > 0) {
        sealed = tls_seal(&session->out, TLS_DATA, records + size, plain);
        if (sealed < 0)
            return 0;
        size += (size_t)sealed;
        at += plain;
    }
    sealed = tls_session_seal_end(session, records + size);
    return sealed < 0 ? 0 : size + (size_t)sealed;
}

uint8_t *tls_session_seal_all(struct tls_session *session, const struct iovec *parts, size_t n,
                              size_t *ret_size) {
    size_t plain = 0;

    for (size_t i = 0; i < n; i++)
        plain += parts[i].iov_len;
    size_t n_records = plain / tls_most(&session->out) + 2;
    uint8_t *records = malloc(plain + n_records * (TLS_BEFORE_MAX + TLS_AFTER_MAX) + 2);
    size_t size = records != NULL && tls_session_begin_writing(session)
                      ? seal_parts(session, parts, n, records)
                      : 0;
    if (size == 0) {
        free(records);
        return NULL;
    }
    *ret_size = size;
    return records;
}

void tls_session_alert(struct tls_session *session, int fd, uint8_t alert) {
    uint8_t record[TLS_SMALL_RECORD];

    if (!tls_session_begin_writing(session))
        return;
    /* always a warning, though the connection is reset all the same: RFC 5246, 7.2.2 */
    uint8_t level = alert == TLS_NO_RENEGOTIATION ? ALERT_WARNING : ALERT_FATAL;
    ssize_t size = seal_alert(session, level, alert, record);
    NONCES_LEAVE();
    if (size > 0)
        (void)send(fd, record, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT);
}
