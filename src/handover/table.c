#include "handover/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/fd.h"
#include "base/foreign.h"
#include "base/shared.h"
#include "handover/hold.h"
#include "wire/tls_record.h"

#define MAGIC       0x524c5954u /* "RLYT" */
#define SLOTS_MAX   1000000
#define SPARE_PIPES 256 /* free slots that keep their pipes */

_Static_assert(STAT_COUNT <= TABLE_COUNTERS_MAX, "the counters have room");

static const char counter_names[] =
#define COUNTER(name, unit, help) #name " "
#include "base/counters.def"
#undef COUNTER
    ;

#define PAGE 4096 /* each array begins with one: an array that nobody uses costs nothing */

_Static_assert(PASSAGE_STASH_SIZE >= TLS_WIRE_MAX && PASSAGE_STASH_SIZE % PAGE == 0, "a stash");

/* Where the arrays of n are, and how large all of it is. */
struct layout {
    size_t states, passages, shown, stashes, areas, size;
};

static size_t round_to_page(size_t n) {
    return (n + PAGE - 1) / PAGE * PAGE;
}

static struct layout layout_for(size_t n) {
    struct layout layout = {.states = round_to_page(sizeof(struct table_head))};

    layout.passages = round_to_page(layout.states + n * sizeof(struct conn_state));
    layout.shown = round_to_page(layout.passages + n * sizeof(struct passages));
    layout.stashes = round_to_page(layout.shown + n * sizeof(struct proxy_certificate));
    layout.areas = layout.stashes + n * sizeof(struct passage_stash);
    layout.size = layout.areas + n * TABLE_AREA_SIZE;
    return layout;
}

static uint32_t sum_of_names(void) {
    return crc32c(0, counter_names, sizeof(counter_names));
}

/* Everything but the memory itself. */
static struct table *make_table(size_t n) UNCHECKED {
    struct table *table = calloc(1, sizeof(*table));

    if (table == NULL)
        return NULL;
    table->fd = -1;
    table->n = n;
    table->size = layout_for(n).size;
    table->most = n;
    table->slots = calloc(n + 1, sizeof(*table->slots));
    table->free = calloc(n + 1, sizeof(*table->free));
    table->free_areas = calloc(n + 1, sizeof(*table->free_areas));
    if (table->slots == NULL || table->free == NULL || table->free_areas == NULL) {
        free(table->slots);
        free(table->free);
        free(table->free_areas);
        free(table);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        table->slots[i].pipe[DIR_UP] = table->slots[i].pipe[DIR_DOWN] =
            (struct pipe_ends){.read = -1, .write = -1};
    lock_init(&table->lock, RANK_LEAF);
    return table;
}

static int map_table(struct table *table, int fd) {
    struct layout layout = layout_for(table->n);
    char *memory = mmap(NULL, table->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED)
        return -errno;
    (void)madvise(memory, table->size, MADV_DONTDUMP); /* there are keys in it */
    table->head = (void *)memory;
    table->states = (void *)(memory + layout.states);
    table->passages = (void *)(memory + layout.passages);
    table->shown = (void *)(memory + layout.shown);
    table->stashes = (void *)(memory + layout.stashes);
    table->areas = memory + layout.areas;
    return 0;
}

/* With new memory; no slot can be taken yet. */
static int create_table(size_t n_slots, struct table **ret_table) {
    size_t n = n_slots < SLOTS_MAX ? n_slots : SLOTS_MAX;
    struct table *table = make_table(n);

    if (table == NULL)
        return -ENOMEM;
    int fd = shared_new("relayd", table->size);
    int r = fd < 0 ? fd : map_table(table, fd);
    if (r < 0) {
        fd_close(&fd);
        table_free(table);
        return r;
    }
    table->fd = fd;
    table->head->magic = MAGIC;
    table->head->version = KEEPER_VERSION;
    table->head->state_size = sizeof(struct conn_state);
    table->head->passages_size = sizeof(struct passages);
    table->head->shown_size = sizeof(struct proxy_certificate);
    table->head->n_slots = (uint32_t)n;
    table->head->counter_names = sum_of_names();
    *ret_table = table;
    return 0;
}

int table_new(size_t n_slots, struct table **ret_table) {
    int r = create_table(n_slots, ret_table);

    if (r == 0)
        table_find_areas(*ret_table);
    if (r == 0)
        table_begin(*ret_table);
    return r;
}

/* Whether the memory is a table; how many slots it has. Nobody can change its size after that. */
static bool is_table(int fd, size_t *ret_n) {
    struct table_head head;

    if (pread(fd, &head, offsetof(struct table_head, parked), 0) !=
        (ssize_t)offsetof(struct table_head, parked))
        return false;
    *ret_n = head.n_slots;
    return head.magic == MAGIC && head.version == KEEPER_VERSION &&
           head.state_size == sizeof(struct conn_state) &&
           head.passages_size == sizeof(struct passages) &&
           head.shown_size == sizeof(struct proxy_certificate) && head.n_slots <= SLOTS_MAX &&
           shared_is_sealed(fd, layout_for(head.n_slots).size);
}

int table_open(int *fd, struct table **ret_table) {
    size_t n;

    if (!is_table(*fd, &n))
        return -EPROTO;
    struct table *table = make_table(n);
    if (table == NULL)
        return -ENOMEM;
    int r = map_table(table, *fd);
    if (r < 0) {
        table_free(table);
        return r;
    }
    table->fd = fd_take(fd);
    if (table->head->counter_names != sum_of_names()) { /* another version's: they begin anew */
        for (size_t i = 0; i < TABLE_COUNTERS_MAX; i++)
            atomic_store(&table->head->counters[i], 0);
        table->head->counter_names = sum_of_names();
    }
    table_find_areas(table);
    *ret_table = table;
    return 0;
}

static void copy_slot(struct table *from, struct table *to, size_t i) {
    memcpy(&to->states[i], &from->states[i], sizeof(to->states[i]));
    if (!table_goes_by_steps(from, i))
        return;
    memcpy(&to->passages[i], &from->passages[i], sizeof(to->passages[i]));
    if (foreign_is_true(&from->passages[i].has_shown))
        memcpy(&to->shown[i], &from->shown[i], sizeof(to->shown[i]));
    for (int dir = 0; dir < 2; dir++)
        if (from->passages[i].way[dir].has_stash)
            memcpy(to->stashes[i].way[dir], from->stashes[i].way[dir], PASSAGE_STASH_SIZE);
    if (table_area(from, (uint32_t)i) != NULL)
        memcpy(table_area(to, (uint32_t)i), table_area(from, (uint32_t)i), TABLE_AREA_SIZE);
}

int table_enlarge(struct table **table, size_t n_slots) {
    struct table *from = *table, *to;
    struct table_walk walk = {0};
    size_t i;
    int r = create_table(n_slots, &to);

    if (r < 0)
        return r;
    uint32_t n = to->head->n_slots;
    memcpy(to->head, from->head, sizeof(*to->head));
    to->head->n_slots = n;
    while (table_walk(from, &walk, &i) && i < to->n)
        if (atomic_load(&from->states[i].live) != 0)
            copy_slot(from, to, i);
    table_find_areas(to);
    to->former = from;
    *table = to;
    return 0;
}

/* Those that the keeper had not been told of when their process died: what they had is free. */
static void forget_lost(struct table *table) {
    struct table_walk walk = {0};
    size_t i;

    while (table_walk(table, &walk, &i)) {
        if (table->slots[i].used || atomic_load(&table->states[i].live) == 0)
            continue;
        table_give_up(table, (uint32_t)i);
    }
}

void table_begin(struct table *table) {
    if (table->begun)
        return;
    table->begun = true;
    forget_lost(table);
    lock_acquire(&table->lock);
    for (size_t i = table->n; i-- > 0;) {
        if (!table->slots[i].used)
            table->free[table->n_free++] = (uint32_t)i;
    }
    lock_release(&table->lock);
}

static void close_pipes(struct table_slot *slot) {
    for (int dir = 0; dir < 2; dir++) {
        fd_close(&slot->pipe[dir].read);
        fd_close(&slot->pipe[dir].write);
    }
    atomic_store(&slot->pipes_held, 0);
}

void table_free(struct table *table) UNCHECKED {
    if (table == NULL)
        return;
    table_free(table->former);
    for (size_t i = 0; i < table->n; i++)
        close_pipes(&table->slots[i]);
    if (table->head != NULL)
        CHECK(munmap(table->head, table->size) == 0);
    fd_close(&table->fd);
    lock_destroy(&table->lock);
    free(table->slots);
    free(table->free);
    free(table->free_areas);
    free(table);
}

static int open_pipes(struct table_slot *slot) {
    for (int dir = 0; dir < 2; dir++) {
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0) {
            int error = errno;

            close_pipes(slot);
            return -error;
        }
        slot->pipe[dir] = (struct pipe_ends){.read = fds[0], .write = fds[1]};
    }
    return 0;
}

/* Both pumps may want them. */
int table_open_pipes(struct table *table, uint32_t which) {
    const struct pipe_ends none = {.read = -1, .write = -1};
    struct table_slot *slot = &table->slots[which], opened = {.pipe = {none, none}};

    if (slot->pipe[DIR_UP].read >= 0)
        return 0;
    int r = open_pipes(&opened);
    if (r < 0)
        return r;
    memcpy(slot->pipe, opened.pipe, sizeof(slot->pipe));
    atomic_store(&slot->pipes_held, 0);
    return 0;
}

void table_count(struct table *table, size_t *ret_used, size_t *ret_most) {
    lock_acquire(&table->lock);
    *ret_used = table->n - table->n_free;
    *ret_most = table->most < table->n ? table->most : table->n;
    lock_release(&table->lock);
}

void table_bound(struct table *table, size_t most) {
    lock_acquire(&table->lock);
    table->most = most;
    lock_release(&table->lock);
}

int table_take(struct table *table, bool pipes, uint32_t *ret_slot) {
    lock_acquire(&table->lock);
    bool any = table->n_free > 0 && table->n - table->n_free < table->most;
    uint32_t which = any ? table->free[--table->n_free] : 0;
    struct table_slot *slot = &table->slots[which];
    bool has_pipes = slot->pipe[DIR_UP].read >= 0;
    if (any && has_pipes)
        table->n_spare--;
    lock_release(&table->lock);
    if (!any)
        return -ENOSPC;
    int r = has_pipes || !pipes ? 0 : open_pipes(slot);
    if (r < 0)
        table_give(table, which);
    else
        *ret_slot = which;
    return r;
}

void table_adopt(struct table *table, uint32_t which, struct pipe_ends pipe[2]) {
    struct table_slot *slot = &table->slots[which];

    slot->used = true;
    for (int dir = 0; dir < 2; dir++) {
        slot->pipe[dir] = pipe[dir];
        pipe[dir] = (struct pipe_ends){.read = -1, .write = -1};
    }
}

/* Asks the kernel: bytes left by a pump of this process or a previous one must reach nobody
 * else. */
static bool is_empty(const struct pipe_ends *pipe) {
    int left = 0;

    return ioctl(pipe->read, FIONREAD, &left) == 0 && left == 0;
}

bool table_keeps_pipes(struct table *table, uint32_t which) {
    const struct table_slot *slot = &table->slots[which];
    bool empty = is_empty(&slot->pipe[DIR_UP]) && is_empty(&slot->pipe[DIR_DOWN]);

    lock_acquire(&table->lock);
    bool keeps = empty && table->n_spare < SPARE_PIPES;
    lock_release(&table->lock);
    if (!keeps)
        close_pipes(&table->slots[which]);
    return keeps;
}

void table_give(struct table *table, uint32_t which) {
    atomic_store(&table->states[which].live, 0);
    lock_acquire(&table->lock);
    if (table->slots[which].pipe[DIR_UP].read >= 0)
        table->n_spare++;
    table->free[table->n_free++] = which;
    lock_release(&table->lock);
}

/* Ciphertext. Its memory is given back, but where pages are larger (arm64 may have 16 or 64 KiB):
 * those are its neighbours', too, and the kernel empties whole ones. */
static void erase_stash(uint8_t *stash) {
    if (sysconf(_SC_PAGESIZE) > PAGE || madvise(stash, PASSAGE_STASH_SIZE, MADV_REMOVE) < 0)
        explicit_bzero(stash, PASSAGE_STASH_SIZE);
}

void table_erase_passages(struct table *table, uint32_t slot) {
    struct passages *passages = &table->passages[slot];

    for (int dir = 0; dir < 2; dir++)
        if (passages->way[dir].has_stash)
            erase_stash(table->stashes[slot].way[dir]);
    explicit_bzero(passages, sizeof(*passages));
}

void table_note_hold(struct table *table, uint32_t slot, struct hold *hold) {
    lock_acquire(&table->lock);
    table->slots[slot].hold = hold;
    lock_release(&table->lock);
}

bool table_lose(struct table *table, uint32_t slot, unsigned epoch) {
    lock_acquire(&table->lock);
    struct hold *hold = table->slots[slot].hold;
    if (hold != NULL) {
        atomic_store(&hold->lost, epoch); /* in this order: see try_hold in link_conns.c */
        atomic_store(&hold->held, 0);
    }
    lock_release(&table->lock);
    return hold != NULL;
}
