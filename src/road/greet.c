/* no_further: what is looked at with MSG_PEEK is consumed only as far as it surely belongs to the
 * header, so that the pumps find the rest where they expect it, in the socket. */
#include "road/greet.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "road/generation.h"
#include "road/openings.h"
#include "wire/tls_suite.h"

/* Takes n bytes, which are there. */
static bool consume_bytes(int fd, void *buf, size_t n) {
    while (n > 0) {
        ssize_t r = recv(fd, buf, n, 0);

        if (r <= 0 && !(r < 0 && errno == EINTR))
            return false;
        n -= r > 0 ? (size_t)r : 0;
    }
    return true;
}

/* have: bytes of the header that came. Whoever sends none and closes only looks whether somebody
 * listens, as balancers do: nothing to warn of. */
static enum end fail_read(ssize_t n, size_t have, const char **ret_why) {
    if (n == -ECANCELED)
        return END_STOPPED;
    if (n == -EUSERS)
        return END_PUT_OUT;
    if (n == -ETIMEDOUT)
        return END_HEADER_TIMEOUT;
    if (n == 0 && have == 0)
        return END_HEADER_BAD;
    *ret_why = n == 0 ? "the connection ended before the header"
                      : "the connection broke before the header";
    return END_HEADER_BAD;
}

static enum end read_header(struct opening *opening, usec_t deadline, struct proxy_header *header,
                            const char **ret_why) {
    struct job *job = &opening->job;
    enum proxy_version accept = (enum proxy_version)job->route->config->accept_proxy;
    char bytes[PROXY_HEADER_MAX];
    size_t have = 0, length = 0;

    for (;;) {
        ssize_t n = openings_peek(opening, bytes + have, sizeof(bytes) - have, deadline);

        if (n <= 0)
            return fail_read(n, have, ret_why);
        enum proxy_outcome outcome =
            proxy_parse(accept, bytes, have + (size_t)n, header, &length, ret_why);
        if (outcome == PROXY_BAD || (outcome == PROXY_MORE && have + (size_t)n == sizeof(bytes)))
            return END_HEADER_BAD;
        size_t belongs = outcome == PROXY_WHOLE ? length - have : (size_t)n; /* no_further */
        if (!consume_bytes(job->has.client, bytes + have, belongs))
            return fail_read(-1, have, ret_why);
        have += belongs;
        if (outcome == PROXY_WHOLE) {
            job->record.header = have;
            return END_NONE;
        }
    }
}

enum end greet_read(struct opening *opening, const char **ret_why) {
    struct job *job = &opening->job;
    struct proxy_header header = {0};
    usec_t deadline = job->record.accepted + job->route->config->proxy_timeout;
    enum end end = read_header(opening, deadline < opening->deadline ? deadline : opening->deadline,
                               &header, ret_why);

    if (end == END_NONE && header.known) {
        job->record.client = header.source;
        job->destination = header.destination;
    }
    return end;
}

/* The connection's name for the server's log: the moment when this process began to count, and the
 * number. */
static size_t make_id(uint64_t number, char *id, size_t size) {
    static _Atomic uint64_t began;
    uint64_t none = 0, now = (uint64_t)time(NULL);

    if (atomic_load(&began) == 0)
        (void)atomic_compare_exchange_strong(&began, &none, now);
    return (size_t)snprintf(id, size, "%llx-%x-%llx", (unsigned long long)atomic_load(&began),
                            (unsigned)getpid(), (unsigned long long)number);
}

int greet_server(struct job *job, enum proxy_version version, int server) {
    const struct record *record = &job->record;
    const struct proxy_tls tls = {.version = tls_version_name(record->tls_version),
                                  .cipher = tls_suite_name(record->tls_suite),
                                  .alpn = record->alpn,
                                  .name = record->sni,
                                  .certificate = job->has.shown};
    struct addr destination = job->destination;
    unsigned char header[PROXY_WRITE_MAX];
    char id[64];

    if (destination.len == 0) {
        destination.len = sizeof(destination.u);
        if (getsockname(job->has.client, &destination.u.sa, &destination.len) < 0)
            destination.len = 0;
    }
    size_t n = proxy_write(version, &record->client, &destination, id,
                           make_id(record->number, id, sizeof(id)),
                           record->tls_version != 0 ? &tls : NULL, header);
    /* The send buffer is empty, and larger than a header. */
    ssize_t r = send(server, header, n, MSG_NOSIGNAL);
    if (r < 0)
        return -errno;
    job->record.greeting = (uint64_t)r;
    return (size_t)r == n ? 0 : -EPIPE;
}
