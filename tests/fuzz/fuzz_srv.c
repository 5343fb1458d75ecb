/* A reply of DNS with SRV records: bounded, whatever it says. */
#include "fuzz.h"

#include <string.h>

#include "upstream/dns_srv.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    struct dns_srv list[DNS_SRV_MAX];
    usec_t ttl = -1;
    int found = dns_srv_parse(bytes, n, list, &ttl);

    CHECK(found >= -1 && found <= DNS_SRV_MAX);
    CHECK(found < 0 || ttl >= 0);
    for (int i = 0; i < found; i++)
        CHECK(strlen(list[i].host) < sizeof(list[i].host) && list[i].port <= UINT16_MAX);
    return 0;
}
