/* upstream/dns: c-ares and a real DNS server (dnsmasq), on loopback in a network of the test's own, with an /etc of its
 * own. Only root can make these: others skip it. */
#include "unit.h"

#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/thread.h"
#include "upstream/dns.h"

#define DNSMASQ "/usr/sbin/dnsmasq"
#define SKIPPED 77 /* meson's code for it */
#define MANY    60 /* records of one service: far beyond the 512 bytes of a UDP reply */

/* The world */

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static bool make_world(void) {
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};

    if (access(DNSMASQ, X_OK) < 0 || unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", "/etc", "tmpfs", 0, NULL) < 0)
        return false;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int r = ioctl(fd, SIOCSIFFLAGS, &lo);
    fd_close(&fd);
    return r == 0;
}

static void hosts_are(const char *resolv_conf, const char *hosts) {
    write_file("/etc/resolv.conf", resolv_conf);
    write_file("/etc/hosts", hosts);
}

#define NAMESERVER "nameserver 127.0.0.1\n"

static pid_t server;

/* The records of the world: A and AAAA with TTLs, an alias, services. */
static void run_server(void) {
    static char services[MANY][64];
    const char *arguments[MANY + 32] = {DNSMASQ,
                                        "-k",
                                        "-C/dev/null",
                                        "-p53",
                                        "-z",
                                        "-a127.0.0.1",
                                        "-R",
                                        "-h",
                                        "-uroot",
                                        "-groot",
                                        "-x",
                                        "",
                                        "--local-ttl=50",
                                        "--local=/#/",
                                        "--log-facility=/dev/null",
                                        "--host-record=both.test,127.0.1.1,fd00::1,40",
                                        "--cname=alias.test,both.test,7",
                                        "--host-record=one.test,127.0.2.1,30",
                                        "--host-record=two.test,127.0.2.2,20",
                                        "--host-record=three.test,127.0.2.3",
                                        "--address=/wild.test/127.0.9.9",
                                        "--srv-host=_web._tcp.test,three.test,8003,20,0",
                                        "--srv-host=_web._tcp.test,two.test,8002,10,3",
                                        "--srv-host=_web._tcp.test,one.test,8001,10,9",
                                        "--srv-host=_web._tcp.test,gone.test,8004,5,1",
                                        "--srv-host=_none._tcp.test",
                                        "--srv-host=_short._tcp.test,short,80,1,1"};
    size_t n = 0;

    while (arguments[n] != NULL)
        n++;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(services[i], sizeof(services[i]), "--srv-host=_many._tcp.test,one.test,%u,%u,1",
                 1000 + i, MANY - i);
        arguments[n++] = services[i];
    }
    write_file("/etc/passwd", "root:x:0:0::/:/bin/sh\n");
    write_file("/etc/group", "root:x:0:\n");
    write_file("/etc/nsswitch.conf", "hosts: files dns\n");
    server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(DNSMASQ, (char **)(uintptr_t)arguments);
        _exit(127);
    }
}

/* Lookups */

struct result {
    bool done;
    struct dns_answer answer; /* n is 0: there is none */
    char why[128];
};

static void on_done(void *arg, const struct dns_answer *answer, const char *why) {
    struct result *result = arg;

    assert_false(result->done);
    assert_true((answer == NULL) == (why != NULL));
    result->done = true;
    if (answer != NULL)
        result->answer = *answer;
    snprintf(result->why, sizeof(result->why), "%s", why != NULL ? why : "");
}

static void begin(struct dns *dns, const char *text, struct result *result) {
    struct addr_spec spec;
    const char *why;

    assert_true(addr_parse(text, &spec, &why));
    *result = (struct result){.done = false};
    dns_lookup(dns, &spec, on_done, result);
}

static struct result look_up(const char *text) {
    struct dns *dns = dns_new();
    struct result result;

    begin(dns, text, &result);
    while (!result.done)
        dns_wait(dns, USEC_NEVER);
    dns_free(dns);
    return result;
}

/* Every place as text, in alphabetical order: which family is answered first is chance. */
static const char *places(const struct result *result) {
    static char all[4096];
    char texts[DNS_PLACES_MAX][ADDR_TEXT_MAX];
    size_t n = result->answer.n;

    all[0] = '\0';
    for (size_t i = 0; i < n; i++)
        (void)addr_format(&result->answer.places[i].addr, texts[i], sizeof(texts[i]));
    qsort(texts, n, sizeof(texts[0]), (int (*)(const void *, const void *))strcmp);
    for (size_t i = 0; i < n; i++)
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i > 0 ? " " : "", texts[i]);
    return all;
}

static void expect(const char *text, const char *expected, unsigned ttl) {
    struct result result = look_up(text);

    assert_string_equal(result.why, "");
    assert_string_equal(places(&result), expected);
    assert_int_equal(result.answer.ttl, ttl * USEC_PER_SEC);
}

static void expect_failure(const char *text, const char *why) {
    struct result result = look_up(text);

    assert_string_equal(places(&result), "");
    if (strstr(result.why, why) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", text, result.why, why);
}

/* Tests */

/* Asks until there is an answer: while nobody listens, the kernel says so at once. */
static void await_server(void) {
    static const char query[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\3one\4test\0\0\1\0\1";
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(53)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char reply[512];

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    while (send(fd, query, sizeof(query) - 1, 0) < 0 || recv(fd, reply, sizeof(reply), 0) < 0)
        assert_int_equal(waitpid(server, NULL, WNOHANG), 0);
    fd_close(&fd);
}

static int start_server(void **state) {
    (void)state;
    run_server();
    await_server();
    return 0;
}

static int stop_server(void **state) {
    (void)state;
    return kill(server, SIGKILL) == 0 && waitpid(server, NULL, 0) == server ? 0 : -1;
}

static void both_families_and_the_least_ttl(void **state) {
    (void)state;
    hosts_are(NAMESERVER, "");
    expect("both.test:80", "127.0.1.1:80 [fd00::1]:80", 40);
    expect("both.test.:81", "127.0.1.1:81 [fd00::1]:81", 40);
    expect("alias.test:80", "127.0.1.1:80 [fd00::1]:80",
           7); /* the CNAME may change before the addresses do */
    expect_failure("nowhere.test:80", "not found");
}

static void files_of_etc(void **state) {
    (void)state;
    hosts_are(NAMESERVER "search nowhere.test test\n", "127.0.3.1 both.test\n::2 x both.test\n");
    expect("both.test:80", "127.0.3.1:80 [::2]:80", 0);
    expect("both:80", "127.0.1.1:80 [fd00::1]:80", 40);
    hosts_are(NAMESERVER, "127.0.3.2 both.test\n127.0.3.2 both.test\n");
    expect("both.test:80", "127.0.3.2:80", 0);
}

static void a_service_is_made_of_its_targets(void **state) {
    struct result result;
    unsigned first = 0;

    (void)state;
    hosts_are(NAMESERVER, "");
    expect("srv:_web._tcp.test", "127.0.2.1:8001 127.0.2.2:8002 127.0.2.3:8003", 20);
    result = look_up("srv:_web._tcp.test");
    for (size_t i = 0; i < result.answer.n; i++) {
        const struct dns_place *place = &result.answer.places[i];
        unsigned port = addr_port(&place->addr);

        first += place->priority == 10;
        assert_int_equal(place->priority, port == 8003 ? 20 : 10);
        assert_int_equal(place->weight, port == 8003 ? 1 : port == 8002 ? 3 : 9);
    }
    assert_int_equal(first, 2);
    expect_failure("srv:_none._tcp.test", "not available");
    expect_failure("srv:_absent._tcp.test", "not found");
    expect_failure("srv:_x._tcp.both.test", "not found");
}

/* By TCP, since the reply does not fit into UDP. */
static void a_large_service(void **state) {
    struct result result;
    bool seen[MANY] = {false};

    (void)state;
    hosts_are(NAMESERVER, "");
    result = look_up("srv:_many._tcp.test");
    assert_int_equal(result.answer.n, MANY);
    for (size_t i = 0; i < MANY; i++) {
        unsigned port = addr_port(&result.answer.places[i].addr);

        assert_in_range(port, 1000, 1000 + MANY - 1);
        assert_false(seen[port - 1000]);
        seen[port - 1000] = true;
    }
}

/* With a domain to be searched in which every name exists. */
static void a_target_is_a_full_name(void **state) {
    (void)state;
    hosts_are(NAMESERVER "search wild.test\n", "");
    expect("short:80", "127.0.9.9:80", 50);
    expect_failure("srv:_short._tcp.test", "not found");
    expect("srv:_web._tcp.test", "127.0.2.1:8001 127.0.2.2:8002 127.0.2.3:8003", 20);
}

/* A socket of DNS that nobody reads. */
static int open_hole(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(53)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(0x7f350001); /* 127.53.0.1 */
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static void a_corrected_resolv_conf_counts_while_lookups_hang(void **state) {
    int hole = open_hole();
    struct dns *dns = dns_new();
    static struct result hanging, other[64];
    size_t n = 0;

    (void)state;
    hosts_are("nameserver 127.53.0.1\n", "");
    begin(dns, "both.test:80", &hanging);
    dns_wait(dns, clock_now());
    hosts_are(NAMESERVER, "");
    do {
        assert_true(n < ARRAY_LEN(other));
        begin(dns, "one.test:80", &other[n++]);
        for (usec_t next = clock_now() + 100 * USEC_PER_MSEC;
             !other[n - 1].done && clock_now() < next;)
            dns_wait(dns, next);
        assert_false(hanging.done);
    } while (!other[n - 1].done);
    assert_string_equal(places(&other[n - 1]), "127.0.2.1:80");

    usec_t began = clock_now();
    dns_free(dns); /* with lookups under way */
    assert_true(clock_now() - began < USEC_PER_SEC);
    for (size_t i = 0; i < n; i++)
        assert_true(other[i].done);
    assert_true(hanging.done);
    assert_int_equal(hanging.answer.n, 0);
    fd_close(&hole);
}

static void a_server_that_is_not_there(void **state) {
    (void)state;
    hosts_are("nameserver 127.53.0.2\n", ""); /* nobody listens there */
    expect_failure("both.test:80",
                   "contact"); /* c-ares: it could not be contacted, or it timed out */
    hosts_are("nameserver 127.53.0.2\n" NAMESERVER, "");
    expect("one.test:80", "127.0.2.1:80", 30);
}

static void wait_for_ever(void *arg) {
    dns_wait(arg, USEC_NEVER);
}

static void a_waiting_thread_is_woken(void **state) {
    struct dns *dns = dns_new();
    struct thread thread = {0};

    (void)state;
    assert_int_equal(thread_start(&thread, "waits", NULL, wait_for_ever, dns), 0);
    dns_wake(dns); /* before or after it waits */
    thread_join(&thread);
    dns_wait(dns,
             clock_now() + 5 * USEC_PER_MSEC); /* the wake-up was used up: this ends by its time */
    dns_free(dns);
    dns_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_families_and_the_least_ttl),
        cmocka_unit_test(files_of_etc),
        cmocka_unit_test(a_service_is_made_of_its_targets),
        cmocka_unit_test(a_large_service),
        cmocka_unit_test(a_target_is_a_full_name),
        cmocka_unit_test(a_corrected_resolv_conf_counts_while_lookups_hang),
        cmocka_unit_test(a_server_that_is_not_there),
        cmocka_unit_test(a_waiting_thread_is_woken),
    };

    if (!make_world())
        return SKIPPED;
    thread_init_process();
    alarm(60); /* a hang is a failure */
    return cmocka_run_group_tests_name("dns", tests, start_server, stop_server);
}
