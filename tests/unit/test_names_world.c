/* names/names with everything below it, a real DNS server, and the files of /etc. */
#include "dns_world.h"

#include <string.h>

#include "base/log.h"
#include "base/thread.h"
#include "names/resolver.h"

/* What a name was told last. */
struct told {
    struct lock lock;
    struct cond changed;
    unsigned times;
    struct endpoints endpoints;
};

static void on_answer(void *arg, const struct endpoints *endpoints) {
    struct told *told = arg;

    lock_acquire(&told->lock);
    told->endpoints.n = 0;
    for (size_t i = 0; endpoints != NULL && i < endpoints->n; i++)
        assert_true(endpoints_add(&told->endpoints, &endpoints->list[i]));
    told->times++;
    cond_signal(&told->changed);
    lock_release(&told->lock);
}

static void on_settled(void *arg, bool coming) {
    (void)arg;
    (void)coming;
}

static const struct names_watcher listener = {.answered = on_answer, .settled = on_settled};

static struct resolver *resolver;
static struct names *names, *before;
static struct told told;

static void begin(const char *text) {
    struct addr_spec spec;
    const char *why;

    assert_true(addr_parse(text, &spec, &why));
    if (resolver == NULL)
        resolver = resolver_new(&dns_cares);
    names = names_new();
    told.times = 0;
    told.endpoints.n = 0;
    assert_true(names_add(names, &spec, (struct name_owner){"app", "a"}, 3600 * USEC_PER_SEC,
                          &listener, &told));
    assert_int_equal(resolver_join(resolver, names), 0);
}

static void free_names(struct names *old) {
    resolver_leave(resolver, old);
    names_free(old);
}

static void end(void) {
    free_names(names);
    free_names(before);
    resolver_unref(resolver);
    resolver = NULL;
    names = before = NULL;
}

static const char *format(void) {
    static char all[4096];
    char text[ADDR_TEXT_MAX];

    all[0] = '\0';
    for (size_t i = 0; i < told.endpoints.n; i++)
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i > 0 ? " " : "",
                 addr_format(&told.endpoints.list[i].addr, text, sizeof(text)));
    return all;
}

/* Waits until it has been told this. */
static void await(const char *expected) {
    lock_acquire(&told.lock);
    while (told.times == 0 || strcmp(format(), expected) != 0)
        if (!cond_wait_until(&told.changed, &told.lock, clock_now() + 30 * USEC_PER_SEC))
            fail_msg("\"%s\" has not become \"%s\"", format(), expected);
    lock_release(&told.lock);
}

static void expect(const char *text, const char *expected) {
    begin(text);
    await(expected);
    end();
}

static void both_families(void **state) {
    (void)state;
    hosts_are(NAMESERVER, "");
    expect("both.test:80", "[fd00::1]:80 127.0.1.1:80");
    expect("both.test.:81", "[fd00::1]:81 127.0.1.1:81");
    expect("alias.test:80", "[fd00::1]:80 127.0.1.1:80");
    expect("one.test:80", "127.0.2.1:80");
    expect("nowhere.test:80", "");
}

static void hosts_come_first(void **state) {
    (void)state;
    hosts_are(NAMESERVER,
              "# both.test\n127.0.3.1\tBOTH.test # x\n::2 x both.test\n127.0.3.9 other\n");
    expect("both.test:80", "[::2]:80 127.0.3.1:80");
    hosts_are(NAMESERVER, "127.0.3.2 both.test\n127.0.3.2 both.test\n");
    expect("both.test:80", "127.0.3.2:80"); /* and DNS is not asked for the other family */
    expect("localhost:80", "[::1]:80 127.0.0.1:80");
    expect("a.localhost.:80", "[::1]:80 127.0.0.1:80");
}

static void the_order_of_nsswitch_counts(void **state) {
    (void)state;
    hosts_are(NAMESERVER, "127.0.3.1 one.test\n127.0.3.2 here.test\n");
    write_file("/etc/nsswitch.conf", "passwd: files\nhosts: dns files\n");
    expect("one.test:80", "127.0.2.1:80");
    expect("here.test:80", "127.0.3.2:80");
    write_file("/etc/nsswitch.conf", "hosts: files mymachines\n");
    expect("one.test:80", "127.0.3.1:80");
    expect("two.test:80", "");
    write_file("/etc/nsswitch.conf", "hosts: mymachines resolve [!UNAVAIL=return] files dns\n");
    expect("one.test:80", "127.0.2.1:80");
    assert_int_equal(unlink("/etc/nsswitch.conf"), 0);
    expect("one.test:80", "127.0.3.1:80");
    write_file("/etc/nsswitch.conf", "hosts: files dns\n");
}

static void domains_are_searched(void **state) {
    (void)state;
    hosts_are(NAMESERVER "search nowhere.test test\n", "127.0.3.1 both.test\n");
    expect("both:80", "[fd00::1]:80 127.0.1.1:80");
    expect("one:80", "127.0.2.1:80");
    hosts_are(NAMESERVER "search wild.test test\n", "");
    expect("both:80", "127.0.9.9:80"); /* of one host, though the other has an IPv6 address, too */
    expect("both.test:80", "[fd00::1]:80 127.0.1.1:80");
    expect("one.test:80", "127.0.2.1:80"); /* no address of one.test.wild.test beside it */
    hosts_are(NAMESERVER "domain test\nsearch wild.test.\noptions debug ndots:2\n", "");
    expect("one.test:80", "127.0.9.9:80");
    expect("one.test.:80", "127.0.2.1:80");
}

static void a_service_is_made_of_its_targets(void **state) {
    (void)state;
    hosts_are(NAMESERVER, "");
    begin("srv:_web._tcp.test");
    await("127.0.2.1:8001 127.0.2.2:8002 127.0.2.3:8003");
    for (size_t i = 0; i < 3; i++) {
        const struct endpoint *endpoint = &told.endpoints.list[i];

        assert_int_equal(endpoint->priority, i == 2 ? 20 : 10);
        assert_int_equal(endpoint->weight, i == 0 ? 9 : i == 1 ? 3 : 1);
    }
    end();
    expect("srv:_none._tcp.test", "");
    expect("srv:_absent._tcp.test", "");
    hosts_are(NAMESERVER "search wild.test\n", "");
    expect("short:80", "127.0.9.9:80");
    expect("srv:_short._tcp.test", ""); /* a target is a full name */
}

/* The first 1,024 priorities. */
static void of_a_large_service_some_are_used(void **state) {
    (void)state;
    hosts_are(NAMESERVER, "");
    begin("srv:_many._tcp.test");
    lock_acquire(&told.lock);
    while (told.endpoints.n < ENDPOINTS_MOST)
        cond_wait(&told.changed, &told.lock);
    lock_release(&told.lock);
    assert_int_equal(told.endpoints.n, ENDPOINTS_MOST);
    for (unsigned i = 0; i < ENDPOINTS_MOST; i++)
        assert_int_equal(addr_port(&told.endpoints.list[i].addr), 1000 + MANY - 1 - i);
    end();
}

static void an_edit_counts(void **state) {
    (void)state;
    hosts_are(NAMESERVER, "127.0.3.1 both.test\n");
    begin("both.test:80");
    await("127.0.3.1:80");
    hosts_are(NAMESERVER, "127.0.3.2 both.test\n"); /* of the same size */
    await("127.0.3.2:80");
    hosts_are(NAMESERVER, "127.0.3.2 another.test\n");
    await("[fd00::1]:80 127.0.1.1:80");
    end();
}

/* What the configuration before knows of a host is known in the next one, whatever the port. */
static void names_outlive_a_reload(void **state) {
    (void)state;
    hosts_are(NAMESERVER, "");
    begin("both.test:80");
    await("[fd00::1]:80 127.0.1.1:80");
    before = names;
    hosts_are("nameserver 127.53.0.9\n", ""); /* nobody listens there */
    begin("both.test:99");
    free_names(before); /* the old one may go at once */
    before = NULL;
    await("[fd00::1]:99 127.0.1.1:99");
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_families),
        cmocka_unit_test(hosts_come_first),
        cmocka_unit_test(the_order_of_nsswitch_counts),
        cmocka_unit_test(domains_are_searched),
        cmocka_unit_test(a_service_is_made_of_its_targets),
        cmocka_unit_test(of_a_large_service_some_are_used),
        cmocka_unit_test(an_edit_counts),
        cmocka_unit_test(names_outlive_a_reload),
    };

    if (!make_world())
        return SKIPPED;
    thread_init_process();
    log_set_level(LOG_LEVEL_ERROR);
    lock_init(&told.lock, RANK_LEAF);
    cond_init(&told.changed);
    alarm(60); /* a hang is a failure */
    int failed = cmocka_run_group_tests_name("names_world", tests, start_server, stop_server);
    endpoints_free(&told.endpoints);
    return failed;
}
