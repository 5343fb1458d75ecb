/* conn/answer: what a client reads. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conn/answer.h"
#include "tcp_pair.h"

#define HEAD_MOST 1024

/* All that comes until the end of data. */
static size_t read_all(int fd, char *buf, size_t size) {
    size_t n = 0;
    ssize_t got;

    while ((got = recv(fd, buf + n, size - n, 0)) > 0)
        n += (size_t)got;
    assert_int_equal(got, 0);
    return n;
}

/* Its body; the head is whole, and says how long that is. */
static const char *body_of(char *answer, size_t n) {
    char *end = memmem(answer, n, "\r\n\r\n", 4), *length;

    assert_non_null(end);
    *end = '\0';
    assert_non_null(strstr(answer, "\r\nConnection: close"));
    length = strstr(answer, "\r\nContent-Length: ");
    assert_non_null(length);
    assert_int_equal(strtoul(length + strlen("\r\nContent-Length: "), NULL, 10),
                     n - (size_t)(end + 4 - answer));
    return end + 4;
}

static void each_end_with_a_status_has_words(void **state) {
    char answer[HEAD_MOST], line[32];

    (void)state;
    for (int end = 0; end < END_COUNT; end++) {
        int near, far;

        if (end_infos[end].status == 0)
            continue;
        tcp_pair(&near, &far);
        answer_send(near, NULL, (enum end)end, NULL);
        size_t n = read_all(far, answer, sizeof(answer) - 1);
        snprintf(line, sizeof(line), "HTTP/1.1 %d ", end_infos[end].status);
        assert_memory_equal(answer, line, strlen(line));
        assert_non_null(memmem(answer, n, "\r\nContent-Type: text/plain\r\n", 28));
        const char *body = body_of(answer, n);
        assert_int_equal(answer[n - 1], '\n');
        assert_true(body < answer + n - 1);
        assert_int_equal(strstr(answer, "Retry-After: 1") != NULL, end == END_CLIENT_RATE);
        close(near);
        close(far);
    }
}

static void refuse(void *arg, const char *what) {
    (void)arg;
    fail_msg("%s", what);
}

/* The sockets hold it whole, though nobody reads yet. */
static void the_largest_page_arrives(void **state) {
    static char answer[ERROR_PAGE_MOST + HEAD_MOST];
    char folder[] = "/tmp/answer-XXXXXX", path[64];
    int pairs[2][2];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/5xx.html", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < ERROR_PAGE_MOST; i++)
        fputc('a' + i % 26, file);
    assert_int_equal(fclose(file), 0);
    struct error_pages *pages = error_pages_read(folder, refuse, NULL);
    assert_non_null(pages);
    tcp_pair(&pairs[0][0], &pairs[0][1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[1]), 0);
    for (int i = 0; i < 2; i++) {
        answer_send(pairs[i][0], NULL, END_QUEUE_FULL, pages);
        close(pairs[i][0]);
        size_t n = read_all(pairs[i][1], answer, sizeof(answer));
        const char *body = body_of(answer, n);
        assert_non_null(strstr(answer, "HTTP/1.1 503 "));
        assert_non_null(strstr(answer, "\r\nContent-Type: text/html; charset=utf-8"));
        assert_int_equal(answer + n - body, ERROR_PAGE_MOST);
        for (int k = 0; k < ERROR_PAGE_MOST; k++)
            assert_int_equal(body[k], 'a' + k % 26);
        close(pairs[i][1]);
    }
    error_pages_unref(pages);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_end_with_a_status_has_words),
        cmocka_unit_test(the_largest_page_arrives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
