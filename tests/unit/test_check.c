/* health/check: one check at a time against a scripted server on loopback. */
#include "unit.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/thread.h"
#include "health/check.h"
#include "wire/proxy_protocol.h"

#define PATH_MOST 512 /* config/text_options.c */
#define HOST_MOST 253

static struct health_check_config config;
static char path[PATH_MOST + 1], host[HOST_MOST + 1], expect[] = "200-399";
static usec_t patience; /* with a check that does not end */
static usec_t parting;  /* and with one that had its verdict */

static int set_up(void **state) {
    (void)state;
    snprintf(path, sizeof(path), "/live?a=1");
    memset(host, 0, sizeof(host));
    patience = parting = 20 * USEC_PER_SEC;
    config = (struct health_check_config){.type = CHECK_HTTP,
                                          .path = path,
                                          .host = host,
                                          .expect = expect,
                                          .expected = {{200, 299}, {302, 302}},
                                          .n_expected = 2};
    return 0;
}

static struct check_wish wish_for(const char *text) {
    struct check_wish wish = {.config = &config};
    struct addr_spec spec;
    const char *why;

    assert_true(addr_parse(text, &spec, &why));
    wish.addr = spec.addr;
    return wish;
}

/* A listening socket; the address is written into the wish. */
static int listening(struct check_wish *wish, int backlog) {
    struct addr *addr = &wish->addr;
    int fd = socket(addr->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (!addr_is_unix(addr))
        addr->u.in.sin_port = 0; /* in6 has it in the same place */
    assert_int_equal(bind(fd, &addr->u.sa, addr->len), 0);
    assert_int_equal(listen(fd, backlog), 0);
    if (!addr_is_unix(addr))
        assert_int_equal(getsockname(fd, &addr->u.sa, &addr->len), 0);
    return fd;
}

/* To the end of the connection, or for as long as patience lasts. */
static void part(struct check *check) {
    for (;;) {
        check_part(check);
        struct pollfd one = {.fd = check->fd, .events = check_events(check)};
        if (check->fd < 0 || poll(&one, 1, (int)(parting / USEC_PER_MSEC)) == 0)
            return;
    }
}

/* Makes one check as the checker's thread would; UNDER_WAY: it did not end in time. */
static enum check_outcome run(const struct check_wish *wish, char *ret_why) {
    struct check check;

    assert_int_equal(check_init(&check, wish), 0);
    enum check_outcome outcome = check_begin(&check);
    while (outcome == CHECK_UNDER_WAY) {
        struct pollfd one = {.fd = check.fd, .events = check_events(&check)};

        if (poll(&one, 1, (int)(patience / USEC_PER_MSEC)) == 0)
            break;
        outcome = check_go_on(&check);
    }
    part(&check);
    snprintf(ret_why, CHECK_WHY_MAX, "%s", check.why);
    check_destroy(&check);
    return outcome;
}

/* The server: takes one connection, reads the request, answers in its manner, and reads until the
 * end. */
enum manner { PLAIN, DRIP, CLOSE, RESET, ENDLESS };

struct origin {
    int fd;
    enum manner manner;
    const char *answer;
    size_t later; /* bytes that follow, 4 KiB at a time */
    char request[2048];
    size_t length;
    bool was_reset; /* the check left something unread */
    struct addr peer;
    struct thread thread;
};

static void read_request(struct origin *origin, int fd) {
    ssize_t n;

    while (strstr(origin->request, "\r\n\r\n") == NULL &&
           (n = recv(fd, origin->request + origin->length,
                     sizeof(origin->request) - 1 - origin->length, 0)) > 0)
        origin->length += (size_t)n;
}

static void serve_one(void *arg) {
    struct origin *origin = arg;
    struct linger hard = {.l_onoff = 1};
    char rest[4096];

    origin->peer.len = sizeof(origin->peer.u);
    int fd = accept(origin->fd, &origin->peer.u.sa, &origin->peer.len);
    assert_true(fd >= 0);
    read_request(origin, fd);
    size_t n = strlen(origin->answer), step = origin->manner == DRIP ? 1 : n;
    for (size_t i = 0; i < n; i += step) {
        if (send(fd, origin->answer + i, step, MSG_NOSIGNAL) < 0)
            break; /* the check has seen enough */
        if (origin->manner == DRIP)
            (void)poll(NULL, 0, 1);
    }
    memset(rest, 'a', sizeof(rest));
    while (origin->manner == ENDLESS && send(fd, rest, sizeof(rest), MSG_NOSIGNAL) > 0)
        ;
    for (size_t i = 0; i < origin->later && !origin->was_reset; i += sizeof(rest)) {
        (void)poll(NULL, 0, 2);
        origin->was_reset = send(fd, rest, sizeof(rest), MSG_NOSIGNAL) < 0;
    }
    if (origin->manner == RESET)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    if (origin->manner == CLOSE)
        (void)shutdown(fd, SHUT_WR);
    if (origin->manner != RESET) {
        ssize_t m;

        while ((m = recv(fd, rest, sizeof(rest), 0)) > 0)
            ;
        origin->was_reset = origin->was_reset || m < 0;
    }
    fd_close(&fd);
}

static enum check_outcome ask(struct origin *origin, struct check_wish *wish, char *ret_why) {
    origin->fd = listening(wish, 1);
    assert_int_equal(thread_start(&origin->thread, "origin", NULL, serve_one, origin), 0);
    enum check_outcome outcome = run(wish, ret_why);
    thread_join(&origin->thread);
    fd_close(&origin->fd);
    return outcome;
}

static void answers_and_what_they_are_worth(void **state) {
    static const struct {
        const char *answer;
        enum manner manner;
        enum check_outcome outcome;
        const char *why;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", PLAIN, CHECK_GOOD, ""},
        {"HTTP/1.0 204 No Content\r\n\r\n", PLAIN, CHECK_GOOD, ""},
        {"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 2\r\n\r\nok", PLAIN, CHECK_GOOD, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", DRIP, CHECK_GOOD, ""},
        {"HTTP/1.1 200 OK\r\n\r\nbody", CLOSE, CHECK_GOOD, ""},
        {"HTTP/1.1 200 OK\r\n\r\n", ENDLESS, CHECK_GOOD, ""},
        {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", DRIP, CHECK_GOOD,
         ""},
        {"HTTP/1.1 301 Moved\r\n\r\n", CLOSE, CHECK_BAD, "status 301, expected 200-399"},
        {"HTTP/1.1 404 Not Found\r\n\r\n", CLOSE, CHECK_BAD, "status 404, expected 200-399"},
        {"HTTP/1.1 503 x\r\n\r\n", DRIP, CHECK_BAD, "status 503, expected 200-399"},
        {"HTTP/1.1 020 x\r\n\r\n", CLOSE, CHECK_BAD, "status 020, expected 200-399"},
        {"HTTP/1.1 101 x\r\n\r\n", CLOSE, CHECK_BAD, "status 101, expected 200-399"},
        {"HTTP/1.1 103 x\r\n\r\nHTTP/1.1 500 x\r\n\r\n", CLOSE, CHECK_BAD,
         "status 500, expected 200-399"},
        {"220 mail.example ESMTP\r\n", PLAIN, CHECK_BAD, "the answer is not HTTP"},
        {"HTTP/1.1 200 ", ENDLESS, CHECK_BAD, "the answer is not HTTP"},
        {"HTTP/1.1 200 OK\r\n", ENDLESS, CHECK_GOOD, ""}, /* by its status: not `strict` */
        {"HTTP/1.1 500 OK\r\n", ENDLESS, CHECK_BAD, "status 500, expected 200-399"},
        {"a", ENDLESS, CHECK_BAD, "the answer is not HTTP"},
        {"\x15\x03\x01", CLOSE, CHECK_BAD,
         "the answer is not HTTP but TLS: if the server speaks https at this port, its upstream "
         "needs a tls section"},
        {"", CLOSE, CHECK_BAD,
         "the connection was closed before an answer; perhaps it wants a PROXY header "
         "(send_proxy), or TLS (a tls section)"},
        {"HTTP/1.1 200 OK", CLOSE, CHECK_BAD,
         "the connection was closed in the middle of the answer"},
        {"HTTP/1.1 200 OK\r\n", CLOSE, CHECK_BAD,
         "the connection was closed in the middle of the answer"},
        {"HTTP/1.1 103 x\r\n\r\n", CLOSE, CHECK_BAD,
         "the connection was closed in the middle of the answer"},
        {"", RESET, CHECK_BAD,
         "receive: Connection reset by peer; perhaps it wants a PROXY header (send_proxy), or TLS "
         "(a tls section)"},
        {"HTTP/1.1 200 OK\r\n", RESET, CHECK_BAD, "receive: Connection reset by peer"},
        {"", PLAIN, CHECK_UNDER_WAY, ""},
        {"HTTP/1.1 200 OK\r\n", PLAIN, CHECK_UNDER_WAY, ""},
    };
    char why[CHECK_WHY_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct origin origin = {.manner = cases[i].manner, .answer = cases[i].answer};
        struct check_wish wish = wish_for("127.0.0.1:1");

        patience = cases[i].outcome == CHECK_UNDER_WAY ? 50 * USEC_PER_MSEC : 20 * USEC_PER_SEC;
        parting = cases[i].manner == DRIP ? 50 * USEC_PER_MSEC : 20 * USEC_PER_SEC;
        assert_int_equal(ask(&origin, &wish, why), cases[i].outcome);
        assert_string_equal(why, cases[i].why);
        assert_true(!origin.was_reset || cases[i].manner == ENDLESS);
    }
}

/* A server that does not expect the header, or another version, answers as to nonsense. */
static void it_may_be_the_proxy_header(void **state) {
    static const struct {
        const char *answer;
        enum manner manner;
        enum proxy_version version;
        const char *why;
    } cases[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", CLOSE, PROXY_V1,
         "status 400, expected 200-399; perhaps it does not take the PROXY header (send_proxy = "
         "v1)"},
        {"HTTP/1.1 400 Bad Request\r\n\r\n", CLOSE, PROXY_OFF, "status 400, expected 200-399"},
        {"HTTP/1.1 503 x\r\n\r\n", CLOSE, PROXY_V1, "status 503, expected 200-399"},
        {"500 what?\r\n", CLOSE, PROXY_V2,
         "the answer is not HTTP; perhaps it does not take the PROXY header (send_proxy = v2)"},
        {"", CLOSE, PROXY_V2,
         "the connection was closed before an answer; perhaps it does not take the PROXY header "
         "(send_proxy = v2)"},
        {"", RESET, PROXY_V1,
         "receive: Connection reset by peer; perhaps it does not take the PROXY header (send_proxy "
         "= v1)"},
    };
    char why[CHECK_WHY_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct origin origin = {.manner = cases[i].manner, .answer = cases[i].answer};
        struct check_wish wish = wish_for("127.0.0.1:1");

        wish.send_proxy = cases[i].version;
        assert_int_equal(ask(&origin, &wish, why), CHECK_BAD);
        assert_string_equal(why, cases[i].why);
    }
}

/* The answer goes on after the verdict, in pieces, and the server ends first or never. It sees an
 * end of data. */
static void the_rest_of_an_answer_is_read(void **state) {
    static const struct {
        const char *answer;
        size_t later;
        enum manner manner;
        bool waits; /* for as long as there is patience */
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 40960\r\n\r\n", 40960, PLAIN, false},
        {"HTTP/1.1 200 OK\r\ncontent-length:40960\r\n\r\n", 40960, PLAIN, false},
        {"HTTP/1.1 500 no\r\n\r\n", 40960, CLOSE, false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 40960, CLOSE,
         false},
        {"HTTP/1.1 200 OK\r\n\r\n", 40960, PLAIN, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", 40960, CLOSE, false},
        {"220 mail\r\n", 40960, PLAIN, false},
    };
    char why[CHECK_WHY_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct origin origin = {
            .manner = cases[i].manner, .answer = cases[i].answer, .later = cases[i].later};
        struct check_wish wish = wish_for("127.0.0.1:1");

        parting = cases[i].waits ? 100 * USEC_PER_MSEC : 20 * USEC_PER_SEC;
        (void)ask(&origin, &wish, why);
        assert_false(origin.was_reset);
    }
}

/* A server that speaks first, and one that does not, see the end of a connection that asked for
 * nothing. */
static void type_tcp_ends_in_order(void **state) {
    static const char *const greetings[] = {"", "220 mail.example ESMTP\r\n"};
    char why[CHECK_WHY_MAX];

    (void)state;
    config.type = CHECK_TCP;
    for (size_t i = 0; i < ARRAY_LEN(greetings); i++) {
        struct origin origin = {.manner = PLAIN, .answer = greetings[i], .later = 8192};
        struct check_wish wish = wish_for("127.0.0.1:1");

        assert_int_equal(ask(&origin, &wish, why), CHECK_GOOD);
        assert_false(origin.was_reset);
    }
}

#define REQUEST(host)                                                                              \
    "GET /live?a=1 HTTP/1.1\r\nHost: " host                                                        \
    "\r\nUser-Agent: relayd\r\nAccept: */*\r\nConnection: close\r\n\r\n"

static void assert_request(const struct check_wish *wish, const char *expected, size_t n) {
    struct check check;

    assert_int_equal(check_init(&check, wish), 0);
    assert_int_equal(check.request_length, n);
    assert_memory_equal(check.request, expected, n);
    check_destroy(&check);
}

static void what_is_sent(void **state) {
    static const struct {
        const char *address, *host, *request;
    } cases[] = {
        {"127.0.0.1:80", "", REQUEST("127.0.0.1:80")},
        {"[::1]:8080", "", REQUEST("[::1]:8080")},
        {"[fe80::1%1]:8080", "", REQUEST("[fe80::1]:8080")},
        {"unix:/run/app.sock", "", REQUEST("localhost")},
        {"unix:/run/app.sock", "app.example:81", REQUEST("app.example:81")},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct check_wish wish = wish_for(cases[i].address);

        snprintf(host, sizeof(host), "%s", cases[i].host);
        assert_request(&wish, cases[i].request, strlen(cases[i].request));
    }
    struct check_wish wish = wish_for("127.0.0.1:80");
    config.type = CHECK_TCP;
    assert_request(&wish, "", 0);
}

static void a_proxy_header_comes_first(void **state) {
    unsigned char header[PROXY_WRITE_MAX];
    char request[PROXY_WRITE_MAX + 512], why[CHECK_WHY_MAX];

    (void)state;
    for (enum proxy_version version = PROXY_V1; version <= PROXY_V2; version++) {
        struct check_wish wish = wish_for("127.0.0.1:80");
        size_t n = proxy_write(version, NULL, NULL, NULL, 0, NULL, header);

        wish.send_proxy = version;
        config.type = CHECK_TCP;
        memcpy(request, header, n);
        assert_request(&wish, request, n);
        struct origin origin = {.manner = PLAIN, .answer = ""};
        assert_int_equal(ask(&origin, &wish, why), CHECK_GOOD);
        assert_int_equal(origin.length, n); /* sent, and then the end */
        assert_memory_equal(origin.request, header, n);

        wish = wish_for("127.0.0.1:80");
        wish.send_proxy = version;
        config.type = CHECK_HTTP;
        memcpy(request + n, REQUEST("127.0.0.1:80"), sizeof(REQUEST("127.0.0.1:80")) - 1);
        assert_request(&wish, request, n + sizeof(REQUEST("127.0.0.1:80")) - 1);
    }
}

static void the_longest_path_and_host_arrive(void **state) {
    struct origin origin = {.manner = PLAIN,
                            .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    struct check_wish wish = wish_for("127.0.0.1:80");
    char why[CHECK_WHY_MAX];

    (void)state;
    memset(path + 1, 'p', PATH_MOST - 1);
    memset(host, 'h', HOST_MOST);
    assert_int_equal(ask(&origin, &wish, why), CHECK_GOOD);
    assert_non_null(strstr(origin.request, path));
    assert_non_null(strstr(origin.request, host));
}

static void type_tcp_asks_for_a_connection_alone(void **state) {
    char why[CHECK_WHY_MAX];

    (void)state;
    parting = 20 * USEC_PER_MSEC; /* nobody accepts */
    config.type = CHECK_TCP;
    struct check_wish wish = wish_for("127.0.0.1:1"), v6 = wish_for("[::1]:1");
    int fd = listening(&wish, 1), fd6 = listening(&v6, 1);
    assert_int_equal(run(&wish, why), CHECK_GOOD);
    assert_int_equal(run(&v6, why), CHECK_GOOD);
    fd_close(&fd);
    fd_close(&fd6);
    assert_int_equal(run(&wish, why), CHECK_BAD);
    assert_string_equal(why, "connect: Connection refused");
}

static void unix_sockets(void **state) {
    char name[64], text[80], why[CHECK_WHY_MAX];

    (void)state;
    parting = 20 * USEC_PER_MSEC; /* nobody accepts */
    snprintf(name, sizeof(name), "/tmp/relayd-check-%d.sock", (int)getpid());
    snprintf(text, sizeof(text), "unix:%s", name);
    struct check_wish wish = wish_for(text);
    assert_int_equal(run(&wish, why), CHECK_BAD);
    assert_string_equal(why, "connect: No such file or directory");
    struct origin origin = {.manner = DRIP,
                            .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    assert_int_equal(ask(&origin, &wish, why), CHECK_GOOD);
    assert_int_equal(run(&wish, why), CHECK_BAD);
    assert_string_equal(why, "connect: Connection refused");
    unlink(name);
    config.type = CHECK_TCP;
    int fd = listening(&wish, 0);
    assert_int_equal(run(&wish, why), CHECK_GOOD); /* and it stays in the backlog */
    assert_int_equal(run(&wish, why), CHECK_BAD);
    assert_string_equal(why, "connect: the server's backlog is full");
    fd_close(&fd);
    unlink(name);
}

/* In turn from each; whatever stands beside it in the list is passed over. */
static void checks_come_from_the_source_addresses(void **state) {
    struct addr source = wish_for("127.0.0.2:1").addr, foreign = wish_for("192.0.2.1:1").addr,
                other_family = wish_for("[::1]:1").addr, third = wish_for("127.0.0.3:1").addr;
    struct addr several[] = {foreign, source, other_family, third};
    struct source_list list = {.addrs = &source, .n = 1};
    char why[CHECK_WHY_MAX], peer[ADDR_TEXT_MAX];

    (void)state;
    source.u.in.sin_port = foreign.u.in.sin_port = 0;
    for (size_t i = 0; i < ARRAY_LEN(several); i++)
        several[i].u.in.sin_port = 0; /* of both families it lies at the same place */
    struct origin origin = {.manner = PLAIN,
                            .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    struct check_wish wish = wish_for("127.0.0.1:1");
    wish.sources = &list;
    assert_int_equal(ask(&origin, &wish, why), CHECK_GOOD);
    assert_int_equal(
        strncmp(addr_format(&origin.peer, peer, sizeof(peer)), "127.0.0.2:", strlen("127.0.0.2:")),
        0);
    list.addrs = &other_family; /* of no use for this server, nor to its connections */
    assert_int_equal(run(&wish, why), CHECK_BAD);
    list.addrs = &foreign; /* not an address of this machine: that says nothing of the server */
    assert_int_equal(run(&wish, why), CHECK_CUT_OFF);
    list = (struct source_list){.addrs = several, .n = ARRAY_LEN(several)};
    assert_int_equal(ask(&origin, &wish, why), CHECK_GOOD);
    assert_int_equal(
        strncmp(addr_format(&origin.peer, peer, sizeof(peer)), "127.0.0.2:", strlen("127.0.0.2:")),
        0);
}

/* Nobody listens, but the socket is given the very port that it asks for. */
static void a_socket_that_reaches_itself_has_found_nobody(void **state) {
    struct check_wish wish = wish_for("127.0.0.1:1");
    char why[CHECK_WHY_MAX];

    (void)state;
    config.type = CHECK_TCP;
    int fd = listening(&wish, 1);
    fd_close(&fd);
    struct addr own = wish.addr;
    wish.sources = &(const struct source_list){.addrs = &own, .n = 1};
    assert_int_equal(run(&wish, why), CHECK_BAD);
    assert_string_equal(why, "connect: Connection refused");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(answers_and_what_they_are_worth, set_up),
        cmocka_unit_test_setup(it_may_be_the_proxy_header, set_up),
        cmocka_unit_test_setup(the_rest_of_an_answer_is_read, set_up),
        cmocka_unit_test_setup(type_tcp_ends_in_order, set_up),
        cmocka_unit_test_setup(what_is_sent, set_up),
        cmocka_unit_test_setup(a_proxy_header_comes_first, set_up),
        cmocka_unit_test_setup(the_longest_path_and_host_arrive, set_up),
        cmocka_unit_test_setup(type_tcp_asks_for_a_connection_alone, set_up),
        cmocka_unit_test_setup(unix_sockets, set_up),
        cmocka_unit_test_setup(checks_come_from_the_source_addresses, set_up),
        cmocka_unit_test_setup(a_socket_that_reaches_itself_has_found_nobody, set_up),
    };

    thread_init_process();
    alarm(50); /* a hang is a failure */
    return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
