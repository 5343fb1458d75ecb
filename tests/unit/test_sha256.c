/* base/sha256: the vectors of FIPS 180-4 (as NIST's examples have them) and RFC 4231. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/sha256.h"

static void assert_hex(const uint8_t sum[SHA256_SIZE], const char *expected) {
    char text[2 * SHA256_SIZE + 1];

    for (size_t i = 0; i < SHA256_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", sum[i]);
    assert_string_equal(text, expected);
}

static void sums(void **state) {
    static const struct {
        const char *text, *sum;
    } vectors[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
         "lmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    uint8_t sum[SHA256_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        sha256(vectors[i].text, strlen(vectors[i].text), sum);
        assert_hex(sum, vectors[i].sum);
    }
}

/* Around the end of a block: as coreutils' sha256sum has them of so many "a". */
static void lengths(void **state) {
    static const struct {
        size_t n;
        const char *sum;
    } vectors[] = {
        {55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
        {56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
        {63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"},
        {64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
        {65, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0"},
        {1000, "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3"},
    };
    uint8_t sum[SHA256_SIZE];
    char text[1000];

    (void)state;
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        sha256(text, vectors[i].n, sum);
        assert_hex(sum, vectors[i].sum);
    }
}

static void keyed(void **state) {
    static const char longer[] = "Test Using Larger Than Block-Size Key - Hash Key First";
    static const char jefe[] = "what do ya want for nothing?";
    uint8_t key[131], data[50], sum[SHA256_SIZE];

    (void)state;
    memset(key, 0x0b, 20);
    hmac_sha256(key, 20, "Hi There", 8, sum);
    assert_hex(sum, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_sha256("Jefe", 4, jefe, strlen(jefe), sum);
    assert_hex(sum, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    memset(data, 0xdd, sizeof(data));
    hmac_sha256(key, 20, data, sizeof(data), sum);
    assert_hex(sum, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    hmac_sha256(key, sizeof(key), longer, strlen(longer), sum);
    assert_hex(sum, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums),
        cmocka_unit_test(lengths),
        cmocka_unit_test(keyed),
    };

    return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
