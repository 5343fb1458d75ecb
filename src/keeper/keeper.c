#include "keeper/keeper.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/fd.h"
#include "base/log.h"
#include "keeper/trust.h"

#define TIMEOUT_DEFAULT (60 * USEC_PER_SEC) /* until a relayd says otherwise */
#define TIMEOUT_MAX     (365 * 24 * 3600 * USEC_PER_SEC)
#define BEAT_DEFAULT    (3600 * USEC_PER_SEC)
#define ACCEPT_AGAIN    50 /* milliseconds */
/* with a relayd that does not take what is held for it */
#define SEND_PATIENCE (5 * USEC_PER_SEC)
#define MEET_PATIENCE                                                                              \
    (500 * USEC_PER_MSEC) /* with a client that came and is silent, before another's turn */

static bool is_slot_held(const struct keeper_slot *slot) {
    return slot->fd[0] >= 0;
}

/* With its sockets, and all pipes or none. */
static bool is_slot_whole(const struct keeper_slot *slot) {
    size_t n = 0;

    while (n < KEEPER_FDS && slot->fd[n] >= 0)
        n++;
    return n == KEEPER_FDS || n == KEEPER_CONNECTION_FDS;
}

/* The last close of a socket that has not ended is a reset: relayd sets SO_LINGER
 * (base/sockopt.h). */
static void empty_slot(struct keeper_slot *slot, size_t n) {
    for (size_t i = 0; i < n; i++)
        fd_close(&slot->fd[i]);
}

static void drop_all(struct keeper *keeper) {
    for (size_t i = 0; i < keeper->n_slots; i++)
        empty_slot(&keeper->slots[i], KEEPER_FDS);
}

static size_t count_held(const struct keeper *keeper, size_t first) {
    size_t n = 0;

    for (size_t i = first; i < keeper->n_slots; i++)
        n += is_slot_held(&keeper->slots[i]);
    return n;
}

/* Makes this many slots, as far as descriptors allow. */
static int grow_slots(struct keeper *keeper, size_t n_conns) {
    size_t n =
        KEEPER_CONNECTIONS + n_conns < keeper->most ? KEEPER_CONNECTIONS + n_conns : keeper->most;

    if (n <= keeper->n_slots)
        return 0;
    struct keeper_slot *slots = realloc(keeper->slots, n * sizeof(*slots));
    if (slots == NULL)
        return -ENOMEM;
    memset(slots + keeper->n_slots, 0xff,
           (n - keeper->n_slots) * sizeof(*slots)); /* -1 everywhere */
    keeper->slots = slots;
    keeper->n_slots = n;
    return 0;
}

int keeper_init(struct keeper *keeper, int socket, size_t most) {
    *keeper = (struct keeper){.socket = socket,
                              .client = -1,
                              .most = most,
                              .beat = BEAT_DEFAULT,
                              .timeout = TIMEOUT_DEFAULT};
    (void)sigprocmask(SIG_BLOCK, NULL, &keeper->mask);
    return grow_slots(keeper, 0);
}

static void lose_client(struct keeper *keeper) {
    fd_close(&keeper->client);
    if (keeper->attached && count_held(keeper, 0) > 0) {
        if (keeper->gone == 0)
            keeper->gone = clock_now();
        size_t n = count_held(keeper, KEEPER_CONNECTIONS);
        char what[64] = "listening sockets are";
        if (n > 0)
            snprintf(what, sizeof(what), "%zu connection%s", n, n == 1 ? " is" : "s are");
        log_msg(MSG_KEEPER_HOLDS, "relayd is gone. Its %s held for the next one, for %lld s.", what,
                (long long)(keeper->timeout / USEC_PER_SEC));
    }
    keeper->attached = false;
}

static void set_client_timeout(struct keeper *keeper, usec_t timeout) {
    keeper->timeout = timeout < 0 ? 0 : timeout < TIMEOUT_MAX ? timeout : TIMEOUT_MAX;
}

static int say_slot(const struct keeper *keeper, size_t index) {
    struct keeper_message message = keeper_message(KEEPER_HOLD);
    const struct keeper_slot *slot = &keeper->slots[index];

    message.head.index = (uint32_t)index;
    while (message.n_fd < KEEPER_FDS && slot->fd[message.n_fd] >= 0) {
        message.fd[message.n_fd] = slot->fd[message.n_fd];
        message.n_fd++;
    }
    return keeper_send(keeper->client, &message, 0);
}

/* The relayd may be gone: what it sent before is still to be read, and counts. */
static int answer_client(const struct keeper *keeper, const struct keeper_message *message) {
    int r = keeper_send(keeper->client, message, 0);

    return r == -EPIPE || r == -ECONNRESET ? 0 : r;
}

static int say_type(const struct keeper *keeper, enum keeper_type type) {
    struct keeper_message message = keeper_message(type);

    return answer_client(keeper, &message);
}

/* One that waits for its turn comes again and again: logged once. */
static int refuse_relayd(struct keeper *keeper, int client, enum keeper_refusal why) {
    struct keeper_message refused = keeper_message(KEEPER_REFUSED);
    bool told = (keeper->told & 1u << why) != 0;

    keeper->told |= 1u << why;
    refused.head.count = why;
    keeper_message_add(&refused, keeper->name, strlen(keeper->name));
    (void)keeper_send(client, &refused, MSG_DONTWAIT);
    if (told)
        return -ECONNREFUSED;
    if (why == KEEPER_OTHER_VERSION)
        log_msg(MSG_KEEPER_REFUSES,
                "A relayd came that speaks another version than its keeper, which speaks %d.",
                KEEPER_VERSION);
    else
        log_msg(
            MSG_KEEPER_REFUSES,
            why == KEEPER_BUSY
                ? "A second relayd came while one (%s) is attached; it has no keeper."
                : "A relayd came while connections of another one (%s) are held; it has no keeper.",
            keeper->name);
    return -ECONNREFUSED;
}

/* It begins anew, and what is held is from before. */
static void drop_what_is_old(struct keeper *keeper) {
    size_t n = count_held(keeper, KEEPER_CONNECTIONS);

    drop_all(keeper);
    if (n > 0)
        log_msg(MSG_KEEPER_GAVE_UP,
                "relayd (%s) begins anew: %zu connection%s of the previous one let go.",
                keeper->name, n, n == 1 ? " is" : "s are");
}

/* Answers with all that is held. Spare pipes go: the next relayd does not know of them. (A client
 * without a name is no relayd, but looks after what is held.) */
static int attach_client(struct keeper *keeper, const struct keeper_message *message) {
    struct keeper_message hello = keeper_message(KEEPER_HELLO);
    char name[KEEPER_NAME_MAX];

    keeper_message_name(message, 0, name);
    if (name[0] != '\0' && strcmp(name, keeper->name) != 0 && count_held(keeper, 0) > 0)
        return refuse_relayd(keeper, keeper->client, KEEPER_FOREIGN);
    if (name[0] != '\0')
        strcpy(keeper->name, name);
    if (message->head.count == 1)
        drop_what_is_old(keeper);
    (void)grow_slots(keeper, message->head.index); /* if not, there are as many as before */
    keeper->told = 0;
    hello.head.index = (uint32_t)keeper->n_slots;
    hello.head.count = (uint32_t)count_held(keeper, KEEPER_CONNECTIONS);
    hello.head.usec = keeper->gone;
    keeper->attached = true;
    set_client_timeout(keeper, message->head.usec);
    int r = keeper_send(keeper->client, &hello, 0);
    for (size_t i = 0; r == 0 && i < keeper->n_slots; i++)
        if (is_slot_held(&keeper->slots[i]))
            r = say_slot(keeper, i);
        else
            empty_slot(&keeper->slots[i], KEEPER_FDS);
    return r == 0 ? say_type(keeper, KEEPER_END) : r;
}

/* Releasing what it never got is harmless. */
static void release_slot(struct keeper *keeper, const struct keeper_message *message) {
    for (size_t i = 0; i < message->n_indexes; i++) {
        uint32_t which = message->indexes[i], index = which & ~KEEPER_KEEP_PIPES;

        if (index < keeper->n_slots)
            empty_slot(&keeper->slots[index],
                       (which & KEEPER_KEEP_PIPES) != 0 ? KEEPER_CONNECTION_FDS : KEEPER_FDS);
    }
}

/* A connection without kept pipes comes with all descriptors; without some it is worth nothing. */
static bool hold_slot(struct keeper *keeper, struct keeper_message *message) {
    uint32_t index = message->head.index;

    if (index >= keeper->n_slots)
        return false;
    struct keeper_slot *slot = &keeper->slots[index];
    empty_slot(slot, message->n_fd);
    for (size_t i = 0; i < message->n_fd; i++)
        slot->fd[i] = fd_take(&message->fd[i]);
    if (!message->cut && (index < KEEPER_CONNECTIONS || is_slot_whole(slot)))
        return true;
    empty_slot(slot, KEEPER_FDS);
    return false;
}

static int answer_lost(const struct keeper *keeper, const struct keeper_message *message) {
    struct keeper_message lost = keeper_message(KEEPER_LOST);

    lost.head.index = message->head.index;
    lost.head.count = message->head.count;
    return answer_client(keeper, &lost);
}

static void set_terms(struct keeper *keeper, const struct keeper_message *message) {
    char name[KEEPER_NAME_MAX];

    keeper_message_name(message, 0, name);
    if (name[0] != '\0')
        strcpy(keeper->name, name);
    set_client_timeout(keeper, message->head.usec);
}

/* unchanging. Nobody is attached. */
static int yield_all(struct keeper *keeper, const struct keeper_message *message) {
    struct keeper_message done = keeper_message(KEEPER_PONG);
    struct addr wanted = {.len = message->head.index};
    size_t before = count_held(keeper, 0);
    char name[KEEPER_NAME_MAX];

    if (wanted.len > sizeof(wanted.u) || wanted.len > message->n_bytes)
        return -EBADMSG;
    memcpy(&wanted.u, message->bytes, wanted.len);
    keeper_message_name(message, wanted.len, name);
    if (strcmp(name, keeper->name) == 0)
        drop_all(keeper);
    for (size_t i = KEEPER_LISTENERS; i < KEEPER_CONNECTIONS; i++)
        if (addr_overlaps_bound(&wanted, message->head.count != 1, keeper->slots[i].fd[0]))
            empty_slot(&keeper->slots[i], KEEPER_FDS);
    done.head.count = (uint32_t)(before - count_held(keeper, 0));
    if (done.head.count > 0)
        log_msg(MSG_KEEPER_GAVE_UP, "%s of %s made way for %s, which is there without a keeper.",
                strcmp(name, keeper->name) == 0 ? "All that was held" : "A listening socket",
                keeper->name, name);
    if (count_held(keeper, 0) == 0)
        keeper->gone = 0;
    return answer_client(keeper, &done);
}

/* 0, or -errno: no more is taken from this relayd. */
static int obey_message(struct keeper *keeper, struct keeper_message *message) {
    if (message->head.type == KEEPER_YIELD && !keeper->attached)
        return yield_all(keeper, message);
    if (message->head.version != KEEPER_VERSION)
        return refuse_relayd(keeper, keeper->client, KEEPER_OTHER_VERSION);
    if (!keeper->attached)
        return message->head.type == KEEPER_ATTACH ? attach_client(keeper, message) : -EBADMSG;
    /* It has come further than ATTACH. For one that dies before this, the time since the last one
     * goes on, so that clients do not wait for ever. */
    keeper->gone = 0;
    switch (message->head.type) {
    case KEEPER_HOLD:
        release_slot(keeper, message);
        return hold_slot(keeper, message) ? 0 : answer_lost(keeper, message);
    case KEEPER_RELEASE:
        release_slot(keeper, message);
        return 0;
    case KEEPER_TERMS:
        set_terms(keeper, message);
        return 0;
    case KEEPER_FORGET:
        drop_all(keeper);
        return 0;
    case KEEPER_PING:
        return say_type(keeper, KEEPER_PONG);
    default:
        return -EBADMSG;
    }
}

/* One message, or the end of them. */
static void serve_client(struct keeper *keeper) {
    struct keeper_message message;
    int r = keeper_receive(keeper->client, &message);

    if (r == -EINTR)
        return;
    if (r > 0) {
        r = obey_message(keeper, &message);
        keeper_message_drop(&message);
        if (r == 0)
            return;
    }
    if (r < 0 && r != -ECONNREFUSED)
        log_msg(MSG_KEEPER_REFUSES,
                "A relayd is cut off from its keeper (which speaks version %d): %s.",
                KEEPER_VERSION, strerrordesc_np(-r));
    lose_client(keeper);
}

/* Somebody may try again and again: that is logged once. */
static bool is_client_trusted(struct keeper *keeper, int client) {
    char why[TRUST_WHY_MAX];

    if (trust_peer(client, why))
        return true;
    if ((keeper->told & 1) == 0)
        log_msg(MSG_KEEPER_REFUSES, "A process may not use the keeper: %s.", why);
    keeper->told |= 1;
    return false;
}

static void accept_client(struct keeper *keeper) {
    struct timeval patience = clock_timeval(SEND_PATIENCE);
    int client = accept4(keeper->socket, NULL, NULL, SOCK_CLOEXEC);

    if (client < 0) { /* it is gone; or there is no descriptor, which will not change at once */
        (void)poll(NULL, 0, ACCEPT_AGAIN);
        return;
    }
    if (!is_client_trusted(keeper, client)) {
        fd_close(&client);
    } else if (keeper->attached) {
        (void)refuse_relayd(keeper, client, KEEPER_BUSY);
        fd_close(&client);
    } else {
        fd_close(&keeper->client); /* silent since it came */
        (void)setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        keeper->client = client;
        keeper->met = clock_now();
    }
}

static void give_up_waiting(struct keeper *keeper) {
    size_t n = count_held(keeper, KEEPER_CONNECTIONS);

    char what[64] = "listening sockets are closed";

    if (n > 0)
        snprintf(what, sizeof(what), "%zu connection%s reset", n, n == 1 ? " is" : "s are");
    log_msg(MSG_KEEPER_GAVE_UP, "No relayd came back within %lld s: its %s.",
            (long long)((clock_now() - keeper->gone) / USEC_PER_SEC), what);
    drop_all(keeper);
    keeper->gone = 0;
}

int keeper_step(struct keeper *keeper) {
    usec_t now = clock_now(), until = keeper->gone + keeper->timeout;
    bool waits = keeper->gone != 0 && !keeper->attached;
    bool listens = keeper->client < 0 || keeper->attached || now >= keeper->met + MEET_PATIENCE;
    struct pollfd wanted[2] = {{.fd = keeper->client, .events = POLLIN},
                               {.fd = listens ? keeper->socket : -1, .events = POLLIN}};
    usec_t next = now + keeper->beat;

    if (waits && until < next)
        next = until;
    if (!listens && keeper->met + MEET_PATIENCE < next)
        next = keeper->met + MEET_PATIENCE;
    struct timespec left = clock_timespec(next > now ? next - now : 0);

    if (ppoll(wanted, ARRAY_LEN(wanted), &left, &keeper->mask) < 0)
        return errno == EINTR ? 0 : -errno;
    /* What relayd has sent counts, even if it has gone and the next one waits. */
    if (wanted[0].revents != 0)
        serve_client(keeper);
    else if (wanted[1].revents != 0)
        accept_client(keeper);
    else if (waits && clock_now() >= until)
        give_up_waiting(keeper);
    return 0;
}

void keeper_free(struct keeper *keeper) {
    if (keeper->gone != 0)
        give_up_waiting(keeper);
    drop_all(keeper);
    fd_close(&keeper->client);
    fd_close(&keeper->socket);
    free(keeper->slots);
}
