/* Says how wire/http1 reads what a client sends: for http1_h11.py, which asks others, too.
 *
 * stdin: streams, each after a line with its length. stdout: for each stream a line for each
 * request, "METHOD TARGET FROM TO BODY" (where it lies in the stream, and the sum and the size of
 * its body), and how it ends: "close", "more AT", or "bad AT STATUS why". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/http1.h"

#define STREAM_MAX 1000000

struct body {
    uint64_t size;
    unsigned int sum;
};

static void add_to_body(struct body *body, const char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++)
        body->sum = body->sum * 31 + (unsigned char)bytes[i];
    body->size += n;
}

/* NULL: it is whole, *at is behind it. Else how the stream ends. */
static const char *read_body(const struct http1_head *head, const char *bytes, size_t n, size_t *at,
                             struct body *body) {
    struct http1_chunks chunks = {0};

    if (head->framing == HTTP1_LENGTH) {
        if (head->content_length > n - *at)
            return "more";
        add_to_body(body, bytes + *at, (size_t)head->content_length);
        *at += (size_t)head->content_length;
    }
    while (head->framing == HTTP1_CHUNKED) {
        size_t used, data;
        enum http1_chunk_outcome outcome =
            http1_chunks_take(&chunks, bytes + *at, n - *at, &used, &data);

        *at += used;
        if (outcome == HTTP1_CHUNK_END)
            return NULL;
        if (outcome != HTTP1_CHUNK_DATA)
            return outcome == HTTP1_CHUNK_BAD ? "bad" : "more";
        add_to_body(body, bytes + *at, data);
        *at += data;
        http1_chunks_took(&chunks, data);
    }
    return NULL;
}

static void read_stream(const char *bytes, size_t n) {
    static struct http1_head head;
    struct http1_fault fault;

    for (size_t at = 0;;) {
        size_t from = at;
        struct body body = {0};
        enum http1_outcome outcome = http1_parse_request(bytes + at, n - at, &head, &fault);

        if (outcome == HTTP1_BAD)
            printf("bad %zu %d %s\n", from, fault.status, fault.why);
        if (outcome == HTTP1_MORE)
            printf("more %zu\n", from);
        if (outcome != HTTP1_WHOLE)
            return;
        at += head.length;
        const char *end = read_body(&head, bytes, n, &at, &body);
        if (end != NULL) {
            printf("%s %zu 400 its body\n", end, from);
            return;
        }
        printf("%.*s %.*s %zu %zu %u/%llu\n", head.method_text.n,
               bytes + from + head.method_text.at, head.target.n, bytes + from + head.target.at,
               from + head.skipped, at, body.sum, (unsigned long long)body.size);
        if (head.close) {
            printf("close\n");
            return;
        }
    }
}

int main(void) {
    static char bytes[STREAM_MAX];
    char line[32];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        size_t n = strtoul(line, NULL, 10);

        if (n > sizeof(bytes) || fread(bytes, 1, n, stdin) != n)
            return EXIT_FAILURE;
        char *copy = malloc(n + (n == 0)); /* so that a sanitizer sees what reads on */
        if (copy == NULL)
            return EXIT_FAILURE;
        memcpy(copy, bytes, n);
        read_stream(copy, n);
        free(copy);
        fflush(stdout);
    }
    return EXIT_SUCCESS;
}
