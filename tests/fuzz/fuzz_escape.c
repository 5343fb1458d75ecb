/* Foreign text in the log: whatever the bytes, one line comes out, of printable characters, in its
 * bounds; what was escaped once stays as it is; and the escape of foreign text can be read back. */
#include "fuzz.h"

#include <string.h>

#include "base/escape.h"

#define ROOM 4096

static int hex(char c) {
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* The bytes that an escaped text stands for. */
static size_t read_back(const char *text, uint8_t *bytes) {
    size_t n = 0;

    while (*text != '\0') {
        if (*text != '\\') {
            bytes[n++] = (uint8_t)*text++;
            continue;
        }
        CHECK(text[1] == 'x' && text[2] != '\0' && text[3] != '\0');
        bytes[n++] = (uint8_t)(hex(text[2]) << 4 | hex(text[3]));
        text += 4;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char text[ROOM], again[ROOM];
    uint8_t back[ROOM];

    if (n < 2)
        return 0;
    enum escape what = (enum escape)(bytes[0] & ESCAPE_FOREIGN);
    size_t room = 1 + (size_t)bytes[1] * 16;
    escape_text((const char *)bytes + 2, n - 2, what, text, room);
    size_t length = strlen(text);
    CHECK(length < room);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];

        CHECK(c >= ' ' && c != 0x7f && (c != ' ' || (what & ESCAPE_BLANKS) == 0));
        CHECK(c != 0xc2 || (unsigned char)text[i + 1] >= 0xa0); /* no C1 */
    }
    escape_text(text, length, what & ~(unsigned)ESCAPE_BACKSLASH, again, sizeof(again));
    CHECK(strcmp(again, text) == 0);
    if ((what & ESCAPE_BACKSLASH) != 0) {
        size_t taken = read_back(text, back);

        CHECK(taken <= n - 2 && memcmp(back, bytes + 2, taken) == 0);
        CHECK(taken == n - 2 || length + 16 >= room);
    }
    return 0;
}
