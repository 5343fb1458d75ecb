/* The ClientHello: one outcome however many bytes follow it, every beginning of a whole one asks
 * for more, and waiting for what is asked for ends soon. */
#include "fuzz.h"

#include <string.h>

#include "wire/client_hello.h"

static void check_hello(const struct client_hello *hello) {
    struct client_hello copy = *hello;
    size_t n = strnlen(hello->name, sizeof(hello->name));

    CHECK(n < sizeof(hello->name) && hello->protocols_length <= sizeof(hello->protocols));
    CHECK(strspn(hello->name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == n);
    CHECK(n == 0 || (hello->name[0] != '.' && hello->name[n - 1] != '.'));
    for (size_t at = 0; at < copy.protocols_length; at += 1u + copy.protocols[at]) {
        char protocol[256] = "";

        CHECK(copy.protocols[at] > 0 && at + copy.protocols[at] < copy.protocols_length);
        memcpy(protocol, copy.protocols + at + 1, copy.protocols[at]);
        CHECK(strlen(protocol) < copy.protocols[at] || client_hello_offers(hello, protocol));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    struct client_hello hello, again;
    size_t need = 1, looks = 0;
    const char *why = NULL;
    enum client_hello_outcome outcome = client_hello_parse(bytes, n, &hello, &need, &why), then;

    CHECK(outcome != CLIENT_HELLO_BAD || why != NULL);
    CHECK(outcome != CLIENT_HELLO_MORE || (need > n && need <= CLIENT_HELLO_WIRE_MAX));
    if (outcome == CLIENT_HELLO_WHOLE)
        check_hello(&hello);
    for (need = 1; need <= n; looks++) {
        then = client_hello_parse(bytes, need, &again, &need, &why);
        CHECK(looks <= 2 * CLIENT_HELLO_RECORDS);
        if (then == CLIENT_HELLO_MORE)
            continue;
        CHECK(then == outcome);
        CHECK(then != CLIENT_HELLO_WHOLE || strcmp(again.name, hello.name) == 0);
        break;
    }
    return 0;
}
