/* Commands about clients and their connections. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/text.h"
#include "relayctl/commands.h"
#include "relayctl/screens.h"

#define FILTERS                                                                                    \
    "a filter is listener=NAME, server=UPSTREAM/NAME, client=PREFIX, id=N, age=TIME or rate=BYTES"

/* What `sort` goes by, the largest first; -1: there is no such order. */
static double sort_key(const json_t *connection, const char *by) {
    double up = (double)json_integer_value(json_object_get(connection, "up")),
           down = (double)json_integer_value(json_object_get(connection, "down")),
           age = (double)json_integer_value(json_object_get(connection, "age_us"));

    if (strcmp(by, "age") == 0)
        return age;
    if (strcmp(by, "idle") == 0)
        return (double)json_integer_value(json_object_get(connection, "idle_us"));
    if (strcmp(by, "up") == 0)
        return up;
    if (strcmp(by, "down") == 0)
        return down;
    if (strcmp(by, "rate") == 0)
        return (up + down) / (age > 1 ? age : 1);
    return -1;
}

struct keyed {
    double key;
    json_t *connection;
};

static int compare_keyed(const void *a, const void *b) {
    const struct keyed *x = a, *y = b;

    return x->key < y->key ? 1 : x->key > y->key ? -1 : 0;
}

/* A list in that order; NULL: no memory. */
static json_t *sort_connections(const json_t *list, const char *by) {
    size_t n = json_array_size(list);
    struct keyed *keyed = calloc(n + 1, sizeof(*keyed));
    json_t *sorted = keyed != NULL ? json_array() : NULL;

    for (size_t i = 0; keyed != NULL && i < n; i++) {
        json_t *connection = json_array_get(list, i);

        keyed[i] = (struct keyed){sort_key(connection, by), connection};
    }
    if (keyed != NULL && n > 1)
        qsort(keyed, n, sizeof(*keyed), compare_keyed);
    for (size_t i = 0; sorted != NULL && i < n; i++)
        json_array_append(sorted, keyed[i].connection);
    free(keyed);
    return sorted;
}

/* Takes "sort=" out of the words, of which a copy with room for all is in ret_words. */
static const char *take_sort(const struct ask *ask, char **ret_words, size_t *ret_n) {
    const char *by = NULL;

    *ret_n = 0;
    for (size_t i = 0; i < ask->n_words; i++)
        if (strncmp(ask->words[i], "sort=", 5) == 0)
            by = ask->words[i] + 5;
        else
            ret_words[(*ret_n)++] = ask->words[i];
    return by;
}

struct connection_rows {
    struct grid grid;
    const char *by; /* NULL: in the order of relayd's */
};

static void add_row(void *arg, const json_t *connection) {
    struct connection_rows *rows = arg;

    screen_add_connection(&rows->grid, connection);
    if (rows->by != NULL && rows->grid.n > 0)
        rows->grid.rows[rows->grid.n - 1].key = sort_key(connection, rows->by);
}

static int print_connection_grid(const struct ask *ask, const char *path, const char *by) {
    struct connection_rows rows = {.grid = screen_connection_grid(), .by = by};
    int r = ask_list(ask, path, add_row, &rows);

    if (r == EX_OK && by != NULL)
        grid_sort(&rows.grid);
    if (r == EX_OK)
        grid_print(&rows.grid, stdout);
    if (r == EX_OK && rows.grid.failed)
        r = EX_OSERR;
    grid_free(&rows.grid);
    return r;
}

/* As they came; or sorted. */
static int print_connection_json(const struct ask *ask, const char *path, const char *by) {
    json_t *list = NULL;
    char *text = NULL;
    int r = ask_json(ask, ASK_GET, path, &list, &text);

    if (r == EX_OK && by == NULL) {
        fputs(text, stdout);
    } else if (r == EX_OK) {
        json_t *sorted = sort_connections(list, by);

        r = sorted != NULL && json_dumpf(sorted, stdout, JSON_COMPACT) == 0 ? EX_OK : EX_OSERR;
        putchar('\n');
        json_decref(sorted);
    }
    json_decref(list);
    free(text);
    return r;
}

int show_connections(const struct ask *ask) {
    char **words = calloc(ask->n_words + 1, sizeof(*words));
    size_t n = 0;
    int r;

    if (words == NULL)
        return EX_OSERR;
    const char *by = take_sort(ask, words, &n);
    char *path = ask_path("/connections", words, n);
    free(words);
    if (path == NULL)
        return wrong_command(FILTERS "; sort= sorts them", "");
    if (by != NULL && sort_key(NULL, by) < 0)
        r = wrong_command("sort is by age, idle, up, down or rate", by);
    else
        r = ask->json ? print_connection_json(ask, path, by) : print_connection_grid(ask, path, by);
    free(path);
    return r;
}

/* Those that are established: others cannot be ended. */
static size_t count_established(const json_t *list) {
    const json_t *connection;
    size_t i, n = 0;

    json_array_foreach(list, i, connection) {
        const char *phase = json_string_value(json_object_get(connection, "phase"));

        n += phase != NULL && (strcmp(phase, "relay") == 0 || strcmp(phase, "linger") == 0);
    }
    return n;
}

/* How many there are now; -1: no answer. */
static long long count_connections(const struct ask *ask) {
    char *path = ask_path("/connections", ask->words, ask->n_words);
    json_t *list = NULL;
    long long n = -1;

    if (path != NULL && ask_json(ask, ASK_GET, path, &list, NULL) == EX_OK)
        n = (long long)count_established(list);
    json_decref(list);
    free(path);
    return n;
}

/* "Kill 12 connections? [y/N]", where somebody can be asked. */
static bool is_killing_meant(const struct ask *ask, const char *verb) {
    char answer[16];
    bool asks = !ask->yes && isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    long long n = asks ? count_connections(ask) : 0;

    if (!asks)
        return true;
    if (n <= 0) {
        fputs(n == 0 ? "relayctl: no connection matches.\n" : "", stderr);
        return false;
    }
    fprintf(stderr, "%s %lld connection%s? [y/N] ", verb, n, n == 1 ? "" : "s");
    return fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

static int end_connections(const struct ask *ask, const char *page, const char *verb) {
    static char *const all[] = {(char *)(uintptr_t) "all=yes"};
    bool every = ask->n_words == 1 && strcmp(ask->words[0], all[0]) == 0;
    struct ask counted = *ask;

    for (size_t i = 0; i < ask->n_words; i++)
        if (strchr(ask->words[i], '=') == NULL)
            return wrong_command(FILTERS, ask->words[i]);
    if (ask->n_words == 0)
        return wrong_command(FILTERS "; all=yes: all that there are", "");
    counted.n_words = every ? 0 : ask->n_words;
    if (!is_killing_meant(&counted, verb)) {
        fputs("relayctl: nothing was done.\n", stderr);
        return ASK_REFUSED;
    }
    return act_by(ask, page, ask->words, ask->n_words);
}

int act_kill(const struct ask *ask) {
    return end_connections(ask, "/kill", "Kill");
}

int act_drain_client(const struct ask *ask) {
    return end_connections(ask, "/drain-client", "End, once they are silent,");
}

static int act_prefix(const struct ask *ask, const char *page) {
    char prefix[128], span[64], all[] = "all=yes";
    char *words[3] = {prefix};
    size_t n = 1;

    if (ask->n_words != 1)
        return wrong_command("which clients? One address or prefix, as 192.0.2.0/24",
                             ask->n_words > 1 ? ask->words[1] : "");
    snprintf(prefix, sizeof(prefix), "prefix=%s", ask->words[0]);
    snprintf(span, sizeof(span), "for=%s", ask->span != NULL ? ask->span : "");
    if (ask->span != NULL)
        words[n++] = span;
    if (ask->yes)
        words[n++] = all;
    return act_by(ask, page, words, n);
}

int act_block(const struct ask *ask) {
    return act_prefix(ask, "/block");
}

int act_unblock(const struct ask *ask) {
    return act_prefix(ask, "/unblock");
}

int show_client(const struct ask *ask) {
    char client[128];
    char *words[] = {client, ask->n_words > 1 ? ask->words[1] : NULL};
    json_t *listeners = NULL;
    char *text = NULL;

    if (ask->n_words > 2 ||
        (ask->n_words == 2 && strncmp(ask->words[1], "listener=", strlen("listener=")) != 0))
        return wrong_command("explain takes an address, and listener=NAME", ask->words[1]);
    snprintf(client, sizeof(client), "client=%s", ask->words[0]);
    char *path = ask_path("/explain", words, ask->n_words);
    if (path == NULL)
        return EX_OSERR;
    int r = ask_json(ask, ASK_GET, path, &listeners, &text);
    bool good = true;
    if (r == EX_OK && ask->json)
        fputs(text, stdout);
    else if (r == EX_OK)
        good = screen_client(ask->words[0], listeners, time(NULL), stdout);
    json_decref(listeners);
    free(text);
    free(path);
    return good ? r : ASK_REFUSED;
}

int show_blocks(const struct ask *ask) {
    char *text = NULL;
    json_t *blocks;
    int r = ask_json(ask, ASK_GET, "/blocks", &blocks, &text);

    if (r != EX_OK)
        return r;
    bool good = true;
    if (ask->json)
        fputs(text, stdout);
    else
        good = screen_blocks(blocks, time(NULL), stdout);
    json_decref(blocks);
    free(text);
    return good ? EX_OK : ASK_REFUSED;
}

int act_lame_duck(const struct ask *ask) {
    char off[] = "off=yes";
    char *words[] = {off};

    if (ask->n_words > 1 || (ask->n_words == 1 && strcmp(ask->words[0], "off") != 0))
        return wrong_command("lame-duck takes off, or nothing", ask->words[0]);
    return act_by(ask, "/lame-duck", words, ask->n_words);
}
