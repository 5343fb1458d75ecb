#include "secure.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TAKE_MAX       (1u << 20)      /* bytes discarded by one call */
#define STALLED_NSEC   (10 * NSEC_SEC) /* no event for so long: what is under way has failed */
#define DRAIN_NSEC     (5 * NSEC_SEC)  /* an upload's last bytes may take so long to arrive */
#define ERRORS_MAX     1000
#define EVENTS_AT_ONCE 256
#define SEALED_MOST    (1u << 16) /* bytes written by one call of libssl */

struct options opt;
struct run run;

int64_t now(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NSEC_SEC + t.tv_nsec;
}

void die(const char *what) {
    perror(what);
    exit(71);
}

static void watch(struct conn *c, int op, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};

    if (epoll_ctl(run.epoll, op, c->fd, &event) < 0)
        die("epoll_ctl");
}

static bool under_way(const struct conn *c) {
    return c->state != DEAD && c->state != IDLE;
}

static void start_request(struct conn *c) {
    size_t length = strlen(opt.request);

    run.busy++;
    c->have = 0;
    if (opt.mode != MODE_CLOSE)
        c->start = now();
    c->left = opt.size;
    c->state = opt.mode == MODE_PUT ? UPLOAD : HEAD;
    if (secure_send(c, opt.request, length) != (ssize_t)length)
        c->state = HEAD; /* the read that follows says why */
    watch(c, EPOLL_CTL_MOD, c->state == UPLOAD ? EPOLLOUT : EPOLLIN);
}

static void open_conn(struct conn *c) {
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)opt.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket");
    c->state = CONNECTING;
    c->start = now();
    run.busy++;
    if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
        run.errors++; /* epoll reports it as well, as EPOLLHUP */
    watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

void next_opening(void) {
    if (run.opened < opt.n_conns)
        open_conn(&run.conns[run.opened++]);
}

void next_turn(void) {
    for (size_t i = 0; i < opt.n_conns; i++) {
        struct conn *c = &run.conns[run.turn];

        run.turn = (run.turn + 1) % opt.n_conns;
        if (c->state == IDLE) {
            start_request(c);
            return;
        }
    }
}

static void failed(struct conn *c) {
    if (c->state != IDLE)
        run.busy--;
    if (!run.draining)
        run.errors++;
    secure_close(c);
    c->state = DEAD;
    if (run.draining)
        return;
    if (opt.mode == MODE_OPEN || opt.mode == MODE_MANY) {
        run.by_turns ? next_turn() : next_opening();
    } else if (run.errors < ERRORS_MAX) {
        open_conn(c);
    }
}

static void answered(struct conn *c) {
    int64_t took = (now() - c->start) / 1000;

    run.busy--;
    run.requests++;
    c->state = IDLE;
    if (run.n_samples < SAMPLES_MAX && (run.by_turns || opt.mode != MODE_MANY))
        run.samples[run.n_samples++] = (uint32_t)took;
    if (run.draining)
        return;
    if (opt.mode == MODE_CLOSE) {
        secure_close(c);
        open_conn(c);
    } else if (run.by_turns) {
        next_turn();
    } else if (opt.mode == MODE_OPEN || opt.mode == MODE_MANY) {
        run.ready++;
        next_opening();
    } else {
        start_request(c);
    }
}

static void take_head(struct conn *c) {
    ssize_t n = secure_recv(c, c->head + c->have, sizeof(c->head) - 1 - c->have);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || c->state == IDLE) {
        failed(c);
        return;
    }
    c->have += (size_t)n;
    c->head[c->have] = '\0';
    char *end = strstr(c->head, "\r\n\r\n");
    if (end == NULL) {
        if (c->have + 1 == sizeof(c->head))
            failed(c);
        return;
    }
    const char *length = strcasestr(c->head, "\r\nContent-Length:");
    if (strncmp(c->head, "HTTP/1.1 200", 12) != 0 || length == NULL || length > end) {
        failed(c);
        return;
    }
    uint64_t extra = c->have - (size_t)(end + 4 - c->head);
    c->left = strtoull(length + 17, NULL, 10) - extra;
    run.bytes += extra;
    c->state = BODY;
    if (c->left == 0)
        answered(c);
}

static void take_body(struct conn *c) {
    static char unused[1 << 16];
    size_t most = c->left < TAKE_MAX ? (size_t)c->left : TAKE_MAX;
    ssize_t n = c->ssl == NULL
                    ? recv(c->fd, unused, most, MSG_TRUNC) /* TCP: discarded, not copied */
                    : secure_recv(c, unused, most < sizeof(unused) ? most : sizeof(unused));

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        failed(c);
        return;
    }
    c->left -= (uint64_t)n;
    run.bytes += (uint64_t)n;
    if (c->left == 0)
        answered(c);
}

static void give_body(struct conn *c) {
    off_t at = (off_t)((opt.size - c->left) % (uint64_t)SOURCE_BYTES);
    size_t most = c->left < TAKE_MAX ? (size_t)c->left : TAKE_MAX;
    ssize_t n = c->ssl == NULL
                    ? sendfile(c->fd, run.source, &at, most)
                    : secure_send(c, run.memory + at, SEALED_MOST < most ? SEALED_MOST : most);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        failed(c);
        return;
    }
    c->left -= (uint64_t)n;
    run.bytes += (uint64_t)n;
    if (c->left == 0) {
        c->state = HEAD;
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
    }
}

/* The end of an upload that was cut short: until the other side has ended, too. */
static void drain(struct conn *c) {
    char some[256];
    ssize_t n = secure_recv(c, some, sizeof(some));

    if (n > 0 || (n < 0 && errno == EAGAIN))
        return;
    failed(c);
}

static void shake(struct conn *c) {
    uint32_t events;
    int r = secure_shake(c, &events);

    if (r < 0) {
        failed(c);
    } else if (r > 0) {
        run.busy--;
        start_request(c);
    } else {
        c->state = SHAKING;
        watch(c, EPOLL_CTL_MOD, events);
    }
}

static void on_event(struct conn *c, uint32_t events) {
    switch (c->state) {
    case CONNECTING:
        if (events & (EPOLLERR | EPOLLHUP)) {
            failed(c);
        } else if (opt.tls) {
            shake(c);
        } else {
            run.busy--;
            start_request(c);
        }
        break;
    case SHAKING:
        shake(c);
        break;
    case UPLOAD:
        give_body(c);
        break;
    case BODY:
        take_body(c);
        break;
    case DRAIN:
        drain(c);
        break;
    case HEAD:
    case IDLE:
        take_head(c);
        break;
    case DEAD:
        break;
    }
}

void handle_until(int64_t deadline, size_t enough) {
    struct epoll_event events[EVENTS_AT_ONCE];
    int64_t last = now();

    while (now() < deadline && run.errors < ERRORS_MAX && run.busy > 0 && run.ready < enough) {
        int n = epoll_wait(run.epoll, events, EVENTS_AT_ONCE, 20);

        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;

            do
                on_event(c, events[i].events);
            while (c->state == BODY && secure_pending(c));
        }
        if (n > 0)
            last = now();
        if (now() - last > STALLED_NSEC) {
            run.errors += run.busy;
            return;
        }
    }
}

void end_uploads(void) {
    run.draining = true;
    for (size_t i = 0; i < opt.n_conns; i++) {
        struct conn *c = &run.conns[i];

        if (!under_way(c))
            continue;
        secure_shut(c);
        c->state = DRAIN;
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
    }
    handle_until(now() + DRAIN_NSEC, SIZE_MAX);
}
