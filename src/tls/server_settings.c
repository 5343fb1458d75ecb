#include "tls/server_settings.h"

#include <stdlib.h>
#include <string.h>

static char **copy_list(const char *const *list, size_t n) {
    char **copy = calloc(n + 1, sizeof(*copy));

    for (size_t i = 0; copy != NULL && i < n; i++) {
        copy[i] = strdup(list[i]);
        if (copy[i] != NULL)
            continue;
        while (i > 0)
            free(copy[--i]);
        free(copy);
        return NULL;
    }
    return copy;
}

bool server_settings_copy(const struct tls_server_settings *from, struct tls_server_settings *ret) {
    *ret = *from;
    ret->certificates = (const char *const *)copy_list(from->certificates, from->n_certificates);
    ret->alpn = (const char *const *)copy_list(from->alpn, from->n_alpn);
    ret->listener = strdup(from->listener);
    ret->key = strdup(from->key);
    ret->ciphers = strdup(from->ciphers);
    ret->groups = strdup(from->groups);
    ret->ca = strdup(from->ca);
    ret->crl = strdup(from->crl);
    ret->ticket_keys = strdup(from->ticket_keys);
    return ret->certificates != NULL && ret->alpn != NULL && ret->listener != NULL &&
           ret->key != NULL && ret->ciphers != NULL && ret->groups != NULL && ret->ca != NULL &&
           ret->crl != NULL && ret->ticket_keys != NULL;
}

/* They are ours, though the settings have them const. */
static void free_copy(const void *copy) {
    union {
        const void *kept;
        void *ours;
    } pointer = {.kept = copy};

    free(pointer.ours);
}

void server_settings_free(struct tls_server_settings *settings) {
    for (size_t i = 0; settings->certificates != NULL && i < settings->n_certificates; i++)
        free_copy(settings->certificates[i]);
    for (size_t i = 0; settings->alpn != NULL && i < settings->n_alpn; i++)
        free_copy(settings->alpn[i]);
    free_copy(settings->certificates);
    free_copy(settings->alpn);
    free_copy(settings->listener);
    free_copy(settings->key);
    free_copy(settings->ciphers);
    free_copy(settings->groups);
    free_copy(settings->ca);
    free_copy(settings->crl);
    free_copy(settings->ticket_keys);
    *settings = (struct tls_server_settings){0};
}
