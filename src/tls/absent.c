/* Instead of the rest of this room, in a build without it. */
#include <errno.h>

#include "tls/client.h"
#include "tls/server.h"
#include "tls/session.h"
#include "tls/talk.h"
#include "tls/tickets.h"

struct tls_server *tls_server_new(const struct tls_server_settings *settings,
                                  tls_problem_fn *on_problem, void *arg) {
    (void)settings;
    on_problem(arg, TLS_WRONG, NULL, TLS_ONLY_VALUE,
               "this relayd was built without TLS (meson -Dtls)");
    return NULL;
}

struct tls_server *tls_server_ref(struct tls_server *server) {
    return server;
}

void tls_server_unref(struct tls_server *server) {
    (void)server;
}

bool tls_server_lacks_name(const SSL *ssl) {
    (void)ssl;
    return false;
}

void tls_server_visit(struct tls_server *server, tls_facts_fn *fn, void *arg) {
    (void)server, (void)fn, (void)arg;
}

bool tls_server_visit_name(struct tls_server *server, const char *name, tls_facts_fn *fn,
                           void *arg) {
    (void)server, (void)name, (void)fn, (void)arg;
    return true;
}

bool tls_server_covers(struct tls_server *server, const char *name) {
    (void)server, (void)name;
    return true;
}

bool tls_server_shares(struct tls_server *server, const char *asked, const char *host) {
    (void)server, (void)asked, (void)host;
    return true;
}

const char *tls_server_say_names(struct tls_server *server, char *buf, size_t size) {
    (void)server;
    if (size > 0)
        buf[0] = '\0';
    return buf;
}

enum tls_look tls_server_look(struct tls_server *server, const struct tls_look_calls *calls) {
    (void)server, (void)calls;
    return TLS_LOOK_SAME;
}

SSL_CTX *tls_server_context(struct tls_server *server) {
    (void)server;
    return NULL;
}

struct tls_client *tls_client_new(const struct tls_client_settings *settings,
                                  tls_problem_fn *on_problem, void *arg) {
    (void)settings;
    on_problem(arg, TLS_WRONG, NULL, TLS_ONLY_VALUE,
               "this relayd was built without TLS (meson -Dtls)");
    return NULL;
}

struct tls_client *tls_client_ref(struct tls_client *client) {
    return client;
}

void tls_client_unref(struct tls_client *client) {
    (void)client;
}

SSL *tls_client_open(struct tls_client *client, const char *host) {
    (void)client, (void)host;
    return NULL;
}

void tls_client_visit(struct tls_client *client, tls_facts_fn *fn, void *arg) {
    (void)client, (void)fn, (void)arg;
}

enum tls_look tls_client_look(struct tls_client *client, const struct tls_look_calls *calls) {
    (void)client, (void)calls;
    return TLS_LOOK_SAME;
}

bool tls_client_why(const SSL *ssl, char *buf, size_t size) {
    (void)ssl, (void)buf, (void)size;
    return false;
}

/* There are no sessions. */

struct tls_session *tls_session_new(bool is_client, const struct tls_keys *in,
                                    const struct tls_keys *out) {
    (void)is_client, (void)in, (void)out;
    return NULL;
}

void tls_session_free(struct tls_session *session) {
    CHECK(session == NULL);
}

bool tls_session_begin_writing(struct tls_session *session) {
    (void)session;
    return false;
}

void tls_session_end_writing(struct tls_session *session) {
    CHECK(session == NULL);
}

ssize_t tls_session_seal_end(struct tls_session *session, uint8_t *record) {
    (void)session, (void)record;
    return -ENOTSUP;
}

uint8_t *tls_session_seal_all(struct tls_session *session, const struct iovec *parts, size_t n,
                              size_t *ret_size) {
    (void)session;
    (void)parts;
    (void)n;
    (void)ret_size;
    return NULL;
}

struct tls_talk *tls_talk_new(struct tls_client *client, const char *host, bool http1, int fd) {
    (void)client, (void)host, (void)http1, (void)fd;
    return NULL;
}

void tls_talk_free(struct tls_talk *talk) {
    CHECK(talk == NULL);
}

int tls_talk_shake(struct tls_talk *talk, char *ret_why, size_t size) {
    (void)talk, (void)ret_why, (void)size;
    return -ENOTSUP;
}

ssize_t tls_talk_send(struct tls_talk *talk, const void *bytes, size_t n) {
    (void)talk, (void)bytes, (void)n;
    return -ENOTSUP;
}

ssize_t tls_talk_recv(struct tls_talk *talk, void *buf, size_t size) {
    (void)talk, (void)buf, (void)size;
    return -ENOTSUP;
}

bool tls_talk_is_answered(const struct tls_talk *talk) {
    (void)talk;
    return false;
}

const char *tls_talk_why(struct tls_talk *talk) {
    (void)talk;
    return "";
}

bool tls_talk_wants_to_write(const struct tls_talk *talk) {
    (void)talk;
    return false;
}

void tls_talk_end(struct tls_talk *talk) {
    (void)talk;
}

void tickets_begin(struct ticket_keys *memory) {
    (void)memory;
}

void tickets_end(void) {
}

void tickets_tidy(int64_t now) {
    (void)now;
}
