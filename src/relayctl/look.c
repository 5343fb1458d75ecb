/* Commands that look. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include <time.h>

#include "relayctl/commands.h"
#include "relayctl/explain.h"
#include "relayctl/screen_tls.h"
#include "relayctl/screens.h"

#define WIDTH 80

#define MEASURED_USEC 550000 /* more than SPAN_BETWEEN of control/samples.c */

typedef bool screen_fn(const json_t *answer, FILE *out);

/* Prints what the page answers, by a screen or as it came. *ret_answer: NULL, or the caller's. */
static int show_page(const struct ask *ask, const char *path, screen_fn *screen,
                     json_t **ret_answer) {
    char *text = NULL;

    *ret_answer = NULL;
    int r = ask_json(ask, ASK_GET, path, ret_answer, &text);
    if (r == EX_OK && ask->json)
        fputs(text, stdout);
    else if (r == EX_OK)
        r = ask_end(screen(*ret_answer, stdout));
    free(text);
    return r;
}

/* relayd measures what it carries while it is asked: if nobody has for a minute, it is asked
 * again. */
static int get_status(const struct ask *ask, json_t **ret_status, char **ret_text) {
    int r = ask_json(ask, ASK_GET, "/status", ret_status, ret_text);

    if (r != EX_OK || !json_is_null(json_object_get(*ret_status, "up_rate")))
        return r;
    json_decref(*ret_status);
    free(*ret_text);
    *ret_status = NULL;
    *ret_text = NULL;
    (void)usleep(MEASURED_USEC);
    return ask_json(ask, ASK_GET, "/status", ret_status, ret_text);
}

int show_status(const struct ask *ask) {
    json_t *status = NULL, *servers = NULL;
    char *text = NULL, *more = NULL;
    int r = get_status(ask, &status, &text);

    if (r == EX_OK && ask->json)
        fputs(text, stdout);
    else if (r == EX_OK)
        r = ask_json(ask, ASK_GET, "/servers", &servers, &more);
    if (r == EX_OK && !ask->json)
        r = ask_end(screen_status(status, servers, time(NULL), stdout));
    json_decref(status);
    json_decref(servers);
    free(text);
    free(more);
    return r;
}

static bool screen_servers_now(const json_t *servers, FILE *out) {
    return screen_servers(servers, time(NULL), out);
}

int show_servers(const struct ask *ask) {
    json_t *servers;

    if (ask->reset)
        return act_reset(ask);
    if (ask->n_words > 0)
        return wrong_command("servers takes a name only with --reset", ask->words[0]);
    int r = show_page(ask, "/servers", screen_servers_now, &servers);

    json_decref(servers);
    return r;
}

int show_metrics(const struct ask *ask) {
    struct buffer text;
    long status = 0;
    int r = ask_page(ask, ASK_GET, "/metrics", &text, &status);

    if (r != EX_OK)
        return r;
    fputs(text.bytes, status == 200 ? stdout : stderr);
    free(text.bytes);
    return status == 200 ? EX_OK : ASK_REFUSED;
}

/* In lines of at most WIDTH. */
static void print_wrapped(const char *text) {
    size_t column = 0;

    while (*text != '\0') {
        size_t n = strcspn(text, " ");

        if (column > 0 && column + 1 + n > WIDTH) {
            putchar('\n');
            column = 0;
        }
        column += (size_t)printf("%s%.*s", column > 0 ? " " : "", (int)n, text);
        text += n + (text[n] == ' ');
    }
    putchar('\n');
}

int show_explanation(const struct ask *ask) {
    struct explanation end;

    if (ask->n_words > 0 && strpbrk(ask->words[0], ".:=") != NULL)
        return show_client(ask);
    if (ask->n_words != 1)
        return wrong_command("explain takes one end code, address or name, as in explain LC", "");
    if (!explain_end(ask->words[0], &end))
        return wrong_command("there is no such end code; relayd(8), END CODES, has them all",
                             ask->words[0]);
    if (!ask->json) {
        printf("%s: a connection %s.\n", end.code, end.sentence);
        print_wrapped(end.advice);
        printf("\n%c: %s\n%c: %s\n", end.code[0], end.who, end.code[1], end.when);
        return EX_OK;
    }
    json_t *json =
        json_pack("{s:s, s:b, s:s, s:s, s:s, s:s}", "code", end.code, "failed", end.failed,
                  "sentence", end.sentence, "advice", end.advice, "who", end.who, "when", end.when);
    int r = json != NULL && json_dumpf(json, stdout, JSON_COMPACT) == 0 ? EX_OK : EX_OSERR;
    json_decref(json);
    putchar('\n');
    return r;
}

int show_ready(const struct ask *ask) {
    json_t *ready;

    if (ask->n_words > 0)
        return act_ready(ask);
    int r = show_page(ask, "/ready", screen_ready, &ready);

    if (r == EX_OK && !json_is_true(json_object_get(ready, "ready")))
        r = ASK_REFUSED;
    json_decref(ready);
    return r;
}

int show_certificates(const struct ask *ask) {
    json_t *certificates;
    int r = show_page(ask, "/certificates.json", screen_certificates, &certificates);

    json_decref(certificates);
    return r;
}
