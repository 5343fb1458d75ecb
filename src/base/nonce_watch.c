#include "base/nonce_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"

#define NONCE_SIZE 12

/* nonce 0: free. Taken by whoever comes first; plain follows, and while it is 0, its process is
 * just writing it, or was killed before it sent anything: then the next one may. */
struct nonce_slot {
    _Atomic uint64_t nonce; /* hash of key and nonce */
    _Atomic uint64_t plain; /* hash of what was sealed */
};

struct nonce_file {
    uint64_t magic;
    uint32_t slots;
    _Atomic uint32_t doubled; /* how many nonces left twice with different plaintexts */
    _Atomic uint32_t full;    /* how many records found no slot, and were not watched */
    uint32_t unused;
    _Atomic uint64_t left;  /* records that left */
    _Atomic uint64_t again; /* of these, how many had left before, the same */
    uint64_t unused_too[3];
    struct nonce_slot slot[];
};

_Static_assert(offsetof(struct nonce_file, slot) == NONCE_WATCH_HEAD, "as the header says");

static struct nonce_file *nonces; /* NULL: nobody watches */

/* Of this thread, sealed and not sent. */
static _Thread_local struct {
    uint64_t nonce[NONCE_WATCH_PENDING], plain[NONCE_WATCH_PENDING];
    size_t n;
} pending;

/* Eight bytes at a time: hash_bytes takes too long for each byte that is carried. Never 0. */
static uint64_t hash_long(uint64_t h, const void *bytes, size_t n) {
    uint64_t word;

    for (const uint8_t *at = bytes; n >= sizeof(word); at += sizeof(word), n -= sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        h = hash_pair(word, h);
        bytes = at + sizeof(word);
    }
    word = n;
    memcpy(&word, bytes, n < sizeof(word) ? n : 0);
    h = hash_pair(word, h + n);
    return h != 0 ? h : 1;
}

static const char *map_nonces(int fd) {
    struct stat st;
    struct nonce_file head;

    if (fstat(fd, &st) < 0 || pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
        return "it has no head";
    if (head.magic != NONCE_WATCH_MAGIC || head.slots == 0 || (head.slots & (head.slots - 1)) != 0)
        return "it is not a file of nonces";
    size_t size = sizeof(head) + head.slots * sizeof(struct nonce_slot);
    if ((size_t)st.st_size < size)
        return "it is too short";
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return strerror(errno);
    nonces = map;
    return NULL;
}

bool nonce_watch_open(void) {
    const char *path = getenv("RELAYD_NONCES"), *why;

    if (path == NULL)
        return true;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    why = fd < 0 ? strerror(errno) : map_nonces(fd);
    if (fd >= 0)
        close(fd);
    if (why != NULL)
        fprintf(stderr, "RELAYD_NONCES: %s: %s\n", path, why);
    return why == NULL;
}

NORETURN static void tell_doubled(uint64_t nonce) {
    atomic_fetch_add(&nonces->doubled, 1);
    fprintf(stderr, "nonce_watch: a nonce leaves with another plaintext (slot %016llx)\n",
            (unsigned long long)nonce);
    abort();
}

static void note_left(uint64_t nonce, uint64_t plain) {
    atomic_fetch_add_explicit(&nonces->left, 1, memory_order_relaxed);
    for (uint32_t i = 0; i < nonces->slots; i++) {
        struct nonce_slot *slot = &nonces->slot[(nonce + i) & (nonces->slots - 1)];
        uint64_t found = 0, was = 0;

        if (!atomic_compare_exchange_strong(&slot->nonce, &found, nonce) && found != nonce)
            continue;
        if (atomic_compare_exchange_strong(&slot->plain, &was, plain))
            return;
        if (was != plain)
            tell_doubled(nonce);
        atomic_fetch_add_explicit(&nonces->again, 1, memory_order_relaxed);
        return;
    }
    atomic_fetch_add(&nonces->full, 1);
}

void nonce_watch_sealed(const struct nonce_use *use) {
    if (nonces == NULL)
        return;
    uint64_t nonce = hash_long(hash_long(use->n_key, use->key, use->n_key), use->nonce, NONCE_SIZE),
             plain = hash_long(hash_pair(use->sequence, use->content), use->plain, use->n);
    size_t i = 0;

    while (i < pending.n && pending.nonce[i] != nonce)
        i++;
    if (i == NONCE_WATCH_PENDING) {
        note_left(nonce, plain);
        return;
    }
    pending.nonce[i] = nonce;
    pending.plain[i] = plain;
    pending.n += i == pending.n;
}

void nonce_watch_leave(void) {
    for (size_t i = 0; i < pending.n; i++)
        note_left(pending.nonce[i], pending.plain[i]);
    pending.n = 0;
}
