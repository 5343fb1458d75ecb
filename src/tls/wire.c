#include "tls/wire.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "base/sockopt.h"

/* The socket's timeouts bound one call each. They are set where they are not, or where they would
 * let a call end by more than that too late; one that ends too early is made again. */
#define LATE_BY (50 * USEC_PER_MSEC)

/* False: wire->error says why nothing is to be waited for. */
static bool wire_goes_on(struct tls_wire *wire) {
    if (atomic_load(wire->stop))
        wire->error = ECANCELED;
    else if (clock_now() >= wire->deadline)
        wire->error = ETIMEDOUT;
    return wire->error == 0;
}

typedef int set_timeout_fn(int fd, usec_t span);

/* Before a call that waits. span: its timeout, by which it is set. False: as above. */
static bool arm_wire(struct tls_wire *wire, usec_t *span, set_timeout_fn *set) {
    if (!wire_goes_on(wire))
        return false;
    usec_t left = usec_later(wire->deadline - clock_now(), 1);

    if (wire->patience > 0)
        left = usec_earlier(left, wire->patience);
    if (*span == 0 || *span > left + LATE_BY) {
        wire->error = -set(wire->fd, left);
        *span = left;
    }
    return wire->error == 0;
}

/* An interrupt, or the socket's timeout: arm_wire says whether to go on. */
static bool passes_wait(struct tls_wire *wire, usec_t *span) {
    if (errno != EINTR && errno != EAGAIN)
        return false;
    if (errno == EAGAIN) {
        if (wire->patience > 0)
            wire->on_wait(wire->arg);
        wire->patience = *span = 0;
    }
    return true;
}

/* Most sends find room: only then is the timeout of any use. */
static bool send_wire(struct tls_wire *wire, const uint8_t *bytes, size_t n) {
    int no_wait = MSG_DONTWAIT;

    while (n > 0) {
        if (no_wait != 0 ? !wire_goes_on(wire)
                         : !arm_wire(wire, &wire->send_span, sockopt_set_send_timeout))
            return false;
        ssize_t sent = send(wire->fd, bytes, n, MSG_NOSIGNAL | no_wait);

        if (sent >= 0) {
            bytes += sent;
            n -= (size_t)sent;
        } else if (no_wait != 0 && errno == EAGAIN) {
            no_wait = 0;
        } else if (!passes_wait(wire, &wire->send_span)) {
            wire->error = errno;
            return false;
        }
    }
    return true;
}

bool tls_wire_flush(struct tls_wire *wire) {
    size_t n = wire->held;

    wire->held = 0;
    return wire->error == 0 && send_wire(wire, wire->out, n);
}

/* Takes from the socket what libssl has read of what was peeked. 0 or -errno. */
static int take_peeked(struct tls_wire *wire) {
    size_t n = wire->peeked ? wire->in_at : 0;

    wire->in_n = wire->in_at = 0;
    while (n > 0) {
        ssize_t taken = recv(wire->fd, wire->in, n, MSG_DONTWAIT); /* it is there */

        if (taken == 0)
            return -ECONNRESET;
        if (taken < 0 && errno != EINTR)
            return -errno;
        n -= taken > 0 ? (size_t)taken : 0;
    }
    return 0;
}

int tls_wire_release(struct tls_wire *wire) {
    int r = take_peeked(wire);

    if (wire->receive_span > 0 && r == 0)
        r = sockopt_set_receive_timeout(wire->fd, 0);
    if (wire->send_span > 0 && r == 0)
        r = sockopt_set_send_timeout(wire->fd, 0);
    return r;
}

/* As recv(2); after a failure wire->error says why. */
static ssize_t receive_wire(struct tls_wire *wire, void *buf, size_t size, int flags) {
    ssize_t n;

    do {
        if (!arm_wire(wire, &wire->receive_span, sockopt_set_receive_timeout))
            return -1;
        n = recv(wire->fd, buf, size, flags);
    } while (n < 0 && passes_wait(wire, &wire->receive_span));
    if (n < 0)
        wire->error = errno;
    else if (n == 0)
        wire->ended = true;
    return n;
}

/* All of `in` was read, and more is wanted. 1, or 0 at the end of data, or -1. */
static int fill_wire(struct tls_wire *wire) {
    size_t most = sizeof(wire->in);

    wire->peeked = wire->certain == 0;
    if (!wire->peeked && wire->certain < most)
        most = wire->certain;
    ssize_t n = receive_wire(wire, wire->in, most, wire->peeked ? MSG_PEEK : 0);
    if (n <= 0)
        return (int)n;
    wire->in_n = (size_t)n;
    if (!wire->peeked)
        wire->certain -= (size_t)n;
    return 1;
}

/* As recv(2). */
static ssize_t read_ahead(struct tls_wire *wire, void *buf, size_t size) {
    if (wire->in_at == wire->in_n) {
        if (!tls_wire_flush(wire))
            return -1;
        wire->error = -take_peeked(wire);
        int n = wire->error == 0 ? fill_wire(wire) : -1;
        if (n <= 0)
            return n;
    }
    if (size > wire->in_n - wire->in_at)
        size = wire->in_n - wire->in_at;
    memcpy(buf, wire->in + wire->in_at, size);
    wire->in_at += size;
    wire->received += size;
    return (ssize_t)size;
}

static int read_wire(BIO *bio, char *buf, int size) {
    struct tls_wire *wire = BIO_get_data(bio);
    ssize_t n = read_ahead(wire, buf, (size_t)size);

    wire->records = 0;
    return (int)n;
}

/* Follows the records in what is sent, wherever it was cut. */
static void follow_records(struct tls_wire *wire, const char *buf, size_t n) {
    while (n > 0) {
        if (wire->record_at == wire->record_size) { /* the next one begins */
            wire->record_at = 0;
            wire->record_size = TLS_HEADER;
            wire->records++;
        }
        if (wire->record_at < TLS_BEFORE_MAX)
            wire->record_head[wire->record_at] = (uint8_t)*buf;
        bool in_header = wire->record_at < TLS_HEADER;
        size_t step =
            in_header || wire->record_at < TLS_BEFORE_MAX ? 1 : wire->record_size - wire->record_at;
        if (step > n)
            step = n;
        wire->record_at += step;
        if (in_header && wire->record_at == TLS_HEADER)
            wire->record_size += (size_t)wire->record_head[3] << 8 | wire->record_head[4];
        buf += step;
        n -= step;
    }
}

static int write_wire(BIO *bio, const char *buf, int size) {
    struct tls_wire *wire = BIO_get_data(bio);
    const uint8_t *bytes = (const uint8_t *)buf;
    size_t n = (size_t)size;

    if (n > sizeof(wire->out) - wire->held && !tls_wire_flush(wire))
        return -1;
    if (n > sizeof(wire->out)) {
        if (!send_wire(wire, bytes, n))
            return -1;
    } else {
        memcpy(wire->out + wire->held, bytes, n);
        wire->held += n;
    }
    follow_records(wire, buf, n);
    return size;
}

/* A flight goes out at once: the peer works on it while libssl makes keys. Tickets are held. */
static bool flush_flight(struct tls_wire *wire) {
    return SSL_get_state(wire->ssl) == TLS_ST_SW_SESSION_TICKET || tls_wire_flush(wire);
}

static long control_wire(BIO *bio, int what, long number, void *pointer) {
    (void)number;
    (void)pointer;
    return what == BIO_CTRL_FLUSH && flush_flight(BIO_get_data(bio));
}

static BIO_METHOD *wire_method;

static void make_wire_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "relayd socket");

    if (method != NULL && BIO_meth_set_read(method, read_wire) &&
        BIO_meth_set_write(method, write_wire) && BIO_meth_set_ctrl(method, control_wire))
        wire_method = method;
    else
        BIO_meth_free(method);
}

BIO *tls_wire_bio(struct tls_wire *wire, const SSL *ssl) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, make_wire_method);
    BIO *bio = wire_method != NULL ? BIO_new(wire_method) : NULL;
    wire->ssl = ssl;
    if (bio != NULL) {
        BIO_set_data(bio, wire);
        BIO_set_init(bio, 1);
    }
    return bio;
}
