#include "relayctl/answer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"

static bool is_plain(const char *text, size_t n) {
    size_t i = 0;

    while (i < n && text[i] >= ' ' && text[i] < 0x7f)
        i++;
    return i == n;
}

/* The caller frees it. NULL: no memory. */
static char *make_printable(const char *text, size_t n) {
    char *shown = malloc(4 * n + 1);

    return shown != NULL ? escape_text(text, n, ESCAPE_UNPRINTABLE, shown, 4 * n + 1) : NULL;
}

static void tame_text(json_t *text) {
    const char *value = json_string_value(text);
    size_t n = json_string_length(text);

    if (is_plain(value, n))
        return;
    char *shown = make_printable(value, n);
    (void)json_string_set(text, shown != NULL ? shown : "?");
    free(shown);
}

static void tame_integer(json_t *number) {
    json_int_t value = json_integer_value(number);

    if (value > ANSWER_NUMBER_MOST)
        (void)json_integer_set(number, ANSWER_NUMBER_MOST);
    else if (value < -ANSWER_NUMBER_MOST)
        (void)json_integer_set(number, -ANSWER_NUMBER_MOST);
}

static void tame_real(json_t *number) {
    double value = json_real_value(number), most = (double)ANSWER_NUMBER_MOST;

    if (value > most)
        (void)json_real_set(number, most);
    else if (value < -most)
        (void)json_real_set(number, -most);
}

/* jansson reads none that is deeper than 2048. */
void answer_tame(json_t *json) {
    const char *name;
    json_t *value;
    size_t i;

    if (json_is_object(json))
        json_object_foreach(json, name, value) answer_tame(value);
    else if (json_is_array(json))
        json_array_foreach(json, i, value) answer_tame(value);
    else if (json_is_string(json))
        tame_text(json);
    else if (json_is_integer(json))
        tame_integer(json);
    else if (json_is_real(json))
        tame_real(json);
}

json_t *answer_read(const char *bytes, size_t n) {
    json_t *json = json_loadb(bytes, n, 0, NULL);

    answer_tame(json);
    return json;
}

void answer_print(const char *text, FILE *out) {
    char *shown = make_printable(text, strlen(text));

    if (shown != NULL)
        fprintf(out, "%s\n", shown);
    free(shown);
}
