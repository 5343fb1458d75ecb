#include "tls/wire.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "base/sockopt.h"

/* The socket's timeouts bound one call each. They are set anew when so much time has gone by since:
 * so late the handshake may end. */
#define ARM_AGAIN (50 * USEC_PER_MSEC)

/* False: wire->error says why nothing is to be waited for. */
static bool arm_wire(struct tls_wire *wire) {
    usec_t now = clock_now(), left = wire->deadline - now;

    if (atomic_load(wire->stop)) {
        wire->error = ECANCELED;
    } else if (left <= 0) {
        wire->error = ETIMEDOUT;
    } else if (wire->armed == 0 || now - wire->armed >= ARM_AGAIN) {
        if (wire->patience > 0)
            left = usec_earlier(left, wire->patience);
        int r = sockopt_set_receive_timeout(wire->fd, left);

        if (r == 0)
            r = sockopt_set_send_timeout(wire->fd, left);
        wire->error = -r;
        wire->armed = now;
    }
    return wire->error == 0;
}

int tls_wire_release(const struct tls_wire *wire) {
    if (wire->armed == 0)
        return 0;
    int r = sockopt_set_receive_timeout(wire->fd, 0);
    return r < 0 ? r : sockopt_set_send_timeout(wire->fd, 0);
}

/* An interrupt, or a socket's timeout: arm_wire says whether to go on. */
static bool passes_wait(struct tls_wire *wire, ssize_t n) {
    if (n >= 0 || (errno != EINTR && errno != EAGAIN))
        return false;
    if (errno == EAGAIN) {
        if (wire->patience > 0)
            wire->on_wait(wire->arg);
        wire->patience = wire->armed = 0;
    }
    return true;
}

static int read_wire(BIO *bio, char *buf, int size) {
    struct tls_wire *wire = BIO_get_data(bio);
    ssize_t n;

    do {
        if (!arm_wire(wire))
            return -1;
        n = recv(wire->fd, buf, (size_t)size, 0);
    } while (passes_wait(wire, n));
    if (n < 0)
        wire->error = errno;
    else if (n == 0)
        wire->ended = true;
    else
        wire->received += (uint64_t)n;
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
    ssize_t n;

    do {
        if (!arm_wire(wire))
            return -1;
        n = send(wire->fd, buf, (size_t)size, MSG_NOSIGNAL);
    } while (passes_wait(wire, n));
    if (n < 0) {
        wire->error = errno;
        return -1;
    }
    follow_records(wire, buf, (size_t)n);
    return (int)n;
}

static long control_wire(BIO *bio, int what, long number, void *pointer) {
    (void)bio;
    (void)number;
    (void)pointer;
    return what == BIO_CTRL_FLUSH;
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

BIO *tls_wire_bio(struct tls_wire *wire) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, make_wire_method);
    BIO *bio = wire_method != NULL ? BIO_new(wire_method) : NULL;
    if (bio != NULL) {
        BIO_set_data(bio, wire);
        BIO_set_init(bio, 1);
    }
    return bio;
}
