/* A sentence with fields, as one text: the sentence, then name and value of each field, each with
 * its NUL, and an empty name. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

struct packed_fields {
    char bytes[LOG_PAYLOAD_MAX];
    size_t used;
};

static void pack_word(struct packed_fields *packed, const char *word) {
    size_t size = strlen(word) + 1;

    memcpy(packed->bytes + packed->used, word, size);
    packed->used += size;
}

/* One that does not fit beside a long sentence is left out. */
static void pack_field(struct packed_fields *packed, const struct log_field *field) {
    size_t left = sizeof(packed->bytes) - packed->used - 1; /* but the empty name */

    if (field->value == NULL || strlen(field->name) + strlen(field->value) + 2 > left)
        return;
    pack_word(packed, field->name);
    pack_word(packed, field->value);
}

static void format_packed(struct log_line *line, const void *payload) {
    const char *text = payload;

    log_line_text(line, "%s", text);
    for (text += strlen(text) + 1; text[0] != '\0'; text += strlen(text) + 1) {
        const char *name = text;

        text += strlen(text) + 1;
        log_line_field(line, name, text);
    }
}

void log_msg_with(enum log_kind kind, const struct log_field *fields, const char *fmt, ...) {
    struct packed_fields packed;
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(packed.bytes, LOG_TEXT_MAX, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    packed.used = strlen(packed.bytes) + 1;
    for (; fields->name != NULL; fields++)
        pack_field(&packed, fields);
    pack_word(&packed, "");
    log_event(kind, format_packed, packed.bytes, packed.used);
}
