#include "wire/http_head.h"

#include <string.h>
#include <strings.h>

#define STATUS_SWITCHING   101
#define STATUS_NO_CONTENT  204
#define STATUS_NOT_CHANGED 304

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

/* 1*DIGIT with blanks around it (RFC 9110, 8.6); anything else is as good as none. */
static int64_t read_content_length(const char *text, size_t n) {
    int64_t value = 0;

    while (n > 0 && is_blank(text[n - 1]))
        n--;
    while (n > 0 && is_blank(text[0])) {
        text++;
        n--;
    }
    for (size_t i = 0; i < n; i++)
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, text[i] - '0', &value))
            return HTTP_CONTENT_OPEN;
    return n > 0 ? value : HTTP_CONTENT_OPEN;
}

static void take_field(struct http_head *head) {
    static const char length[] = "content-length:", coding[] = "transfer-encoding:";
    const size_t n = sizeof(length) - 1;

    if (strncasecmp(head->field, coding, sizeof(coding) - 1) == 0)
        head->chunked = true;
    else if (strncasecmp(head->field, length, n) == 0)
        head->content = head->field_length <= HTTP_FIELD_KEPT
                            ? read_content_length(head->field + n, head->field_length - n)
                            : HTTP_CONTENT_OPEN;
}

/* Its fields end here. Whether it is the one that counts; else the next one begins. */
static bool end_head(struct http_head *head) {
    int status = head->line.status;

    if (status >= 100 && status < 200 && status != STATUS_SWITCHING) {
        *head = (struct http_head){.length = head->length};
        return false;
    }
    if (head->chunked)
        head->content = HTTP_CONTENT_OPEN;
    if (status == STATUS_NO_CONTENT || status == STATUS_NOT_CHANGED || status == STATUS_SWITCHING)
        head->content = 0; /* RFC 9112, 6.3 */
    return true;
}

/* One byte of the fields. True: the head is whole. */
static bool take_byte(struct http_head *head, char byte) {
    if (byte == '\r')
        return false;
    if (byte != '\n') {
        if (head->field_length < HTTP_FIELD_KEPT)
            head->field[head->field_length] = byte;
        head->field_length++;
        return false;
    }
    if (head->field_length == 0)
        return end_head(head);
    take_field(head);
    memset(head->field, 0, sizeof(head->field));
    head->field_length = 0;
    return false;
}

static enum http_head_outcome take_line(struct http_head *head, const char *bytes, size_t n,
                                        size_t *used) {
    size_t before = head->line.length;
    enum status_line_outcome outcome = status_line_take(&head->line, bytes, n);

    *used += head->line.length - before;
    head->length += head->line.length - before;
    if (outcome == STATUS_LINE_WHOLE) {
        head->in_fields = true;
        head->content = HTTP_CONTENT_OPEN;
    }
    return outcome == STATUS_LINE_BAD ? HTTP_HEAD_NOT_HTTP : HTTP_HEAD_MORE;
}

enum http_head_outcome http_head_take(struct http_head *head, const char *bytes, size_t n,
                                      size_t *ret_used) {
    enum http_head_outcome outcome = HTTP_HEAD_MORE;
    size_t used = 0;

    while (used < n && outcome == HTTP_HEAD_MORE) {
        if (head->length >= HTTP_HEAD_MAX) {
            outcome = HTTP_HEAD_LONG;
        } else if (!head->in_fields) {
            outcome = take_line(head, bytes + used, n - used, &used);
        } else {
            head->length++;
            if (take_byte(head, bytes[used++]))
                outcome = HTTP_HEAD_WHOLE;
        }
    }
    *ret_used = used;
    return outcome;
}
