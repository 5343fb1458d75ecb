#include "control/certificates.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/escape.h"
#include "tls/client.h"
#include "tls/server.h"

#define FINGERPRINT_BYTES 32 /* SHA-256 */
#define SHOWN_PATH_MAX    1024

struct listing {
    json_t *list;
    const char *listener, *upstream; /* one of them; NULL: the other */
};

static json_t *list_certified(const struct tls_facts *facts) {
    json_t *names = json_array();

    for (size_t i = 0; i < facts->n_names; i++)
        json_add(&names, json_string(facts->names[i]));
    return names;
}

/* Hexadecimal. */
static const char *format_fingerprint(const struct tls_facts *facts, char *buf, size_t size) {
    buf[0] = '\0';
    for (size_t i = 0, n = 0; i < FINGERPRINT_BYTES && n + 2 < size; i++, n += 2)
        snprintf(buf + n, size - n, "%02x", facts->fingerprint[i]);
    return buf;
}

/* A name of a file may have any bytes. NULL: there is none. */
static const char *show_path(const char *path, char buf[SHOWN_PATH_MAX]) {
    return path != NULL ? escape_text(path, strlen(path), ESCAPE_UNPRINTABLE, buf, SHOWN_PATH_MAX)
                        : NULL;
}

static void list_certificate(void *arg, const struct tls_facts *facts) {
    struct listing *listing = arg;
    char fingerprint[2 * FINGERPRINT_BYTES + 1], file[SHOWN_PATH_MAX], key_file[SHOWN_PATH_MAX];
    int64_t left = facts->not_after - (int64_t)time(NULL);

    format_fingerprint(facts, fingerprint, sizeof(fingerprint));
    json_add(&listing->list,
             json_pack("{s:s?, s:s?, s:o, s:s*, s:s*, s:s, s:I, s:I, s:I, s:s, s:s*, s:s*, s:s}",
                       "listener", listing->listener, "upstream", listing->upstream, "names",
                       list_certified(facts), "subject", facts->subject, "issuer", facts->issuer,
                       "serial", facts->serial, "not_before", (json_int_t)facts->not_before,
                       "not_after", (json_int_t)facts->not_after, "days_left",
                       (json_int_t)(left >= 0 ? left / SECONDS_PER_DAY
                                              : -1 - (-left - 1) / SECONDS_PER_DAY),
                       "key", facts->key, "file", show_path(facts->file, file), "key_file",
                       show_path(facts->key_file, key_file), "fingerprint", fingerprint));
}

struct reply certificates_reply(const struct question *question) {
    const struct config *config = question->generation->config;
    struct listing listing = {.list = json_array()};

    for (size_t i = 0; i < config->n_listeners; i++) {
        listing.listener = config->listeners[i].name;
        if (config->listeners[i].tls.server != NULL)
            tls_server_visit(config->listeners[i].tls.server, list_certificate, &listing);
    }
    listing.listener = NULL;
    for (size_t i = 0; i < config->n_upstreams; i++) {
        listing.upstream = config->upstreams[i].name;
        if (config->upstreams[i].tls.client != NULL)
            tls_client_visit(config->upstreams[i].tls.client, list_certificate, &listing);
    }
    return reply_json(200, listing.list);
}
