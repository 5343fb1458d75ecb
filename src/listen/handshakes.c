#include "listen/handshakes.h"

#include <stdio.h>
#include <sys/socket.h>

#define LINES_A_LOOK 1000 /* at the clock */

/* proc_net_tcp(5), as the kernel's documentation has it: "sl: local:port remote:port state", the
 * addresses, ports and the state in hexadecimal. A handshake has one line for a socket in state
 * SYN_RECV. */
static void read_list(const char *path, struct handshakes *handshakes, usec_t deadline) {
    enum { SYN_RECV = 3 };
    FILE *file = fopen(path, "re");
    char line[512];
    unsigned port, state;

    if (file == NULL)
        return;
    for (unsigned n = 1; fgets(line, sizeof(line), file) != NULL; n++) {
        if (sscanf(line, " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x", &port, &state) == 2 &&
            state == SYN_RECV && port < 65536)
            handshakes->ports[port / 64] |= UINT64_C(1) << port % 64;
        if (n % LINES_A_LOOK == 0 && clock_now() >= deadline)
            break;
    }
    fclose(file);
}

void handshakes_look(struct handshakes *handshakes, int family, usec_t deadline) {
    read_list(family == AF_INET6 ? "/proc/net/tcp6" : "/proc/net/tcp", handshakes, deadline);
}

bool handshakes_any(const struct handshakes *handshakes, unsigned port) {
    return (handshakes->ports[port / 64] >> port % 64 & 1) != 0;
}
