/* names/dns: c-ares and a real DNS server. */
#include "dns_world.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/thread.h"
#include "names/dns.h"

struct result {
    bool done;
    enum dns_outcome outcome;
    size_t n;
    struct dns_record *list;
    usec_t ttl;
    char why[128];
};

static void on_done(void *arg, const struct dns_answer *answer) {
    struct result *result = arg;

    assert_false(result->done);
    assert_true((answer->outcome == DNS_FOUND) == (answer->why == NULL));
    assert_true((answer->outcome == DNS_FOUND) == (answer->n > 0));
    *result = (struct result){.done = true,
                              .outcome = answer->outcome,
                              .n = answer->n,
                              .list = test_calloc(answer->n + 1, sizeof(*answer->list)),
                              .ttl = answer->ttl};
    if (answer->n > 0)
        memcpy(result->list, answer->list, answer->n * sizeof(*answer->list));
    snprintf(result->why, sizeof(result->why), "%s", answer->why != NULL ? answer->why : "");
}

static void clear(struct result *result) {
    test_free(result->list);
    *result = (struct result){.done = false};
}

static void begin(struct dns *dns, const char *name, enum dns_type type, struct result *result) {
    *result = (struct result){.done = false};
    dns_cares.lookup(dns, name, type, on_done, result);
}

static struct result look_up(const char *name, enum dns_type type) {
    struct dns *dns = dns_cares.new();
    struct result result;

    begin(dns, name, type, &result);
    while (!result.done)
        dns_cares.wait(dns, USEC_NEVER);
    dns_cares.free(dns);
    return result;
}

static void expect(const char *name, enum dns_type type, const char *address, unsigned ttl) {
    struct result result = look_up(name, type);
    char text[INET6_ADDRSTRLEN];

    assert_int_equal(result.outcome, DNS_FOUND);
    assert_int_equal(result.n, 1);
    assert_string_equal(
        inet_ntop(type == DNS_A ? AF_INET : AF_INET6, result.list[0].address, text, sizeof(text)),
        address);
    assert_int_equal(result.ttl, ttl * USEC_PER_SEC);
    clear(&result);
}

static void expect_none(const char *name, enum dns_type type, const char *why) {
    struct result result = look_up(name, type);

    assert_int_equal(result.outcome, DNS_NONE);
    if (strstr(result.why, why) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", name, result.why, why);
    clear(&result);
}

static void each_type_has_its_own_answer(void **state) {
    (void)state;
    hosts_are(NAMESERVER, "");
    expect("both.test.", DNS_A, "127.0.1.1", 40);
    expect("both.test.", DNS_AAAA, "fd00::1", 40);
    expect("one.test.", DNS_A, "127.0.2.1", 30);
    expect_none("one.test.", DNS_AAAA, "no data");
    expect_none("nowhere.test.", DNS_A, "not found");
    expect_none("_absent._tcp.test.", DNS_SRV, "not found");
    expect_none("_x._tcp.both.test.", DNS_SRV, "not found");
}

/* The CNAME may change before the addresses do. */
static void the_ttl_of_an_alias_counts(void **state) {
    (void)state;
    hosts_are(NAMESERVER, "");
    expect("alias.test.", DNS_A, "127.0.1.1", 7);
    expect("alias.test.", DNS_AAAA, "fd00::1", 7);
}

/* Answers what it is asked for with a record of this type, TTL and data. */
static void answer_query(int fd, const struct sockaddr_in *to, const char *query, size_t n,
                         const char *record, size_t size) {
    char reply[512];

    assert_in_range(n, 12, sizeof(reply) - 64);
    memcpy(reply, query, n);
    reply[2] = (char)0x81; /* an answer, */
    reply[3] = (char)0x80; /* without an error (RFC 1035, 4.1.1), */
    reply[7] = 1;          /* of one record, */
    reply[11] = 0;         /* and nothing else, as EDNS */
    size_t end = 12;
    while (query[end] != 0)
        end += 1 + (size_t)query[end];
    end += 5;
    memcpy(reply + end, "\xc0\x0c", 2); /* of the name that was asked for */
    memcpy(reply + end + 2, record, size);
    assert_int_equal(sendto(fd, reply, end + 2 + size, 0, (const struct sockaddr *)to, sizeof(*to)),
                     end + 2 + size);
}

/* A server that knows front.test's alias, for 7 s, and back.test's address, for 40 s, but does not
 * tell both at once. */
static void serve_apart(void *arg) {
    static const char alias[] = "\0\5\0\1\0\0\0\7\0\13\4back\4test",
                      address[] = "\0\1\0\1\0\0\0\50\0\4\177\0\1\1";
    const int *fd = arg;
    struct sockaddr_in from;
    socklen_t length = sizeof(from);
    char query[512];
    ssize_t n;

    while ((n = recvfrom(*fd, query, sizeof(query), 0, (struct sockaddr *)&from, &length)) > 12) {
        if (query[13] == 'f')
            answer_query(*fd, &from, query, (size_t)n, alias, sizeof(alias));
        else
            answer_query(*fd, &from, query, (size_t)n, address, sizeof(address) - 1);
        length = sizeof(from);
    }
}

/* That of an alias counts, too, if what it leads to has to be asked for. */
static void the_ttl_of_an_alias_alone_counts(void **state) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(53)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct thread thread;

    (void)state;
    assert_int_equal(inet_pton(AF_INET, "127.0.0.2", &at.sin_addr), 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(thread_start(&thread, "server", NULL, serve_apart, &fd), 0);
    hosts_are("nameserver 127.0.0.2\n", "");
    expect("front.test.", DNS_A, "127.0.1.1", 7);
    assert_int_equal(sendto(fd, "", 0, 0, (struct sockaddr *)&at, sizeof(at)), 0); /* it ends */
    thread_join(&thread);
    fd_close(&fd);
}

static void a_service(void **state) {
    struct result result;

    (void)state;
    hosts_are(NAMESERVER, "");
    result = look_up("_web._tcp.test.", DNS_SRV);
    assert_int_equal(result.outcome, DNS_FOUND);
    assert_int_equal(result.n, 4);
    for (size_t i = 0; i < result.n; i++) {
        const struct dns_record *record = &result.list[i];

        assert_in_range(record->port, 8001, 8004);
        assert_int_equal(record->priority, record->port == 8003   ? 20
                                           : record->port == 8004 ? 5
                                                                  : 10);
        if (record->port == 8001)
            assert_string_equal(record->target, "one.test");
    }
    clear(&result);
    result = look_up("_none._tcp.test.", DNS_SRV); /* decidedly not available */
    assert_int_equal(result.n, 1);
    assert_string_equal(result.list[0].target, "");
    clear(&result);
}

/* By TCP, since the reply does not fit into UDP. */
static void a_large_service(void **state) {
    static bool seen[MANY];
    struct result result;

    (void)state;
    hosts_are(NAMESERVER, "");
    result = look_up("_many._tcp.test.", DNS_SRV);
    assert_int_equal(result.n, MANY);
    for (size_t i = 0; i < MANY; i++) {
        unsigned port = result.list[i].port;

        assert_in_range(port, 1000, 1000 + MANY - 1);
        assert_false(seen[port - 1000]);
        seen[port - 1000] = true;
    }
    clear(&result);
}

/* A socket of DNS. */
static int open_socket(unsigned last) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(53)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(0x7f350000 + last); /* 127.53.0.x */
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static void a_corrected_resolv_conf_counts_while_lookups_hang(void **state) {
    int hole = open_socket(1); /* that nobody reads */
    struct dns *dns = dns_cares.new();
    static struct result hanging, other[64];
    size_t n = 0;

    (void)state;
    hosts_are("nameserver 127.53.0.1\n", "");
    begin(dns, "both.test.", DNS_A, &hanging);
    dns_cares.wait(dns, clock_now());
    hosts_are(NAMESERVER, "");
    do {
        assert_true(n < ARRAY_LEN(other));
        begin(dns, "one.test.", DNS_A, &other[n++]);
        for (usec_t next = clock_now() + 100 * USEC_PER_MSEC;
             !other[n - 1].done && clock_now() < next;)
            dns_cares.wait(dns, next);
        assert_false(hanging.done);
    } while (!other[n - 1].done);
    assert_int_equal(other[n - 1].outcome, DNS_FOUND);

    usec_t began = clock_now();
    dns_cares.free(dns); /* with lookups under way */
    assert_true(clock_now() - began < USEC_PER_SEC);
    for (size_t i = 0; i < n; i++) {
        assert_true(other[i].done);
        clear(&other[i]);
    }
    assert_true(hanging.done);
    assert_int_equal(hanging.outcome, DNS_FAILED);
    clear(&hanging);
    fd_close(&hole);
}

/* The second time it gets there. */
static void a_lost_query_is_asked_again_soon(void **state) {
    int lossy = open_socket(2);
    struct dns *dns = dns_cares.new();
    struct result result;
    char first[512], second[512];

    (void)state;
    hosts_are("nameserver 127.53.0.2\n", "");
    begin(dns, "one.test.", DNS_A, &result);
    usec_t began = clock_now();
    ssize_t n = recv(lossy, first, sizeof(first), 0);
    while (recv(lossy, second, sizeof(second), MSG_DONTWAIT) < 0)
        dns_cares.wait(dns, clock_now() + 5 * USEC_PER_MSEC);
    assert_in_range(clock_now() - began, 200 * USEC_PER_MSEC, 1500 * USEC_PER_MSEC);
    assert_true(n > 12);
    assert_memory_equal(first, second, (size_t)n);
    dns_cares.free(dns);
    clear(&result);
    fd_close(&lossy);
}

static void a_server_that_is_not_there(void **state) {
    struct result result;

    (void)state;
    hosts_are("nameserver 127.53.0.3\n", ""); /* nobody listens there */
    result = look_up("both.test.", DNS_A);
    assert_int_equal(result.outcome, DNS_FAILED);
    assert_non_null(strstr(result.why, "no DNS server could be reached"));
    clear(&result);
    hosts_are("nameserver 127.53.0.3\n" NAMESERVER, "");
    expect("one.test.", DNS_A, "127.0.2.1", 30);
}

static void wait_for_ever(void *arg) {
    dns_cares.wait(arg, USEC_NEVER);
}

static void a_waiting_thread_is_woken(void **state) {
    struct dns *dns = dns_cares.new();
    struct thread thread = {0};

    (void)state;
    assert_int_equal(thread_start(&thread, "waits", NULL, wait_for_ever, dns), 0);
    dns_cares.wake(dns); /* before or after it waits */
    thread_join(&thread);
    /* The wake-up was used up: this ends by its time. */
    dns_cares.wait(dns, clock_now() + 5 * USEC_PER_MSEC);
    dns_cares.free(dns);
    dns_cares.free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_has_its_own_answer),
        cmocka_unit_test(the_ttl_of_an_alias_counts),
        cmocka_unit_test(the_ttl_of_an_alias_alone_counts),
        cmocka_unit_test(a_service),
        cmocka_unit_test(a_large_service),
        cmocka_unit_test(a_corrected_resolv_conf_counts_while_lookups_hang),
        cmocka_unit_test(a_lost_query_is_asked_again_soon),
        cmocka_unit_test(a_server_that_is_not_there),
        cmocka_unit_test(a_waiting_thread_is_woken),
    };

    if (!make_world())
        return SKIPPED;
    thread_init_process();
    alarm(60); /* a hang is a failure */
    return cmocka_run_group_tests_name("dns", tests, start_server, stop_server);
}
