#include "relayctl/screen_tls.h"

#include <string.h>
#include <time.h>

#include "base/json_member.h"
#include "base/text.h"
#include "relayctl/grid.h"

#define NUMBER_MAX 32
#define PLACE_MAX  256

/* "www.example +2"; without names, as those of clients, whose it is */
static const char *get_first_name(const json_t *certificate, char *buf, size_t size) {
    const json_t *names = json_object_get(certificate, "names");
    const char *first = json_string_value(json_array_get(names, 0));
    size_t n = json_array_size(names);

    if (n > 1)
        snprintf(buf, size, "%.200s +%zu", first != NULL ? first : "", n - 1);
    else
        snprintf(buf, size, "%.200s",
                 first != NULL ? first : member_text(certificate, "subject", "-"));
    return buf;
}

static const char *get_date(const json_t *certificate, char buf[NUMBER_MAX]) {
    time_t end = (time_t)member_number(certificate, "not_after");
    struct tm tm;

    if (gmtime_r(&end, &tm) == NULL || strftime(buf, NUMBER_MAX, "%Y-%m-%d", &tm) == 0)
        snprintf(buf, NUMBER_MAX, "?");
    return buf;
}

/* Of the certificates of a section: "www.example +2 until 2027-02-28 (89 days)". */
static void append_first_end(const json_t *tls, const char *verb, char *buf, size_t size) {
    const json_t *first = json_object_get(tls, "ends_first");
    char name[PLACE_MAX], date[NUMBER_MAX];

    if (!json_is_object(first))
        return;
    if (member_number(tls, "certificates") > 1)
        text_append(buf, size, ", %lld certificates, the first to end",
                    member_number(tls, "certificates"));
    text_append(buf, size, ", %s%s until %s (%lld days)", verb,
                get_first_name(first, name, sizeof(name)), get_date(first, date),
                member_number(first, "days_left"));
}

const char *screen_listener_tls(const json_t *listener, char *buf, size_t size) {
    const json_t *tls = json_object_get(listener, "tls");
    const char *verify = member_text(tls, "verify_client", "off");

    buf[0] = '\0';
    if (!json_is_object(tls))
        return buf;
    snprintf(buf, size, "TLS");
    if (strcmp(verify, "off") != 0)
        text_append(buf, size, ", clients' certificates %s", verify);
    append_first_end(tls, "", buf, size);
    return buf;
}

const char *screen_upstream_tls(const json_t *upstream, char *buf, size_t size) {
    const json_t *tls = json_object_get(upstream, "tls");
    const char *name = member_text(tls, "name", "");

    buf[0] = '\0';
    if (!json_is_object(tls))
        return buf;
    snprintf(buf, size, "TLS, %s",
             json_is_true(json_object_get(tls, "verify")) ? "verified" : "not verified");
    if (name[0] != '\0')
        text_append(buf, size, " as %s", name);
    append_first_end(tls, "shows ", buf, size);
    return buf;
}

/* "listener web" */
static const char *get_section(const json_t *certificate, char *buf, size_t size) {
    bool upstream = json_is_string(json_object_get(certificate, "upstream"));
    const char *section = upstream ? "upstream" : "listener";

    snprintf(buf, size, "%s %s", section, member_text(certificate, section, "-"));
    return buf;
}

bool screen_certificates(const json_t *certificates, FILE *out) {
    struct grid grid = {.heads = {"SECTION", "NAMES", "ENDS", "DAYS", "KEY", "ISSUER", "FILE"},
                        .right = {[3] = true}};
    const json_t *certificate;
    size_t i;

    json_array_foreach(certificates, i, certificate) {
        char section[PLACE_MAX], name[256], date[NUMBER_MAX], days[NUMBER_MAX];

        snprintf(days, sizeof(days), "%lld", member_number(certificate, "days_left"));
        const char *cells[GRID_COLUMNS] = {get_section(certificate, section, sizeof(section)),
                                           get_first_name(certificate, name, sizeof(name)),
                                           get_date(certificate, date),
                                           days,
                                           member_text(certificate, "key", "-"),
                                           member_text(certificate, "issuer", "-"),
                                           member_text(certificate, "file", "-")};

        grid_add(&grid, cells);
    }
    grid_print(&grid, out);
    bool whole = !grid.failed && json_is_array(certificates);
    grid_free(&grid);
    return whole;
}
