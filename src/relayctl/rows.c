#include "relayctl/rows.h"

#include <jansson.h>
#include <string.h>

#include "relayctl/answer.h"

#define DIGITS_MOST 18 /* that fit a long long, whatever they are */

typedef void row_fn(void *arg, const struct connection_row *row);

static const char *const text_names[ROW_TEXTS] = {"client", "listener", "upstream",
                                                  "server", "phase",    "tls_client"};
static const char *const number_names[ROW_NUMBERS] = {"id", "age_us", "idle_us", "up", "down"};

/* n: it is none of them. */
static size_t find_member_name(const char *const *names, size_t n, const char *name,
                               size_t length) {
    size_t i = 0;

    while (i < n && (strncmp(names[i], name, length) != 0 || names[i][length] != '\0'))
        i++;
    return i;
}

/* Where a string ends that is as it is written; NULL: it must be decoded. */
static char *end_of_plain(char *at) {
    while (*at >= ' ' && *at < 0x7f && *at != '"' && *at != '\\')
        at++;
    return *at == '"' ? at : NULL;
}

/* The value of a member. Returns what follows; NULL: it is not plain. */
static char *read_plain_value(char *at, const char *name, size_t length, struct connection_row *row,
                              char *ends[ROW_TEXTS]) {
    long long number = 0;
    char *first = at;

    if (*at == '"') {
        char *end = end_of_plain(at + 1);
        size_t i = find_member_name(text_names, ROW_TEXTS, name, length);

        if (end != NULL && i < ROW_TEXTS) {
            row->text[i] = at + 1;
            ends[i] = end;
        }
        return end != NULL ? end + 1 : NULL;
    }
    if (strncmp(at, "null", 4) == 0)
        return at + 4;
    while (*at >= '0' && *at <= '9' && at - first < DIGITS_MOST)
        number = 10 * number + (*at++ - '0');
    size_t i = find_member_name(number_names, ROW_NUMBERS, name, length);
    if (i < ROW_NUMBERS)
        row->number[i] = number;
    row->has_id = row->has_id || i == ROW_ID;
    return at > first ? at : NULL;
}

/* An object as relayd writes most: without blanks, of numbers, null, and strings of which nothing
 * must be decoded. Returns what follows; NULL: it is another. */
static char *read_plain_row(char *at, struct connection_row *row, char *ends[ROW_TEXTS]) {
    char open = '{';

    do {
        char *name = at + 2, *end = at[0] == open && at[1] == '"' ? end_of_plain(name) : NULL;

        if (end == NULL || end[1] != ':')
            return NULL;
        at = read_plain_value(end + 2, name, (size_t)(end - name), row, ends);
        open = ',';
    } while (at != NULL && *at == ',');
    return at != NULL && *at == '}' ? at + 1 : NULL;
}

static struct connection_row empty_row(const char *at) {
    return (struct connection_row){.text = {"-", "-", "-", "-", "-", "-"}, .json = at};
}

/* Whatever JSON it is. Returns what follows; NULL: it is none. */
static char *read_other_row(char *at, const char *end, row_fn *each, void *arg) {
    struct connection_row row = empty_row(at);
    json_error_t where;
    json_t *json = json_loadb(at, (size_t)(end - at), JSON_DISABLE_EOF_CHECK, &where);

    if (json == NULL)
        return NULL;
    answer_tame(json);
    for (size_t i = 0; i < ROW_TEXTS; i++)
        if (json_is_string(json_object_get(json, text_names[i])))
            row.text[i] = json_string_value(json_object_get(json, text_names[i]));
    for (size_t i = 0; i < ROW_NUMBERS; i++)
        row.number[i] = json_integer_value(json_object_get(json, number_names[i]));
    row.has_id = json_is_integer(json_object_get(json, number_names[ROW_ID]));
    row.json_n = (size_t)where.position;
    each(arg, &row);
    json_decref(json);
    return at + where.position;
}

static char *read_row(char *at, const char *end, row_fn *each, void *arg) {
    char *ends[ROW_TEXTS] = {NULL};
    struct connection_row row = empty_row(at);
    char *after = read_plain_row(at, &row, ends);

    if (after == NULL)
        return read_other_row(at, end, each, arg);
    row.json_n = (size_t)(after - at);
    for (size_t i = 0; i < ROW_TEXTS; i++)
        if (ends[i] != NULL)
            *ends[i] = '\0';
    each(arg, &row);
    for (size_t i = 0; i < ROW_TEXTS; i++)
        if (ends[i] != NULL)
            *ends[i] = '"';
    return after;
}

bool rows_read(struct buffer *answer, row_fn *each, void *arg) {
    if (answer->n == 0 || answer->bytes[0] != '[')
        return false;
    const char *end = answer->bytes + answer->n;
    char *at = answer->bytes + 1;
    while (at != NULL && *at != ']') {
        at = read_row(at, end, each, arg);
        if (at != NULL && *at == ',')
            at++;
    }
    return at != NULL && at + 1 + strspn(at + 1, " \t\r\n") == end;
}
