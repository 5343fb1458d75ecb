/* A reply of DNS: whatever it says, what is read of it is bounded. The first byte chooses what was
 * asked for. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "names/dns_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static const enum dns_type types[] = {DNS_A, DNS_AAAA, DNS_SRV};
    struct dns_records records = {0};

    if (n == 0)
        return 0;
    if (dns_reply_read(bytes + 1, n - 1, "a.example.", types[bytes[0] % ARRAY_LEN(types)],
                       &records))
        CHECK(records.ttl >= 0 && records.ttl <= DNS_TTL_MOST);
    CHECK(records.n <= n / 10 && strlen(records.alias) < sizeof(records.alias));
    for (size_t i = 0; i < records.n; i++)
        CHECK(strlen(records.list[i].target) < sizeof(records.list[i].target) &&
              records.list[i].port <= UINT16_MAX);
    free(records.list);
    return 0;
}
