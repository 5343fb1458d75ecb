#include "tls/certificates.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "tls/certificate_facts.h"
#include "tls/certificate_paths.h"

void certificates_free(struct tls_certificates *certificates) {
    for (size_t i = 0; i < certificates->n; i++)
        tls_certificate_unref(certificates->list[i]);
    free(certificates->list);
    free(certificates->choices);
    *certificates = (struct tls_certificates){0};
}

/* Of this file. NULL: none. */
static struct tls_certificate *find_former(const struct tls_certificates *former,
                                           const char *file) {
    for (size_t i = 0; former != NULL && i < former->n; i++)
        if (strcmp(former->list[i]->file, file) == 0)
            return former->list[i];
    return NULL;
}

/* That of the former in its place, if nothing else can be had. NULL: told. */
static struct tls_certificate *get_certificate(struct tls_certificate *former, const char *file,
                                               const char *key_file,
                                               struct tls_problems *problems) {
    if (former != NULL && tls_certificate_is_current(former))
        return tls_certificate_ref(former);
    bool failed_before = problems->failed;
    struct tls_certificate *fresh = tls_certificate_read(file, key_file, problems);
    if (fresh != NULL || former == NULL)
        return fresh;
    problems->failed = failed_before;
    return tls_certificate_ref(former);
}

static bool add_certificate(struct tls_certificates *to, struct tls_certificate *former,
                            const char *file, const char *key_file, struct tls_problems *problems) {
    struct tls_certificate **bigger = grow_list(to->list, to->n, &to->room, sizeof(*to->list));

    if (bigger == NULL) {
        tls_tell_no_memory(problems);
        return false;
    }
    to->list = bigger;
    bigger[to->n] = get_certificate(former, file, key_file, problems);
    if (bigger[to->n] == NULL)
        return false;
    to->n++;
    return true;
}

bool certificates_read_one(struct tls_certificates *ret, const char *file, const char *key,
                           const struct tls_certificates *former, X509_STORE *known,
                           struct tls_problems *problems) {
    struct tls_certificate *before = find_former(former, file);

    if (!add_certificate(ret, before, file, key[0] != '\0' ? key : NULL, problems))
        return false;
    if (ret->list[ret->n - 1] != before)
        certificate_check_complete(ret->list[ret->n - 1], known, problems);
    return true;
}

static void check_names(const struct tls_certificate *certificate, struct tls_problems *problems) {
    if (certificate->n_names == 0)
        tls_tell(
            problems, TLS_DOUBTFUL,
            "%s: the certificate names no host (subjectAltName), so no client accepts it for any "
            "name; issue one with DNS names",
            certificate->file);
}

/* Of two for the same name the one that lasts longer: a renewed one may lie beside the old. */
static void offer(struct tls_choice *choice, const struct tls_certificate *certificate) {
    const struct tls_certificate **at = &choice->by_type[certificate->type];

    if (*at == NULL || certificate->not_after > (*at)->not_after)
        *at = certificate;
}

static int compare_choices(const void *a, const void *b) {
    const struct tls_choice *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static int match_choice(const void *name, const void *element) {
    const struct tls_choice *choice = element;

    return strcmp(name, choice->name);
}

/* A choice for each name; those of one name become one. */
static bool index_names(struct tls_certificates *certificates) {
    struct tls_choice *all;
    size_t n = 0, unique = 0;

    for (size_t i = 0; i < certificates->n; i++)
        n += certificates->list[i]->n_names;
    all = calloc(n + 1, sizeof(*all));
    if (all == NULL)
        return false;
    n = 0;
    for (size_t i = 0; i < certificates->n; i++) {
        const struct tls_certificate *one = certificates->list[i];

        for (size_t j = 0; j < one->n_names; j++) {
            all[n].name = one->names[j];
            offer(&all[n++], one);
        }
    }
    qsort(all, n, sizeof(*all), compare_choices);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(all[unique - 1].name, all[i].name) != 0) {
            all[unique++] = all[i];
            continue;
        }
        for (size_t type = 0; type < TLS_KEY_TYPES; type++)
            if (all[i].by_type[type] != NULL)
                offer(&all[unique - 1], all[i].by_type[type]);
    }
    certificates->choices = all;
    certificates->n_choices = unique;
    return true;
}

static const struct tls_choice *find_choice(const struct tls_certificates *certificates,
                                            const char *name) {
    return bsearch(name, certificates->choices, certificates->n_choices, sizeof(struct tls_choice),
                   match_choice);
}

/* The first certificate, with those of other types that serve its first name. */
static void choose_fallback(struct tls_certificates *certificates) {
    const struct tls_certificate *first = certificates->list[0];
    const struct tls_choice *beside =
        first->n_names > 0 ? find_choice(certificates, first->names[0]) : NULL;

    if (beside != NULL)
        certificates->fallback = *beside;
    certificates->fallback.by_type[first->type] = first;
    certificates->fallback.name = "";
}

bool certificates_read(struct tls_certificates *ret, const char *const *paths, size_t n,
                       const char *key, const struct tls_certificates *former, X509_STORE *known,
                       struct tls_problems *problems) {
    struct certificate_paths files = {0};
    bool good = certificate_paths_find(&files, paths, n, problems);

    for (size_t i = 0; i < files.n; i++) {
        const char *file = files.list[i].path;

        problems->value = files.list[i].value;
        const struct tls_certificate *before = find_former(former, file);
        bool failed_before = problems->failed;
        if (certificates_read_one(ret, file, key, former, known, problems)) {
            if (ret->list[ret->n - 1] != before)
                check_names(ret->list[ret->n - 1], problems);
        } else if (former != NULL && before == NULL) { /* it waits; others go on */
            problems->failed = failed_before;
        } else {
            good = false;
        }
    }
    problems->value = TLS_ONLY_VALUE;
    certificate_paths_free(&files);
    if (good && ret->n > 0 && !index_names(ret)) {
        tls_tell_no_memory(problems);
        good = false;
    }
    if (good && ret->n > 0)
        choose_fallback(ret);
    return good && ret->n > 0;
}

static void ignore_tls_problem(void *arg, enum tls_weight weight, const char *option, size_t value,
                               const char *what) {
    (void)arg, (void)weight, (void)option, (void)value, (void)what;
}

bool certificates_are_current(const struct tls_certificates *certificates, const char *const *paths,
                              size_t n) {
    struct tls_problems problems = {.fn = ignore_tls_problem};
    struct certificate_paths files = {0};
    bool same = certificate_paths_find(&files, paths, n, &problems) && files.n == certificates->n;

    for (size_t i = 0; same && i < files.n; i++)
        same = strcmp(files.list[i].path, certificates->list[i]->file) == 0 &&
               tls_certificate_is_current(certificates->list[i]);
    certificate_paths_free(&files);
    return same;
}

static bool bind_choice(struct tls_choice *choice, const EVP_MD_CTX *digest, EVP_MD_CTX *own) {
    bool good = EVP_MD_CTX_copy_ex(own, digest) == 1;

    for (size_t i = 0; good && i < TLS_KEY_TYPES; i++)
        if (choice->by_type[i] != NULL)
            good =
                EVP_DigestUpdate(own, choice->by_type[i]->fingerprint, TLS_FINGERPRINT_SIZE) == 1;
    return good && EVP_DigestFinal_ex(own, choice->session, NULL) == 1;
}

bool certificates_bind(struct tls_certificates *certificates, const EVP_MD_CTX *digest) {
    EVP_MD_CTX *own = EVP_MD_CTX_new();
    bool good = own != NULL && bind_choice(&certificates->fallback, digest, own);

    for (size_t i = 0; good && i < certificates->n_choices; i++)
        good = bind_choice(&certificates->choices[i], digest, own);
    EVP_MD_CTX_free(own);
    return good;
}

const struct tls_choice *certificates_find(const struct tls_certificates *certificates,
                                           const char *name) {
    const struct tls_choice *found = name != NULL ? find_choice(certificates, name) : NULL;
    const char *dot = name != NULL ? strchr(name, '.') : NULL;
    char wildcard[256]; /* a name has at most 253 bytes (RFC 1035, 2.3.4) */

    if (found == NULL && dot != NULL && dot != name && strlen(dot) + 2 <= sizeof(wildcard)) {
        wildcard[0] = '*';
        memcpy(wildcard + 1, dot, strlen(dot) + 1);
        found = find_choice(certificates, wildcard);
    }
    return found != NULL ? found : &certificates->fallback;
}

bool certificates_cover(const struct tls_certificates *certificates, const char *name) {
    if (name[0] != '*')
        return certificates_find(certificates, name) != &certificates->fallback;
    for (size_t i = 0; i < certificates->n_choices; i++) {
        const char *rest = strchr(certificates->choices[i].name, '.');

        if (rest != NULL && strcmp(rest, name + 1) == 0)
            return true;
    }
    return false;
}

/* A wildcard stands for one label. */
static bool is_name_for(const char *name, const char *host) {
    const char *dot = strchr(host, '.');

    return strcmp(name, host) == 0 ||
           (name[0] == '*' && dot != NULL && dot != host && strcmp(name + 1, dot) == 0);
}

bool certificates_share(const struct tls_certificates *certificates, const char *asked,
                        const char *host) {
    const struct tls_choice *choice =
        certificates_find(certificates, asked[0] != '\0' ? asked : NULL);
    size_t names = 0;

    for (size_t i = 0; i < TLS_KEY_TYPES; i++) {
        const struct tls_certificate *one = choice->by_type[i];

        for (size_t j = 0; one != NULL && j < one->n_names; j++, names++)
            if (is_name_for(one->names[j], host))
                return true;
    }
    return names == 0;
}
