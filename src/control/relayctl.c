/* relayctl: asks a running relayd at its control socket, and prints what it says. */
#include <curl/curl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "control/control.h"
#include "control/explain.h"
#include "control/screens.h"
#include "version.h"

#define REFUSED      1
#define PATIENCE_SEC 10L

struct ask {
    const char *socket;
    bool json;
    char **words; /* after the command */
    size_t n_words;
};

struct text {
    char *bytes;
    size_t n;
};

static size_t take_bytes(char *bytes, size_t one, size_t n, void *arg) {
    struct text *text = arg;
    char *more = realloc(text->bytes, text->n + one * n + 1);

    if (more == NULL)
        return 0;
    memcpy(more + text->n, bytes, one * n);
    text->bytes = more;
    text->n += one * n;
    more[text->n] = '\0';
    return one * n;
}

static int wrong_command(const char *what, const char *word) {
    fprintf(stderr, "relayctl: %s%s%s; see relayctl --help\n", what, word[0] != '\0' ? ": " : "",
            word);
    return EX_USAGE;
}

static int complain_of_socket(const char *socket, const char *why) {
    fprintf(stderr,
            "relayctl: no relayd answers at %s: %s.\n"
            "Does relayd run, with control = auto or this path in its configuration? -s SOCKET "
            "asks another; root and members of relayd's group may ask.\n",
            socket, why);
    return EX_UNAVAILABLE;
}

/* GET: EX_OK with an answer of *ret_status, which the caller frees. */
static int get_page(const struct ask *ask, const char *path, struct text *ret_text,
                    long *ret_status) {
    char url[1024], why[CURL_ERROR_SIZE] = "";
    struct text text = {0};
    CURL *curl = curl_easy_init();

    if (curl == NULL)
        return EX_OSERR;
    snprintf(url, sizeof(url), "http://relayd%s", path);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, ask->socket);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, PATIENCE_SEC);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &text);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    CURLcode r = curl_easy_perform(curl);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
    long error = 0;
    (void)curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
    curl_easy_cleanup(curl);
    if (r == CURLE_OK && text.bytes != NULL) {
        *ret_text = text;
        return EX_OK;
    }
    free(text.bytes);
    return complain_of_socket(ask->socket, error != 0       ? strerror((int)error)
                                           : why[0] != '\0' ? why
                                                            : curl_easy_strerror(r));
}

/* As get_page; what is not as wished (503 of /ready is) is printed. */
static int get_answer(const struct ask *ask, const char *path, json_t **ret_json, char **ret_text) {
    struct text text;
    long status = 0;
    int r = get_page(ask, path, &text, &status);

    if (r != EX_OK)
        return r;
    json_t *json = json_loads(text.bytes, 0, NULL);
    const char *error = json_string_value(json_object_get(json, "error"));
    if (json == NULL || error != NULL) {
        fprintf(stderr, "relayctl: %s answers %ld: %s.\n", ask->socket, status,
                error != NULL ? error : "this is no JSON, so it is no relayd");
        json_decref(json);
        free(text.bytes);
        return status == 404 || json == NULL ? EX_UNAVAILABLE : REFUSED;
    }
    *ret_json = json;
    *ret_text = text.bytes;
    return EX_OK;
}

static int end_screen(bool good) {
    if (!good)
        fputs(
            "relayctl: the answer is not what this relayctl knows; use that of the same "
            "version as relayd.\n",
            stderr);
    return good ? EX_OK : REFUSED;
}

typedef bool screen_fn(const json_t *answer, FILE *out);

/* Prints what the page answers, by a screen or as it came. *ret_answer: NULL, or the caller's. */
static int show_page(const struct ask *ask, const char *path, screen_fn *screen,
                     json_t **ret_answer) {
    char *text = NULL;

    *ret_answer = NULL;
    int r = get_answer(ask, path, ret_answer, &text);
    if (r == EX_OK && ask->json)
        fputs(text, stdout);
    else if (r == EX_OK)
        r = end_screen(screen(*ret_answer, stdout));
    free(text);
    return r;
}

static int show_status(const struct ask *ask) {
    json_t *status = NULL, *servers = NULL;
    char *text = NULL, *more = NULL;
    int r = get_answer(ask, "/status", &status, &text);

    if (r == EX_OK && ask->json)
        fputs(text, stdout);
    else if (r == EX_OK)
        r = get_answer(ask, "/servers", &servers, &more);
    if (r == EX_OK && !ask->json)
        r = end_screen(screen_status(status, servers, time(NULL), stdout));
    json_decref(status);
    json_decref(servers);
    free(text);
    free(more);
    return r;
}

static int show_servers(const struct ask *ask) {
    json_t *servers;
    int r = show_page(ask, "/servers", screen_servers, &servers);

    json_decref(servers);
    return r;
}

/* "/connections?listener=web&client=10.0.0.0%2F8" of the words; the caller frees it. NULL: a word
 * is no filter, or there is no memory. */
static char *make_path(const struct ask *ask, const char *page) {
    char *path = strdup(page);

    for (size_t i = 0; i < ask->n_words && path != NULL; i++) {
        const char *word = ask->words[i], *is = strchr(word, '=');
        char *value = is != NULL && is > word ? curl_easy_escape(NULL, is + 1, 0) : NULL,
             *name = value != NULL ? curl_easy_escape(NULL, word, (int)(is - word)) : NULL,
             *longer = NULL;

        if (name != NULL &&
            asprintf(&longer, "%s%s%s=%s", path, i == 0 ? "?" : "&", name, value) < 0)
            longer = NULL;
        curl_free(name);
        curl_free(value);
        free(path);
        path = longer;
    }
    return path;
}

static int show_connections(const struct ask *ask) {
    char *path = make_path(ask, "/connections");
    json_t *connections;

    if (path == NULL)
        return wrong_command("a filter is listener=NAME, server=UPSTREAM/NAME or client=PREFIX",
                             "");
    int r = show_page(ask, path, screen_connections, &connections);
    json_decref(connections);
    free(path);
    return r;
}

static int show_metrics(const struct ask *ask) {
    struct text text;
    long status = 0;
    int r = get_page(ask, "/metrics", &text, &status);

    if (r != EX_OK)
        return r;
    fputs(text.bytes, status == 200 ? stdout : stderr);
    free(text.bytes);
    return status == 200 ? EX_OK : REFUSED;
}

static int show_explanation(const struct ask *ask) {
    struct explanation end;

    if (ask->n_words != 1)
        return wrong_command("explain takes one end code, as in explain LC", "");
    if (!explain_end(ask->words[0], &end))
        return wrong_command("there is no such end code; relayd(8), END CODES, has them all",
                             ask->words[0]);
    if (!ask->json) {
        printf("%s: a connection %s.\n%s\n\n%c: %s\n%c: %s\n", end.code, end.sentence, end.advice,
               end.code[0], end.who, end.code[1], end.when);
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

static int show_ready(const struct ask *ask) {
    json_t *ready;
    int r = show_page(ask, "/ready", screen_ready, &ready);

    if (r == EX_OK && !json_is_true(json_object_get(ready, "ready")))
        r = REFUSED;
    json_decref(ready);
    return r;
}

static const struct command {
    const char *name;
    const char *argument; /* NULL: takes none */
    const char *help;
    int (*run)(const struct ask *ask);
} commands[] = {
    {"status", NULL, "all on one screen; so does relayctl without a command", show_status},
    {"servers", NULL, "each server and address: its state, and why", show_servers},
    {"connections", "[FILTER]...", "each connection; listener=, server= or client= narrows it",
     show_connections},
    {"metrics", NULL, "counters and gauges, as Prometheus reads them", show_metrics},
    {"explain", "CODE", "what an end code of the log means; asks no relayd", show_explanation},
    {"ready", NULL, "whether clients are served: exit 0, or 1 and why not", show_ready},
};

static int print_relayctl_help(void) {
    puts(
        "relayctl asks a running relayd.\n\n"
        "usage: relayctl [-s SOCKET] [--json] [COMMAND]\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        printf("  %s%s%-*s %s\n", commands[i].name, commands[i].argument != NULL ? " " : "",
               (int)(24 - strlen(commands[i].name) - (commands[i].argument != NULL)),
               commands[i].argument != NULL ? commands[i].argument : "", commands[i].help);
    puts("\n  -s, --socket FILE        ask at this socket instead of " CONTROL_SOCKET
         "\n"
         "      --json               print the answer as it came\n"
         "  -V, --version            print the version and exit\n"
         "  -h, --help               print this help and exit\n\n"
         "It exits 0; 1 if it was refused, or relayd is not ready; 64 if the command is wrong; 69 "
         "if no relayd answers.\n"
         "See relayctl(8).");
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static int run_command(struct ask *ask, const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(name, commands[i].name) != 0)
            continue;
        if (commands[i].argument == NULL && ask->n_words > 0)
            return wrong_command("this command takes no argument", ask->words[0]);
        int r = commands[i].run(ask);
        return fflush(stdout) == 0 ? r : EX_IOERR;
    }
    return wrong_command("there is no such command", name);
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"socket", required_argument, NULL, 's'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"version", no_argument, NULL, 'V'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct ask ask = {.socket = CONTROL_SOCKET};
    int option;

    while ((option = getopt_long(argc, argv, "s:Vh", options, NULL)) != -1) {
        switch (option) {
        case 's':
            ask.socket = optarg;
            break;
        case 'j':
            ask.json = true;
            break;
        case 'V':
            puts("relayctl " RELAYD_VERSION);
            return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
        case 'h':
            return print_relayctl_help();
        default:
            return wrong_command("wrong arguments", "");
        }
    }
    const char *name = optind < argc ? argv[optind++] : "status";
    ask.words = argv + optind;
    ask.n_words = (size_t)(argc - optind);
    return run_command(&ask, name);
}
