/* Commands that act. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/json_member.h"
#include "base/text.h"
#include "relayctl/answer.h"
#include "relayctl/commands.h"

/* --wait: */
#define LOOK_AGAIN       (200 * USEC_PER_MSEC)
#define RESTART_PATIENCE (30 * USEC_PER_SEC) /* with no relayd */

/* Says what was done, and what is to be known of it. Frees both. */
static int say_done(const struct ask *ask, json_t *answer, char *text) {
    const char *done = json_string_value(json_object_get(answer, "done")),
               *caveat = json_string_value(json_object_get(answer, "caveat"));

    if (ask->json)
        fputs(text, stdout);
    else if (done != NULL)
        printf("%s.\n", done);
    if (!ask->json && caveat != NULL)
        printf("Note: %s.\n", caveat);
    json_decref(answer);
    free(text);
    return EX_OK;
}

int act_by(const struct ask *ask, const char *page, char *const words[], size_t n) {
    char *path = ask_path(page, words, n), *text = NULL;
    json_t *answer;

    if (path == NULL)
        return EX_OSERR;
    int r = ask_json(ask, ASK_POST, path, &answer, &text);
    free(path);
    return r == EX_OK ? say_done(ask, answer, text) : r;
}

/* The answer of a page of one server. */
static int act_server(const struct ask *ask, const char *page, const char *more) {
    char server[256], weight[64];
    char *words[] = {server, weight};

    snprintf(server, sizeof(server), "server=%s", ask->words[0]);
    snprintf(weight, sizeof(weight), "weight=%s", more != NULL ? more : "");
    return act_by(ask, page, words, more != NULL ? 2 : 1);
}

static volatile sig_atomic_t interrupted;

static void note_interrupted_wait(int signal) {
    (void)signal;
    interrupted = 1;
}

/* What was asked between these two looks at /status was answered by one process, which had adopted
 * all. */
static bool is_of_one_process(const json_t *before, const json_t *after) {
    return before != NULL && after != NULL &&
           member_number(before, "pid") == member_number(after, "pid") &&
           member_number(before, "since") == member_number(after, "since") &&
           !json_is_true(json_object_get(before, "adopting"));
}

/* Connections of all addresses of app/a; -1: not known now. *ret_answers: whether a relayd does. */
static long long count_server_live(const struct ask *ask, const char *name, bool *ret_answers) {
    struct ask quiet = *ask;

    quiet.quiet = true;
    json_t *status = ask_look(&quiet, "/status"), *servers = ask_look(&quiet, "/servers"),
           *after = ask_look(&quiet, "/status");
    bool counted = json_is_array(servers) && is_of_one_process(status, after);
    const json_t *server;
    long long live = 0;
    size_t i;

    json_array_foreach(servers, i, server) {
        char whole[256];

        snprintf(whole, sizeof(whole), "%s/%s", member_text(server, "upstream", ""),
                 member_text(server, "server", ""));
        if (strcmp(whole, name) == 0 && live < ANSWER_NUMBER_MOST)
            live += member_number(server, "live");
    }
    if (live == 0 && json_is_true(json_object_get(after, "stopping")))
        counted = false; /* it may have left them to the next one */
    *ret_answers = status != NULL || after != NULL;
    json_decref(status);
    json_decref(after);
    json_decref(servers);
    return counted ? live : -1;
}

static void say_progress(const char *name, long long live, long long before, bool rewrites) {
    if (rewrites)
        fprintf(stderr, "\r%s: %lld connection%s left \033[K", name, live, live == 1 ? "" : "s");
    else if (live != before)
        fprintf(stderr, "%s: %lld connection%s left\n", name, live, live == 1 ? "" : "s");
}

/* Says why the wait ends before its server is empty. live: as last known; -1: never. */
static int end_wait(const struct ask *ask, bool answers, long long live) {
    const char *name = ask->words[0];
    char left[64] = "";

    if (!answers && interrupted == 0)
        return ask_complain(ask->socket, "since the order was given, it has ended");
    if (live >= 0)
        snprintf(left, sizeof(left), "%s still has %lld connection%s; ", name, live,
                 live == 1 ? "" : "s");
    fprintf(stderr, "relayctl: %s: %sthe order stays in force (relayctl ready %s lifts it).\n",
            interrupted != 0 ? "interrupted" : "time is up", left, name);
    return ASK_REFUSED;
}

/* Until it has no connection; over a restart of relayd, too. */
static int await_empty(const struct ask *ask, usec_t timeout) {
    const struct sigaction act = {.sa_handler = note_interrupted_wait};
    usec_t until = timeout > 0 ? clock_now() + timeout : USEC_NEVER, answered = clock_now();
    long long live, before = -1;
    bool rewrites = isatty(STDERR_FILENO), answers;

    (void)sigaction(SIGINT, &act, NULL);
    while ((live = count_server_live(ask, ask->words[0], &answers)) != 0 && interrupted == 0 &&
           clock_now() < until) {
        if (answers)
            answered = clock_now();
        else if (clock_now() - answered > RESTART_PATIENCE)
            break;
        if (live > 0) {
            say_progress(ask->words[0], live, before, rewrites);
            before = live;
        }
        (void)usleep(LOOK_AGAIN);
    }
    if (rewrites && before >= 0)
        fputs("\r\033[K", stderr);
    if (live != 0)
        return end_wait(ask, answers, live > 0 ? live : before);
    if (!ask->json)
        printf("%s has no connection.\n", ask->words[0]);
    return EX_OK;
}

static int act_and_wait(const struct ask *ask, const char *page) {
    usec_t timeout = 0;

    if (ask->n_words != 1)
        return wrong_command("which server? One, as app/a", ask->n_words > 1 ? ask->words[1] : "");
    if (ask->timeout != NULL && !text_parse_duration(ask->timeout, &timeout))
        return wrong_command("--timeout takes a time, as 90s or 10m", ask->timeout);
    int r = act_server(ask, page, NULL);
    return r == EX_OK && (ask->wait || ask->timeout != NULL) ? await_empty(ask, timeout) : r;
}

int act_drain(const struct ask *ask) {
    return act_and_wait(ask, "/drain");
}

int act_down(const struct ask *ask) {
    return act_and_wait(ask, "/down");
}

int act_ready(const struct ask *ask) {
    if (ask->n_words != 1)
        return wrong_command("which server? One, as app/a", ask->words[1]);
    return act_server(ask, "/ready", NULL);
}

int act_weight(const struct ask *ask) {
    if (ask->n_words != 2)
        return wrong_command("weight takes a server and a weight, as weight app/a 5", "");
    return act_server(ask, "/weight", ask->words[1]);
}

int act_reset(const struct ask *ask) {
    if (ask->n_words > 1)
        return wrong_command("--reset takes one server, or none: all", ask->words[1]);
    return ask->n_words == 1 ? act_server(ask, "/reset", NULL) : act_by(ask, "/reset", NULL, 0);
}

/* For what takes its time: prints the lines that came, and what is done (NULL: they say it). */
static int act_through_main(const struct ask *ask, const char *page, const char *done) {
    char *text = NULL;
    json_t *answer;
    const json_t *line;
    size_t i;
    int r = ask_json(ask, ASK_POST, page, &answer, &text);

    if (r != EX_OK)
        return r;
    bool good = json_is_true(json_object_get(answer, "good"));
    if (ask->json)
        fputs(text, stdout);
    else
        json_array_foreach(json_object_get(answer, "lines"), i, line)
            fprintf(good ? stdout : stderr, "%s\n", json_words(line));
    if (!ask->json && good && done != NULL)
        puts(done);
    json_decref(answer);
    free(text);
    return good ? EX_OK : ASK_REFUSED;
}

int act_reload(const struct ask *ask) {
    return act_through_main(ask, "/reload", "The configuration was reloaded and is in force.");
}

/* "app/a (10.0.0.1:80): good, in 0.4 ms" */
static void print_probed(const json_t *answer, const json_t *address) {
    const char *outcome = member_text(address, "outcome", "");
    double took = (double)member_number(address, "took_us") / 1000;
    bool good = strcmp(outcome, "good") == 0;

    printf("%s/%s (%s): ", member_text(answer, "upstream", "-"), member_text(answer, "server", "-"),
           member_text(address, "address", "-"));
    if (good)
        printf("good, in %.1f ms\n", took);
    else
        printf("%s, in %.1f ms: %s\n",
               strcmp(outcome, "bad") == 0 ? "failed" : "could not be checked", took,
               member_text(address, "why", ""));
}

static int act_probe(const struct ask *ask) {
    char server[256], *words[] = {server}, *text = NULL;
    const json_t *address;
    json_t *answer;
    size_t i;

    snprintf(server, sizeof(server), "server=%s", ask->words[0]);
    char *path = ask_path("/check", words, 1);
    if (path == NULL)
        return EX_OSERR;
    int r = ask_json(ask, ASK_POST, path, &answer, &text);
    free(path);
    if (r != EX_OK)
        return r;
    if (ask->json)
        fputs(text, stdout);
    else
        json_array_foreach(json_object_get(answer, "addresses"), i, address)
            print_probed(answer, address);
    long long more = member_number(answer, "not_checked");
    if (!ask->json && more > 0)
        printf("%lld more addresses were not checked.\n", more);
    if (!ask->json && !json_is_true(json_object_get(answer, "health_check")))
        puts("(By a connect: the upstream has no health_check.)");
    r = json_is_true(json_object_get(answer, "good")) ? EX_OK : ASK_REFUSED;
    json_decref(answer);
    free(text);
    return r;
}

int act_check(const struct ask *ask) {
    if (ask->n_words > 1)
        return wrong_command("check takes one server, as app/a, or none: the file", ask->words[1]);
    return ask->n_words == 1 ? act_probe(ask) : act_through_main(ask, "/check", NULL);
}
