#include <string.h>

#include "base/json_member.h"
#include "base/text.h"
#include "relayctl/screens.h"
#include "relayctl/user.h"

static void print_block(const json_t *block, time_t now, FILE *out) {
    const json_t *until = json_object_get(block, "until");
    char user[USER_TEXT_MAX], span[32];

    if (!json_is_object(block))
        return;
    fprintf(out, ", as %s, by %s, ", member_text(block, "prefix", ""),
            user_format(block, user, sizeof(user)));
    if (json_is_integer(until))
        fprintf(out, "for %s more",
                text_human_left(json_integer_value(until) - now, span, sizeof(span)));
    else
        fputs("until it is lifted", out);
}

static void print_admission(const char *client, const json_t *listener, time_t now, FILE *out) {
    bool admitted = json_is_true(json_object_get(listener, "admitted"));

    fprintf(out, "%s: %s%s is ", member_text(listener, "listener", ""), client,
            json_is_true(json_object_get(listener, "by_proxy_header"))
                ? ", named by a PROXY header,"
                : "");
    if (admitted)
        fprintf(out, "let in: %s", member_text(listener, "why", ""));
    else
        fprintf(out, "refused (%s): %s", member_text(listener, "end", ""),
                member_text(listener, "why", ""));
    print_block(json_object_get(listener, "block"), now, out);
    fputs(".\n", out);
    if (json_is_true(json_object_get(listener, "full")))
        fputs("  The listener has max_connections: it waits until one ends.\n", out);
}

static void print_counts(const json_t *listener, FILE *out) {
    long long live = member_number(listener, "connections"),
              most = member_number(listener, "max_connections"),
              rate = member_number(listener, "max_rate"), burst = member_number(listener, "burst");

    fprintf(out, "  It has %lld", live);
    if (most > 0)
        fprintf(out, " of %lld", most);
    fprintf(out, " connection%s", (most > 0 ? most : live) == 1 ? "" : "s");
    if (rate > 0)
        fprintf(out, ", and may open %lld more at once, %lld a second", burst, rate);
    fputs(".\n", out);
}

static void print_way(const json_t *listener, FILE *out) {
    const char *none = json_string_value(json_object_get(listener, "no_server"));
    const json_t *server, *servers = json_object_get(listener, "servers");
    const char *route = member_text(listener, "route", ""); /* "": none takes it */
    long long n = member_number(listener, "may_be_chosen");
    size_t i;

    if (member_text(listener, "upstream", "")[0] == '\0')
        return;
    if (none != NULL) {
        fprintf(out, "  %s would have no server for it: %s.\n",
                member_text(listener, "upstream", ""), none);
        return;
    }
    fprintf(out, "  %s%s%s %s of %s, by %s: ", route, route[0] != '\0' ? ": " : "",
            json_is_true(json_object_get(listener, "admitted")) ? "It goes to" : "It would go to",
            n == 1 ? "the server" : "one of the servers", member_text(listener, "upstream", ""),
            member_text(listener, "balance", ""));
    json_array_foreach(servers, i, server) {
        const char *failure = member_text(server, "last_failure", "");

        fprintf(out, "%s%s (%s%s%s)", i > 0 ? ", " : "", member_text(server, "server", ""),
                member_text(server, "address", ""),
                failure[0] != '\0' ? ", whose last connect failed: " : "", failure);
    }
    if (n > (long long)json_array_size(servers))
        fprintf(out, ", and %lld more", n - (long long)json_array_size(servers));
    fputs(".\n", out);
}

bool screen_client(const char *client, const json_t *listeners, time_t now, FILE *out) {
    const json_t *listener;
    size_t i;

    json_array_foreach(listeners, i, listener) {
        print_admission(client, listener, now, out);
        print_counts(listener, out);
        print_way(listener, out);
    }
    return json_is_array(listeners);
}
