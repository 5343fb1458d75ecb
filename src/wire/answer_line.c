#include "wire/answer_line.h"

size_t answer_line_take(struct answer_line *line, const char *bytes, size_t n) {
    size_t used = 0;

    if (line->whole)
        *line = (struct answer_line){.all = line->all};
    while (used < n && !line->whole && line->all < ANSWER_LINES_MAX) {
        char byte = bytes[used++];

        line->all++;
        line->whole = byte == '\n';
        if (byte == '\n' || byte == '\r')
            continue;
        if (line->n < ANSWER_LINE_KEPT)
            line->text[line->n] = byte;
        line->n++;
    }
    return used;
}
