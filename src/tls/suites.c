#include "tls/suites.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "wire/tls_suite.h"

#define LIST_MAX 1024 /* bytes; all that is known is shorter */
#define ITEM_MAX 64

/* Lists for libssl, which has one for TLS 1.3 and one for all before it. */
struct lists {
    char old[LIST_MAX], new[LIST_MAX];
};

static void add_suite(struct lists *lists, const struct tls_suite *suite) {
    char *to = suite->version == TLS_1_3 ? lists->new : lists->old;

    text_append(to, LIST_MAX, "%s%s", to[0] != '\0' ? ":" : "", suite->openssl);
}

/* False: libssl does not take them. */
static bool set_suites(SSL_CTX *ctx, const struct lists *lists) {
    return (lists->old[0] == '\0' || SSL_CTX_set_cipher_list(ctx, lists->old) == 1) &&
           (lists->new[0] == '\0' || SSL_CTX_set_ciphersuites(ctx, lists->new) == 1);
}

void suites_use_all(SSL_CTX *ctx) {
    struct lists all = {0};
    const struct tls_suite *suite;

    for (size_t i = 0; (suite = tls_suite_at(i)) != NULL; i++)
        add_suite(&all, suite);
    CHECK(set_suites(ctx, &all));
}

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

static const struct tls_suite *find_suite(const char *name) {
    const struct tls_suite *suite;

    for (size_t i = 0; (suite = tls_suite_at(i)) != NULL; i++)
        if (strcasecmp(suite->openssl, name) == 0 || strcasecmp(suite->name, name) == 0)
            break;
    return suite;
}

static void tell_suite(const char *name, struct tls_problems *problems) {
    const struct tls_suite *suite;
    char known[LIST_MAX] = "";

    for (size_t i = 0; (suite = tls_suite_at(i)) != NULL; i++)
        text_append(known, sizeof(known), "%s%s", i > 0 ? ", " : "", suite->openssl);
    tls_tell(problems, TLS_WRONG,
             "\"%s\" is none of the suites that relayd has, all of AEAD with ECDHE: %s", name,
             known);
}

void suites_use(SSL_CTX *ctx, const char *list, struct tls_problems *problems) {
    bool good = true, any = list[0] != '\0';
    struct lists wanted = {0};
    char item[ITEM_MAX];

    while (next_item(&list, item)) {
        const struct tls_suite *suite = find_suite(item);

        if (suite != NULL)
            add_suite(&wanted, suite);
        else
            tell_suite(item, problems);
        good &= suite != NULL;
    }
    if (good && !set_suites(ctx, &wanted))
        tls_tell(problems, TLS_WRONG, "this libssl does not take it");
    ERR_clear_error();
    if (good && any)
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
