/* Commands about clients and their connections. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/grow.h"
#include "base/text.h"
#include "relayctl/answer.h"
#include "relayctl/commands.h"
#include "relayctl/rows.h"
#include "relayctl/screens.h"

#define FILTERS                                                                                    \
    "a filter is listener=NAME, server=UPSTREAM/NAME, client=PREFIX, tls_client=SUBJECT, id=N, "   \
    "age=TIME or rate=BYTES"

/* What `sort` goes by, the largest first; -1: there is no such order. */
static double sort_key(const struct connection_row *row, const char *by) {
    double up = (double)row->number[ROW_UP], down = (double)row->number[ROW_DOWN],
           age = (double)row->number[ROW_AGE];

    if (strcmp(by, "age") == 0)
        return age;
    if (strcmp(by, "idle") == 0)
        return (double)row->number[ROW_IDLE];
    if (strcmp(by, "up") == 0)
        return up;
    if (strcmp(by, "down") == 0)
        return down;
    if (strcmp(by, "rate") == 0)
        return (up + down) / (age > 1 ? age : 1);
    return -1;
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

/* Calls each for every row. EX_OK: *ret_answer is what came; else says why not. */
static int ask_rows(const struct ask *ask, const char *path,
                    void (*each)(void *arg, const struct connection_row *row), void *arg,
                    struct buffer *ret_answer) {
    struct buffer answer;
    long status = 0;
    int r = ask_page(ask, ASK_GET, path, &answer, &status);

    if (r != EX_OK)
        return r;
    if (status == 200 && rows_read(&answer, each, arg)) {
        *ret_answer = answer;
        return EX_OK;
    }
    json_t *json = answer_read(answer.bytes, answer.n);
    r = ask_judge(ask->socket, json, status);
    json_decref(json);
    buffer_free(&answer);
    return r == EX_OK ? ask_end(false) : r;
}

struct row_grid {
    struct grid grid;
    const char *by;  /* NULL: in the order of relayd's */
    bool has_bearer; /* a client has shown a certificate */
};

static void add_row(void *arg, const struct connection_row *row) {
    struct row_grid *rows = arg;

    screen_add_connection(&rows->grid, row);
    rows->has_bearer |= strcmp(row->text[ROW_TLS_CLIENT], "-") != 0;
    if (rows->by != NULL && rows->grid.n > 0)
        rows->grid.rows[rows->grid.n - 1].key = sort_key(row, rows->by);
}

static int print_connection_grid(const struct ask *ask, const char *path, const char *by) {
    struct row_grid rows = {.grid = screen_connection_grid(), .by = by};
    struct buffer answer = {0};
    int r = ask_rows(ask, path, add_row, &rows, &answer);

    if (r == EX_OK && by != NULL)
        grid_sort(&rows.grid);
    if (!rows.has_bearer)
        rows.grid.heads[SCREEN_TLS_CLIENT] = NULL;
    if (r == EX_OK)
        grid_print(&rows.grid, stdout);
    if (r == EX_OK && rows.grid.failed)
        r = EX_OSERR;
    grid_free(&rows.grid);
    buffer_free(&answer);
    return r;
}

struct row_json {
    double key;
    const char *json;
    size_t n;
};

struct row_jsons {
    const char *by; /* NULL: they are not kept */
    struct row_json *list;
    size_t n, room;
    bool failed; /* there was no memory */
};

static void keep_row(void *arg, const struct connection_row *row) {
    struct row_jsons *rows = arg;

    if (rows->by == NULL)
        return;
    void *list = grow_list(rows->list, rows->n, &rows->room, sizeof(*rows->list));
    if (list == NULL) {
        rows->failed = true;
        return;
    }
    rows->list = list;
    rows->list[rows->n++] = (struct row_json){sort_key(row, rows->by), row->json, row->json_n};
}

static int compare_rows(const void *a, const void *b) {
    const struct row_json *one = a, *other = b;

    return (one->key < other->key) - (one->key > other->key);
}

static void print_sorted(struct row_jsons *rows) {
    if (rows->n > 1)
        qsort(rows->list, rows->n, sizeof(*rows->list), compare_rows);
    putchar('[');
    for (size_t i = 0; i < rows->n; i++)
        printf("%s%.*s", i > 0 ? "," : "", (int)rows->list[i].n, rows->list[i].json);
    puts("]");
}

/* As they came; or sorted. */
static int print_connection_json(const struct ask *ask, const char *path, const char *by) {
    struct row_jsons rows = {.by = by};
    struct buffer answer = {0};
    int r = ask_rows(ask, path, keep_row, &rows, &answer);

    if (r == EX_OK && rows.failed)
        r = EX_OSERR;
    if (r == EX_OK && by != NULL)
        print_sorted(&rows);
    else if (r == EX_OK)
        fputs(answer.bytes, stdout);
    free(rows.list);
    buffer_free(&answer);
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
    if (by != NULL && sort_key(&(const struct connection_row){0}, by) < 0)
        r = wrong_command("sort is by age, idle, up, down or rate", by);
    else
        r = ask->json ? print_connection_json(ask, path, by) : print_connection_grid(ask, path, by);
    free(path);
    return r;
}

/* One that is established: others cannot be ended. */
static void count_row(void *arg, const struct connection_row *row) {
    const char *phase = row->text[ROW_PHASE];

    *(long long *)arg +=
        strcmp(phase, "relay") == 0 || strcmp(phase, "linger") == 0 || strcmp(phase, "idle") == 0;
}

/* How many there are now; -1: no answer. */
static long long count_connections(const struct ask *ask) {
    char *path = ask_path("/connections", ask->words, ask->n_words);
    struct buffer answer = {0};
    long long n = 0;

    if (path == NULL || ask_rows(ask, path, count_row, &n, &answer) != EX_OK)
        n = -1;
    buffer_free(&answer);
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

static bool begins_with(const char *word, const char *begin) {
    return strncmp(word, begin, strlen(begin)) == 0;
}

/* Right or wrong: no name of a host ends in a number (RFC 3696, 2). */
static bool is_meant_as_address(const char *word) {
    return strchr(word, ':') != NULL || word[strspn(word, "0123456789./")] == '\0';
}

int show_client(const struct ask *ask) {
    const char *what = ask->words[0];
    char first[320];
    char *words[3] = {first};
    bool is_client = is_meant_as_address(what);
    json_t *listeners = NULL;
    char *text = NULL;

    for (size_t i = 1; i < ask->n_words; i++) {
        if (i >= ARRAY_LEN(words) || (!begins_with(ask->words[i], "listener=") &&
                                      (!is_client || !begins_with(ask->words[i], "name="))))
            return wrong_command(
                "explain takes an address, or a name, listener=NAME, and with an "
                "address name=NAME",
                ask->words[i]);
        words[i] = ask->words[i];
    }
    if (begins_with(what, "name="))
        what += strlen("name=");
    snprintf(first, sizeof(first), "%s=%s", is_client ? "client" : "name", what);
    char *path = ask_path("/explain", words, ask->n_words);
    if (path == NULL)
        return EX_OSERR;
    int r = ask_json(ask, ASK_GET, path, &listeners, &text);
    bool good = true;
    if (r == EX_OK && ask->json)
        fputs(text, stdout);
    else if (r == EX_OK)
        good = is_client ? screen_client(what, listeners, time(NULL), stdout)
                         : screen_name(what, listeners, stdout);
    json_decref(listeners);
    free(text);
    free(path);
    return good ? r : ask_end(false);
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
    return ask_end(good);
}

int act_lame_duck(const struct ask *ask) {
    char off[] = "off=yes";
    char *words[] = {off};

    if (ask->n_words > 1 || (ask->n_words == 1 && strcmp(ask->words[0], "off") != 0))
        return wrong_command("lame-duck takes off, or nothing", ask->words[0]);
    return act_by(ask, "/lame-duck", words, ask->n_words);
}
