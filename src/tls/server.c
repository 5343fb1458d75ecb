#include "tls/server.h"

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/grow.h"
#include "base/sync.h"
#include "tls/mark.h"
#include "tls/server_context.h"
#include "tls/server_settings.h"

struct tls_server {
    atomic_uint references;
    struct tls_server_settings settings; /* ours */
    struct lock lock;
    SSL_CTX *ctx GUARDED;
    /* of whoever looks: */
    struct file_mark ca, crl, ticket_keys;
    uint32_t wrong, told; /* a sum over what was wrong at the last look, and over what was told */
};

static void note_marks(struct tls_server *server) {
    server->ca = file_mark_take(server->settings.ca);
    server->crl = file_mark_take(server->settings.crl);
    server->ticket_keys = file_mark_take(server->settings.ticket_keys);
}

UNCHECKED static void free_server(struct tls_server *server) {
    SSL_CTX_free(server->ctx);
    server_settings_free(&server->settings);
    lock_destroy(&server->lock);
    free(server);
}

UNCHECKED /* nobody else has it yet */
    struct tls_server *
    tls_server_new(const struct tls_server_settings *settings, tls_problem_fn *on_problem,
                   void *arg) {
    struct tls_problems problems = {.fn = on_problem, .arg = arg, .value = TLS_ONLY_VALUE};
    struct tls_server *server = calloc(1, sizeof(*server));

    if (server == NULL) {
        tls_tell_no_memory(&problems);
        return NULL;
    }
    atomic_init(&server->references, 1);
    lock_init(&server->lock, RANK_LEAF);
    if (server_settings_copy(settings, &server->settings)) {
        note_marks(server);
        server->ctx = server_context_new(settings, NULL, &problems);
    } else {
        tls_tell_no_memory(&problems);
    }
    if (server->ctx != NULL)
        return server;
    free_server(server);
    return NULL;
}

struct tls_server *tls_server_ref(struct tls_server *server) {
    if (server != NULL)
        atomic_fetch_add_explicit(&server->references, 1, memory_order_relaxed);
    return server;
}

void tls_server_unref(struct tls_server *server) {
    if (server != NULL &&
        atomic_fetch_sub_explicit(&server->references, 1, memory_order_acq_rel) == 1)
        free_server(server);
}

SSL_CTX *tls_server_context(struct tls_server *server) {
    lock_acquire(&server->lock);
    SSL_CTX *ctx = server->ctx;
    (void)SSL_CTX_up_ref(ctx);
    lock_release(&server->lock);
    return ctx;
}

static void give_facts(const struct tls_certificate *one, tls_facts_fn *fn, void *arg) {
    char key[32];
    const struct tls_facts facts = {
        .file = one->file,
        .key_file = one->key_file,
        .names = (const char *const *)one->names,
        .n_names = one->n_names,
        .issuer = one->issuer,
        .serial = one->serial,
        .key = tls_certificate_say_key(one, key, sizeof(key)),
        .not_before = one->not_before,
        .not_after = one->not_after,
        .fingerprint = one->fingerprint,
    };

    fn(arg, &facts);
}

void tls_server_visit(struct tls_server *server, tls_facts_fn *fn, void *arg) {
    SSL_CTX *ctx = tls_server_context(server);
    const struct tls_certificates *certificates = server_context_certificates(ctx);

    for (size_t i = 0; i < certificates->n; i++)
        give_facts(certificates->list[i], fn, arg);
    SSL_CTX_free(ctx);
}

static bool is_certificate_of(const struct tls_certificates *certificates,
                              const struct tls_certificate *one, size_t i) {
    if (i < certificates->n && certificates->list[i] == one)
        return true;
    for (i = 0; i < certificates->n; i++)
        if (certificates->list[i] == one)
            return true;
    return false;
}

/* How many of these are not those. on_fresh: NULL, or called for each. */
static size_t count_fresh(const struct tls_certificates *these,
                          const struct tls_certificates *those, tls_facts_fn *on_fresh, void *arg) {
    size_t n = 0;

    for (size_t i = 0; i < these->n; i++) {
        if (is_certificate_of(those, these->list[i], i))
            continue;
        n++;
        if (on_fresh != NULL)
            give_facts(these->list[i], on_fresh, arg);
    }
    return n;
}

struct finding {
    enum tls_weight weight;
    const char *option;
    size_t value;
    char *what;
};

/* What a look finds, kept until it is clear what of it is told. */
struct findings {
    struct finding *list;
    size_t n, room;
    uint32_t sum; /* over what is wrong; 0: nothing */
};

static void keep_finding(void *arg, enum tls_weight weight, const char *option, size_t value,
                         const char *what) {
    struct findings *findings = arg;
    struct finding *bigger =
        grow_list(findings->list, findings->n, &findings->room, sizeof(*bigger));
    char *copy = strdup(what);

    if (weight == TLS_WRONG)
        findings->sum = crc32c(findings->sum, what, strlen(what)) | 1;
    if (bigger != NULL)
        findings->list = bigger;
    if (bigger != NULL && copy != NULL)
        bigger[findings->n++] = (struct finding){weight, option, value, copy};
    else
        free(copy);
}

/* Tells those of this weight. */
static void tell_findings(const struct findings *findings, enum tls_weight weight,
                          tls_problem_fn *fn, void *arg) {
    for (size_t i = 0; i < findings->n; i++) {
        const struct finding *one = &findings->list[i];

        if (one->weight == weight)
            fn(arg, weight, one->option, one->value, one->what);
    }
}

static void free_findings(struct findings *findings) {
    for (size_t i = 0; i < findings->n; i++)
        free(findings->list[i].what);
    free(findings->list);
}

static void swap_context(struct tls_server *server, SSL_CTX *fresh) {
    lock_acquire(&server->lock);
    SSL_CTX *old = server->ctx;
    server->ctx = fresh;
    lock_release(&server->lock);
    SSL_CTX_free(old);
}

static bool is_all_current(const struct tls_server *server,
                           const struct tls_certificates *certificates) {
    const struct tls_server_settings *settings = &server->settings;

    return file_mark_is(&server->ca, settings->ca) && file_mark_is(&server->crl, settings->crl) &&
           file_mark_is(&server->ticket_keys, settings->ticket_keys) &&
           certificates_are_current(certificates, settings->certificates, settings->n_certificates);
}

/* Whether there is anything else in fresh than in ctx. */
static bool take_fresh(struct tls_server *server, SSL_CTX *ctx, SSL_CTX *fresh, bool is_else_new,
                       tls_facts_fn *on_fresh, void *arg) {
    const struct tls_certificates *old = server_context_certificates(ctx),
                                  *new = server_context_certificates(fresh);

    if (count_fresh(new, old, NULL, NULL) == 0 && count_fresh(old, new, NULL, NULL) == 0 &&
        !is_else_new)
        return false;
    swap_context(server, fresh);
    (void)count_fresh(new, old, on_fresh, arg);
    return true;
}

enum tls_look tls_server_look(struct tls_server *server, tls_facts_fn *on_fresh,
                              tls_problem_fn *on_problem, void *arg) {
    SSL_CTX *ctx = tls_server_context(server);
    const struct tls_certificates *certificates = server_context_certificates(ctx);
    struct findings findings = {0};
    struct tls_problems problems = {.fn = keep_finding, .arg = &findings, .value = TLS_ONLY_VALUE};
    const struct file_mark ca = server->ca, crl = server->crl, ticket_keys = server->ticket_keys;
    bool taken = false;

    if (is_all_current(server, certificates)) {
        SSL_CTX_free(ctx);
        server->wrong = server->told = 0;
        return TLS_LOOK_SAME;
    }
    note_marks(server);
    SSL_CTX *fresh = server_context_new(&server->settings, certificates, &problems);
    if (fresh == NULL) { /* the next look tries them again */
        server->ca = ca;
        server->crl = crl;
        server->ticket_keys = ticket_keys;
    } else {
        bool is_else_new = memcmp(&ca, &server->ca, sizeof(ca)) != 0 ||
                           memcmp(&crl, &server->crl, sizeof(crl)) != 0 ||
                           memcmp(&ticket_keys, &server->ticket_keys, sizeof(ticket_keys)) != 0;
        taken = take_fresh(server, ctx, fresh, is_else_new, on_fresh, arg);
        if (!taken)
            SSL_CTX_free(fresh);
    }
    SSL_CTX_free(ctx);
    if (taken)
        tell_findings(&findings, TLS_DOUBTFUL, on_problem, arg);
    if (findings.sum != 0 && findings.sum == server->wrong && findings.sum != server->told) {
        tell_findings(&findings, TLS_WRONG, on_problem, arg);
        server->told = findings.sum;
    }
    server->wrong = findings.sum;
    free_findings(&findings);
    return taken ? TLS_LOOK_TAKEN : TLS_LOOK_WAITS;
}
