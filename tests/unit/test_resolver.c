/* upstream/resolver: the cache of answers, with a scripted lookup in the place of DNS. */
#include "unit.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/stats.h"
#include "base/sync.h"
#include "base/thread.h"
#include "upstream/resolver.h"

/* The script: what the next lookup gives, and a gate that it waits at. */
static struct {
    struct lock lock;
    struct cond changed;
    bool fails, held;
    unsigned lookups;
    unsigned port; /* of the one address in the answer */
} dns;

static const char *lookup(const char *host, unsigned port, struct addr_list **ret_list) {
    struct addr addr = {.len = sizeof(addr.u.in)};

    (void)port;
    assert_string_equal(host, "app.example");
    lock_acquire(&dns.lock);
    while (dns.held)
        cond_wait(&dns.changed, &dns.lock);
    dns.lookups++;
    bool fails = dns.fails;
    addr.u.in.sin_family = AF_INET;
    addr.u.in.sin_port = htons((uint16_t)dns.port);
    cond_broadcast(&dns.changed);
    lock_release(&dns.lock);
    *ret_list = fails ? NULL : addr_list_new(&addr, 1);
    return fails ? "Name or service not known" : NULL;
}

static void script(bool fails, bool held, unsigned port) {
    lock_acquire(&dns.lock);
    dns.fails = fails;
    dns.held = held;
    dns.port = port;
    cond_broadcast(&dns.changed);
    lock_release(&dns.lock);
}

/* Waits for so many more lookups from now on. */
static void await_lookups(unsigned more) {
    lock_acquire(&dns.lock);
    unsigned until = dns.lookups + more;
    while (dns.lookups < until)
        cond_wait(&dns.changed, &dns.lock);
    lock_release(&dns.lock);
}

struct fixture {
    struct resolver *resolver;
    struct resolver_name *name;
};

static struct fixture start(usec_t interval) {
    struct fixture f = {.resolver = resolver_new(lookup)};

    assert_non_null(f.resolver);
    f.name = resolver_add(f.resolver, "app.example", 80, interval, NULL);
    assert_non_null(f.name);
    assert_int_equal(resolver_start(f.resolver), 0);
    return f;
}

static void stop(struct fixture *f) {
    script(false, false, 1);
    assert_true(resolver_stop(f->resolver, clock_now() + 2 * USEC_PER_SEC));
    resolver_free(f->resolver);
}

static enum resolver_outcome get_port(struct fixture *f, usec_t patience, unsigned *ret_port) {
    struct addr_list *list;
    enum resolver_outcome outcome =
        resolver_get(f->resolver, f->name, clock_now() + patience, &list);

    if (outcome == RESOLVER_OK) {
        assert_int_equal(list->n, 1);
        *ret_port = ntohs(list->addrs[0].u.in.sin_port);
        addr_list_unref(list);
    }
    return outcome;
}

#define LONG (60 * USEC_PER_SEC)

static void the_first_answer_is_waited_for(void **state) {
    unsigned port = 0;

    (void)state;
    script(false, true, 7);
    struct fixture f = start(LONG);
    assert_int_equal(get_port(&f, 20 * USEC_PER_MSEC, &port), RESOLVER_TIMEOUT);
    script(false, false, 7);
    assert_int_equal(get_port(&f, LONG, &port), RESOLVER_OK);
    assert_int_equal(port, 7);
    stop(&f);
}

static void later_answers_replace_earlier_ones(void **state) {
    unsigned port = 0;

    (void)state;
    script(false, false, 7);
    struct fixture f = start(5 * USEC_PER_MSEC);
    assert_int_equal(get_port(&f, LONG, &port), RESOLVER_OK);
    script(false, false, 8);
    await_lookups(
        2); /* the second began after the script changed, so the first has been taken in */
    assert_int_equal(get_port(&f, LONG, &port), RESOLVER_OK);
    assert_int_equal(port, 8);
    stop(&f);
}

static void the_last_good_answer_outlives_failures(void **state) {
    unsigned port = 0;

    (void)state;
    script(false, false, 7);
    struct fixture f = start(5 * USEC_PER_MSEC);
    assert_int_equal(get_port(&f, LONG, &port), RESOLVER_OK);
    uint64_t failures = stats_get(STAT_resolve_failures);
    script(true, false, 9);
    await_lookups(3);
    assert_int_equal(get_port(&f, LONG, &port), RESOLVER_OK);
    assert_int_equal(port, 7);
    assert_true(stats_get(STAT_resolve_failures) >= failures + 1);
    stop(&f);
}

static void a_name_without_answer_is_said_at_once(void **state) {
    unsigned port = 0;

    (void)state;
    script(true, false, 0);
    struct fixture f = start(LONG);
    assert_int_equal(get_port(&f, LONG, &port), RESOLVER_NO_ADDRESS);
    stop(&f);
}

static void a_failing_name_recovers_long_before_its_interval(void **state) {
    unsigned port = 0;

    (void)state;
    script(true, false, 0);
    struct fixture f = start(LONG);
    assert_int_equal(get_port(&f, LONG, &port), RESOLVER_NO_ADDRESS);
    script(false, false, 7);
    await_lookups(1);
    while (get_port(&f, LONG, &port) != RESOLVER_OK)
        ; /* until the answer of that lookup is taken in */
    assert_int_equal(port, 7);
    stop(&f);
}

static void libc_finds_localhost_and_drops_doubles(void **state) {
    struct addr_list *list;

    (void)state;
    assert_null(resolver_lookup_libc("localhost", 80, &list));
    assert_true(list->n >= 1);
    for (size_t i = 0; i < list->n; i++)
        for (size_t j = i + 1; j < list->n; j++)
            assert_false(addr_equal(&list->addrs[i], &list->addrs[j]));
    addr_list_unref(list);
    assert_non_null(resolver_lookup_libc("does-not-exist.invalid", 80, &list));
    assert_null(list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_answer_is_waited_for),
        cmocka_unit_test(later_answers_replace_earlier_ones),
        cmocka_unit_test(the_last_good_answer_outlives_failures),
        cmocka_unit_test(a_name_without_answer_is_said_at_once),
        cmocka_unit_test(a_failing_name_recovers_long_before_its_interval),
        cmocka_unit_test(libc_finds_localhost_and_drops_doubles),
    };

    lock_init(&dns.lock, RANK_LEAF);
    cond_init(&dns.changed);
    thread_init_process();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
