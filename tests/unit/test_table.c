/* handover/table: slots, their pipes, and what the next process makes of the memory. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "handover/table.h"

static void a_slot_is_used_again_with_its_pipes(void **state) {
    struct table *table;
    uint32_t first, second, again;

    (void)state;
    assert_int_equal(table_new(2, &table), 0);
    assert_int_equal(table_take(table, &first), 0);
    assert_int_equal(table_take(table, &second), 0);
    assert_int_not_equal(first, second);
    assert_int_equal(table_take(table, &again), -ENOSPC);
    int pipe = table->slots[first].pipe[DIR_UP].read;
    assert_true(pipe >= 0);
    assert_true(table_keeps_pipes(table, first));
    table_give(table, first);
    assert_int_equal(table_take(table, &again), 0);
    assert_int_equal(again, first);
    assert_int_equal(table->slots[again].pipe[DIR_UP].read, pipe);
    table_free(table);
}

static void pipes_with_bytes_in_them_are_not_used_again(void **state) {
    struct table *table;
    uint32_t slot;

    (void)state;
    assert_int_equal(table_new(1, &table), 0);
    assert_int_equal(table_take(table, &slot), 0);
    assert_int_equal(write(table->slots[slot].pipe[DIR_DOWN].write, "x", 1), 1);
    assert_false(table_keeps_pipes(table, slot));
    assert_int_equal(table->slots[slot].pipe[DIR_DOWN].write, -1);
    table_give(table, slot);
    assert_int_equal(table_take(table, &slot), 0);
    assert_int_equal(write(table->slots[slot].pipe[DIR_DOWN].write, "y", 1), 1);
    char c = 0;
    assert_int_equal(read(table->slots[slot].pipe[DIR_DOWN].read, &c, 1), 1);
    assert_int_equal(c, 'y');
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
        assert_int_equal(table_take(table, &slots[i]), 0);
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
    assert_int_equal(table_take(table, &slot), 0);
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
    assert_int_equal(table_take(table, &other), 0);
    assert_int_not_equal(other, slot);
    assert_int_equal(table_take(table, &other), 0);
    assert_int_not_equal(other, slot);
    assert_int_equal(table_take(table, &other), -ENOSPC);
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
    assert_int_equal(table_take(table, &slot), 0);
    table->states[slot].record.number = 4711;
    atomic_store(&table->states[slot].live, CONN_STATE_LIVE);
    atomic_store(&table->head->accepted, 4711);
    int fd = leave(table);
    assert_int_equal(table_open(&fd, &table), 0);
    assert_int_equal(table_enlarge(&table, 5), 0);
    assert_int_equal(table->n, 5);
    assert_int_equal(table->head->n_slots, 5);
    assert_int_equal(table->states[slot].record.number, 4711);
    assert_int_equal(atomic_load(&table->head->accepted), 4711);
    table_begin(table);
    while (table_take(table, &slot) == 0)
        n++;
    assert_int_equal(n, 5);
    table_free(table);
}

static void no_more_slots_are_taken_than_it_is_told(void **state) {
    struct table *table;
    uint32_t first, second, none;

    (void)state;
    assert_int_equal(table_new(5, &table), 0);
    table_bound(table, 2);
    assert_int_equal(table_take(table, &first), 0);
    assert_int_equal(table_take(table, &second), 0);
    assert_int_equal(table_take(table, &none), -ENOSPC);
    table_give(table, first);
    assert_int_equal(table_take(table, &first), 0);
    table_bound(table, 3);
    assert_int_equal(table_take(table, &none), 0);
    table_free(table);
}

/* If one of these fails, what the relayd before has left cannot be read: raise KEEPER_VERSION, and
 * note the new numbers here. (Members that come in the place of what was padding are not
 * noticed.) */
#define AT(type, member, at) assert_int_equal(offsetof(struct type, member), at)

static void the_layout_of_version_8(void **state) {
    (void)state;
    assert_int_equal(KEEPER_VERSION, 8);
    assert_int_equal(END_NONE, 0); /* record.end: new rows of ends.def go to its end */
    assert_int_equal(END_CLIENT_ENDED, 1);
    assert_int_equal(END_TOO_SLOW, 36);
    assert_int_equal(END_SERVER_TLS, 45);
    AT(table_head, counter_names, 16);
    AT(table_head, parked, 24);
    AT(table_head, accepted, 32);
    AT(table_head, counters, 40);
    AT(table_head, listeners, 808);
    AT(table_head, crashes, 55888);
    AT(table_head, adopting, 55912);
    AT(table_head, steering, 55920);
    AT(table_head, tickets, 144000);
    assert_int_equal(sizeof(struct table_head), 144296);
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
    AT(conn_state, aborted, 1472);
    AT(conn_state, lingering, 1473);
    AT(conn_state, hard, 1474);
    AT(conn_state, decided, 1475);
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
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_is_used_again_with_its_pipes),
        cmocka_unit_test(pipes_with_bytes_in_them_are_not_used_again),
        cmocka_unit_test(only_so_many_spare_pipes_are_kept),
        cmocka_unit_test(the_next_process_finds_what_was_noted),
        cmocka_unit_test(counters_of_another_version_begin_anew),
        cmocka_unit_test(what_is_no_table_is_refused),
        cmocka_unit_test(its_size_is_sealed),
        cmocka_unit_test(a_larger_one_takes_its_place),
        cmocka_unit_test(no_more_slots_are_taken_than_it_is_told),
        cmocka_unit_test(the_layout_of_version_8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
