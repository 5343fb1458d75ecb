#include "relayctl/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "base/json_member.h"
#include "base/text.h"
#include "relayctl/answer.h"
#include "relayctl/commands.h"

#define DETAIL_MAX 512

struct detail {
    const json_t *of;
    void (*write)(void *arg, const char *line);
    void *arg;
    char text[DETAIL_MAX];
};

/* "-": it is not known. */
static const char *detail_span(const json_t *object, const char *name, char buf[32]) {
    const json_t *value = json_object_get(object, name);

    snprintf(buf, 32, "-");
    return json_is_integer(value) ? text_human_time(json_integer_value(value), buf, 32) : buf;
}

static const char *detail_bytes(const json_t *object, const char *name, char buf[32]) {
    return text_human_bytes((uint64_t)member_number(object, name), buf, 32);
}

/* Begins a line. */
static void begin_detail(struct detail *detail, const char *head) {
    snprintf(detail->text, sizeof(detail->text), "%-16s", head);
}

static void end_detail(struct detail *detail) {
    detail->write(detail->arg, detail->text);
}

#define ADD(...) text_append(detail->text, sizeof(detail->text), __VA_ARGS__)

static void write_route(struct detail *detail) {
    const json_t *of = detail->of;
    const char *server = member_text(of, "server", "-");

    begin_detail(detail, "route");
    ADD("%s -> %s -> %s%s%s", member_text(of, "client", "-"), member_text(of, "listener", "-"),
        member_text(of, "upstream", "-"), server[0] != '\0' ? "/" : "", server);
    end_detail(detail);
    if (member_text(of, "sni", "-")[0] != '\0' || member_text(of, "alpn", "-")[0] != '\0') {
        begin_detail(detail, "TLS asks for");
        ADD("%s %s", member_text(of, "sni", "-"), member_text(of, "alpn", "-"));
        end_detail(detail);
    }
    if (json_is_object(json_object_get(of, "tls"))) {
        const json_t *tls = json_object_get(of, "tls");

        begin_detail(detail, "TLS");
        ADD("%s %s%s", member_text(tls, "version", "-"), member_text(tls, "cipher", "-"),
            json_is_true(json_object_get(tls, "resumed")) ? ", resumed" : "");
        end_detail(detail);
    }
    if (json_is_string(json_object_get(json_object_get(of, "tls"), "client"))) {
        const json_t *tls = json_object_get(of, "tls");

        begin_detail(detail, "TLS client");
        ADD("%s", member_text(tls, "client", "-"));
        end_detail(detail);
        begin_detail(detail, "  fingerprint");
        ADD("%s", member_text(tls, "client_fingerprint", "-"));
        end_detail(detail);
    }
    if (json_is_string(json_object_get(of, "proxy"))) {
        begin_detail(detail, "PROXY header");
        ADD("from %s", member_text(of, "proxy", "-"));
        end_detail(detail);
    }
}

static void write_sockets(struct detail *detail) {
    const json_t *sockets = json_object_get(detail->of, "sockets"),
                 *client = json_object_get(sockets, "client"),
                 *server = json_object_get(sockets, "server");

    begin_detail(detail, "client's socket");
    ADD("%s -> %s", member_text(client, "remote", "-"), member_text(client, "local", "-"));
    end_detail(detail);
    begin_detail(detail, "server's socket");
    if (json_is_object(server))
        ADD("%s -> %s", member_text(server, "local", "-"), member_text(server, "remote", "-"));
    else
        ADD("none: the client was refused, and reads why");
    end_detail(detail);
}

/* What TCP says, a column for each socket. */
static void write_tcp(struct detail *detail) {
    static const struct {
        const char *head, *name;
        enum { WORD, COUNT, SPAN, BYTES } kind;
    } rows[] = {{"  state", "state", WORD},
                {"  round trip", "rtt_us", SPAN},
                {"  its variance", "rttvar_us", SPAN},
                {"  retransmits", "retransmits", COUNT},
                {"  window", "cwnd", COUNT},
                {"  unacknowledged", "unacked", COUNT},
                {"  not sent", "notsent_bytes", BYTES},
                {"  silent for", "silent_us", SPAN}};
    const json_t *sockets = json_object_get(detail->of, "sockets");

    begin_detail(detail, "TCP");
    ADD(" %-16s %s", "client", "server");
    end_detail(detail);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin_detail(detail, rows[i].head);
        for (int side = 0; side < 2; side++) {
            const json_t *tcp =
                json_object_get(json_object_get(sockets, side == 0 ? "client" : "server"), "tcp");
            char text[32] = "-";

            if (json_is_object(tcp) && rows[i].kind == WORD)
                snprintf(text, sizeof(text), "%s", member_text(tcp, rows[i].name, "-"));
            else if (json_is_object(tcp) && rows[i].kind == COUNT)
                snprintf(text, sizeof(text), "%lld", member_number(tcp, rows[i].name));
            else if (json_is_object(tcp) && rows[i].kind == SPAN)
                (void)detail_span(tcp, rows[i].name, text);
            else if (json_is_object(tcp))
                (void)detail_bytes(tcp, rows[i].name, text);
            ADD(side == 0 ? " %-16s" : " %s", text);
        }
        end_detail(detail);
    }
}

static void write_options(struct detail *detail) {
    const json_t *options = json_object_get(detail->of, "options");
    char idle[32], linger[32], keepalive[32];

    begin_detail(detail, "options");
    ADD("mode %s, copy %s%s", member_text(options, "mode", "-"), member_text(options, "copy", "-"),
        json_is_true(json_object_get(options, "half_close")) ? ", half_close" : "");
    if (member_number(options, "min_rate") > 0)
        ADD(", min_rate %lld", member_number(options, "min_rate"));
    end_detail(detail);
    begin_detail(detail, "timeouts");
    ADD("idle %s (then %s), linger %s, keepalive %s",
        text_format_duration(member_number(options, "idle_timeout_us"), idle, sizeof(idle)),
        member_text(options, "idle_end", "-"),
        text_format_duration(member_number(options, "linger_timeout_us"), linger, sizeof(linger)),
        text_format_duration(member_number(options, "keepalive_us"), keepalive, sizeof(keepalive)));
    end_detail(detail);
}

static void write_moments(struct detail *detail) {
    static const struct {
        const char *name, *words;
    } spans[] = {
        {"connected_us", "connected"}, {"first_up_us", "first byte up"}, {"first_down_us", "down"}};
    const json_t *moments = json_object_get(detail->of, "moments");
    time_t accepted = (time_t)member_number(moments, "accepted");
    char text[32] = "?";
    struct tm tm;

    if (localtime_r(&accepted, &tm) != NULL)
        (void)strftime(text, sizeof(text), "%F %T", &tm);
    begin_detail(detail, "accepted");
    ADD("%s", text);
    end_detail(detail);
    begin_detail(detail, "  after that");
    for (size_t i = 0; i < ARRAY_LEN(spans); i++)
        ADD("%s%s %s", i > 0 ? ", " : "", spans[i].words,
            detail_span(moments, spans[i].name, text));
    end_detail(detail);
}

static void write_fate(struct detail *detail) {
    const json_t *held = json_object_get(detail->of, "held"),
                 *ending = json_object_get(detail->of, "ending");
    char silence[32];

    begin_detail(detail, "keeper");
    ADD("%s", json_is_true(held) ? "holds it" : json_is_false(held) ? "does not hold it" : "none");
    end_detail(detail);
    begin_detail(detail, "end");
    if (json_is_true(json_object_get(ending, "decided")))
        ADD("decided: %s, it %s", member_text(ending, "end", "-"), member_text(ending, "why", "-"));
    else
        ADD("not decided");
    if (json_is_string(json_object_get(ending, "error")))
        ADD(" (%s)", member_text(ending, "error", "-"));
    if (json_is_integer(json_object_get(ending, "once_silent_us")))
        ADD("; told to end once silent for %s", detail_span(ending, "once_silent_us", silence));
    end_detail(detail);
}

bool connection_write(const json_t *connection, void (*write)(void *arg, const char *line),
                      void *arg) {
    struct detail shown = {.of = connection, .write = write, .arg = arg}, *detail = &shown;
    char age[32], idle[32], up[32], down[32], attempts[48] = "";

    if (!json_is_integer(json_object_get(connection, "id")) ||
        !json_is_object(json_object_get(connection, "sockets")))
        return false;
    begin_detail(detail, "connection");
    if (member_number(connection, "attempts") > 1)
        snprintf(attempts, sizeof(attempts), ", connected at attempt %lld",
                 member_number(connection, "attempts"));
    ADD("%lld, %s, %s old, silent for %s%s", member_number(connection, "id"),
        member_text(connection, "phase", "-"), detail_span(connection, "age_us", age),
        detail_span(connection, "idle_us", idle), attempts);
    end_detail(detail);
    write_route(detail);
    begin_detail(detail, "carried");
    ADD("%s up, %s down", detail_bytes(connection, "up", up),
        detail_bytes(connection, "down", down));
    end_detail(detail);
    write_sockets(detail);
    write_tcp(detail);
    write_options(detail);
    write_moments(detail);
    write_fate(detail);
    return true;
}

static void print_detail(void *arg, const char *line) {
    (void)arg;
    puts(line);
}

/* Prints the answer, or why there is none. */
static int show_answer(const struct ask *ask, const struct buffer *answer) {
    json_t *connection = answer_read(answer->bytes, answer->n);
    const char *error = json_string_value(json_object_get(connection, "error"));
    bool good = error == NULL && json_is_object(json_object_get(connection, "sockets"));

    if (good && ask->json)
        fputs(answer->bytes, stdout);
    else if (good)
        good = connection_write(connection, print_detail, NULL);
    if (!good)
        fprintf(stderr, "relayctl: %s.\n",
                error != NULL ? error : "this is no answer of a relayd of this version");
    json_decref(connection);
    return good ? EX_OK : ASK_REFUSED;
}

int show_connection(const struct ask *ask) {
    char word[64], *words[] = {word};
    struct buffer text;
    long status;
    int64_t id;

    if (ask->n_words != 1 || !text_parse_number(ask->words[0], &id))
        return wrong_command("connection takes one number, which connections shows", "");
    snprintf(word, sizeof(word), "id=%lld", (long long)id);
    char *path = ask_path("/connection", words, 1);
    if (path == NULL)
        return EX_OSERR;
    int r = ask_page(ask, ASK_GET, path, &text, &status);
    free(path);
    if (r != EX_OK)
        return r;
    r = show_answer(ask, &text);
    free(text.bytes);
    return r;
}
