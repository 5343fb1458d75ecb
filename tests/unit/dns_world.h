/* A world with a DNS server (dnsmasq), on loopback in a network of the test's own, with an /etc of
 * its own. Only root can make it: others skip the test. */
#ifndef UNIT_DNS_WORLD_H
#define UNIT_DNS_WORLD_H

#include "unit.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#define DNSMASQ "/usr/sbin/dnsmasq"
#define SKIPPED 77 /* meson's code for it */
/* records of one service: far beyond the 512 bytes of a UDP reply, and what is used of one name */
#define MANY 1100

static inline void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static inline bool make_world(void) {
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

static inline void hosts_are(const char *resolv_conf, const char *hosts) {
    write_file("/etc/resolv.conf", resolv_conf);
    write_file("/etc/hosts", hosts);
}

#define NAMESERVER "nameserver 127.0.0.1\n"

static pid_t server;

/* The records of the world: A and AAAA with TTLs, an alias, services. */
static inline void run_server(void) {
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

/* Asks until there is an answer: while nobody listens, the kernel says so at once. */
static inline void await_server(void) {
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

static inline int start_server(void **state) {
    (void)state;
    run_server();
    await_server();
    return 0;
}

static inline int stop_server(void **state) {
    (void)state;
    return kill(server, SIGKILL) == 0 && waitpid(server, NULL, 0) == server ? 0 : -1;
}

#endif
