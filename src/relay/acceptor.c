#include "relay/acceptor.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/stats.h"
#include "relay/exhausted.h"
#include "relay/refuse.h"

#define PAUSE_MIN (10 * USEC_PER_MSEC) /* after an error of ours, doubled each time */
#define PAUSE_MAX USEC_PER_SEC

/* What becomes of a failed accept4(2). */
enum failure {
    FAILURE_PEER,      /* the client is gone, or its network: on to the next */
    FAILURE_RESOURCES, /* ours to wait for */
    FAILURE_OTHER,
};

static enum failure classify(int error) {
    switch (error) {
    case EMFILE:
        stats_add(STAT_accept_emfile, 1);
        return FAILURE_RESOURCES;
    case ENFILE:
        stats_add(STAT_accept_enfile, 1);
        return FAILURE_RESOURCES;
    case ENOBUFS:
        stats_add(STAT_accept_enobufs, 1);
        return FAILURE_RESOURCES;
    case ENOMEM:
        stats_add(STAT_accept_enomem, 1);
        return FAILURE_RESOURCES;
    /* accept(2), "Error handling": errors of the new connection's network, to be taken as a retry.
     */
    case ECONNABORTED:
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ETIMEDOUT:
        stats_add(STAT_accept_aborted, 1);
        return FAILURE_PEER;
    default:
        stats_add(STAT_accept_other, 1);
        return FAILURE_OTHER;
    }
}

static bool stopped(const struct acceptor *acceptor) {
    return atomic_load(&acceptor->relay->stop_accept);
}

/* A wait that acceptor_stop ends. */
static void pause_for(struct acceptor *acceptor, usec_t span) {
    usec_t until = clock_now() + span;

    lock_acquire(&acceptor->lock);
    while (!stopped(acceptor) && cond_wait_until(&acceptor->stop, &acceptor->lock, until))
        ;
    lock_release(&acceptor->lock);
}

static void after_failure(struct acceptor *acceptor, int error, usec_t *pause) {
    switch (classify(error)) {
    case FAILURE_PEER:
        return;
    case FAILURE_RESOURCES:
        exhausted_say("accept a connection", error);
        break;
    case FAILURE_OTHER:
        if (*pause == PAUSE_MIN)
            log_msg(MSG_ACCEPT_FAILED, "Listener %s cannot accept on %s: %s. It tries again.",
                    acceptor->listener->config->name, acceptor->socket->text,
                    strerrordesc_np(error));
        break;
    }
    pause_for(acceptor, *pause);
    *pause = *pause * 2 < PAUSE_MAX ? *pause * 2 : PAUSE_MAX;
}

static void describe(struct job *job, struct acceptor *acceptor) {
    const struct listener_config *config = acceptor->listener->config;
    struct record *record = &job->record;

    record->number = atomic_fetch_add(&acceptor->relay->accepted, 1) + 1;
    record->accepted = clock_now();
    snprintf(record->listener, sizeof(record->listener), "%s", config->name);
    snprintf(record->upstream, sizeof(record->upstream), "%s",
             acceptor->listener->upstream->config->name);
}

/* Finds the accepted connection a place in the gate and in the queue, or ends it. */
static void admit(struct acceptor *acceptor, struct job *job) {
    struct relay *relay = acceptor->relay;
    bool wait = relay->config->global.when_full == WHEN_FULL_WAIT;

    while (!gate_try_enter(&relay->gate)) {
        /* With several acceptors, another one may have taken the place that this one had waited
         * for. */
        if (wait && gate_wait_room(&relay->gate))
            continue;
        refuse(relay, job, stopped(acceptor) ? END_STOPPED : END_MAX_CONNECTIONS, 0, false);
        return;
    }
    if (wait)
        queue_push(&relay->queue, job);
    else if (!queue_try_push(&relay->queue, job))
        refuse(relay, job, END_QUEUE_FULL, 0, true);
}

static void acceptor_thread(void *arg) {
    struct acceptor *acceptor = arg;
    struct relay *relay = acceptor->relay;
    bool wait = relay->config->global.when_full == WHEN_FULL_WAIT;
    usec_t pause = PAUSE_MIN;

    thread_lighten();
    while (!stopped(acceptor)) {
        struct job job = {.listener = acceptor->listener};
        struct addr *client = &job.record.client;

        /* While there is no room, clients wait in the kernel's backlog. */
        if (wait && (!gate_wait_room(&relay->gate) || !queue_wait_room(&relay->queue)))
            break;
        client->len = sizeof(client->u);
        job.client = accept4(acceptor->socket->fd, &client->u.sa, &client->len, SOCK_CLOEXEC);
        if (job.client < 0) {
            if (errno != EINTR)
                after_failure(acceptor, errno, &pause);
            continue;
        }
        pause = PAUSE_MIN;
        stats_add(STAT_accepted, 1);
        describe(&job, acceptor);
        admit(acceptor, &job);
    }
}

int acceptor_start(struct acceptor *acceptor, struct relay *relay, struct listener *listener,
                   struct listen_socket *socket) {
    char name[32];

    *acceptor = (struct acceptor){.relay = relay, .listener = listener, .socket = socket};
    lock_init(&acceptor->lock, RANK_LEAF);
    cond_init(&acceptor->stop);
    snprintf(name, sizeof(name), "acc:%.24s", listener->config->name);
    return thread_start(&acceptor->thread, name, NULL, acceptor_thread, acceptor);
}

void acceptor_stop(struct acceptor *acceptor) {
    if (acceptor->relay == NULL)
        return;
    lock_acquire(&acceptor->lock);
    cond_signal(&acceptor->stop);
    lock_release(&acceptor->lock);
    thread_interrupt_join(&acceptor->thread);
    cond_destroy(&acceptor->stop);
    lock_destroy(&acceptor->lock);
    acceptor->relay = NULL;
}
