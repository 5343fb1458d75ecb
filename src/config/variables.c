#include "config/variables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* marks_note */
enum { MARK_DOLLAR = '\x01', MARK_OPEN = '\x02', MARK_CLOSE = '\x03' };

#define LETTERS    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define NAME_CHARS LETTERS "0123456789"

size_t variables_mark(char *text) {
    size_t n = strspn(text + 2, NAME_CHARS);

    if (n == 0 || strchr(LETTERS, text[2]) == NULL || text[2 + n] != '}')
        return 0;
    text[0] = MARK_DOLLAR;
    text[1] = MARK_OPEN;
    text[2 + n] = MARK_CLOSE;
    return n + 3;
}

bool variables_are_in(const char *text) {
    return strchr(text, MARK_DOLLAR) != NULL;
}

static bool has_control(const char *text) {
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

/* The value of a name of this length; NULL: a problem was noted. */
static const char *find_value(const char *name, size_t length, int line,
                              struct problems *problems) {
    char *copy = strndup(name, length), shown[PROBLEMS_SHOWN_MAX];
    const char *value = copy != NULL ? getenv(copy) : NULL;

    if (copy == NULL)
        problems->out_of_memory = true;
    else if (value == NULL)
        problems_add(problems, line,
                     "${%s}: relayd's environment has no variable of this name; the service has "
                     "those that its unit sets with Environment= (systemctl edit relayd)",
                     problems_show(copy, shown));
    else if (has_control(value))
        problems_add(problems, line, "${%s}: the value has a line end or a control character",
                     problems_show(copy, shown));
    bool good = value != NULL && !has_control(value);
    free(copy);
    return good ? value : NULL;
}

/* To its end, as far as that can be. */
static bool print_expanded(FILE *out, const char *text, int line, struct problems *problems) {
    bool whole = true;

    while (*text != '\0') {
        size_t plain = strcspn(text, (const char[]){MARK_DOLLAR, '\0'});

        fwrite(text, 1, plain, out);
        text += plain;
        if (*text == '\0')
            break;
        const char *name = text + 2;
        size_t length = strcspn(name, (const char[]){MARK_CLOSE, '\0'});
        const char *value = find_value(name, length, line, problems);
        if (value != NULL)
            fputs(value, out);
        else
            whole = false;
        text = name + length + (name[length] != '\0');
    }
    return whole;
}

char *variables_expand(const char *text, int line, struct problems *problems) {
    char *expanded = NULL;
    size_t size;
    FILE *out;

    if (!variables_are_in(text)) {
        expanded = strdup(text);
        problems->out_of_memory |= expanded == NULL;
        return expanded;
    }
    out = open_memstream(&expanded, &size);
    if (out == NULL) {
        problems->out_of_memory = true;
        return NULL;
    }
    bool whole = print_expanded(out, text, line, problems);
    if (fclose(out) != 0) {
        problems->out_of_memory = true;
        whole = false;
    }
    if (whole)
        return expanded;
    free(expanded);
    return NULL;
}
