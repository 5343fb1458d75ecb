#include "base/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

#define UTF8_MAX 4 /* bytes of a character */

static const char digits[] = "0123456789abcdef";

struct range {
    uint32_t first, last;
};

/* Characters of the Unicode standard that nobody sees, or that move others (its categories Cc, Cf,
 * Zl, Zp as far as they are no part of a script's spelling). */
static const struct range unprintable[] = {
    {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},       {0x61c, 0x61c},      {0x180e, 0x180e},
    {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},   {0xfeff, 0xfeff},    {0xfff9, 0xfffb},
    {0xfffe, 0xffff}, {0xe000, 0xf8ff}, {0xe0000, 0xe007f}, {0xf0000, 0x10ffff},
};

/* Zs */
static const struct range blanks[] = {
    {0x20, 0x20},     {0xa0, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200a},
    {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000},
};

static bool is_among(const struct range *ranges, size_t n, uint32_t c) {
    for (size_t i = 0; i < n; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

/* How long the character is that begins with this byte; 0: none does. */
static size_t utf8_length(unsigned char first) {
    return first < 0x80   ? 1
           : first < 0xc2 ? 0
           : first < 0xe0 ? 2
           : first < 0xf0 ? 3
           : first < 0xf5 ? 4
                          : 0;
}

/* Reads one character: its length, or 0 if the bytes are none (RFC 3629, 3: no overlong form, no
 * surrogate). */
static size_t utf8_read(const unsigned char *p, size_t n, uint32_t *ret) {
    static const uint32_t least[UTF8_MAX + 1] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = utf8_length(p[0]);
    uint32_t c = p[0];

    if (length == 0 || length > n)
        return 0;
    if (length > 1)
        c &= 0x7fU >> length;
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < least[length] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *ret = c;
    return length;
}

static bool is_escaped(uint32_t c, enum escape what) {
    if (c == '\\')
        return (what & ESCAPE_BACKSLASH) != 0;
    if (c > ' ' && c < 0x7f)
        return false;
    if ((what & ESCAPE_BLANKS) != 0 && is_among(blanks, ARRAY_LEN(blanks), c))
        return true;
    return is_among(unprintable, ARRAY_LEN(unprintable), c);
}

char *escape_text(const char *bytes, size_t n, enum escape what, char *buf, size_t size) {
    const unsigned char *p = (const unsigned char *)bytes;
    size_t used = 0;

    for (size_t i = 0; i < n;) {
        uint32_t c = 0;
        size_t length = utf8_read(p + i, n - i, &c);
        bool plain = length > 0 && !is_escaped(c, what);

        if (length == 0)
            length = 1;
        if (used + (plain ? length : 4 * length) >= size)
            break;
        for (size_t end = i + length; i < end; i++) {
            if (plain) {
                buf[used++] = bytes[i];
                continue;
            }
            buf[used++] = '\\';
            buf[used++] = 'x';
            buf[used++] = digits[p[i] >> 4];
            buf[used++] = digits[p[i] & 15];
        }
    }
    buf[used] = '\0';
    return buf;
}

char *escape_json(const char *text, char *buf, size_t size) {
    size_t used = 0;

    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        bool control = c < ' ' || c == 0x7f, marked = c == '"' || c == '\\';
        size_t n = control ? ESCAPE_JSON_MAX : marked ? 2 : 1;

        if (used + n >= size)
            break;
        if (control)
            memcpy(buf + used, (const char[]){'\\', 'u', '0', '0', digits[c >> 4]}, 5);
        else if (marked)
            buf[used] = '\\';
        buf[used + n - 1] = control ? digits[c & 15] : *text;
        used += n;
    }
    buf[used] = '\0';
    return buf;
}
