/* Commands that go on: tail and events. They end with relayd, or at Ctrl-C. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/json_member.h"
#include "base/text.h"
#include "relayctl/answer.h"
#include "relayctl/commands.h"
#include "relayctl/explain.h"
#include "relayctl/grid.h"
#include "relayctl/stream.h"

#define MOMENT (sizeof("12:00:31 ") - 1)

static volatile sig_atomic_t interrupted;

static void note_interrupt(int signal) {
    (void)signal;
    interrupted = 1;
}

struct look {
    const char *bad, *warn, *dim, *end;
};

static struct look choose_line_look(void) {
    return grid_has_colour(stdout) ? (struct look){"\033[1;31m", "\033[33m", "\033[2m", "\033[0m"}
                                   : (struct look){"", "", "", ""};
}

struct follow {
    const struct ask *ask;
    struct look look;
    void (*print)(const struct follow *follow, const json_t *line);
};

/* Local time of "2026-11-29T11:22:58.598219Z". */
static void print_moment(const struct follow *follow, const json_t *line, bool fraction) {
    const char *text = member_text(line, "time", ""), *rest;
    char shown[16] = "--:--:--";
    struct tm tm = {0};

    rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest != NULL) {
        time_t seconds = timegm(&tm);

        localtime_r(&seconds, &tm);
        (void)strftime(shown, sizeof(shown), "%H:%M:%S", &tm);
    }
    printf("%s%s%.*s%s ", follow->look.dim, shown, fraction && rest != NULL ? 4 : 0,
           rest != NULL ? rest : "", follow->look.end);
}

static void print_end(const struct follow *follow, const json_t *line) {
    const char *server = member_text(line, "server", ""), *code = member_text(line, "end", ""),
               *error = member_text(line, "error", ""), *why = member_text(line, "why", ""),
               *who = member_text(line, "tls_client", "");
    char up[32], down[32], lasted[32];
    struct explanation end = {.sentence = member_text(line, "message", "")};
    bool known = explain_end(code, &end);

    print_moment(follow, line, true);
    printf("%s%s%s%s -> %s -> %s%s%s  %s%s%s%s%s%s%s%s [%s]  %s up, %s down  %s\n",
           member_text(line, "client", ""), who[0] != '\0' ? " (" : "", who,
           who[0] != '\0' ? ")" : "", member_text(line, "listener", ""),
           member_text(line, "upstream", ""), server[0] != '\0' ? "/" : "", server,
           known && end.failed ? follow->look.bad : "", end.sentence, why[0] != '\0' ? ": " : "",
           why, error[0] != '\0' ? " (" : "", error, error[0] != '\0' ? ")" : "", follow->look.end,
           code, text_human_bytes((uint64_t)member_number(line, "bytes_up"), up, sizeof(up)),
           text_human_bytes((uint64_t)member_number(line, "bytes_down"), down, sizeof(down)),
           text_human_time(member_number(line, "duration_usec"), lasted, sizeof(lasted)));
}

static void print_request(const struct follow *follow, const json_t *line) {
    const char *server = member_text(line, "server", ""),
               *upstream = member_text(line, "upstream", ""),
               *method = member_text(line, "method", ""), *why = member_text(line, "why", "");
    json_int_t status = member_number(line, "status");
    char up[32], down[32], lasted[32], answer[32] = "no answer";

    if (status > 0)
        snprintf(answer, sizeof(answer), "%lld", (long long)status);
    print_moment(follow, line, true);
    printf("%s -> %s -> %s%s%s  %s %s%s  %s%s%s%s%s%s%s%s  %s up, %s down  %s\n",
           member_text(line, "client", ""), member_text(line, "listener", ""),
           upstream[0] != '\0' ? upstream : "relayd", server[0] != '\0' ? "/" : "", server,
           method[0] != '\0' ? method : "(not understood)", member_text(line, "host", ""),
           member_text(line, "path", ""),
           status >= 500 || status == 0 ? follow->look.bad
           : status >= 400              ? follow->look.warn
                                        : "",
           answer, follow->look.end, member_text(line, "end", "")[0] != '\0' ? " [" : "",
           member_text(line, "end", ""), member_text(line, "end", "")[0] != '\0' ? "]" : "",
           why[0] != '\0' ? " " : "", why,
           text_human_bytes((uint64_t)member_number(line, "bytes_up"), up, sizeof(up)),
           text_human_bytes((uint64_t)member_number(line, "bytes_down"), down, sizeof(down)),
           text_human_time(member_number(line, "duration_usec"), lasted, sizeof(lasted)));
}

/* A line of /tail: a request has a name. */
static void print_tail(const struct follow *follow, const json_t *line) {
    if (json_object_get(line, "request") != NULL)
        print_request(follow, line);
    else
        print_end(follow, line);
}

static void print_event(const struct follow *follow, const json_t *line) {
    const char *level = member_text(line, "level", "");
    bool error = strcmp(level, "error") == 0, warning = strcmp(level, "warning") == 0;

    print_moment(follow, line, false);
    size_t said = error || warning ? strlen(level) + strlen(": ") : 0;

    printf("%s%s%s",
           error     ? follow->look.bad
           : warning ? follow->look.warn
                     : "",
           error || warning ? level : "", error || warning ? ": " : "");
    grid_print_words(member_text(line, "message", ""), MOMENT + said, MOMENT, grid_room(stdout),
                     stdout);
    printf("%s\n", follow->look.end);
}

static void print_followed(void *arg, const char *text) {
    const struct follow *follow = arg;
    json_t *line = follow->ask->json ? NULL : answer_read(text, strlen(text));
    const json_t *lost = json_object_get(line, "lost");

    if (follow->ask->json)
        puts(text);
    else if (line == NULL)
        answer_print(text, stdout);
    else if (json_is_integer(lost))
        printf("%s(%lld lines are not shown: they came faster than they were read)%s\n",
               follow->look.warn, (long long)json_integer_value(lost), follow->look.end);
    else
        follow->print(follow, line);
    json_decref(line);
    (void)fflush(stdout);
}

static bool asks_for_kept(const struct ask *ask) {
    for (size_t i = 0; i < ask->n_words; i++)
        if (strcmp(ask->words[i], "follow=no") == 0)
            return true;
    return false;
}

/* Again and again, if that was asked for; the first time somebody must answer. */
static int follow_path(const struct ask *ask, struct follow *follow, const char *path) {
    bool before = false;

    for (;;) {
        enum stream_end end =
            stream_read(ask->socket, path, before, &interrupted, print_followed, follow);

        if (end == STREAM_INTERRUPTED)
            return EX_OK;
        if (end == STREAM_REFUSED)
            return ASK_REFUSED;
        if (end == STREAM_ENDED && asks_for_kept(ask))
            return EX_OK;
        if (end == STREAM_ENDED)
            fprintf(stderr, "relayctl: relayd at %s has ended%s.\n", ask->socket,
                    ask->reconnect ? "; waiting for the next" : "");
        if (!ask->reconnect || (end == STREAM_NOBODY && !before))
            return EX_UNAVAILABLE;
        before = true;
        (void)sleep(1); /* an interrupt ends it */
        if (interrupted)
            return EX_OK;
    }
}

static int follow_page(const struct ask *ask, const char *page,
                       void (*print)(const struct follow *follow, const json_t *line)) {
    const struct sigaction action = {.sa_handler = note_interrupt};
    char *path = ask_path(page, ask->words, ask->n_words);
    struct follow follow = {.ask = ask, .look = choose_line_look(), .print = print};

    if (path == NULL)
        return wrong_command("a filter is NAME=VALUE, as in client=192.0.2.0/24", "");
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    int r = follow_path(ask, &follow, path);
    free(path);
    return r;
}

int show_tail(const struct ask *ask) {
    return follow_page(ask, "/tail", print_tail);
}

int show_events(const struct ask *ask) {
    return follow_page(ask, "/events", print_event);
}
