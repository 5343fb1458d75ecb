#include "wire/status_line.h"

#include <stdbool.h>

/* The part that matters: `v` is the minor version, `d` a digit of the status. */
static const char form[] = "HTTP/1.v ddd";
#define FORM_LENGTH (sizeof(form) - 1)

/* Whether the byte may stand at the place that the line has come to. A blank and the reason follow
 * the status, or nothing: RFC 9112 asks for the blank, but not all servers have heard of that. The
 * reason has tabs and blanks, but no other control characters; a CR is taken for a part of the
 * line's end wherever it stands. */
static bool may_follow(const struct status_line *line, unsigned char byte) {
    bool ends = byte == '\r' || byte == '\n';

    if (line->length > FORM_LENGTH)
        return ends || byte == '\t' || (byte >= ' ' && byte != 0x7f);
    if (line->length == FORM_LENGTH)
        return ends || byte == ' ';
    switch (form[line->length]) {
    case 'v':
        return byte == '0' || byte == '1';
    case 'd':
        return byte >= '0' && byte <= '9';
    default:
        return byte == form[line->length];
    }
}

enum status_line_outcome status_line_take(struct status_line *line, const char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (line->length == STATUS_LINE_MAX || !may_follow(line, (unsigned char)bytes[i]))
            return STATUS_LINE_BAD;
        if (line->length < FORM_LENGTH && form[line->length] == 'd')
            line->status = line->status * 10 + (bytes[i] - '0');
        line->length++;
        if (bytes[i] == '\n') /* alone, too: RFC 9112, 2.2 */
            return STATUS_LINE_WHOLE;
    }
    return STATUS_LINE_MORE;
}
