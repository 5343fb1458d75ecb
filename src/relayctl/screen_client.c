#include <string.h>
#include <time.h>

#include "base/json_member.h"
#include "base/text.h"
#include "relayctl/screens.h"
#include "relayctl/user.h"

#define REDIRECT_TEXT_MAX 1088 /* with a few words */

#define NO_ROUTE "gets 404: no route takes its requests, and there is no upstream for the rest"

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

/* What becomes of its requests where they go to no upstream: a clause, or NULL. */
static const char *find_elsewhere(const json_t *one, char *buf, size_t size) {
    const char *redirect = json_string_value(json_object_get(one, "redirect"));

    if (member_text(one, "upstream", "")[0] != '\0' || redirect == NULL)
        return NULL;
    snprintf(buf, size, "is redirected to %s", redirect);
    return buf;
}

/* Those that its requests take by their paths. */
static void print_paths(const json_t *listener, FILE *out) {
    const json_t *path, *paths = json_object_get(listener, "paths");
    char buf[REDIRECT_TEXT_MAX];
    size_t i;

    json_array_foreach(paths, i, path) {
        const char *elsewhere = find_elsewhere(path, buf, sizeof(buf));

        fprintf(out, "  Below %s it %s%s, by the route %s.\n", member_text(path, "path", "-"),
                elsewhere != NULL ? elsewhere : "goes to ",
                elsewhere != NULL ? "" : member_text(path, "upstream", "-"),
                member_text(path, "route", "-"));
    }
}

/* In mode http: it is let in all the same. */
static void print_no_way(const json_t *listener, FILE *out) {
    char buf[REDIRECT_TEXT_MAX];
    const char *elsewhere = find_elsewhere(listener, buf, sizeof(buf));

    if (json_is_array(json_object_get(listener, "paths")))
        fprintf(out, "  It %s.\n", elsewhere != NULL ? elsewhere : NO_ROUTE);
}

static void print_way(const json_t *listener, FILE *out) {
    const char *none = json_string_value(json_object_get(listener, "no_server"));
    const json_t *server, *servers = json_object_get(listener, "servers");
    const char *route = member_text(listener, "route", ""); /* "": none takes it */
    long long n = member_number(listener, "may_be_chosen");
    size_t i;

    if (member_text(listener, "upstream", "")[0] == '\0') {
        print_no_way(listener, out);
        return;
    }
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

/* "a.example +2 (/etc/relayd/tls/a.pem, until 2027-01-31)" */
static void print_certificate(const json_t *certificate, FILE *out) {
    const json_t *names = json_object_get(certificate, "names");
    const char *first = json_string_value(json_array_get(names, 0));
    size_t n = json_array_size(names);
    long long end = member_number(certificate, "not_after");
    char day[16];

    fprintf(out, "%s", first != NULL ? first : "nobody by name");
    if (n > 1)
        fprintf(out, " +%zu", n - 1);
    fprintf(out, " (%s, %s, until %s%s)", member_text(certificate, "file", "-"),
            member_text(certificate, "key", "-"), text_format_day(end, day, sizeof(day)),
            end <= (long long)time(NULL) ? ": it has expired" : "");
}

/* Where it has asked for a name, and TLS ends. */
static void print_certificates(const json_t *listener, FILE *out) {
    const json_t *certificate, *certificates = json_object_get(listener, "certificates");
    size_t i;

    if (!json_is_array(certificates))
        return;
    fputs(json_is_true(json_object_get(listener, "covered"))
              ? "  It gets the certificate of "
              : "  No certificate is for this name. It gets the first one, and most clients leave: "
                "that of ",
          out);
    json_array_foreach(certificates, i, certificate) {
        fputs(i > 0 ? ", or of " : "", out);
        print_certificate(certificate, out);
    }
    fputs(".\n", out);
}

static void print_name_way(const json_t *listener, FILE *out) {
    const char *route = member_text(listener, "route", ""),
               *upstream = member_text(listener, "upstream", ""),
               *end = member_text(listener, "end", "");
    bool http = json_is_array(json_object_get(listener, "paths"));
    char buf[REDIRECT_TEXT_MAX];
    const char *elsewhere = find_elsewhere(listener, buf, sizeof(buf));

    if (end[0] != '\0')
        fprintf(out,
                "is refused (%s): no route is for the name, and there is no upstream for the "
                "rest.\n",
                end);
    else if (upstream[0] == '\0' && elsewhere == NULL)
        fputs(NO_ROUTE ".\n", out);
    else
        fprintf(out, "%s%s%s%s%s.\n", elsewhere != NULL ? elsewhere : "goes to ", upstream,
                route[0] != '\0' ? ", by the route " : "", route,
                http || json_is_array(json_object_get(listener, "certificates"))
                    ? ""
                    : "; TLS passes through");
}

bool screen_name(const char *name, const json_t *listeners, FILE *out) {
    const json_t *listener;
    size_t i;

    json_array_foreach(listeners, i, listener) {
        fprintf(out, "%s: a client that asks for %s ", member_text(listener, "listener", "-"),
                name);
        print_name_way(listener, out);
        print_paths(listener, out);
        if (member_text(listener, "end", "")[0] == '\0')
            print_certificates(listener, out);
    }
    return json_is_array(listeners);
}

bool screen_client(const char *client, const json_t *listeners, time_t now, FILE *out) {
    const json_t *listener;
    size_t i;

    json_array_foreach(listeners, i, listener) {
        print_admission(client, listener, now, out);
        print_counts(listener, out);
        print_way(listener, out);
        print_paths(listener, out);
        if (json_is_true(json_object_get(listener, "admitted")))
            print_certificates(listener, out);
    }
    return json_is_array(listeners);
}
