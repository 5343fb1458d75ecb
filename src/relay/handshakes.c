#include "relay/handshakes.h"

#include <stdio.h>

#define LINES_A_LOOK 1000 /* at the clock */

/* proc_net_tcp(5), as the kernel's documentation has it: "sl: local:port remote:port state", the addresses, ports and the
 * state in hexadecimal. A handshake has one line for a socket in state SYN_RECV. */
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

/* Those of an IPv6 socket that takes IPv4 as well are in the second. */
void handshakes_look(struct handshakes *ret_handshakes, usec_t deadline) {
    *ret_handshakes = (struct handshakes){{0}};
    read_list("/proc/net/tcp", ret_handshakes, deadline);
    read_list("/proc/net/tcp6", ret_handshakes, deadline);
}

bool handshakes_any(const struct handshakes *handshakes, unsigned port) {
    return (handshakes->ports[port / 64] >> port % 64 & 1) != 0;
}
