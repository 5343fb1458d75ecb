#include "relayctl/deviations.h"

#include <stdbool.h>
#include <string.h>

#include "base/json_member.h"
#include "base/text.h"
#include "relayctl/grid.h"
#include "relayctl/user.h"

static bool is_of_server(const json_t *server, const char *upstream, const char *name) {
    return strcmp(member_text(server, "upstream", ""), upstream) == 0 &&
           strcmp(member_text(server, "server", ""), name) == 0;
}

/* "drain and weight 5" */
static void describe_order(const json_t *ordered, char *buf, size_t size) {
    const char *state = json_string_value(json_object_get(ordered, "state"));
    const json_t *weight = json_object_get(ordered, "weight");

    snprintf(buf, size, "%s", state != NULL ? state : "");
    if (json_is_integer(weight))
        text_append(buf, size, "%sweight %lld", state != NULL ? " and " : "",
                    (long long)json_integer_value(weight));
}

/* "root, 4 min ago" */
static void append_orderer(const json_t *ordered, time_t now, char *buf, size_t size) {
    int64_t age = (int64_t)now - member_number(ordered, "since");
    char span[32], user[USER_TEXT_MAX];

    text_append(buf, size, " by %s, %s ago", user_format(ordered, user, sizeof(user)),
                text_human_age(age, 1, span, sizeof(span)));
}

void deviations_print(const json_t *servers, time_t now, FILE *out) {
    const char *upstream = "", *name = "";
    const json_t *server;
    size_t i;

    json_array_foreach(servers, i, server) {
        const json_t *ordered = json_object_get(server, "ordered");
        char what[256], line[512];

        if (!json_is_object(ordered) || is_of_server(server, upstream, name))
            continue;
        upstream = member_text(server, "upstream", "");
        name = member_text(server, "server", "");
        describe_order(ordered, what, sizeof(what));
        append_orderer(ordered, now, what, sizeof(what));
        snprintf(line, sizeof(line), "* %s/%s differs from the configuration (%s)", upstream, name,
                 what);
        grid_print_words(line, 0, 2, grid_room(out), out);
        putc('\n', out);
    }
}
