/* names/names, host and service: what is looked up when, and what the answers do, with a scripted
 * DNS. All names end in ".", so that the files of this machine's /etc play no part. */
#include "unit.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/stats.h"
#include "base/sync.h"
#include "base/thread.h"
#include "names/resolver.h"

#define LINES_MOST   32
#define PENDING_MOST 8192
#define HOUR         (3600 * USEC_PER_SEC)
#define SOON         (20 * USEC_PER_MSEC)

/* The script: what is answered to whom. What it does not have is not found; "-" fails, "?" is
 * swallowed, "" is none. */
struct line {
    const char *name;
    enum dns_type type;
    const char *answer; /* addresses, or PORT:PRIORITY:TARGET, with blanks between them */
    unsigned ttl;
};

struct lookup {
    char name[ADDR_NAME_MAX + 1];
    enum dns_type type;
    dns_done_fn *done;
    void *arg;
};

struct dns {
    struct lock lock;
    struct cond changed, woken;
    struct line lines[LINES_MOST];
    size_t n_lines;
    struct lookup pending[PENDING_MOST];
    size_t n_pending;
    unsigned lookups, wakes;
};

static struct dns script;

static struct dns *script_new(void) {
    return &script;
}

static void answer(const struct lookup *lookup, enum dns_outcome outcome, const char *why) {
    lookup->done(lookup->arg, &(struct dns_answer){.outcome = outcome, .why = why});
}

static void script_free(struct dns *dns) {
    for (size_t i = 0; i < dns->n_pending; i++)
        answer(&dns->pending[i], DNS_FAILED, "cancelled");
    dns->n_pending = 0;
}

static void script_lookup(struct dns *dns, const char *name, enum dns_type type, dns_done_fn *done,
                          void *arg) {
    lock_acquire(&dns->lock);
    assert_true(dns->n_pending < PENDING_MOST);
    struct lookup *lookup = &dns->pending[dns->n_pending++];
    *lookup = (struct lookup){.type = type, .done = done, .arg = arg};
    snprintf(lookup->name, sizeof(lookup->name), "%s", name);
    dns->lookups++;
    cond_broadcast(&dns->changed);
    lock_release(&dns->lock);
}

static const struct line *find_line(const struct dns *dns, const struct lookup *lookup) {
    static const struct line none = {.answer = "", .ttl = 1};

    for (size_t i = 0; i < dns->n_lines; i++)
        if (strcmp(dns->lines[i].name, lookup->name) == 0 && dns->lines[i].type == lookup->type)
            return &dns->lines[i];
    return &none;
}

static void answer_found(const struct lookup *lookup, const struct line *line) {
    static struct dns_record records[4096];
    struct dns_answer found = {
        .outcome = DNS_FOUND, .list = records, .ttl = line->ttl * USEC_PER_SEC};
    char *copy = strdup(line->answer), *rest = copy, *word;

    while ((word = strsep(&rest, " ")) != NULL) {
        struct dns_record *record = &records[found.n++];

        *record = (struct dns_record){.weight = 1};
        if (lookup->type == DNS_SRV)
            assert_int_equal(
                sscanf(word, "%u:%u:%s", &record->port, &record->priority, record->target), 3);
        else
            assert_int_equal(
                inet_pton(lookup->type == DNS_A ? AF_INET : AF_INET6, word, record->address), 1);
    }
    free(copy);
    lookup->done(lookup->arg, &found);
}

/* Answers the first that is not swallowed. */
static bool answer_one(struct dns *dns) {
    lock_acquire(&dns->lock);
    for (size_t i = 0; i < dns->n_pending; i++) {
        const struct lookup lookup = dns->pending[i];
        const struct line line = *find_line(dns, &lookup);

        if (strcmp(line.answer, "?") == 0)
            continue;
        dns->pending[i] = dns->pending[--dns->n_pending];
        lock_release(&dns->lock);
        if (strcmp(line.answer, "-") == 0)
            answer(&lookup, DNS_FAILED, "it failed");
        else if (line.answer[0] == '\0')
            answer(&lookup, DNS_NONE, "not found");
        else
            answer_found(&lookup, &line);
        return true;
    }
    lock_release(&dns->lock);
    return false;
}

static void script_wait(struct dns *dns, usec_t deadline) {
    bool any = false;

    while (answer_one(dns))
        any = true;
    lock_acquire(&dns->lock);
    if (!any && dns->wakes == 0)
        (void)cond_wait_until(&dns->woken, &dns->lock, deadline);
    dns->wakes = 0;
    lock_release(&dns->lock);
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

/* One more line, or another answer. */
static void say(const char *name, enum dns_type type, const char *text, unsigned ttl) {
    size_t i = 0;

    lock_acquire(&script.lock);
    while (i < script.n_lines &&
           (script.lines[i].type != type || strcmp(script.lines[i].name, name) != 0))
        i++;
    assert_true(i < LINES_MOST);
    script.lines[i] = (struct line){name, type, text, ttl};
    script.n_lines += i == script.n_lines;
    script.wakes++;
    cond_signal(&script.woken);
    lock_release(&script.lock);
}

/* What was told; under the script's lock. */
struct told {
    unsigned good, bad, settled;
    bool coming;
    struct endpoints last;
};

static struct told told[2];

static void on_answer(void *arg, const struct endpoints *endpoints) {
    struct told *to = arg;

    lock_acquire(&script.lock);
    to->good += endpoints != NULL;
    to->bad += endpoints == NULL;
    to->last.n = 0;
    for (size_t i = 0; endpoints != NULL && i < endpoints->n; i++)
        assert_true(endpoints_add(&to->last, &endpoints->list[i]));
    cond_broadcast(&script.changed);
    lock_release(&script.lock);
}

static void on_settled(void *arg, bool coming) {
    struct told *to = arg;

    lock_acquire(&script.lock);
    to->settled++;
    to->coming = coming;
    cond_broadcast(&script.changed);
    lock_release(&script.lock);
}

static const struct names_watcher listener = {.answered = on_answer, .settled = on_settled};

static struct resolver *resolver;
static struct names *names;

/* The names of another configuration. */
static struct names *new_names(void) {
    if (resolver == NULL)
        resolver = resolver_new(&ops);
    return names_new();
}

static void free_names(struct names *old) {
    resolver_leave(resolver, old);
    names_free(old);
}

static void add(const char *text, usec_t interval, int i) {
    struct addr_spec spec;
    const char *why;

    assert_true(addr_parse(text, &spec, &why));
    assert_true(
        names_add(names, &spec, (struct name_owner){"app", "a"}, interval, &listener, &told[i]));
}

static void start(const char *text, usec_t interval) {
    names = new_names();
    add(text, interval, 0);
    assert_int_equal(resolver_join(resolver, names), 0);
}

static int set_up(void **state) {
    (void)state;
    lock_init(&script.lock, RANK_LEAF);
    cond_init(&script.changed);
    cond_init(&script.woken);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    free_names(names);
    resolver_unref(resolver);
    resolver = NULL;
    names = NULL;
    for (int i = 0; i < 2; i++)
        endpoints_free(&told[i].last);
    memset(told, 0, sizeof(told));
    script = (struct dns){.n_lines = 0};
    return 0;
}

static const char *format(const struct told *what) {
    static char all[4096];
    char text[ADDR_TEXT_MAX];

    snprintf(all, sizeof(all), "%s", what->last.n == 0 ? "nothing" : "");
    for (size_t i = 0; i < what->last.n; i++)
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i > 0 ? " " : "",
                 addr_format(&what->last.list[i].addr, text, sizeof(text)));
    return all;
}

/* Until the i-th was told this, or "nothing". */
static void await_of(int i, const char *expected) {
    lock_acquire(&script.lock);
    while (told[i].good + told[i].bad == 0 || strcmp(format(&told[i]), expected) != 0)
        if (!cond_wait_until(&script.changed, &script.lock, clock_now() + 30 * USEC_PER_SEC))
            fail_msg("\"%s\" has not become \"%s\"", format(&told[i]), expected);
    lock_release(&script.lock);
}

static void await(const char *expected) {
    await_of(0, expected);
}

static unsigned count_lookups(void) {
    lock_acquire(&script.lock);
    unsigned n = script.lookups;
    lock_release(&script.lock);
    return n;
}

static void await_lookups(unsigned least) {
    lock_acquire(&script.lock);
    while (script.lookups < least)
        cond_wait(&script.changed, &script.lock);
    lock_release(&script.lock);
}

/* Until all has been asked and answered several times. */
static void let_it_be_asked_again(void) {
    await_lookups(count_lookups() + 8);
}

static void the_first_family_is_enough_to_begin(void **state) {
    (void)state;
    say("a.test.", DNS_A, "127.0.0.1", 3600);
    say("a.test.", DNS_AAAA, "?", 0);
    start("a.test.:80", HOUR);
    await("127.0.0.1:80");
    say("a.test.", DNS_AAAA, "::1", 3600);
    await("[::1]:80 127.0.0.1:80");
    assert_int_equal(told[0].good, 2);
    assert_int_equal(told[0].bad, 0);
}

static void a_swallowed_family_delays_no_news_of_the_other(void **state) {
    (void)state;
    say("a.test.", DNS_A, "127.0.0.1", 0);
    say("a.test.", DNS_AAAA, "?", 0);
    start("a.test.:80", SOON);
    await("127.0.0.1:80");
    say("a.test.", DNS_A, "127.0.0.2", 0);
    await("127.0.0.2:80");
}

static void a_family_that_fails_keeps_its_addresses(void **state) {
    (void)state;
    say("a.test.", DNS_A, "127.0.0.1", 0);
    say("a.test.", DNS_AAAA, "::1", 0);
    start("a.test.:80", SOON);
    await("[::1]:80 127.0.0.1:80");
    say("a.test.", DNS_A, "-", 0);
    say("a.test.", DNS_AAAA, "::2", 0);
    await("[::2]:80 127.0.0.1:80");
    say("a.test.", DNS_AAAA, "-", 0);
    say("a.test.", DNS_A, "127.0.0.2", 0);
    await("[::2]:80 127.0.0.2:80");
    say("a.test.", DNS_A, "-", 0); /* neither is known now */
    let_it_be_asked_again();
    assert_string_equal(format(&told[0]), "[::2]:80 127.0.0.2:80");
    assert_int_equal(told[0].bad, 0);
}

static void a_family_that_is_not_there_loses_its_addresses(void **state) {
    (void)state;
    say("a.test.", DNS_A, "127.0.0.1", 0);
    say("a.test.", DNS_AAAA, "::1", 0);
    start("a.test.:80", SOON);
    await("[::1]:80 127.0.0.1:80");
    say("a.test.", DNS_A, "", 0);
    await("[::1]:80");
    say("a.test.", DNS_AAAA, "", 0); /* but a name is not left without any */
    let_it_be_asked_again();
    assert_string_equal(format(&told[0]), "[::1]:80");
    say("a.test.", DNS_A, "127.0.0.2", 0);
    await("127.0.0.2:80");
}

/* What there is none of, and what nobody knows, do not make nothing of what there was. */
static void one_family_gone_and_the_other_unknown(void **state) {
    (void)state;
    say("a.test.", DNS_A, "127.0.0.1", 0);
    say("a.test.", DNS_AAAA, "-", 0);
    start("a.test.:80", SOON);
    await("127.0.0.1:80");
    say("a.test.", DNS_A, "", 0);
    let_it_be_asked_again();
    assert_string_equal(format(&told[0]), "127.0.0.1:80");
}

static void without_an_address_it_is_told_once(void **state) {
    uint64_t before = stats_get(STAT_resolve_failures);

    (void)state;
    say("a.test.", DNS_A, "-", 0);
    start("a.test.:80", SOON);
    await("nothing");
    let_it_be_asked_again();
    assert_int_equal(told[0].bad, 1);
    assert_true(stats_get(STAT_resolve_failures) - before >= 3);
    say("a.test.", DNS_A, "127.0.0.1", 0);
    await("127.0.0.1:80");
}

static void the_order_of_an_answer_makes_no_difference(void **state) {
    (void)state;
    say("a.test.", DNS_A, "127.0.0.3 127.0.0.1 127.0.0.2", 0);
    start("a.test.:80", SOON);
    await("127.0.0.1:80 127.0.0.2:80 127.0.0.3:80");
    lock_acquire(&script.lock);
    unsigned settled = told[0].settled;
    lock_release(&script.lock);
    say("a.test.", DNS_A, "127.0.0.1 127.0.0.2 127.0.0.3", 0);
    let_it_be_asked_again();
    say("a.test.", DNS_A, "127.0.0.2 127.0.0.1 127.0.0.2 127.0.0.3", 0);
    let_it_be_asked_again();
    assert_int_equal(told[0].good, 1);
    assert_in_range(told[0].settled, settled, settled + 1); /* nor is anything done about it */
}

/* Of 2,000 addresses, rotated, and then with some gone. */
static void of_too_many_always_the_same_are_used(void **state) {
    static char text[3][2000 * sizeof("127.10.255.255")];
    struct endpoints first = {0};
    size_t kept = 0;

    (void)state;
    for (unsigned k = 0; k < 3; k++)
        for (unsigned i = 0; i < 2000; i++) {
            unsigned number = (i + k * 700) % 2000;

            if (k < 2 || number % 20 != 0)
                snprintf(text[k] + strlen(text[k]), sizeof(text[k]) - strlen(text[k]),
                         "%s127.10.%u.%u", text[k][0] != '\0' ? " " : "", number / 250,
                         number % 250);
        }
    say("a.test.", DNS_A, text[0], 0);
    start("a.test.:80", SOON);
    lock_acquire(&script.lock);
    while (told[0].good == 0)
        cond_wait(&script.changed, &script.lock);
    lock_release(&script.lock);
    assert_int_equal(told[0].last.n, ENDPOINTS_MOST);
    for (size_t i = 0; i < told[0].last.n; i++)
        assert_true(endpoints_add(&first, &told[0].last.list[i]));
    say("a.test.", DNS_A, text[1], 0);
    let_it_be_asked_again();
    assert_int_equal(told[0].good, 1);
    say("a.test.", DNS_A, text[2], 0);
    lock_acquire(&script.lock);
    while (told[0].good == 1)
        cond_wait(&script.changed, &script.lock);
    lock_release(&script.lock);
    for (size_t i = 0, k = 0; i < first.n; i++) {
        while (k < told[0].last.n &&
               addr_compare(&told[0].last.list[k].addr, &first.list[i].addr) < 0)
            k++;
        kept += k < told[0].last.n && addr_equal(&told[0].last.list[k].addr, &first.list[i].addr);
    }
    assert_in_range(kept, 900, ENDPOINTS_MOST); /* all but those that are gone, about a twentieth */
    endpoints_free(&first);
}

static void it_is_looked_up_again_when_its_ttl_is_over(void **state) {
    (void)state;
    say("a.test.", DNS_A, "127.0.0.1", 0); /* not before a second, whatever DNS says */
    say("a.test.", DNS_AAAA, "?", 0);
    start("a.test.:80", HOUR);
    await("127.0.0.1:80");
    usec_t began = clock_now();
    await_lookups(3);
    assert_in_range(clock_now() - began, USEC_PER_SEC - 100 * USEC_PER_MSEC, 20 * USEC_PER_SEC);
}

static void it_is_looked_up_again_after_the_interval_at_the_latest(void **state) {
    (void)state;
    say("a.test.", DNS_A, "127.0.0.1", 3600);
    say("a.test.", DNS_AAAA, "::1", 3600);
    start("a.test.:80", SOON);
    await_lookups(10);
}

/* Of two that want it, the one that wanted it often leaves. */
static void it_is_asked_no_more_often_than_somebody_wants(void **state) {
    static const char *const more[] = {"127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6"};

    (void)state;
    say("a.test.", DNS_A, "127.0.0.1", 3600);
    say("b.test.", DNS_A, "127.0.0.1", 3600);
    start("a.test.:80", SOON);
    await("127.0.0.1:80");
    struct names *old = names;
    names = new_names();
    add("a.test.:80", HOUR, 0);
    add("b.test.:80", SOON, 1);
    assert_int_equal(resolver_join(resolver, names), 0);
    free_names(old);
    await_of(1, "127.0.0.1:80"); /* whoever was asked before has answered */
    say("b.test.", DNS_A, "127.0.0.2", 3600);
    await_of(1, "127.0.0.2:80");
    say("a.test.", DNS_A, "127.0.0.9", 3600);
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        char text[32];

        say("b.test.", DNS_A, more[i], 3600);
        snprintf(text, sizeof(text), "%s:80", more[i]);
        await_of(1, text);
    }
    await("127.0.0.1:80");
}

static void a_failing_name_is_tried_again_later_each_time(void **state) {
    (void)state;
    say("a.test.", DNS_A, "-", 0);
    say("a.test.", DNS_AAAA, "?", 0);
    start("a.test.:80", HOUR);
    await_lookups(2);
    usec_t began = clock_now();
    await_lookups(3); /* after 1 s, then 2 s */
    assert_in_range(clock_now() - began, 900 * USEC_PER_MSEC, 20 * USEC_PER_SEC);
    await_lookups(4);
    assert_in_range(clock_now() - began, 2900 * USEC_PER_MSEC, 40 * USEC_PER_SEC);
}

static void a_name_that_hangs_delays_no_other(void **state) {
    (void)state;
    say("a.test.", DNS_A, "?", 0);
    say("a.test.", DNS_AAAA, "?", 0);
    say("b.test.", DNS_A, "127.0.0.1", 0);
    names = new_names();
    add("a.test.:80", SOON, 0);
    add("b.test.:80", SOON, 1);
    assert_int_equal(resolver_join(resolver, names), 0);
    await_of(1, "127.0.0.1:80");
    say("b.test.", DNS_A, "127.0.0.2", 0);
    await_of(1, "127.0.0.2:80");
    assert_int_equal(told[0].good + told[0].bad, 0);
}

static void names_of_one_host_are_looked_up_together(void **state) {
    (void)state;
    say("a.test.", DNS_A, "127.0.0.1", 3600);
    names = new_names();
    add("a.test.:80", HOUR, 0);
    add("A.test.:81", HOUR, 1);
    assert_int_equal(resolver_join(resolver, names), 0);
    await_of(0, "127.0.0.1:80");
    await_of(1, "127.0.0.1:81");
    assert_int_equal(count_lookups(), 2);
}

static void a_service_follows_each_of_its_targets(void **state) {
    (void)state;
    say("_x._tcp.test", DNS_SRV, "81:10:a.test 82:20:b.test 83:5:gone.test 84:10:a.test", 0);
    say("a.test.", DNS_A, "127.0.0.1", 0);
    say("b.test.", DNS_A, "127.0.0.2", 0);
    start("srv:_x._tcp.test", SOON);
    await("127.0.0.1:81 127.0.0.1:84 127.0.0.2:82"); /* in the order of their priorities */
    say("b.test.", DNS_A, "-", 0);
    say("a.test.", DNS_A, "127.0.0.3", 0);
    await("127.0.0.3:81 127.0.0.3:84 127.0.0.2:82"); /* what fails freezes nothing else */
    say("_x._tcp.test", DNS_SRV, "-", 0);
    say("a.test.", DNS_A, "127.0.0.4", 0);
    await("127.0.0.4:81 127.0.0.4:84 127.0.0.2:82");
    say("_x._tcp.test", DNS_SRV, "85:1:b.test", 0);
    await("127.0.0.2:85");
    say("_x._tcp.test", DNS_SRV, "85:1:b.test 86:1:a.test", 0);
    await("127.0.0.2:85 127.0.0.4:86");
    say("a.test.", DNS_A, "", 0); /* it is not there any more */
    await("127.0.0.2:85");
    say("_x._tcp.test", DNS_SRV, "", 0);
    let_it_be_asked_again();
    assert_string_equal(format(&told[0]), "127.0.0.2:85");
    assert_int_equal(told[0].bad, 0);
}

static void a_service_that_is_not_there(void **state) {
    (void)state;
    start("srv:_x._tcp.test", SOON);
    await("nothing");
    say("a.test.", DNS_A, "-", 0);
    say("_x._tcp.test", DNS_SRV, "81:1:a.test", 0);
    say("a.test.", DNS_A, "127.0.0.1", 0);
    await("127.0.0.1:81");
}

static void what_is_known_outlives_who_asked(void **state) {
    struct names *before;

    (void)state;
    say("a.test.", DNS_A, "127.0.0.1", 0);
    say("b.test.", DNS_A, "127.0.0.2", 0);
    start("a.test.:80", SOON);
    await("127.0.0.1:80");
    before = names;
    names = new_names();
    free_names(before);
    add("b.test.:80", SOON, 1); /* without a.test. */
    assert_int_equal(resolver_join(resolver, names), 0);
    await_of(1, "127.0.0.2:80");
    say("a.test.", DNS_A, "-", 0);
    say("a.test.", DNS_AAAA, "?", 0);
    before = names;
    names = new_names();
    add("a.test.:81", SOON, 0); /* and with it again, while it cannot be looked up */
    assert_int_equal(resolver_join(resolver, names), 0);
    await("127.0.0.1:81");
    free_names(before);
}

static void nothing_is_told_after_the_end(void **state) {
    (void)state;
    say("a.test.", DNS_A, "?", 0);
    say("a.test.", DNS_AAAA, "?", 0);
    start("a.test.:80", SOON);
    await_lookups(2);
    struct names *next = new_names();
    free_names(names);
    say("a.test.", DNS_A, "127.0.0.1", 0);
    names = next;
    add("b.test.:80", SOON, 1);
    assert_int_equal(resolver_join(resolver, names), 0);
    await_of(1, "nothing");
    assert_int_equal(told[0].good + told[0].bad, 0);
    free_names(NULL);
}

/* Many names, all of which change at once. */
static void many_names(void **state) {
    char text[32];

    (void)state;
    names = new_names();
    for (int i = 0; i < 2000; i++) {
        snprintf(text, sizeof(text), "n%d.test.:80", i);
        add(text, HOUR, 0);
    }
    usec_t began = clock_now();
    assert_int_equal(resolver_join(resolver, names), 0);
    lock_acquire(&script.lock);
    while (told[0].bad < 2000)
        cond_wait(&script.changed, &script.lock);
    lock_release(&script.lock);
    assert_true(clock_now() - began < 10 * USEC_PER_SEC);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_first_family_is_enough_to_begin),
        TEST(a_swallowed_family_delays_no_news_of_the_other),
        TEST(a_family_that_fails_keeps_its_addresses),
        TEST(a_family_that_is_not_there_loses_its_addresses),
        TEST(one_family_gone_and_the_other_unknown),
        TEST(without_an_address_it_is_told_once),
        TEST(the_order_of_an_answer_makes_no_difference),
        TEST(of_too_many_always_the_same_are_used),
        TEST(it_is_looked_up_again_when_its_ttl_is_over),
        TEST(it_is_looked_up_again_after_the_interval_at_the_latest),
        TEST(it_is_asked_no_more_often_than_somebody_wants),
        TEST(a_failing_name_is_tried_again_later_each_time),
        TEST(a_name_that_hangs_delays_no_other),
        TEST(names_of_one_host_are_looked_up_together),
        TEST(a_service_follows_each_of_its_targets),
        TEST(a_service_that_is_not_there),
        TEST(what_is_known_outlives_who_asked),
        TEST(nothing_is_told_after_the_end),
        TEST(many_names),
    };

    thread_init_process();
    log_set_level(LOG_LEVEL_ERROR);
    alarm(60); /* a hang is a failure */
    return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
