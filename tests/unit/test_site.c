/* control/site: it takes its sockets over, and gives them back if it cannot start. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/thread.h"
#include "control/site.h"

#define SOCKETS 3

static void listen_on(int ret_fd[SOCKETS]) {
    const struct sockaddr_in any = {.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    for (size_t i = 0; i < SOCKETS; i++) {
        ret_fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(ret_fd[i] >= 0);
        assert_int_equal(bind(ret_fd[i], (const struct sockaddr *)&any, sizeof(any)), 0);
        assert_int_equal(listen(ret_fd[i], 8), 0);
    }
}

static rlim_t allow_descriptors(rlim_t most) {
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = most;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

static bool start_with(rlim_t spare) {
    const struct site_wish wish = {.thread = "site", .open = true, .most = 4};
    int fd[SOCKETS];

    listen_on(fd);
    rlim_t before = allow_descriptors((rlim_t)fd[SOCKETS - 1] + 1 + spare);
    struct site *site = site_start(fd, SOCKETS, &wish);
    (void)allow_descriptors(before);
    if (site != NULL)
        site_stop(site, 0);
    for (size_t i = 0; i < SOCKETS; i++)
        assert_true(fcntl(fd[i], F_GETFD) == -1 && errno == EBADF);
    return site != NULL;
}

static void whatever_fails_its_sockets_are_closed(void **state) {
    rlim_t spare = 0;

    (void)state;
    thread_init_process();
    while (!start_with(spare))
        spare++;
    assert_in_range(spare, SOCKETS, 8 * SOCKETS); /* each needs some */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_fails_its_sockets_are_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
