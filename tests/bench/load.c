/* A client for what wrk does not do: bulk in both directions, thousands of connections held open,
 * thousands that are active by turns. It prints one line of JSON. */
#include <inttypes.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "secure.h"

#define CONNS_MAX   100000
#define OPENING_MAX 128 /* connections that are being opened at a time */
#define BY_TURNS    64  /* requests under way at a time, in mode many */
#define OPEN_NSEC   (60 * NSEC_SEC)
#define HOLD_MSEC   120000

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static uint32_t percentile(size_t percent) {
    return run.n_samples == 0 ? 0 : run.samples[(run.n_samples - 1) * percent / 100];
}

static void report(int64_t took, int64_t opening) {
    qsort(run.samples, run.n_samples, sizeof(*run.samples), by_size);
    printf("{\"seconds\": %.6f, \"open_seconds\": %.6f, \"bytes\": %" PRIu64
           ", \"requests\": %" PRIu64 ", \"resumed\": %" PRIu64 ", \"errors\": %" PRIu64
           ", \"p50\": %u, \"p99\": %u}\n",
           (double)took / NSEC_SEC, (double)opening / NSEC_SEC, run.bytes, run.requests,
           run.resumed, run.errors, percentile(50), percentile(99));
    fflush(stdout);
}

static void prepare(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    run.conns = calloc(opt.n_conns, sizeof(*run.conns));
    run.samples = malloc(SAMPLES_MAX * sizeof(*run.samples));
    run.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (run.conns == NULL || run.samples == NULL || run.epoll < 0)
        die("start");
    if (opt.mode != MODE_PUT)
        return;
    run.source = memfd_create("upload", MFD_CLOEXEC);
    if (run.source < 0 || ftruncate(run.source, SOURCE_BYTES) < 0)
        die("memfd");
    char *bytes = mmap(NULL, SOURCE_BYTES, PROT_WRITE, MAP_SHARED, run.source, 0);
    if (bytes == MAP_FAILED)
        die("mmap");
    for (long i = 0; i < SOURCE_BYTES; i++) /* real pages, not holes */
        bytes[i] = (char)(i * 7 + (i >> 12));
    run.memory = bytes;
}

static bool read_arguments(int argc, char **argv) {
    static const char *const modes[] = {"get",  "put",     "open",    "many",
                                        "full", "resumed", "tls-put", "tls-open"};
    static const enum mode kinds[] = {MODE_GET,   MODE_PUT,   MODE_OPEN, MODE_MANY,
                                      MODE_CLOSE, MODE_CLOSE, MODE_PUT,  MODE_OPEN};
    size_t mode = 0, n = sizeof(modes) / sizeof(*modes);

    if (argc != 6)
        return false;
    while (mode < n && strcmp(argv[1], modes[mode]) != 0)
        mode++;
    if (mode == n)
        return false;
    opt.mode = kinds[mode];
    opt.tls = mode >= 4;
    opt.resume = mode == 5;
    opt.port = atoi(argv[2]);
    opt.n_conns = strtoul(argv[4], NULL, 10);
    opt.duration = (int64_t)(strtod(argv[5], NULL) * NSEC_SEC);
    opt.size = opt.mode == MODE_PUT ? strtoull(argv[3], NULL, 10) : 0;
    if (opt.mode == MODE_PUT)
        snprintf(opt.request, sizeof(opt.request),
                 "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %" PRIu64 "\r\n\r\n", opt.size);
    else
        snprintf(opt.request, sizeof(opt.request), "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", argv[3],
                 opt.mode == MODE_CLOSE ? "Connection: close\r\n" : "");
    return opt.n_conns > 0 && opt.n_conns <= CONNS_MAX;
}

/* Opens all connections, with one request each. Returns how long that took. */
static int64_t open_all(void) {
    int64_t begin = now();

    for (int i = 0; i < OPENING_MAX; i++)
        next_opening();
    handle_until(begin + OPEN_NSEC, opt.n_conns);
    if (run.ready + run.errors < opt.n_conns)
        run.errors = opt.n_conns - run.ready;
    return now() - begin;
}

/* At least until each has had its turn. */
static void take_turns(int64_t begin) {
    run.requests = 0;
    run.ready = 0;
    run.by_turns = true;
    for (int i = 0; i < BY_TURNS; i++)
        next_turn();
    handle_until(begin + opt.duration, SIZE_MAX);
    while (run.requests < opt.n_conns && run.busy > 0 && now() < begin + OPEN_NSEC)
        handle_until(now() + NSEC_SEC / 10, SIZE_MAX);
}

/* So that only the relay's share of it takes memory. */
static void forget_tls(void) {
    for (size_t i = 0; i < opt.n_conns; i++)
        secure_forget(&run.conns[i]);
    malloc_trim(0);
}

int main(int argc, char **argv) {
    struct pollfd input = {.fd = 0, .events = POLLIN};
    int64_t opening = 0;

    if (!read_arguments(argc, argv)) {
        fputs(
            "usage: load get|open|tls-open|many|full|resumed PORT PATH CONNECTIONS SECONDS\n"
            "       load put|tls-put PORT BYTES CONNECTIONS SECONDS\n"
            "open holds the connections until its stdin ends (tls-open forgets the TLS of its own "
            "side);\n"
            "full and resumed make a TLS connection for each request.\n",
            stderr);
        return 64;
    }
    prepare();
    if (opt.tls)
        secure_prepare();
    if (opt.mode == MODE_OPEN || opt.mode == MODE_MANY)
        opening = open_all();
    int64_t begin = now();
    if (opt.mode == MODE_MANY) {
        take_turns(begin);
    } else if (opt.mode != MODE_OPEN) {
        for (size_t i = 0; i < opt.n_conns; i++)
            next_opening();
        handle_until(begin + opt.duration, SIZE_MAX);
    }
    if (opt.mode == MODE_PUT)
        end_uploads();
    if (opt.mode == MODE_OPEN)
        forget_tls();
    report(now() - begin, opening);
    if (opt.mode == MODE_OPEN)
        poll(&input, 1, HOLD_MSEC);
    return 0;
}
