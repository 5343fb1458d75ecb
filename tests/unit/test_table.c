/* handover/table: slots, their pipes, and what the next process makes of the memory. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "conn/exchange_area.h"
#include "handover/table.h"

static void a_slot_is_used_again_with_its_pipes(void **state) {
    struct table *table;
    uint32_t first, second, again;

    (void)state;
    assert_int_equal(table_new(2, &table), 0);
    assert_int_equal(table_take(table, true, &first), 0);
    assert_int_equal(table_take(table, true, &second), 0);
    assert_int_not_equal(first, second);
    assert_int_equal(table_take(table, true, &again), -ENOSPC);
    int pipe = table->slots[first].pipe[DIR_UP].read;
    assert_true(pipe >= 0);
    assert_true(table_keeps_pipes(table, first));
    table_give(table, first);
    assert_int_equal(table_take(table, true, &again), 0);
    assert_int_equal(again, first);
    assert_int_equal(table->slots[again].pipe[DIR_UP].read, pipe);
    table_free(table);
}

static void pipes_with_bytes_in_them_are_not_used_again(void **state) {
    struct table *table;
    uint32_t slot;

    (void)state;
    assert_int_equal(table_new(1, &table), 0);
    assert_int_equal(table_take(table, true, &slot), 0);
    assert_int_equal(write(table->slots[slot].pipe[DIR_DOWN].write, "x", 1), 1);
    assert_false(table_keeps_pipes(table, slot));
    assert_int_equal(table->slots[slot].pipe[DIR_DOWN].write, -1);
    table_give(table, slot);
    assert_int_equal(table_take(table, true, &slot), 0);
    assert_int_equal(write(table->slots[slot].pipe[DIR_DOWN].write, "y", 1), 1);
    char c = 0;
    assert_int_equal(read(table->slots[slot].pipe[DIR_DOWN].read, &c, 1), 1);
    assert_int_equal(c, 'y');
    table_free(table);
}

static int lowest_free_descriptor(void) {
    int fd = dup(STDERR_FILENO);

    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    return fd;
}

/* Where there are descriptors for one of its pipes, it has none, and they are free again. */
static void both_pipes_or_none(void **state) {
    struct table *table;
    struct rlimit before, few;
    uint32_t slot;

    (void)state;
    assert_int_equal(table_new(1, &table), 0);
    assert_int_equal(table_take(table, false, &slot), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int lowest = lowest_free_descriptor();
    few = (struct rlimit){.rlim_cur = (rlim_t)lowest + 2, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_int_equal(table_open_pipes(table, slot), -EMFILE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(lowest_free_descriptor(), lowest);
    assert_int_equal(table_open_pipes(table, slot), 0);
    table_free(table);
}

static void only_so_many_spare_pipes_are_kept(void **state) {
    enum { N = 300, SPARE = 256 };
    struct table *table;
    uint32_t slots[N];
    size_t with_pipes = 0;

    (void)state;
    assert_int_equal(table_new(N, &table), 0);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(table_take(table, true, &slots[i]), 0);
    for (size_t i = 0; i < N; i++) {
        (void)table_keeps_pipes(table, slots[i]);
        table_give(table, slots[i]);
    }
    for (size_t i = 0; i < N; i++)
        with_pipes += table->slots[i].pipe[DIR_UP].read >= 0;
    assert_int_equal(with_pipes, SPARE);
    table_free(table);
}

/* As a keeper does: the memory outlives the table. */
static int leave(struct table *table) {
    int fd = dup(table->fd);

    assert_true(fd >= 0);
    table_free(table);
    return fd;
}

static void the_next_process_finds_what_was_noted(void **state) {
    struct table *table;
    uint32_t slot, other;
    int ends[2][2];

    (void)state;
    assert_int_equal(table_new(3, &table), 0);
    assert_int_equal(table_take(table, true, &slot), 0);
    table->states[slot].record.number = 4711;
    atomic_store(&table->states[slot].live, CONN_STATE_LIVE);
    atomic_store(&table->head->accepted, 4711);
    atomic_store(&table->head->counters[STAT_accepted], 12);
    int fd = leave(table);
    assert_int_equal(table_open(&fd, &table), 0);
    assert_int_equal(fd, -1);
    assert_int_equal(table->states[slot].record.number, 4711);
    assert_int_equal(atomic_load(&table->head->accepted), 4711);
    assert_int_equal(atomic_load(&table->head->counters[STAT_accepted]), 12);
    assert_int_equal(pipe(ends[0]), 0);
    assert_int_equal(pipe(ends[1]), 0);
    struct pipe_ends pipes[2] = {{ends[0][0], ends[0][1]}, {ends[1][0], ends[1][1]}};
    table_adopt(table, slot, pipes);
    assert_int_equal(pipes[0].read, -1);
    table_begin(table);
    assert_int_equal(table_take(table, true, &other), 0);
    assert_int_not_equal(other, slot);
    assert_int_equal(table_take(table, true, &other), 0);
    assert_int_not_equal(other, slot);
    assert_int_equal(table_take(table, true, &other), -ENOSPC);
    table_free(table);
}

static void counters_of_another_version_begin_anew(void **state) {
    struct table *table;

    (void)state;
    assert_int_equal(table_new(1, &table), 0);
    table->head->counter_names++;
    atomic_store(&table->head->counters[STAT_accepted], 12);
    int fd = leave(table);
    assert_int_equal(table_open(&fd, &table), 0);
    assert_int_equal(atomic_load(&table->head->counters[STAT_accepted]), 0);
    table_free(table);
}

/* What is no table of this version is not mapped, and stays the caller's. */
static void refuse(int fd) {
    struct table *table;
    int same = fd;

    assert_int_equal(table_open(&fd, &table), -EPROTO);
    assert_int_equal(fd, same);
    fd_close(&fd);
}

static void what_is_no_table_is_refused(void **state) {
    struct table *table;
    int ends[2];

    (void)state;
    for (int what = 0; what < 4; what++) {
        assert_int_equal(table_new(4, &table), 0);
        uint32_t *const fields[] = {&table->head->magic, &table->head->version,
                                    &table->head->state_size, &table->head->n_slots};
        *fields[what] += 1;
        refuse(leave(table));
    }
    assert_int_equal(pipe(ends), 0);
    refuse(ends[0]);
    fd_close(&ends[1]);
}

/* Nobody can make it shorter under the feet of those who map it; and what could be made so is not
 * mapped. */
static void its_size_is_sealed(void **state) {
    struct table *table;
    char copy[4096];
    struct stat st;

    (void)state;
    assert_int_equal(table_new(1, &table), 0);
    int fd = leave(table), other = memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(ftruncate(fd, 100), -1);
    assert_int_equal(ftruncate(fd, st.st_size + 1), -1);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    for (off_t at = 0; at < st.st_size; at += (off_t)sizeof(copy)) {
        ssize_t n = pread(fd, copy, sizeof(copy), at);

        assert_int_equal(pwrite(other, copy, (size_t)n, at), n);
    }
    int again = fcntl(other, F_DUPFD_CLOEXEC, 0);
    refuse(again);
    assert_int_equal(fcntl(other, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    again = fcntl(other, F_DUPFD_CLOEXEC, 0);
    refuse(again);
    assert_int_equal(fcntl(other, F_ADD_SEALS, F_SEAL_SEAL), 0);
    assert_int_equal(table_open(&other, &table), 0);
    table_free(table);
    assert_int_equal(table_open(&fd, &table), 0);
    table_free(table);
}

static void a_larger_one_takes_its_place(void **state) {
    struct table *table;
    uint32_t slot, n = 0;

    (void)state;
    assert_int_equal(table_new(2, &table), 0);
    assert_int_equal(table_take(table, true, &slot), 0);
    table->states[slot].record.number = 4711;
    table->states[slot].by_steps = true;
    table->passages[slot].has_shown = true;
    strcpy(table->shown[slot].common, "shown");
    atomic_store(&table->states[slot].live, CONN_STATE_LIVE);
    atomic_store(&table->head->accepted, 4711);
    int fd = leave(table);
    assert_int_equal(table_open(&fd, &table), 0);
    assert_int_equal(table_enlarge(&table, 5), 0);
    assert_int_equal(table->n, 5);
    assert_int_equal(table->head->n_slots, 5);
    assert_int_equal(table->states[slot].record.number, 4711);
    assert_string_equal(table->shown[slot].common, "shown");
    assert_int_equal(atomic_load(&table->head->accepted), 4711);
    table_begin(table);
    while (table_take(table, true, &slot) == 0)
        n++;
    assert_int_equal(n, 5);
    table_free(table);
}

/* Who is killed before the keeper has been told of the larger one finds all in the former one. */
static void the_former_one_stays_as_it_is(void **state) {
    struct table *table, *former;
    uint32_t slot;

    (void)state;
    assert_int_equal(table_new(2, &table), 0);
    assert_int_equal(table_take(table, false, &slot), 0);
    table->states[slot].by_steps = true;
    table->passages[slot].leg.cookie = 4711;
    atomic_store(&table->states[slot].live, CONN_STATE_LIVE);
    int fd = leave(table), again = dup(fd);
    assert_int_equal(table_open(&fd, &table), 0);
    assert_int_equal(table_enlarge(&table, 5), 0);
    assert_int_equal(table_open(&again, &former), 0);
    assert_int_equal(table->passages[slot].leg.cookie, 4711);
    assert_int_equal(former->passages[slot].leg.cookie, 4711);
    table_forget_former(table);
    assert_int_equal(table->passages[slot].leg.cookie, 4711);
    assert_int_equal(former->passages[slot].leg.cookie, 0); /* there were keys in it */
    table_free(former);
    table_free(table);
}

/* KiB that the kernel has given for it. */
static long memory_of(const struct table *table) {
    struct stat st;

    assert_int_equal(fstat(table->fd, &st), 0);
    return (long)st.st_blocks / 2;
}

static void what_nobody_uses_costs_nothing(void **state) {
    enum { MANY = 20000, USED = 12345 };
    struct table *table;

    (void)state;
    assert_int_equal(table_new(MANY, &table), 0);
    atomic_store(&table->states[USED].live, CONN_STATE_LIVE);
    table->states[USED].by_steps = true;
    char *area = table_lend_area(table, USED);
    *area = 'x';
    for (size_t n = MANY; n <= MANY + 1; n++) {
        int fd = leave(table);
        assert_int_equal(table_open(&fd, &table), 0);
        if (n > MANY)
            assert_int_equal(table_enlarge(&table, n), 0);
        assert_int_equal(table->slots[table->passages[USED].area - 1].area_claims, 1);
        assert_int_equal(*(char *)table_area(table, USED), 'x');
        assert_true(memory_of(table) * 1024 <=
                    (long)(sizeof(*table->head) + TABLE_AREA_SIZE) + 65536);
    }
    table_free(table);
}

/* A connection by_steps in each slot, with an area. */
static void fill_with_areas(struct table *table) {
    for (uint32_t slot = 0; slot < table->n; slot++) {
        uint32_t taken;
        assert_int_equal(table_take(table, false, &taken), 0);
        assert_int_equal(taken, slot);
        memset(&table->passages[slot], 0, sizeof(table->passages[slot]));
        table->states[slot].by_steps = true;
        atomic_store(&table->states[slot].live, CONN_STATE_LIVE);
        assert_non_null(table_lend_area(table, slot));
    }
}

/* One that its process had not told the keeper of goes on with nobody; its area does not go with
 * it. */
static void the_area_of_one_that_was_lost_is_lent_again(void **state) {
    enum { KEPT, LOST, N };
    struct table *table;

    (void)state;
    assert_int_equal(table_new(N, &table), 0);
    fill_with_areas(table);
    uint32_t kept = table->passages[KEPT].area;
    int fd = leave(table);
    assert_int_equal(table_open(&fd, &table), 0);
    struct pipe_ends pipes[2] = {{-1, -1}, {-1, -1}};
    table_adopt(table, KEPT, pipes);
    table_begin(table);
    uint32_t slot;
    assert_int_equal(table_take(table, false, &slot), 0);
    assert_int_equal(slot, LOST);
    assert_int_equal(atomic_load(&table->states[LOST].live), 0);
    memset(&table->passages[LOST], 0, sizeof(table->passages[LOST])); /* as a conn begins */
    assert_non_null(table_lend_area(table, LOST));
    assert_int_equal(table->passages[KEPT].area, kept);
    assert_int_not_equal(table->passages[LOST].area, kept);
    table_free(table);
}

/* Nobody goes on with any, in whatever order: each area is lent to one slot again, and no bool is
 * read that is none. */
static void areas_that_nobody_can_own_are_lent_again(void **state) {
    enum { FIRST, SECOND, SAME_AREA, WRONG_AREA, NO_STEPS, N };
    struct table *table;
    bool lent[N] = {false};
    unsigned char odd = 48;

    (void)state;
    assert_int_equal(table_new(N, &table), 0);
    fill_with_areas(table);
    memcpy(&table->states[FIRST].by_steps, &odd, 1);
    table->passages[SAME_AREA].area = table->passages[SECOND].area;
    table->passages[WRONG_AREA].area = N + 1;
    table->states[NO_STEPS].by_steps = false;
    int fd = leave(table);
    assert_int_equal(table_open(&fd, &table), 0);
    assert_true(table_area_is_sound(table, FIRST));
    table_give_up(table, SECOND);
    assert_false(table_area_is_sound(table, SAME_AREA)); /* somebody else has written there */
    for (uint32_t slot = 0; slot < N; slot++)
        table_give_up(table, slot);
    table_begin(table);
    for (uint32_t slot = 0; slot < N; slot++) {
        assert_int_equal(atomic_load(&table->states[slot].live), 0);
        assert_non_null(table_lend_area(table, slot));
        uint32_t area = table->passages[slot].area - 1;
        assert_in_range(area, 0, N - 1);
        assert_false(lent[area]);
        lent[area] = true;
    }
    table_free(table);
}

/* Of a connection that is by_steps. */
static void its_stash_goes_along_and_is_given_back(void **state) {
    struct table *table;
    uint32_t slot;
    struct stat before, after;

    (void)state;
    assert_int_equal(table_new(2, &table), 0);
    assert_int_equal(table_take(table, false, &slot), 0);
    table->states[slot].by_steps = true;
    atomic_store(&table->states[slot].live, CONN_STATE_LIVE);
    memset(table->stashes[slot].way[DIR_DOWN], 'x', TLS_WIRE_MAX);
    table->passages[slot].way[DIR_DOWN].has_stash = 1;
    int fd = leave(table);
    assert_int_equal(table_open(&fd, &table), 0);
    assert_int_equal(table_enlarge(&table, 5), 0);
    assert_int_equal(table->stashes[slot].way[DIR_DOWN][TLS_WIRE_MAX - 1], 'x');
    assert_int_equal(fstat(table->fd, &before), 0);
    table_erase_passages(table, slot);
    assert_int_equal(fstat(table->fd, &after), 0);
    if (sysconf(_SC_PAGESIZE) == 4096) /* larger ones are others', too */
        assert_true(after.st_blocks <= before.st_blocks - (blkcnt_t)(PASSAGE_STASH_SIZE / 512));
    assert_int_equal(table->passages[slot].way[DIR_DOWN].has_stash, 0);
    table_free(table);
}

/* However large pages are, and so wherever in one of them a stash begins. */
static void no_other_stash_goes_with_it(void **state) {
    enum { SLOTS = 32 };
    static const uint8_t nothing[PASSAGE_STASH_SIZE];
    uint8_t full[PASSAGE_STASH_SIZE];
    struct table *table;

    (void)state;
    memset(full, 'x', sizeof(full));
    assert_int_equal(table_new(SLOTS, &table), 0);
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        table->passages[slot].way[DIR_DOWN].has_stash = slot % 2 == 1;
        memset(table->stashes[slot].way, 'x', sizeof(table->stashes[slot].way));
    }
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        table_erase_passages(table, slot);
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        const uint8_t *left = slot % 2 == 1 ? nothing : full;
        assert_memory_equal(table->stashes[slot].way[DIR_UP], full, sizeof(full));
        assert_memory_equal(table->stashes[slot].way[DIR_DOWN], left, sizeof(full));
    }
    table_free(table);
}

static void no_more_slots_are_taken_than_it_is_told(void **state) {
    struct table *table;
    uint32_t first, second, none;

    (void)state;
    assert_int_equal(table_new(5, &table), 0);
    table_bound(table, 2);
    assert_int_equal(table_take(table, true, &first), 0);
    assert_int_equal(table_take(table, true, &second), 0);
    assert_int_equal(table_take(table, true, &none), -ENOSPC);
    table_give(table, first);
    assert_int_equal(table_take(table, true, &first), 0);
    table_bound(table, 3);
    assert_int_equal(table_take(table, true, &none), 0);
    table_free(table);
}

/* If one of these fails, what the relayd before has left cannot be read: raise KEEPER_VERSION, and
 * note the new numbers here. (Members that come in the place of what was padding are not
 * noticed.) */
#define AT(type, member, at) assert_int_equal(offsetof(struct type, member), at)

static void the_layout_of_version_12(void **state) {
    (void)state;
    assert_int_equal(KEEPER_VERSION, 12);
    assert_int_equal(END_NONE, 0); /* record.end: new rows of ends.def go to its end */
    assert_int_equal(END_CLIENT_ENDED, 1);
    assert_int_equal(END_TOO_SLOW, 36);
    assert_int_equal(END_SERVER_TLS, 45);
    AT(table_head, passages_size, 16);
    AT(table_head, shown_size, 20);
    AT(table_head, counter_names, 24);
    AT(table_head, parked, 32);
    AT(table_head, accepted, 40);
    AT(table_head, counters, 48);
    AT(table_head, listeners, 816);
    AT(table_head, crashes, 55896);
    AT(table_head, adopting, 55920);
    AT(table_head, steering, 55928);
    AT(table_head, tickets, 144008);
    assert_int_equal(sizeof(struct table_head), 144304);
    AT(ticket_key, name, 8);
    AT(ticket_key, cipher, 24);
    AT(ticket_key, mac, 56);
    AT(ticket_key, size, 88);
    AT(ticket_key, sum, 92);
    AT(ticket_keys, first, 288);
    AT(server_order, by_uid, 4);
    AT(server_order, upstream, 8);
    AT(server_order, server, 72);
    AT(server_order, state, 136);
    AT(server_order, weight, 140);
    AT(server_order, since, 144);
    assert_int_equal(sizeof(struct server_order), 152);
    AT(blocked_prefix, prefix, 8);
    AT(blocked_prefix, unused, 28);
    AT(blocked_prefix, since, 32);
    AT(blocked_prefix, until, 40);
    AT(steering, blocks, 38912);
    AT(steering, lame, 88064);
    AT(listen_description, used, 0);
    AT(listen_description, v6only, 1);
    AT(listen_description, stands_in, 2);
    AT(listen_description, unlinks, 3);
    AT(listen_description, addr, 4);
    AT(listen_description, access, 120);
    AT(listen_description, file, 136);
    AT(listen_description, listener, 152);
    assert_int_equal(sizeof(struct listen_description), 216);
    AT(conn_state, live, 0);
    AT(conn_state, record, 8);
    AT(conn_state, options, 1296);
    AT(conn_state, flow, 1344);
    AT(conn_state, by_steps, 1472);
    AT(conn_state, aborted, 1473);
    AT(conn_state, lingering, 1474);
    AT(conn_state, hard, 1475);
    AT(conn_state, decided, 1476);
    AT(conn_state, expired, 1480);
    AT(conn_state, told_idle, 1488);
    AT(conn_state, crashes, 1496);
    assert_int_equal(sizeof(struct conn_state), 1536);
    AT(record, listener, 8);
    AT(record, upstream, 72);
    AT(record, server, 136);
    AT(record, client, 200);
    AT(record, peer, 316);
    AT(record, server_addr, 432);
    AT(record, listen_addr, 548);
    AT(record, accepted, 664);
    AT(record, queued, 672);
    AT(record, popped, 680);
    AT(record, dialled, 688);
    AT(record, answered, 696);
    AT(record, ended, 704);
    AT(record, bytes, 712);
    AT(record, header, 728);
    AT(record, greeting, 736);
    AT(record, server_header, 744);
    AT(record, end, 752);
    AT(record, error, 756);
    AT(record, attempts, 760);
    AT(record, tls_version, 764);
    AT(record, tls_suite, 766);
    AT(record, tls_resumed, 768);
    AT(record, why, 769);
    AT(record, sni, 993);
    AT(record, alpn, 1249);
    AT(conn_options, linger_timeout, 8);
    AT(conn_options, keepalive, 16);
    AT(conn_options, half_close, 24);
    AT(conn_options, http, 25);
    AT(conn_options, exchanges, 26);
    AT(conn_options, idle_end, 28);
    AT(conn_options, copy, 32);
    AT(conn_options, log, 36);
    AT(conn_options, min_rate, 40);
    AT(flow, active, 0);
    AT(flow, bytes, 8);
    AT(flow, spoke, 16);
    AT(flow, first, 24);
    AT(flow, writing, 32);
    AT(flow, in_memory, 33);
    AT(flow, ended, 34);
    AT(flow, sink_error, 36);
    assert_int_equal(sizeof(struct flow), 64);
    AT(passages, way, 0);
    AT(passages, side, 2000);
    AT(passages, has_shown, 2276);
    assert_int_equal(sizeof(struct passages), 2304);
    AT(passage, at, 992);
    AT(passage, has_stash, 994);
    AT(passage_side, asked, 2);
    AT(passage_side, owes, 3);
    AT(passage_mark, sent, 8);
    AT(passage_mark, bytes, 24);
    AT(passage_mark, in, 32);
    AT(passage_mark, out, 144);
    AT(passage_mark, rules, 368);
    AT(passage_mark, sum, 384);
    AT(passage_mark, stashed, 380);
    AT(passage_mark, step, 388);
    assert_int_equal(sizeof(struct passage_mark), 496);
    assert_int_equal(sizeof(struct passage_stash), 40960);
    AT(tls_keys, cipher, 2);
    AT(tls_keys, secret_size, 3);
    AT(tls_keys, key, 4);
    AT(tls_keys, iv, 36);
    AT(tls_keys, secret, 48);
    AT(tls_keys, sequence, 96);
    AT(tls_keys, nonce, 104);
    AT(tls_rules, head, 1);
    AT(tls_rules, head_n, 5);
    AT(tls_rules, request, 6);
    AT(tls_rules, left, 8);
    AT(proxy_certificate, resumed, 1);
    AT(proxy_certificate, common, 2);
    AT(proxy_certificate, subject, 130);
    AT(proxy_certificate, signature, 386);
    AT(proxy_certificate, key, 418);
    AT(proxy_certificate, fingerprint, 434);
    AT(proxy_certificate, names, 466);
    AT(proxy_certificate, n_names, 984);
    assert_int_equal(sizeof(struct proxy_certificate), 992);
    AT(passage, undone, 993);
    AT(passage_mark, took, 396);
    AT(passage_mark, over, 389);
    AT(passage_mark, sink, 390);
    AT(passage_mark, size, 392);
    AT(passage_mark, exchange, 400);
    AT(passage_mark, check, 488);
    AT(passages, leg, 2008);
    AT(passages, area, 2272);
    AT(exchange_area, note, 24584);
    AT(exchange_area, in, 29456);
    AT(exchange_area, out, 111898);
    assert_int_equal(sizeof(struct request_record), 4872);
    AT(passage_exchange, count, 56);
    AT(passage_exchange, leg, 64);
    AT(passage_exchange, skip, 72);
    AT(passage_exchange, stored, 76);
    AT(passage_exchange, phase, 80);
    AT(passage_exchange, end, 81);
    AT(passage_exchange, close, 82);
    AT(passage_exchange, leaves, 83);
    AT(passage_exchange, early, 84);
    AT(passage_exchange, drains, 85);
    AT(passage_body, in_chunks, 4);
    AT(passage_body, over, 5);
    AT(passage_body, length, 8);
    AT(passage_body, left, 16);
    AT(passage_body, chunks, 24);
    AT(passage_body, most, 40);
    AT(passage_body, passed, 48);
    AT(http1_chunks, digits, 1);
    AT(http1_chunks, extension, 2);
    AT(http1_chunks, trailers, 4);
    AT(http1_chunks, left, 8);
    AT(passage_leg, read, 8);
    AT(passage_leg, sent, 16);
    AT(passage_leg, in, 24);
    AT(passage_leg, out, 136);
    AT(passage_leg, rules, 248);
    AT(passage_leg, fresh, 260);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_is_used_again_with_its_pipes),
        cmocka_unit_test(pipes_with_bytes_in_them_are_not_used_again),
        cmocka_unit_test(both_pipes_or_none),
        cmocka_unit_test(only_so_many_spare_pipes_are_kept),
        cmocka_unit_test(the_next_process_finds_what_was_noted),
        cmocka_unit_test(counters_of_another_version_begin_anew),
        cmocka_unit_test(what_is_no_table_is_refused),
        cmocka_unit_test(its_size_is_sealed),
        cmocka_unit_test(a_larger_one_takes_its_place),
        cmocka_unit_test(the_former_one_stays_as_it_is),
        cmocka_unit_test(what_nobody_uses_costs_nothing),
        cmocka_unit_test(the_area_of_one_that_was_lost_is_lent_again),
        cmocka_unit_test(areas_that_nobody_can_own_are_lent_again),
        cmocka_unit_test(its_stash_goes_along_and_is_given_back),
        cmocka_unit_test(no_other_stash_goes_with_it),
        cmocka_unit_test(no_more_slots_are_taken_than_it_is_told),
        cmocka_unit_test(the_layout_of_version_12),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
