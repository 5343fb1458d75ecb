#include "tls/renewed.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/grow.h"

void renewed_watch(struct renewed *renewed, const char *option, const char *path, int group) {
    CHECK(renewed->n_files < RENEWED_FILES);
    renewed->files[renewed->n_files++] =
        (struct renewed_file){.option = option, .path = path, .group = group};
}

static void note_marks(struct renewed *renewed) {
    for (size_t i = 0; i < renewed->n_files; i++)
        renewed->files[i].mark = file_mark_take(renewed->files[i].path);
}

UNCHECKED bool renewed_make(struct renewed *renewed, const struct renewed_ways *ways,
                            const void *owner, struct tls_problems *problems) {
    renewed->ways = ways;
    renewed->owner = owner;
    lock_init(&renewed->lock, RANK_LEAF);
    note_marks(renewed);
    renewed->ctx = ways->make(owner, NULL, problems);
    return renewed->ctx != NULL;
}

UNCHECKED void renewed_free(struct renewed *renewed) {
    if (renewed->ways == NULL)
        return;
    SSL_CTX_free(renewed->ctx);
    lock_destroy(&renewed->lock);
}

SSL_CTX *renewed_context(struct renewed *renewed) {
    lock_acquire(&renewed->lock);
    SSL_CTX *ctx = renewed->ctx;
    (void)SSL_CTX_up_ref(ctx);
    lock_release(&renewed->lock);
    return ctx;
}

void renewed_tell(const struct tls_certificate *one, tls_facts_fn *fn, void *arg) {
    char key[32];
    const struct tls_facts facts = {
        .file = one->file,
        .key_file = one->key_file,
        .names = (const char *const *)one->names,
        .n_names = one->n_names,
        .subject = one->subject,
        .issuer = one->issuer,
        .serial = one->serial,
        .key = tls_certificate_say_key(one, key, sizeof(key)),
        .not_before = one->not_before,
        .not_after = one->not_after,
        .fingerprint = one->fingerprint,
    };

    fn(arg, &facts);
}

void renewed_visit(struct renewed *renewed, tls_facts_fn *fn, void *arg) {
    SSL_CTX *ctx = renewed_context(renewed);
    const struct tls_certificates *certificates = renewed->ways->certificates(ctx);

    for (size_t i = 0; i < certificates->n; i++)
        renewed_tell(certificates->list[i], fn, arg);
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
            renewed_tell(these->list[i], on_fresh, arg);
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

static void swap_context(struct renewed *renewed, SSL_CTX *fresh) {
    lock_acquire(&renewed->lock);
    SSL_CTX *old = renewed->ctx;
    renewed->ctx = fresh;
    lock_release(&renewed->lock);
    SSL_CTX_free(old);
}

static bool is_all_current(const struct renewed *renewed,
                           const struct tls_certificates *certificates) {
    for (size_t i = 0; i < renewed->n_files; i++)
        if (!file_mark_is(&renewed->files[i].mark, renewed->files[i].path))
            return false;
    return renewed->ways->is_current(renewed->owner, certificates);
}

static bool is_file_new(const struct renewed *renewed, const struct renewed_file *before,
                        size_t i) {
    return memcmp(&before[i].mark, &renewed->files[i].mark, sizeof(before[i].mark)) != 0;
}

/* Takes fresh in the place of ctx, if there is anything else in it than before. */
static bool take_fresh(struct renewed *renewed, SSL_CTX *ctx, SSL_CTX *fresh,
                       const struct renewed_file *before, const struct tls_look_calls *calls) {
    const struct tls_certificates *old = renewed->ways->certificates(ctx),
                                  *new = renewed->ways->certificates(fresh);
    bool is_new = count_fresh(new, old, NULL, NULL) > 0 || count_fresh(old, new, NULL, NULL) > 0;

    for (size_t i = 0; i < renewed->n_files; i++)
        is_new |= is_file_new(renewed, before, i);
    if (!is_new) {
        SSL_CTX_free(fresh);
        return false;
    }
    swap_context(renewed, fresh);
    (void)count_fresh(new, old, calls->on_fresh, calls->arg);
    for (size_t i = 0; i < renewed->n_files; i++)
        if (is_file_new(renewed, before, i))
            calls->on_file(calls->arg, renewed->files[i].option, renewed->files[i].path);
    return true;
}

/* Of what is wrong, if it is as it was at the look before. */
static void tell_what_is_wrong(struct renewed *renewed, const struct findings *findings,
                               const struct tls_look_calls *calls) {
    if (findings->sum != 0 && findings->sum == renewed->wrong && findings->sum != renewed->told) {
        tell_findings(findings, TLS_WRONG, calls->on_problem, calls->arg);
        renewed->told = findings->sum;
    }
    renewed->wrong = findings->sum;
}

/* Whether something was wrong with files of this group. */
static bool is_group_wrong(const struct renewed *renewed, const struct findings *findings,
                           int group) {
    for (size_t i = 0; i < findings->n; i++)
        for (size_t j = 0; j < renewed->n_files; j++)
            if (findings->list[i].weight == TLS_WRONG && renewed->files[j].group == group &&
                strcmp(findings->list[i].option, renewed->files[j].option) == 0)
                return true;
    return false;
}

/* Files that were not taken count as they were before, so that the next look tries them again. */
static void restore_marks(struct renewed *renewed, const struct renewed_file *before,
                          const struct findings *findings, bool all) {
    for (size_t i = 0; i < renewed->n_files; i++)
        if (all || is_group_wrong(renewed, findings, renewed->files[i].group))
            renewed->files[i].mark = before[i].mark;
}

enum tls_look renewed_look(struct renewed *renewed, const struct tls_look_calls *calls) {
    SSL_CTX *ctx = renewed_context(renewed);
    const struct tls_certificates *certificates = renewed->ways->certificates(ctx);
    struct findings findings = {0};
    struct tls_problems problems = {.fn = keep_finding, .arg = &findings, .value = TLS_ONLY_VALUE};
    struct renewed_file before[RENEWED_FILES];
    bool taken = false;

    if (is_all_current(renewed, certificates)) {
        SSL_CTX_free(ctx);
        renewed->wrong = renewed->told = 0;
        return TLS_LOOK_SAME;
    }
    memcpy(before, renewed->files, sizeof(before));
    note_marks(renewed);
    SSL_CTX *fresh = renewed->ways->make(renewed->owner, ctx, &problems);
    restore_marks(renewed, before, &findings, fresh == NULL);
    if (fresh != NULL)
        taken = take_fresh(renewed, ctx, fresh, before, calls);
    SSL_CTX_free(ctx);
    if (taken)
        tell_findings(&findings, TLS_DOUBTFUL, calls->on_problem, calls->arg);
    tell_what_is_wrong(renewed, &findings, calls);
    free_findings(&findings);
    return taken ? TLS_LOOK_TAKEN : TLS_LOOK_WAITS;
}
