/* upstream/names: when names are looked up, with a scripted DNS; and SRV records in hostile replies. */
#include "unit.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/stats.h"
#include "base/sync.h"
#include "base/thread.h"
#include "upstream/dns_srv.h"
#include "upstream/names.h"

/* The script. A lookup under way is answered by the test, through dns_wait on the resolver's thread. */
struct dns {
    struct lock lock;
    struct cond changed, woken;
    unsigned lookups, wakes;
    dns_done_fn *done[2];
    void *arg[2];
    bool answered[2];
    usec_t ttl[2]; /* < 0: it fails */
};

static struct dns script;

static struct dns *script_new(void) {
    script = (struct dns){.lookups = 0};
    lock_init(&script.lock, RANK_LEAF);
    cond_init(&script.changed);
    cond_init(&script.woken);
    return &script;
}

static void script_free(struct dns *dns) {
    for (int i = 0; i < 2; i++)
        if (dns->done[i] != NULL)
            dns->done[i](dns->arg[i], NULL, "cancelled");
    cond_destroy(&dns->changed);
    cond_destroy(&dns->woken);
    lock_destroy(&dns->lock);
}

/* "0.test" and "1.test" */
static void script_lookup(struct dns *dns, const struct addr_spec *spec, dns_done_fn *done,
                          void *arg) {
    int i = spec->name[0] - '0';

    lock_acquire(&dns->lock);
    dns->done[i] = done;
    dns->arg[i] = arg;
    dns->lookups++;
    cond_broadcast(&dns->changed);
    lock_release(&dns->lock);
}

static void answer_now(struct dns *dns, int i) {
    struct dns_answer answer = {.n = 1, .ttl = dns->ttl[i]};
    dns_done_fn *done = dns->done[i];

    dns->done[i] = NULL;
    answer.places[0].addr.len = sizeof(answer.places[0].addr.u.in);
    answer.places[0].addr.u.in.sin_family = AF_INET;
    done(dns->arg[i], dns->ttl[i] < 0 ? NULL : &answer, dns->ttl[i] < 0 ? "no such name" : NULL);
}

static void script_wait(struct dns *dns, usec_t deadline) {
    bool ready[2] = {false, false};

    lock_acquire(&dns->lock);
    if (dns->wakes == 0)
        (void)cond_wait_until(&dns->woken, &dns->lock, deadline);
    dns->wakes = 0;
    for (int i = 0; i < 2; i++) {
        ready[i] = dns->answered[i] && dns->done[i] != NULL;
        dns->answered[i] = dns->answered[i] && !ready[i];
    }
    lock_release(&dns->lock);
    for (int i = 0; i < 2; i++)
        if (ready[i])
            answer_now(dns, i);
}

static void script_wake(struct dns *dns) {
    lock_acquire(&dns->lock);
    dns->wakes++;
    cond_signal(&dns->woken);
    lock_release(&dns->lock);
}

static const struct dns_ops ops = {.new = script_new,
                                   .free = script_free,
                                   .lookup = script_lookup,
                                   .wait = script_wait,
                                   .wake = script_wake};

/* What the receiver has been told. */
static _Atomic unsigned told_good, told_bad;

static void on_answer(void *arg, const struct dns_answer *answer, const char *why) {
    (void)arg;
    assert_true((answer == NULL) == (why != NULL));
    atomic_fetch_add(answer != NULL ? &told_good : &told_bad, 1);
    lock_acquire(&script.lock);
    cond_broadcast(&script.changed);
    lock_release(&script.lock);
}

static struct names *names;

static void start(int n, usec_t interval) {
    struct addr_spec spec = {.form = ADDR_NAME, .port = 80};

    told_good = told_bad = 0;
    names = names_new_with(&ops);
    for (int i = 0; i < n; i++) {
        snprintf(spec.name, sizeof(spec.name), "%d.test", i);
        assert_true(names_add(names, &spec, interval, false, on_answer, NULL));
    }
    assert_int_equal(names_start(names), 0);
}

static void answer(int i, usec_t ttl) {
    lock_acquire(&script.lock);
    script.ttl[i] = ttl;
    script.answered[i] = true;
    lock_release(&script.lock);
    script_wake(&script);
}

static void await(const _Atomic unsigned *count, unsigned least) {
    lock_acquire(&script.lock);
    while (atomic_load(count) < least)
        cond_wait(&script.changed, &script.lock);
    lock_release(&script.lock);
}

static void await_lookups(unsigned least) {
    lock_acquire(&script.lock);
    while (script.lookups < least)
        cond_wait(&script.changed, &script.lock);
    lock_release(&script.lock);
}

static void it_is_looked_up_again_when_its_ttl_is_over(void **state) {
    (void)state;
    start(1, 3600 * USEC_PER_SEC);
    await_lookups(1);
    usec_t began = clock_now();
    answer(0, 0); /* not before a second, whatever DNS says */
    await(&told_good, 1);
    await_lookups(2);
    assert_in_range(clock_now() - began, USEC_PER_SEC - 50 * USEC_PER_MSEC, 20 * USEC_PER_SEC);
    names_free(names);
}

static void it_is_looked_up_again_after_the_interval_at_the_latest(void **state) {
    (void)state;
    start(1, 30 * USEC_PER_MSEC);
    for (unsigned i = 1; i <= 3; i++) {
        await_lookups(i);
        answer(0, 3600 * USEC_PER_SEC);
        await(&told_good, i);
    }
    names_free(names);
}

static void failures_are_told_and_tried_again(void **state) {
    uint64_t before = stats_get(STAT_resolve_failures);

    (void)state;
    start(1, 20 * USEC_PER_MSEC);
    for (unsigned i = 1; i <= 3; i++) {
        await_lookups(i);
        answer(0, -1);
        await(&told_bad, i);
    }
    assert_int_equal(stats_get(STAT_resolve_failures) - before, 3);
    await_lookups(4);
    answer(0, 3600 * USEC_PER_SEC);
    await(&told_good, 1);
    names_free(names);
}

static void a_failing_name_is_tried_again_later_each_time(void **state) {
    (void)state;
    start(1, 3600 * USEC_PER_SEC);
    for (unsigned i = 1; i <= 2; i++) { /* after 1 s, then 2 s */
        await_lookups(i);
        usec_t began = clock_now();
        answer(0, -1);
        await_lookups(i + 1);
        assert_in_range(clock_now() - began, i * USEC_PER_SEC, 20 * USEC_PER_SEC);
    }
    names_free(names);
}

static void a_name_that_hangs_delays_no_other(void **state) {
    (void)state;
    start(2, 20 * USEC_PER_MSEC);
    await_lookups(2);
    for (unsigned i = 1; i <= 5; i++) {
        answer(1, 0 * USEC_PER_SEC + 3600 * USEC_PER_SEC);
        await(&told_good, i);
        await_lookups(2 + i);
    }
    names_free(names); /* 0.test is still under way, and cancelled */
    assert_int_equal(told_bad, 0);
}

static void nothing_is_told_after_the_retirement(void **state) {
    (void)state;
    start(1, 20 * USEC_PER_MSEC);
    await_lookups(1);
    names_retire(names);
    answer(0, 0);
    names_free(names);
    assert_int_equal(told_good + told_bad, 0);
    names_free(NULL);
}

/* A reply with one question and these answers. */
static size_t reply(unsigned char *buf, unsigned answers, const void *rest, size_t n) {
    static const unsigned char head[] = "\x12\x34\x81\x80\0\1\0\0\0\0\0\0\2_x\4_tcp\1y\0\0\x21\0\1";

    memcpy(buf, head, sizeof(head) - 1);
    buf[7] = (unsigned char)answers;
    memcpy(buf + sizeof(head) - 1, rest, n);
    return sizeof(head) - 1 + n;
}

static void services_are_read(void **state) {
    static const char two[] =
        "\xc0\x0c\0\x21\0\1\0\0\0\x3c\0\x0b\0\x0a\0\5\0\x50\1a\1b\0"
        "\xc0\x0c\0\x21\0\1\0\0\0\x1e\0\7\0\x14\0\0\0\x51\0";
    unsigned char buf[512];
    struct dns_srv list[DNS_SRV_MAX];
    usec_t ttl = 0;
    size_t n = reply(buf, 2, two, sizeof(two) - 1);

    (void)state;
    assert_int_equal(dns_srv_parse(buf, n, list, &ttl), 2);
    assert_string_equal(list[0].host, "a.b");
    assert_int_equal(list[0].priority, 10);
    assert_int_equal(list[0].weight, 5);
    assert_int_equal(list[0].port, 80);
    assert_string_equal(list[1].host, ""); /* decidedly not available */
    assert_int_equal(ttl, 30 * USEC_PER_SEC);
    for (size_t cut = 0; cut < n; cut++) /* each truncation makes no sense, and harms nobody */
        assert_int_equal(dns_srv_parse(buf, cut, list, &ttl), -1);
}

static void the_ttl_of_an_alias_counts(void **state) {
    static const char two[] =
        "\xc0\x0c\0\5\0\1\0\0\0\7\0\2\xc0\x0f" /* CNAME */
        "\xc0\x0f\0\x21\0\1\0\0\0\x1e\0\x0b\0\x0a\0\5\0\x50\1a\1b\0";
    unsigned char buf[512];
    struct dns_srv list[DNS_SRV_MAX];
    usec_t ttl = 0;

    (void)state;
    assert_int_equal(dns_srv_parse(buf, reply(buf, 2, two, sizeof(two) - 1), list, &ttl), 1);
    assert_int_equal(ttl, 7 * USEC_PER_SEC);
}

/* Priorities from last to first, in pairs; the port tells which of a pair came first. */
static void of_too_many_services_the_last_are_left_out(void **state) {
    static const unsigned char one[] = "\xc0\x0c\0\x21\0\1\0\0\0\x1e\0\x09\0\0\0\5\0\0\1a";
    const unsigned many = 100;
    unsigned char records[100 * sizeof(one)], buf[sizeof(records) + 64];
    struct dns_srv list[DNS_SRV_MAX];
    usec_t ttl;

    (void)state;
    for (unsigned i = 0; i < many; i++) {
        unsigned char *record = records + i * sizeof(one);

        memcpy(record, one, sizeof(one));
        record[13] = (unsigned char)((many - i - 1) / 2);
        record[17] = (unsigned char)i;
    }
    assert_int_equal(dns_srv_parse(buf, reply(buf, many, records, sizeof(records)), list, &ttl),
                     DNS_SRV_MAX);
    for (unsigned i = 0; i < DNS_SRV_MAX; i++) {
        assert_int_equal(list[i].priority, i / 2);
        assert_int_equal(list[i].port, many - (i / 2 + 1) * 2 + i % 2);
    }
}

static void hostile_replies_are_refused(void **state) {
    static const char loop[] =
        "\xc0\x1b\0\x21\0\1\0\0\0\x3c\0\x0a\0\x0a\0\5\0\x50\xc0\x1b"; /* a name that points to itself */
    static const char beyond[] = "\xc0\x0c\0\x21\0\1\0\0\0\x3c\xff\xff\0\x0a\0\5\0\x50\1a\0";
    static const char bare[] = "\xc0\x0c\0\x21\0\1\0\0\0\x3c\0\6\0\x0a\0\5\0\x50";
    unsigned char buf[512];
    struct dns_srv list[DNS_SRV_MAX];
    usec_t ttl;

    (void)state;
    assert_int_equal(dns_srv_parse(buf, reply(buf, 1, loop, sizeof(loop) - 1), list, &ttl), -1);
    assert_int_equal(dns_srv_parse(buf, reply(buf, 1, beyond, sizeof(beyond) - 1), list, &ttl), -1);
    assert_int_equal(dns_srv_parse(buf, reply(buf, 1, bare, sizeof(bare) - 1), list, &ttl), -1);
    assert_int_equal(dns_srv_parse(buf, reply(buf, 9, "", 0), list, &ttl), -1);
    srand(1);
    for (int i = 0; i < 20000; i++) {
        size_t n = reply(buf, (unsigned)rand() % 4, beyond, sizeof(beyond) - 1);

        for (int k = 0; k < 4; k++)
            buf[(size_t)rand() % n] = (unsigned char)rand();
        assert_in_range(dns_srv_parse(buf, n, list, &ttl) + 1, 0, DNS_SRV_MAX + 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_looked_up_again_when_its_ttl_is_over),
        cmocka_unit_test(it_is_looked_up_again_after_the_interval_at_the_latest),
        cmocka_unit_test(failures_are_told_and_tried_again),
        cmocka_unit_test(a_failing_name_is_tried_again_later_each_time),
        cmocka_unit_test(a_name_that_hangs_delays_no_other),
        cmocka_unit_test(nothing_is_told_after_the_retirement),
        cmocka_unit_test(services_are_read),
        cmocka_unit_test(the_ttl_of_an_alias_counts),
        cmocka_unit_test(of_too_many_services_the_last_are_left_out),
        cmocka_unit_test(hostile_replies_are_refused),
    };

    thread_init_process();
    log_set_level(LOG_LEVEL_ERROR);
    alarm(60); /* a hang is a failure */
    return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
