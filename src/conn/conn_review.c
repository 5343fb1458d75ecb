/* Whether the time of a connection is up: what the reaper asks. */
#include <errno.h>
#include <stdatomic.h>

#include "base/fd.h"
#include "base/sockopt.h"
#include "conn/conn.h"
#include "conn/pulse.h"

#define EXPIRE_PATIENCE USEC_PER_SEC /* for the last bytes of an expired conn */

/* How often a conn is looked at: at a fourth of its timeout or of keepalive, within these
 * bounds. */
#define LOOK_SOONEST       (10 * USEC_PER_MSEC)
#define LOOK_SOONEST_ALIVE (250 * USEC_PER_MSEC)
#define LOOK_LATEST        (15 * USEC_PER_SEC)
#define LOOK_RATE          USEC_PER_SEC /* so often while somebody is waited for, for min_rate */
/* looks are rounded up to this part of an interval, so that many fall together */
#define LOOK_ROUNDED 8

/* 0: none. */
static usec_t timeout_of(const struct conn *conn) REQUIRES(conn->registry->lock) {
    usec_t patience = atomic_load(&conn->wait.patience);

    if (conn->state->lingering)
        return conn->state->options.linger_timeout;
    if (patience == USEC_NEVER)
        return 0;
    return patience > 0 ? patience : conn->state->options.idle_timeout;
}

/* drain_idle: In a drain, a connection of mode http ends in order once it has been silent for so
 * long, unless the client waits for an answer. USEC_NEVER: it does not end for that. */
static usec_t drain_idle_of(const struct conn *conn) REQUIRES(conn->registry->lock) {
    const struct flow *up = &conn->state->flow[DIR_UP], *down = &conn->state->flow[DIR_DOWN];
    usec_t idle = conn_drain_idle(conn->registry, conn);

    if (idle == USEC_NEVER || conn->state->lingering || conn->fd[SIDE_SERVER] < 0 ||
        atomic_load(&up->writing) || atomic_load(&down->writing) ||
        (conn->state->options.http && conn_is_asked(conn)))
        return USEC_NEVER;
    return idle;
}

static usec_t look_interval(const struct conn *conn) REQUIRES(conn->registry->lock) {
    usec_t timeout = timeout_of(conn), keepalive = conn->state->options.keepalive;
    usec_t latest = LOOK_LATEST, idle = conn_drain_idle(conn->registry, conn);

    if (idle != USEC_NEVER)
        latest = usec_earlier(latest, usec_later(LOOK_SOONEST, idle / 4));
    if (keepalive > 0)
        latest = usec_earlier(latest, usec_later(LOOK_SOONEST_ALIVE, keepalive / 4));
    if (conn->state->options.min_rate > 0)
        latest = usec_earlier(latest, LOOK_RATE);
    if (atomic_load(&conn->wait.soonest) > 0)
        latest = usec_earlier(latest, atomic_load(&conn->wait.soonest) / 4);
    return timeout == 0 ? latest : usec_later(LOOK_SOONEST, usec_earlier(timeout / 4, latest));
}

/* Its last byte, as its pumps know it. */
static usec_t last_moved(const struct conn *conn) {
    return usec_later(atomic_load(&conn->state->flow[DIR_UP].active),
                      atomic_load(&conn->state->flow[DIR_DOWN].active));
}

/* The same of the direction that has been silent for longer. */
static usec_t first_moved(const struct conn *conn) {
    return usec_earlier(atomic_load(&conn->state->flow[DIR_UP].active),
                        atomic_load(&conn->state->flow[DIR_DOWN].active));
}

static bool is_holding(const struct conn *conn) {
    return atomic_load(&conn->state->flow[DIR_UP].writing) ||
           atomic_load(&conn->state->flow[DIR_DOWN].writing);
}

/* See unread below. */
static bool has_unread(const struct conn *conn) REQUIRES(conn->registry->lock) {
    const struct flow *flow = conn->state->flow;

    return flow[DIR_UP].ended || flow[DIR_DOWN].ended || is_holding(conn);
}

static usec_t deadline_after(const struct conn *conn, usec_t last) REQUIRES(conn->registry->lock) {
    usec_t timeout = timeout_of(conn), since = atomic_load(&conn->wait.since);

    if (since > 0 && !conn->state->lingering)
        last = since;
    return timeout == 0 ? USEC_NEVER : last + timeout;
}

static usec_t drained_after(const struct conn *conn, usec_t last) REQUIRES(conn->registry->lock) {
    usec_t idle = drain_idle_of(conn);

    return idle == USEC_NEVER ? USEC_NEVER : last + idle;
}

static usec_t next_review(const struct conn *conn, usec_t now, usec_t deadline)
    REQUIRES(conn->registry->lock) {
    usec_t interval = look_interval(conn), part = interval / LOOK_ROUNDED;
    usec_t next = now + interval + part - 1;

    return usec_earlier(next - next % part, deadline);
}

bool conn_glance(struct registry *registry, const struct conn *conn, usec_t now,
                 usec_t *ret_next) UNCHECKED {
    usec_t last = last_moved(conn),
           deadline = usec_earlier(deadline_after(conn, last), drained_after(conn, last));

    (void)registry;
    if (conn->state->aborted) {
        *ret_next = USEC_NEVER;
        return true;
    }
    if (conn->state->expired != 0) {
        *ret_next = conn->state->expired + EXPIRE_PATIENCE;
        return now < *ret_next;
    }
    bool pressed = conn->state->options.min_rate > 0 &&
                   (is_holding(conn) || atomic_load(&conn->wait.reads_body));
    if (!pressed &&
        now < first_moved(conn) + look_interval(conn)) { /* both peers have been heard of */
        *ret_next = next_review(conn, first_moved(conn), deadline);
        return true;
    }
    *ret_next = next_review(conn, now, deadline);
    return last == conn->review.delivered && now < deadline && !has_unread(conn);
}

/* What a look at both peers, through the kernel, has found. */
struct sight {
    usec_t moved; /* the last byte, when the look began */
    /* when they last took bytes on their way, as far as it was watched; 0: none are */
    usec_t taken;
    int dead;  /* the side whose peer is gone, or -1 */
    int error; /* and what it has failed of */
    bool slow; /* one takes, or sends, less than min_rate */
};

/* What decides how a side is looked at. */
struct facing {
    bool ended;   /* its end of data was read */
    bool given;   /* it was given the other side's */
    bool blocked; /* its reader waits in a write to the other side */
    bool failed;  /* as a sink: that is known, and linger_timeout counts */
    bool fed;     /* its writer has more for it, or has given it all */
};

static enum direction from_side(int side) {
    return side == SIDE_CLIENT ? DIR_UP : DIR_DOWN;
}

static enum direction to_side(int side) {
    return side == SIDE_CLIENT ? DIR_DOWN : DIR_UP;
}

static struct facing facing_of(const struct conn *conn, int side) REQUIRES(conn->registry->lock) {
    const struct flow *from = &conn->state->flow[from_side(side)];
    const struct flow *to = &conn->state->flow[to_side(side)];

    return (struct facing){.ended = from->ended,
                           .given = to->ended,
                           .blocked = atomic_load(&from->writing),
                           .failed = to->sink_error != 0,
                           .fed = to->ended || atomic_load(&to->writing)};
}

/* unread: nobody waits on a socket whose end was read, nor on one whose reader is blocked in a
 * write to the other side: what becomes of it, the kernel has to be asked. Returns what it has
 * failed of, or 0.
 *
 * Not every socket that is closed has failed: where both ends were passed on, there may still be
 * bytes in it to read; and so where a peer had ended in order and was sent more then, which it has
 * reset (TCP calls that EPIPE: tcp_reset() in the kernel). And an error that TCP is asked for here
 * is told to nobody else, so its reader must know that an end may be none (stolen_error in
 * conn_end.c). That of a unix socket is left to its reader, who could not tell it from an end
 * (unix_doubt). */
static int unread_error(struct conn *conn, int side, const struct facing *facing,
                        const struct pulse *pulse) {
    struct sink_watch *watch = &conn->review.watch[side];
    int fd = conn->fd[side];

    watch->said_all &= pulse->closed; /* an exchange may have another server now */
    if (facing->failed || (!facing->ended && !facing->blocked))
        return 0;
    if (facing->ended)
        return facing->given ? 0 : pulse_gone(fd);
    if (!pulse->tcp)
        return fd_has_error(fd) ? ECONNRESET : 0;
    if (!pulse->closed || watch->said_all)
        return 0;
    atomic_store(&conn->doubtful[side], true);
    int error = pulse_error(fd);
    watch->said_all = error == EPIPE;
    if (watch->said_all)
        return 0;
    return error == 0 && !facing->given ? ECONNRESET : error;
}

/* in_flight: the kernel's keep-alive asks nothing as long as bytes are on their way, and its
 * patience with those is a quarter of an hour. A peer that answers is alive, however little it
 * takes. */
static bool is_silent(struct sink_watch *watch, const struct pulse *pulse, usec_t keepalive,
                      usec_t now) {
    if (keepalive == 0 || !pulse->on_its_way || !pulse->unanswered) {
        watch->unanswered = 0;
        return false;
    }
    if (watch->unanswered < now - pulse->heard_of) /* it has answered what was asked before */
        watch->unanswered = now;
    return now - watch->unanswered >= keepalive && pulse->heard_of >= 2 * keepalive;
}

/* A sink whose source is slow has nothing waiting. What its peer has acknowledged counts; that of a
 * unix socket cannot be told. */
static bool is_slow(struct sink_watch *watch, const struct facing *facing,
                    const struct pulse *pulse, int64_t min_rate, usec_t now) {
    bool waits = pulse->unsent || (facing->fed && pulse->on_its_way);

    return rate_is_slow(&watch->rate, waits && pulse->tcp && !facing->failed, pulse->taken,
                        min_rate, now);
}

/* The body of a request is waited for, and its server takes all that comes. */
static bool sends_slowly(struct conn *conn, usec_t now) {
    const struct flow *up = &conn->state->flow[DIR_UP];
    bool waits = atomic_load(&conn->wait.reads_body) && !atomic_load(&up->writing);

    return rate_is_slow(&conn->review.body, waits, atomic_load(&up->bytes),
                        conn->state->options.min_rate, now);
}

static void look_at_side(struct conn *conn, int side, const struct facing *facing, usec_t now,
                         struct sight *sight) {
    struct sink_watch *watch = &conn->review.watch[side];

    if (conn->fd[side] < 0)
        return;
    struct pulse pulse = pulse_take(conn->fd[side]);
    int error = unread_error(conn, side, facing, &pulse);
    if (error == 0 &&
        is_silent(watch, &pulse, sockopt_keepalive(conn->state->options.keepalive), now))
        error = ETIMEDOUT;
    if (error != 0) {
        sight->dead = side;
        sight->error = error;
    }
    sight->slow |= is_slow(watch, facing, &pulse, conn->state->options.min_rate, now);
    if (!pulse.on_its_way) {
        watch->on = false;
        return;
    }
    if (!watch->on || pulse.taken != watch->taken) {
        watch->on = true;
        watch->taken = pulse.taken;
        watch->taken_at = now;
    }
    sight->taken = usec_later(sight->taken, watch->taken_at);
}

/* A write that blocks, or a send queue that empties slowly, moves without its pump's doing. */
static struct sight look_at_conn(struct conn *conn, usec_t now) {
    struct sight sight = {.moved = last_moved(conn), .dead = -1};
    struct facing facing[2];

    lock_acquire(&conn->registry->lock);
    for (int side = 0; side < 2; side++)
        facing[side] = facing_of(conn, side);
    lock_release(&conn->registry->lock);
    for (int side = 0; side < 2; side++)
        look_at_side(conn, side, &facing[side], now, &sight);
    sight.slow |= sends_slowly(conn, now);
    return sight;
}

static enum end linger_end(const struct conn *conn) REQUIRES(conn->registry->lock) {
    if (conn->state->flow[DIR_DOWN].sink_error != 0)
        return END_CLIENT_LEFT;
    if (conn->state->flow[DIR_UP].sink_error != 0)
        return END_SERVER_LEFT;
    return conn->state->record.end == END_CLIENT_ENDED ? END_CLIENT_LINGER : END_SERVER_LINGER;
}

/* Whether a conn whose time is up may end in order. See own_cut in conn_end.c. */
static bool may_expire(const struct conn *conn) REQUIRES(conn->registry->lock) {
    const struct flow *up = &conn->state->flow[DIR_UP], *down = &conn->state->flow[DIR_DOWN];

    if (conn->state->lingering || atomic_load(&up->writing) || atomic_load(&down->writing))
        return false;
    return conn->state->options.idle_end == IDLE_END_CLOSE;
}

/* By conn_tell, or by a drain, which is for mode http alone. */
static struct verdict silence_is_over(const struct conn *conn) REQUIRES(conn->registry->lock) {
    bool in_order = conn->state->options.http || conn->state->options.idle_end == IDLE_END_CLOSE;
    enum end told = in_order ? END_OPERATOR_ENDED : END_KILLED;

    return (struct verdict){.what = in_order ? CONN_EXPIRE : CONN_ABORT,
                            .end = conn->state->told_idle != 0 ? told : END_DRAIN_IDLE};
}

/* An exchange has its own words for that. END_NONE: not now. */
static enum end idle_end_of(const struct conn *conn) REQUIRES(conn->registry->lock) {
    enum end end = (enum end)atomic_load(&conn->wait.end);

    return conn->state->lingering || is_holding(conn) ? END_NONE : end;
}

/* A side of which bytes had to be dropped is told so at last, even if it was given its end, unless
 * that would cost it bytes that are on their way to it. */
static struct verdict time_is_up(const struct conn *conn, const struct sight *sight)
    REQUIRES(conn->registry->lock) {
    enum end idle = is_holding(conn) ? END_STALLED : END_IDLE, told = idle_end_of(conn);

    if (told != END_NONE)
        return (struct verdict){.what = CONN_EXPIRE, .end = told};
    return (struct verdict){.what = may_expire(conn) ? CONN_EXPIRE : CONN_ABORT,
                            .end = conn->state->lingering ? linger_end(conn) : idle,
                            .hard = sight->taken == 0 && (facing_of(conn, SIDE_CLIENT).failed ||
                                                          facing_of(conn, SIDE_SERVER).failed)};
}

/* Whether the other side is to be told now that this one is gone. One that was given its end may
 * have more to say that is read and dropped; not for ever. */
static bool is_to_be_told(const struct conn *conn, int dead, usec_t quiet_for)
    REQUIRES(conn->registry->lock) {
    const struct conn_options *options = &conn->state->options;
    struct facing other = facing_of(conn, 1 - dead);

    if (conn->fd[1 - dead] < 0 || conn->state->expired != 0)
        return false;
    return !other.given || quiet_for >= (options->keepalive == 0
                                             ? options->linger_timeout
                                             : usec_earlier(options->linger_timeout,
                                                            sockopt_keepalive(options->keepalive)));
}

static struct verdict judge_conn(struct conn *conn, usec_t now, const struct sight *sight)
    REQUIRES(conn->registry->lock) {
    usec_t last = usec_later(last_moved(conn), sight->taken), deadline = deadline_after(conn, last),
           drained = sight->taken == 0 ? drained_after(conn, last) : USEC_NEVER;

    conn->review.delivered = sight->taken == 0 ? sight->moved : 0;
    if (conn->state->aborted)
        return (struct verdict){.what = CONN_LIVE, .deadline = USEC_NEVER};
    if (sight->dead >= 0 && is_to_be_told(conn, sight->dead, now - last))
        return (struct verdict){.what = CONN_ABORT,
                                .end = sight->dead == SIDE_CLIENT ? END_CLIENT_RESET
                                                                  : END_SERVER_RESET,
                                .error = sight->error,
                                .hard = true};
    if (sight->slow)
        return (struct verdict){.what = CONN_ABORT, .end = END_TOO_SLOW, .hard = true};
    if (conn->state->expired != 0 && now >= conn->state->expired + EXPIRE_PATIENCE)
        return (struct verdict){.what = CONN_ABORT,
                                .end =
                                    conn->state->lingering ? conn->state->record.end : END_STALLED};
    if (conn->state->expired != 0)
        deadline = conn->state->expired + EXPIRE_PATIENCE;
    else if (now >= drained)
        return silence_is_over(conn);
    else if (now >= deadline)
        return time_is_up(conn, sight);
    return (struct verdict){.what = CONN_LIVE, .deadline = usec_earlier(deadline, drained)};
}

struct verdict conn_review(struct conn *conn, usec_t now) {
    struct sight sight = look_at_conn(conn, now);
    usec_t next = USEC_NEVER;

    lock_acquire(&conn->registry->lock);
    struct verdict verdict = judge_conn(conn, now, &sight);
    if (verdict.what == CONN_LIVE && !conn->state->aborted)
        next = next_review(conn, now, verdict.deadline);
    else if (verdict.what == CONN_EXPIRE)
        next = now + EXPIRE_PATIENCE;
    registry_review_at(conn->registry, &conn->node, next);
    lock_release(&conn->registry->lock);
    return verdict;
}
