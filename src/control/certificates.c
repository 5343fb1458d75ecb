#include "control/certificates.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/escape.h"
#include "config/options.h"
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

/* Whole days; -1: it ended within the last one. */
static json_int_t count_days_left(const struct tls_facts *facts) {
    int64_t left = facts->not_after - (int64_t)time(NULL);

    return (json_int_t)(left >= 0 ? left / SECONDS_PER_DAY : -1 - (-left - 1) / SECONDS_PER_DAY);
}

static void list_certificate(void *arg, const struct tls_facts *facts) {
    struct listing *listing = arg;
    char fingerprint[2 * FINGERPRINT_BYTES + 1], file[SHOWN_PATH_MAX], key_file[SHOWN_PATH_MAX];

    format_fingerprint(facts, fingerprint, sizeof(fingerprint));
    json_add(&listing->list,
             json_pack("{s:s?, s:s?, s:o, s:s*, s:s*, s:s, s:I, s:I, s:I, s:s, s:s*, s:s*, s:s}",
                       "listener", listing->listener, "upstream", listing->upstream, "names",
                       list_certified(facts), "subject", facts->subject, "issuer", facts->issuer,
                       "serial", facts->serial, "not_before", (json_int_t)facts->not_before,
                       "not_after", (json_int_t)facts->not_after, "days_left",
                       count_days_left(facts), "key", facts->key, "file",
                       show_path(facts->file, file), "key_file",
                       show_path(facts->key_file, key_file), "fingerprint", fingerprint));
}

/* Of how many, and the one that ends first. */
struct sum {
    json_int_t n, not_after;
    json_t *first;
};

static void sum_certificate(void *arg, const struct tls_facts *facts) {
    struct sum *sum = arg;

    if (sum->n++ > 0 && facts->not_after >= sum->not_after)
        return;
    sum->not_after = (json_int_t)facts->not_after;
    json_decref(sum->first);
    sum->first =
        json_pack("{s:o, s:s, s:I, s:I}", "names", list_certified(facts), "subject", facts->subject,
                  "not_after", sum->not_after, "days_left", count_days_left(facts));
}

/* Takes the sum. */
static json_t *finish_sum(json_t *object, struct sum *sum) {
    if (object == NULL || json_object_set_new(object, "certificates", json_integer(sum->n)) < 0 ||
        json_object_set_new(object, "ends_first", sum->first != NULL ? sum->first : json_null()) <
            0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *certificates_sum_listener(const struct listener_config *listener) {
    char version[OPTIONS_TEXT_MAX], verify[OPTIONS_TEXT_MAX];
    struct sum sum = {0};

    if (listener->tls.server == NULL)
        return json_null();
    tls_server_visit(listener->tls.server, sum_certificate, &sum);
    options_format(&option_infos[OPT_listener_tls_min_version], &listener->tls, version,
                   sizeof(version));
    options_format(&option_infos[OPT_listener_tls_verify_client], &listener->tls, verify,
                   sizeof(verify));
    return finish_sum(json_pack("{s:s, s:s}", "min_version", version, "verify_client", verify),
                      &sum);
}

json_t *certificates_sum_upstream(const struct upstream_config *upstream) {
    const struct upstream_tls_config *tls = &upstream->tls;
    struct sum sum = {0};
    char name[512];

    if (tls->client == NULL)
        return json_null();
    tls_client_visit(tls->client, sum_certificate, &sum);
    escape_text(tls->name, strlen(tls->name), ESCAPE_UNPRINTABLE, name, sizeof(name));
    return finish_sum(json_pack("{s:b, s:s}", "verify", tls->verify, "name", name), &sum);
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
