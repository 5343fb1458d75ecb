/* wire/http1 and what other parsers are tried with, too: http1_vectors.txt, in every split. */
#include "http1_split.h"

#include "base/bytes.h"

#define BYTES_MAX 2048
#define TEXT_MAX  512

struct message {
    char bytes[BYTES_MAX];
    size_t n;
    int method; /* -1: a request */
};

static const struct {
    const char *name;
    int method;
} kinds[] = {{"request", -1}, {"GET", HTTP1_GET}, {"HEAD", HTTP1_HEAD}};

static size_t unescape(const char *text, char *to) {
    size_t n = 0;

    for (; *text != '\0' && *text != '\n'; text++) {
        assert_true(n + 2 < BYTES_MAX);
        if (*text == '~') {
            to[n++] = '\r';
            to[n++] = '\n';
        } else if (*text != '\\') {
            to[n++] = *text;
        } else if (*++text == 'x') {
            to[n++] = (char)(bytes_hex_digit(text[1]) * 16 + bytes_hex_digit(text[2]));
            text += 2;
        } else {
            const char *from = "rnt0\\\"", *found = strchr(from, *text);

            assert_non_null(found);
            to[n++] = "\r\n\t\0\\\""[found - from];
        }
    }
    return n;
}

/* The chunks in these bytes, which come `step` at a time. *ret_n: bytes of data, *ret_used: all. */
static enum http1_chunk_outcome take_chunks(const char *bytes, size_t n, size_t step, size_t *ret_n,
                                            size_t *ret_used) {
    struct http1_chunks chunks = {0};
    enum http1_chunk_outcome outcome = HTTP1_CHUNK_MORE;

    *ret_n = *ret_used = 0;
    while (*ret_used < n && outcome != HTTP1_CHUNK_END && outcome != HTTP1_CHUNK_BAD) {
        size_t some = step < n - *ret_used ? step : n - *ret_used, used, data;

        outcome = http1_chunks_take(&chunks, bytes + *ret_used, some, &used, &data);
        *ret_used += used + data;
        *ret_n += data;
        if (outcome == HTTP1_CHUNK_DATA)
            http1_chunks_took(&chunks, data);
    }
    return outcome == HTTP1_CHUNK_DATA ? HTTP1_CHUNK_MORE : outcome;
}

/* The body at the beginning of these bytes: what it is, as text. False: it is not whole; the text
 * says what the stream ends with. */
static bool read_body(const struct http1_head *head, const char *bytes, size_t n, bool is_request,
                      char *ret_text, size_t *ret_used) {
    size_t data, data_again, used_again;
    enum http1_chunk_outcome outcome;

    *ret_used = 0;
    switch (head->framing) {
    case HTTP1_NO_BODY:
        strcpy(ret_text, "-");
        return true;
    case HTTP1_UNTIL_END:
        *ret_used = n;
        snprintf(ret_text, TEXT_MAX, "*%zu", n);
        return true;
    case HTTP1_LENGTH:
        strcpy(ret_text, "more");
        if (head->content_length > n)
            return false;
        *ret_used = (size_t)head->content_length;
        snprintf(ret_text, TEXT_MAX, "=%zu", *ret_used);
        return true;
    case HTTP1_CHUNKED:
    default:
        outcome = take_chunks(bytes, n, 1, &data, ret_used);
        assert_int_equal(take_chunks(bytes, n, n, &data_again, &used_again), outcome);
        assert_true(data == data_again && *ret_used == used_again);
        snprintf(ret_text, TEXT_MAX, "+%zu", data);
        if (outcome != HTTP1_CHUNK_END)
            strcpy(ret_text, outcome == HTTP1_CHUNK_MORE ? "more" : is_request ? "400" : "502");
        return outcome == HTTP1_CHUNK_END;
    }
}

static void add(char *text, const char *more) {
    assert_true(strlen(text) + strlen(more) < TEXT_MAX);
    strcat(text, more);
}

/* One message at *at. False: nothing follows. */
static bool read_message(const struct message *in, size_t *at, char *ret_text) {
    const char *bytes = in->bytes + *at;
    size_t n = in->n - *at, used;
    char body[TEXT_MAX], line[2 * TEXT_MAX];
    struct http1_seen seen;

    if (n == 0) {
        add(ret_text, "end");
        return false;
    }
    http1_see_split(&seen, bytes, n, in->method);
    if (seen.outcome != HTTP1_WHOLE) {
        snprintf(line, sizeof(line), "%d", seen.fault.status);
        add(ret_text, seen.outcome == HTTP1_MORE ? "more" : line);
        return false;
    }
    if (!read_body(&seen.head, bytes + seen.head.length, n - seen.head.length, in->method < 0, body,
                   &used)) {
        add(ret_text, body);
        return false;
    }
    if (in->method < 0)
        snprintf(line, sizeof(line), "%.*s %.*s %s, ", (int)seen.head.method_text.n,
                 bytes + seen.head.method_text.at, (int)seen.head.target.n,
                 bytes + seen.head.target.at, body);
    else
        snprintf(line, sizeof(line), "%d %s, ", seen.head.status, body);
    add(ret_text, line);
    *at += seen.head.length + used;
    if (in->method < 0 && seen.head.close)
        add(ret_text, "close");
    return in->method >= 0 || !seen.head.close;
}

/* Whether it comes out so. */
static bool try_line(char *line, int number) {
    struct message message = {.method = -2};
    char *expected = strstr(line, " | "), *bytes = NULL, got[TEXT_MAX] = "";
    size_t at = 0;

    if (expected != NULL)
        bytes = strstr(expected + 3, " | ");
    if (expected == NULL || bytes == NULL) {
        fail_msg("line %d has not three parts", number);
        return false;
    }
    *expected = *bytes = '\0';
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(line, kinds[i].name) == 0)
            message.method = kinds[i].method;
    assert_int_not_equal(message.method, -2);
    message.n = unescape(bytes + 3, message.bytes);
    while (read_message(&message, &at, got)) {
    }
    if (strcmp(got, expected + 3) == 0)
        return true;
    print_error("line %d: \"%s\" instead of \"%s\": %s", number, got, expected + 3, bytes + 3);
    return false;
}

static void vectors_come_out_as_they_should(void **state) {
    FILE *file = fopen(SOURCE_ROOT "/tests/unit/http1_vectors.txt", "r");
    char line[2 * BYTES_MAX];
    int number = 0, count = 0, wrong = 0;

    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        number++;
        if (line[0] == '#' || line[0] == '\n')
            continue;
        wrong += !try_line(line, number);
        count++;
    }
    fclose(file);
    assert_int_equal(wrong, 0);
    assert_true(count > 300);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_come_out_as_they_should),
    };

    return cmocka_run_group_tests_name("http1_vectors", tests, NULL, NULL);
}
