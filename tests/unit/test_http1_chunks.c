/* wire/http1_chunks: chunked bodies, their framing and their trailers, in any split. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/http1.h"

struct dechunked {
    enum http1_chunk_outcome outcome;
    size_t used;
    char data[70000];
    size_t n;
};

/* In pieces of so many bytes; of data at most `most` are taken at a time. */
static void dechunk(struct dechunked *ret, const char *bytes, size_t n, size_t step, size_t most) {
    struct http1_chunks chunks = {0};

    memset(ret, 0, sizeof(*ret));
    for (size_t at = 0; at < n && ret->outcome != HTTP1_CHUNK_END;) {
        size_t size = step < n - at ? step : n - at, used, data;

        ret->outcome = http1_chunks_take(&chunks, bytes + at, size, &used, &data);
        assert_true(used + data <= size && used <= size);
        assert_true((data > 0) == (ret->outcome == HTTP1_CHUNK_DATA));
        at += used;
        ret->used = at;
        if (ret->outcome == HTTP1_CHUNK_BAD)
            return;
        data = data < most ? data : most;
        assert_true(ret->n + data <= sizeof(ret->data));
        memcpy(ret->data + ret->n, bytes + at, data);
        ret->n += data;
        at += data;
        if (data > 0)
            http1_chunks_took(&chunks, data);
    }
    if (ret->outcome == HTTP1_CHUNK_DATA)
        ret->outcome = HTTP1_CHUNK_MORE;
}

static void assert_dechunked(const char *bytes, size_t n, enum http1_chunk_outcome outcome,
                             size_t used, const char *data) {
    static struct dechunked got;

    for (size_t step = 1; step <= n && step < 40; step++)
        for (size_t most = 1; most <= 4; most += 3) {
            dechunk(&got, bytes, n, step, most);
            if (got.outcome != outcome || (outcome != HTTP1_CHUNK_MORE && got.used != used))
                fail_msg("outcome %d after %zu bytes, in steps of %zu: %.60s", got.outcome,
                         got.used, step, bytes);
            if (data != NULL) {
                assert_int_equal(got.n, strlen(data));
                assert_memory_equal(got.data, data, got.n);
            }
        }
}

static void bodies_and_what_is_in_them(void **state) {
    static const struct {
        const char *body, *rest, *data;
    } cases[] = {
        {"0\r\n\r\n", "GET / HTTP/1.1\r\n", ""},
        {"5\r\nhello\r\n0\r\n\r\n", "", "hello"},
        {"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "0\r\n\r\n", "hello world"},
        {"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", "", "hello"},
        {"a\r\n0123456789\r\nA\r\n0123456789\r\n00\r\n\r\n", "x", "01234567890123456789"},
        {"2\r\n\r\n\r\n0\r\n\r\n", "", "\r\n"},
        {"5\r\n0\r\n\r\n\r\n0\r\n\r\n", "", "0\r\n\r\n"},
        {"5;a=b;c=\"d;\xc3\xa9\t\"\r\nhello\r\n0;last\r\n\r\n", "", "hello"},
        {"0\r\nA: b\r\nC:\r\nd:\t e \xff \r\n\r\n", "z", ""},
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = strlen(cases[i].body);
        int all = snprintf(text, sizeof(text), "%s%s", cases[i].body, cases[i].rest);

        assert_dechunked(text, (size_t)all, HTTP1_CHUNK_END, n, cases[i].data);
        for (size_t cut = 1; cut < n; cut++)
            assert_dechunked(text, cut, HTTP1_CHUNK_MORE, 0, NULL);
    }
}

/* Each is wrong at its last byte. */
static void framing_that_is_wrong(void **state) {
    static const char *const bodies[] = {
        /* sizes */
        "\r",
        "\n",
        ";",
        " ",
        "g",
        "-",
        "+",
        "0x",
        "5 ",
        "5\t",
        "5\n",
        "5\r\r",
        "5\rh",
        "1_",
        "\xef",
        "00000000000000005",
        "8000000000000000",
        "ffffffffffffffff",
        "5,",
        /* extensions */
        "5;a\n",
        "5;a\rb",
        "5;a\r\r",
        "5;\x01",
        "5;a\x7f",
        "5;a=\"\n",
        /* what follows data */
        "1\r\nab",
        "1\r\na\n",
        "1\r\na\r\r",
        "1\r\na\rb",
        "1\r\na0",
        "1\r\na\r\n\r",
        "1\r\na\r\n\n",
        /* trailers and the end */
        "0\n",
        "0\r\n\n",
        "0\r\n\r\r",
        "0\r\n\rx",
        "0\r\n:",
        "0\r\n ",
        "0\r\n\t",
        "0\r\na ",
        "0\r\na\r",
        "0\r\na\n",
        "0\r\na\x80",
        "0\r\na: b\n",
        "0\r\na: b\r\r",
        "0\r\na: b\rc",
        "0\r\na: \x01",
        "0\r\na: \x7f",
        "0\r\na: b\r\n ",
        "0\r\na(",
    };
    static const char nul[] = "0\r\na: \0", nul_in_extension[] = "5;a\0", nul_in_size[] = "\0";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        assert_dechunked(bodies[i], strlen(bodies[i]), HTTP1_CHUNK_BAD, strlen(bodies[i]) - 1,
                         NULL);
    assert_dechunked(nul, sizeof(nul) - 1, HTTP1_CHUNK_BAD, sizeof(nul) - 2, NULL);
    assert_dechunked(nul_in_extension, 4, HTTP1_CHUNK_BAD, 3, NULL);
    assert_dechunked(nul_in_size, 1, HTTP1_CHUNK_BAD, 0, NULL);
}

static void sizes_up_to_the_greatest(void **state) {
    static const struct {
        const char *line;
        uint64_t left;
    } cases[] = {
        {"7fffffffffffffff\r\n.", INT64_MAX},
        {"0000000000000001\r\n.", 1},
        {"fFfFfFf\r\n.", 0xfffffff},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http1_chunks chunks = {0};
        size_t n = strlen(cases[i].line), used, data;

        assert_int_equal(http1_chunks_take(&chunks, cases[i].line, n, &used, &data),
                         HTTP1_CHUNK_DATA);
        assert_int_equal(used, n - 1);
        assert_int_equal(data, 1);
        assert_true(chunks.left == cases[i].left);
    }
}

/* What it says before the body goes on is bounded: below, at and above. */
static void extensions_and_trailers_are_bounded(void **state) {
    static char text[20000];

    (void)state;
    for (size_t n = HTTP1_EXTENSION_MAX - 1; n <= HTTP1_EXTENSION_MAX + 1; n++) {
        text[0] = '0';
        memset(text + 1, ';', n);
        memcpy(text + 1 + n, "\r\n\r\n", 4);
        bool fits = n <= HTTP1_EXTENSION_MAX;
        assert_dechunked(text, n + 5, fits ? HTTP1_CHUNK_END : HTTP1_CHUNK_BAD,
                         fits ? n + 5 : 1 + HTTP1_EXTENSION_MAX, NULL);
    }
    for (size_t n = HTTP1_TRAILERS_MAX - 1; n <= HTTP1_TRAILERS_MAX + 1; n++) {
        memset(text, 'a', sizeof(text));
        memcpy(text, "0\r\na: b\r\nc: ", 12);
        memcpy(text + 3 + n - 2, "\r\n\r\n", 4);
        bool fits = n <= HTTP1_TRAILERS_MAX;
        assert_dechunked(text, n + 5, fits ? HTTP1_CHUNK_END : HTTP1_CHUNK_BAD,
                         fits ? n + 5 : 3 + HTTP1_TRAILERS_MAX, NULL);
    }
}

/* Each chunk may have an extension of its own. */
static void extensions_are_counted_for_each_chunk(void **state) {
    static char text[3000];
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        text[n++] = '1';
        memset(text + n, ';', 200);
        memcpy(text + n + 200, "\r\nx\r\n", 5);
        n += 205;
    }
    memcpy(text + n, HTTP1_LAST_CHUNK, 5);
    assert_dechunked(text, n + 5, HTTP1_CHUNK_END, n + 5, "xxxxx");
}

/* More than what is in hand may be taken: by splice. */
static void data_that_is_taken_elsewhere(void **state) {
    struct http1_chunks chunks = {0};
    size_t used, data;

    (void)state;
    assert_int_equal(http1_chunks_take(&chunks, "10\r\nab", 6, &used, &data), HTTP1_CHUNK_DATA);
    assert_int_equal(used, 4);
    assert_int_equal(data, 2);
    assert_int_equal(chunks.left, 16);
    http1_chunks_took(&chunks, 16);
    assert_int_equal(http1_chunks_take(&chunks, "", 0, &used, &data), HTTP1_CHUNK_MORE);
    assert_int_equal(http1_chunks_take(&chunks, "\r\n0\r\n\r\n", 7, &used, &data), HTTP1_CHUNK_END);
    assert_int_equal(used, 7);
}

static void a_chunk_that_is_written(void **state) {
    static const struct {
        size_t n;
        const char *head;
    } cases[] = {{1, "1\r\n"},
                 {15, "f\r\n"},
                 {16, "10\r\n"},
                 {16384, "4000\r\n"},
                 {SIZE_MAX, "ffffffffffffffff\r\n"}};
    char head[HTTP1_CHUNK_HEAD_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(http1_chunk_head(head, cases[i].n), strlen(cases[i].head));
        assert_memory_equal(head, cases[i].head, strlen(cases[i].head));
    }
}

/* Chunks of all sizes, written by us, are read by us. */
static void what_is_written_is_read(void **state) {
    static char body[70000], text[100000];
    static struct dechunked got;
    size_t n = 0, at = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)(i * 7 + i / 256);
    for (size_t size = 1; at < sizeof(body); size = size * 3 % 4099 + 1) {
        size_t part = size < sizeof(body) - at ? size : sizeof(body) - at;

        n += http1_chunk_head(text + n, part);
        memcpy(text + n, body + at, part);
        n += part;
        at += part;
        memcpy(text + n, "\r\n", 2);
        n += 2;
    }
    memcpy(text + n, HTTP1_LAST_CHUNK, 5);
    n += 5;
    for (size_t step = 1; step < 5000; step = step * 5 + 2) {
        dechunk(&got, text, n, step, sizeof(body));
        assert_int_equal(got.outcome, HTTP1_CHUNK_END);
        assert_int_equal(got.used, n);
        assert_int_equal(got.n, sizeof(body));
        assert_memory_equal(got.data, body, sizeof(body));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_and_what_is_in_them),
        cmocka_unit_test(framing_that_is_wrong),
        cmocka_unit_test(sizes_up_to_the_greatest),
        cmocka_unit_test(extensions_and_trailers_are_bounded),
        cmocka_unit_test(extensions_are_counted_for_each_chunk),
        cmocka_unit_test(data_that_is_taken_elsewhere),
        cmocka_unit_test(a_chunk_that_is_written),
        cmocka_unit_test(what_is_written_is_read),
    };

    return cmocka_run_group_tests_name("http1_chunks", tests, NULL, NULL);
}
