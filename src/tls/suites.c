#include "tls/suites.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#define LIST_MAX 1024 /* bytes; all that is known is shorter */
#define ITEM_MAX 64

/* What the record layer has (wire/tls_keys.h); by libssl's name and by IANA's. */
static const struct suite {
    const char *name, *iana;
    bool is_1_3;
} suites[] = {
    {"TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256", true},
    {"TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384", true},
    {"TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256", true},
    {"ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", false},
    {"ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", false},
    {"ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", false},
    {"ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", false},
    {"ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", false},
    {"ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", false},
};

/* The next item of a list, cut to ITEM_MAX; false: there is none. */
static bool next_item(const char **list, char item[ITEM_MAX]) {
    size_t n = strcspn(*list, ":");

    if (**list == '\0')
        return false;
    item[0] = '\0';
    text_append(item, ITEM_MAX, "%.*s", (int)n, *list);
    *list += n + ((*list)[n] == ':');
    return true;
}

static const struct suite *find_suite(const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(suites); i++)
        if (strcasecmp(suites[i].name, name) == 0 || strcasecmp(suites[i].iana, name) == 0)
            return &suites[i];
    return NULL;
}

static void tell_suite(const char *name, struct tls_problems *problems) {
    char known[LIST_MAX] = "";

    for (size_t i = 0; i < ARRAY_LEN(suites); i++)
        text_append(known, sizeof(known), "%s%s", i > 0 ? ", " : "", suites[i].name);
    tls_tell(problems, TLS_WRONG,
             "\"%s\" is none of the suites that relayd has, all of AEAD with ECDHE: %s", name,
             known);
}

void suites_use(SSL_CTX *ctx, const char *list, struct tls_problems *problems) {
    char item[ITEM_MAX], old[LIST_MAX] = "", new[LIST_MAX] = "";
    bool good = true;

    while (next_item(&list, item)) {
        const struct suite *suite = find_suite(item);

        if (suite == NULL) {
            tell_suite(item, problems);
            good = false;
            continue;
        }
        char *to = suite->is_1_3 ? new : old;
        text_append(to, LIST_MAX, "%s%s", to[0] != '\0' ? ":" : "", suite->name);
    }
    if (good && ((old[0] != '\0' && SSL_CTX_set_cipher_list(ctx, old) != 1) ||
                 (new[0] != '\0' && SSL_CTX_set_ciphersuites(ctx, new) != 1)))
        tls_tell(problems, TLS_WRONG, "this libssl does not take it");
    ERR_clear_error();
    if (good && (old[0] != '\0' || new[0] != '\0'))
        SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
}

void groups_use(SSL_CTX *ctx, const char *list, struct tls_problems *problems) {
    char item[ITEM_MAX], known[LIST_MAX] = "";
    bool any = list[0] != '\0';

    while (next_item(&list, item)) {
        if (SSL_CTX_set1_groups_list(ctx, item) == 1)
            text_append(known, sizeof(known), "%s%s", known[0] != '\0' ? ":" : "", item);
        else
            tls_tell(problems, TLS_NOTED, "%s is unknown to this machine's libssl, and left out",
                     item);
        ERR_clear_error();
    }
    if (known[0] != '\0' && SSL_CTX_set1_groups_list(ctx, known) == 1)
        return;
    ERR_clear_error();
    if (any)
        tls_tell(
            problems, TLS_WRONG,
            "this machine's libssl knows none of these groups; it has X25519, P-256 and P-384");
}
