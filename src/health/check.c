#include "health/check.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/route.h"
#include "base/scope.h"
#include "base/source.h"
#include "base/text.h"
#include "tls/talk.h"
#include "wire/proxy_protocol.h"

#define READ_MAX 16384 /* of an answer, in one go */

static const struct check_ops *const types[] = {
    [CHECK_TCP] = &check_tcp_ops,     [CHECK_HTTP] = &check_http_ops,
    [CHECK_MYSQL] = &check_mysql_ops, [CHECK_POSTGRES] = &check_postgres_ops,
    [CHECK_REDIS] = &check_redis_ops, [CHECK_SMTP] = &check_smtp_ops,
    [CHECK_TALK] = &check_talk_ops,
};

int check_init(struct check *check, const struct check_wish *wish) {
    const struct check_ops *ops = types[wish->config->type];
    unsigned char header[PROXY_WRITE_MAX];
    size_t header_length = 0, length = 0;

    if (wish->send_proxy != PROXY_OFF)
        header_length = proxy_write(wish->send_proxy, NULL, NULL, NULL, 0, NULL, header);
    if (ops->request != NULL)
        length = ops->request(wish, NULL, 0);
    char *request = malloc(header_length + length + 1);
    if (request == NULL)
        return -ENOMEM;
    memcpy(request, header, header_length);
    if (ops->request != NULL)
        ops->request(wish, request + header_length, length + 1);
    *check = (struct check){.wish = wish,
                            .ops = ops,
                            .request = request,
                            .request_length = header_length + length,
                            .header_length = header_length,
                            .fd = -1};
    return 0;
}

void check_destroy(struct check *check) {
    check_end(check);
    free(check->request);
}

enum check_outcome check_bad(struct check *check, const char *fmt, ...) {
    va_list args;

    va_start(args, fmt);
    if (vsnprintf(check->why, sizeof(check->why), fmt, args) >= (int)sizeof(check->why))
        text_trim(check->why);
    va_end(args);
    return CHECK_BAD;
}

/* A call on the socket has failed: there is nothing to part from. A fault of this machine must not
 * take servers down. EADDRNOTAVAIL: no local port is left. */
static enum check_outcome fail_check(struct check *check, const char *doing, int error) {
    check_end(check);
    if (route_may_lack(error) && check->stage == CHECK_CONNECTS) {
        check->error = source_route_error(check->wish->sources, &check->wish->addr);
        if (check->error != 0)
            return CHECK_CUT_OFF;
    }
    check->gone = error == ECONNRESET || error == EPIPE;
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:
        return CHECK_VOID;
    default:
        return check_bad(check, "%s: %s", doing, strerrordesc_np(error));
    }
}

/* Connects from a local address: 0, or -errno, as a rule -EINPROGRESS. *ret_doing: what failed. */
static int set_off(struct check *check, const struct addr *source, const char **ret_doing) {
    const struct addr *addr = &check->wish->addr;

    *ret_doing = "socket";
    check->fd = socket(addr->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (check->fd < 0)
        return -errno;
    *ret_doing = "bind";
    int r = source_bind(check->fd, source);
    if (r < 0)
        return r;
    *ret_doing = "connect";
    return scope_connect(check->fd, addr);
}

/* As connections are dialled: from the local addresses in turn, and on from one that is missing or
 * has no port left. */
enum check_outcome check_begin(struct check *check) {
    const struct addr *addr = &check->wish->addr;
    size_t n = source_count(check->wish->sources, addr), tried = 0;
    const struct addr *source;
    const char *doing;
    int r;

    check->stage = CHECK_CONNECTS;
    check->words = check->request;
    check->words_length = check->wish->tls != NULL ? check->header_length : check->request_length;
    check->said = 0;
    check->heard = check->gone = check->stays = check->shut = check->understood = false;
    check->left = CHECK_DRAIN_MAX;
    memset(&check->talk, 0, sizeof(check->talk));
    do {
        check_end(check);
        source = source_at(check->wish->sources, addr, check->turn++ % n);
        r = set_off(check, source, &doing);
    } while (r < 0 && ++tried < n && source_is_useless(source, addr, -r));
    if (r == 0)
        return check_go_on(check); /* a unix socket is connected at once */
    if (r == -EINPROGRESS)
        return CHECK_UNDER_WAY;
    if (r == -EAGAIN) { /* unix(7) */
        check_end(check);
        return check_bad(check, "connect: the server's backlog is full");
    }
    return fail_check(check, doing, -r);
}

bool check_has_words(const struct check *check) {
    return check->said < check->words_length;
}

short check_events(const struct check *check) {
    bool listens = check->stage == CHECK_LISTENS || check->stage == CHECK_PARTS;

    if (check->talk_tls != NULL && (check->stage == CHECK_SHAKES || listens))
        return tls_talk_wants_to_write(check->talk_tls) ? POLLOUT : POLLIN;
    return listens && !check_has_words(check) ? POLLIN : POLLOUT;
}

void check_say(struct check *check, const void *bytes, size_t n) {
    CHECK(n <= sizeof(check->reply) && !check_has_words(check));
    memcpy(check->reply, bytes, n);
    check->words = check->reply;
    check->words_length = n;
    check->said = 0;
}

static ssize_t send_check(struct check *check, const char *bytes, size_t n) {
    if (check->talk_tls != NULL)
        return tls_talk_send(check->talk_tls, bytes, n);
    ssize_t sent = send(check->fd, bytes, n, MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

static ssize_t receive_check(struct check *check, char *buf, size_t size) {
    if (check->talk_tls != NULL)
        return tls_talk_recv(check->talk_tls, buf, size);
    ssize_t n = recv(check->fd, buf, size, 0);
    return n < 0 ? -errno : n;
}

/* 0; -EAGAIN: no room for the rest now; or -errno. */
static int say_words(struct check *check) {
    if (!check_has_words(check))
        return 0;
    ssize_t n = send_check(check, check->words + check->said, check->words_length - check->said);
    if (n < 0)
        return (int)n;
    check->said += (size_t)n;
    return check_has_words(check) ? -EAGAIN : 0;
}

/* The connect has ended. */
static enum check_outcome find_connected(struct check *check) {
    int error = 0;
    socklen_t size = sizeof(error);

    if (getsockopt(check->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error == 0 && scope_met_itself(check->fd, &check->wish->addr))
        error = ECONNREFUSED;
    if (error != 0)
        return fail_check(check, "connect", error);
    check->stage = CHECK_SAYS;
    return CHECK_UNDER_WAY;
}

/* The PROXY header is out; then the words that TLS keeps to itself. */
static enum check_outcome begin_to_shake(struct check *check) {
    check->talk_tls = tls_talk_new(check->wish->tls, check->wish->host,
                                   check->wish->config->type == CHECK_HTTP, check->fd);
    check->words += check->header_length;
    check->words_length = check->request_length - check->header_length;
    check->said = 0;
    check->stage = CHECK_SHAKES;
    return check->talk_tls != NULL ? CHECK_UNDER_WAY : fail_check(check, "TLS", ENOMEM);
}

static enum check_outcome shake_hands(struct check *check) {
    char why[CHECK_WHY_MAX];
    int r = tls_talk_shake(check->talk_tls, why, sizeof(why));

    check->understood = tls_talk_is_answered(check->talk_tls);
    if (r == 0)
        check->stage = CHECK_SAYS;
    if (r == 0 || r == -EAGAIN)
        return CHECK_UNDER_WAY;
    if (r != -EPROTO && r != -EPIPE)
        return fail_check(check, "TLS handshake", -r);
    check->gone = r == -EPIPE;
    check_end(check);
    return check_bad(check, "TLS handshake: %s", check->gone ? "the connection was closed" : why);
}

/* A server that refuses our certificate, or wants one, says so after the handshake: RFC 8446,
 * 4.4.2.4 and 6.2. */
static enum check_outcome fail_talk(struct check *check, const char *doing, int error) {
    const char *why = check->talk_tls != NULL ? tls_talk_why(check->talk_tls) : "";

    if (why[0] == '\0')
        return fail_check(check, doing, error);
    enum check_outcome outcome = check_bad(check, "TLS: %s", why);
    check_end(check);
    return outcome;
}

static enum check_outcome send_words(struct check *check) {
    int r = say_words(check);

    if (r < 0)
        return r == -EAGAIN ? CHECK_UNDER_WAY : fail_talk(check, "send", -r);
    if (check->wish->tls != NULL && check->talk_tls == NULL)
        return begin_to_shake(check);
    if (check->ops->answer == NULL)
        return CHECK_GOOD;
    check->stage = CHECK_LISTENS;
    return CHECK_UNDER_WAY;
}

/* The server's end came first. */
static enum check_outcome judge_end(struct check *check) {
    const char *why = check->talk_tls != NULL && !check->heard ? tls_talk_why(check->talk_tls) : "";

    if (why[0] != '\0')
        return check_bad(check, "TLS: %s", why);
    check->gone = true;
    if (check->heard && check->ops->lacks != NULL)
        return check->ops->lacks(check, "before the connection was closed");
    return check_bad(check, check->heard ? "the connection was closed in the middle of the answer"
                                         : "the connection was closed before an answer");
}

enum check_outcome check_late(struct check *check, usec_t timeout) {
    char duration[32], when[sizeof("in ") + sizeof(duration)];

    text_format_duration(timeout, duration, sizeof(duration));
    snprintf(when, sizeof(when), "in %s", duration);
    if (check->heard && check->ops->lacks != NULL)
        return check->ops->lacks(check, when);
    return check_bad(check, "no answer %s", when);
}

static enum check_outcome receive_answer(struct check *check) {
    char bytes[READ_MAX];
    ssize_t n = receive_check(check, bytes, sizeof(bytes));

    if (n < 0)
        return n == -EAGAIN ? CHECK_UNDER_WAY : fail_talk(check, "receive", (int)-n);
    if (n == 0) {
        enum check_outcome outcome = judge_end(check);

        check_end(check);
        return outcome;
    }
    check->heard = true;
    enum check_outcome outcome = check->ops->answer(check, bytes, (size_t)n);
    if (outcome == CHECK_UNDER_WAY && check_has_words(check))
        check->stage = CHECK_SAYS;
    return outcome;
}

/* To a server that does not take the header, all that follows is nonsense, and it may say so; one
 * that wants it says nothing to whoever sends none, and goes. */
static void hint_at_proxy(struct check *check) {
    enum proxy_version version = check->wish->send_proxy;

    if (check->understood)
        return;
    if (version != PROXY_OFF)
        text_append(check->why, sizeof(check->why),
                    "; perhaps it does not take the PROXY header (send_proxy = v%d)",
                    version == PROXY_V1 ? 1 : 2);
    else if (check->gone && !check->heard)
        text_append(check->why, sizeof(check->why),
                    "; perhaps it wants a PROXY header (send_proxy)%s",
                    check->wish->tls == NULL ? ", or TLS (a tls section)" : "");
}

enum check_outcome check_go_on(struct check *check) {
    enum check_outcome outcome = CHECK_UNDER_WAY;

    if (check->stage == CHECK_LISTENS)
        outcome = receive_answer(check);
    else if (check->stage == CHECK_CONNECTS)
        outcome = find_connected(check);
    if (outcome == CHECK_UNDER_WAY && check->stage == CHECK_SAYS)
        outcome = send_words(check);
    if (outcome == CHECK_UNDER_WAY && check->stage == CHECK_SHAKES)
        outcome = shake_hands(check);
    if (outcome == CHECK_UNDER_WAY && check->stage == CHECK_SAYS && check->talk_tls != NULL)
        outcome = send_words(check);
    if (outcome == CHECK_BAD && check->stage != CHECK_CONNECTS)
        hint_at_proxy(check);
    if (outcome != CHECK_UNDER_WAY)
        check->stage = CHECK_PARTS;
    return outcome;
}

/* Reads and drops. 1: there may be more; 0: enough; or -errno. */
static int drain_answer(struct check *check) {
    char bytes[READ_MAX];

    if (check->left == 0)
        return 0;
    ssize_t n = receive_check(check, bytes, sizeof(bytes));
    if (n <= 0)
        return (int)n;
    check->left -= (size_t)n < check->left ? (size_t)n : check->left;
    if (check->ops->rest != NULL && check->ops->rest(check, bytes, (size_t)n))
        check->left = 0;
    return check->left > 0;
}

void check_part(struct check *check) {
    if (check->fd < 0)
        return;
    int r = say_words(check);
    if (r == 0 && !check->shut && !check->stays) {
        check->shut = true;
        if (check->talk_tls != NULL)
            tls_talk_end(check->talk_tls);
        (void)shutdown(check->fd, SHUT_WR);
    }
    if (r == 0)
        r = drain_answer(check);
    if (r <= 0 && r != -EAGAIN)
        check_end(check);
}

void check_end(struct check *check) {
    tls_talk_free(check->talk_tls);
    check->talk_tls = NULL;
    fd_close(&check->fd);
    free(check->kept);
    check->kept = NULL;
    check->kept_n = 0;
}
