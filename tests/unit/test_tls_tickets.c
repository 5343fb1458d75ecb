/* Keys of tickets: when they change, what a killed writer leaves, and what a file may hold. */
#include "tls_fixture.h"

#include <time.h>

#include "tls/ticket_file.h"
#include "tls/tickets.h"

#define HOUR 3600

static int make_files(void **state) {
    (void)state;
    make_folder();
    return 0;
}

static int free_files(void **state) {
    (void)state;
    remove_folder();
    return 0;
}

/* Rotation */

static struct ticket_key key_at(int64_t now) {
    struct ticket_key key;

    assert_true(tickets_get(now, &key));
    return key;
}

/* 0: unknown; 1: it encrypts; 2: it only decrypts. */
static int worth(int64_t now, const struct ticket_key *key) {
    struct ticket_key found;
    bool first;

    if (!tickets_find(now, key->name, &found, &first))
        return 0;
    assert_memory_equal(&found, key, sizeof(found));
    return first ? 1 : 2;
}

static void test_a_key_encrypts_for_12_hours_and_opens_for_36(void **state) {
    struct ticket_keys memory = {0};
    int64_t now = time(NULL);

    (void)state;
    tickets_begin(&memory);
    struct ticket_key a = key_at(now), same = key_at(now + 12 * HOUR - 1);
    assert_memory_equal(&a, &same, sizeof(a));
    assert_int_equal(worth(now + 12 * HOUR - 1, &a), 1);
    assert_int_equal(worth(now + 12 * HOUR, &a), 2); /* before there is another */
    struct ticket_key b = key_at(now + 12 * HOUR);
    assert_memory_not_equal(a.name, b.name, sizeof(a.name));
    assert_memory_not_equal(a.cipher, b.cipher, sizeof(a.cipher));
    assert_memory_not_equal(a.mac, b.mac, sizeof(a.mac));
    assert_int_equal(worth(now + 12 * HOUR, &a), 2);
    assert_int_equal(worth(now + 12 * HOUR, &b), 1);
    struct ticket_key c = key_at(now + 24 * HOUR);
    assert_int_equal(worth(now + 36 * HOUR - 1, &a), 2);
    assert_int_equal(worth(now + 36 * HOUR, &a), 0);
    struct ticket_key d = key_at(now + 36 * HOUR);
    assert_int_equal(worth(now + 36 * HOUR, &b), 2);
    assert_int_equal(worth(now + 36 * HOUR, &c), 2);
    assert_int_equal(worth(now + 36 * HOUR, &d), 1);
    tickets_end();
}

static bool is_zero(const void *bytes, size_t n) {
    static const uint8_t zero[sizeof(struct ticket_keys)];

    return memcmp(bytes, zero, n) == 0;
}

static void test_what_is_too_old_is_erased(void **state) {
    struct ticket_keys memory = {0};
    int64_t now = time(NULL);

    (void)state;
    tickets_begin(&memory);
    (void)key_at(now);
    tickets_tidy(now + 36 * HOUR - 1);
    assert_false(is_zero(memory.list, sizeof(memory.list)));
    tickets_tidy(now + 36 * HOUR);
    assert_true(is_zero(memory.list, sizeof(memory.list)));
    tickets_end();
}

/* As the keeper hands the table on; and what was made before there was a table is in it. */
static void test_the_next_process_goes_on(void **state) {
    struct ticket_keys memory = {0}, fresh = {0};
    int64_t now = time(NULL);

    (void)state;
    struct ticket_key before = key_at(now);
    tickets_begin(&memory);
    assert_int_equal(worth(now, &before), 1);
    tickets_end();
    assert_int_equal(worth(now, &before), 0);
    struct ticket_key other = key_at(now);
    tickets_begin(&memory); /* the table wins */
    assert_int_equal(worth(now, &before), 1);
    assert_int_equal(worth(now, &other), 0);
    tickets_end();
    tickets_begin(&fresh);
    assert_int_equal(worth(now, &before), 0);
    tickets_end();
}

/* A clock that was wrong at the boot, and is set. */
static void test_the_clock_is_set(void **state) {
    struct ticket_keys memory = {0};
    int64_t now = time(NULL);

    (void)state;
    tickets_begin(&memory);
    struct ticket_key a = key_at(now);
    assert_int_equal(worth(now - HOUR, &a), 1);
    assert_int_equal(worth(now - HOUR - 1, &a), 0);
    struct ticket_key b = key_at(now - 1000 * HOUR);
    assert_int_equal(worth(now - 1000 * HOUR, &b), 1);
    assert_int_equal(worth(now, &a), 2); /* it is back */
    tickets_end();
}

/* killed_writer: at each byte of a new key, and before the word that makes it the first. */
static void test_a_killed_writer(void **state) {
    struct ticket_keys memory = {0};
    int64_t now = time(NULL);

    (void)state;
    tickets_begin(&memory);
    struct ticket_key a = key_at(now - 12 * HOUR + 1), b = key_at(now + 1);
    tickets_end();
    assert_int_equal(memory.first, 2);
    struct ticket_keys whole = memory;
    for (size_t n = 0; n <= sizeof(struct ticket_key); n++) {
        memory = whole;
        for (size_t i = n; i < sizeof(struct ticket_key); i++)
            ((uint8_t *)&memory.list[2])[i] ^= 0x5a; /* no byte is what it was */
        memory.first = 1;
        tickets_begin(&memory);
        assert_int_equal(worth(now + 1, &a), 2);
        assert_int_equal(worth(now + 1, &b), n == sizeof(struct ticket_key) ? 2 : 0);
        struct ticket_key next = key_at(now + 2);
        assert_int_equal(worth(now + 2, &next), 1);
        assert_int_equal(worth(now + 2, &a), 2);
        tickets_end();
    }
}

static void test_a_strangers_memory(void **state) {
    struct ticket_keys memory;
    int64_t now = time(NULL);

    (void)state;
    memset(&memory, 0xff, sizeof(memory));
    tickets_begin(&memory);
    struct ticket_key key = key_at(now);
    assert_int_equal(worth(now, &key), 1);
    tickets_end();
    memory.first = UINT32_MAX;
    tickets_begin(&memory);
    struct ticket_key next = key_at(now);
    assert_int_equal(worth(now, &next), 1);
    tickets_end();
}

/* Files */

static char *encode(int nth, size_t size) {
    static char text[8][128];
    unsigned char bytes[80];

    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)((size_t)nth * 89 + i);
    EVP_EncodeBlock((unsigned char *)text[nth], bytes, (int)size);
    return text[nth];
}

static void write_text(const char *name, const char *text) {
    FILE *out = fopen(in_folder(name), "w");

    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

/* What is told of a file with this text; NULL: nothing. */
static char *read_text(const char *text, struct ticket_keys *keys) {
    char *told = NULL;
    struct tls_problems problems = {.fn = on_problem, .arg = &told, .option = "ticket_keys"};

    write_text("tickets.keys", text);
    assert_true(ticket_file_read(in_folder("tickets.keys"), keys, &problems) == (told == NULL));
    return told;
}

static void assert_told(const char *text, const char *expected) {
    struct ticket_keys keys;
    char *told = read_text(text, &keys);

    assert_non_null(told);
    if (strstr(told, expected) == NULL)
        fail_msg("%s: %s", expected, told);
    free(told);
}

static void test_a_file_of_keys(void **state) {
    char text[1024];

    (void)state;
    for (size_t size = 48; size <= 80; size += 32) {
        size_t half = (size - 16) / 2;
        struct ticket_keys keys;

        snprintf(text, sizeof(text), "%s\n%s\r\n\n%s  \n%s", encode(0, size), encode(1, size),
                 encode(2, size), encode(3, size));
        assert_null(read_text(text, &keys));
        assert_int_equal(keys.first, 1);
        for (size_t i = 0; i < TICKET_KEYS; i++) {
            uint8_t start = (uint8_t)((i + 1) * 89);

            assert_int_equal(keys.list[i].size, half);
            assert_int_equal(keys.list[i].name[0], start);
            assert_int_equal(keys.list[i].name[15], (uint8_t)(start + 15));
            assert_int_equal(keys.list[i].cipher[0], (uint8_t)(start + 16));
            assert_int_equal(keys.list[i].mac[0], (uint8_t)(start + 16 + half));
            assert_int_equal(keys.list[i].mac[half - 1], (uint8_t)(start + size - 1));
        }
    }
}

static void test_files_that_are_wrong(void **state) {
    const char *good = encode(0, 80);
    char text[1024], odd[128];
    char *large = calloc(1, 65536 + 2);

    (void)state;
    assert_told("", "tickets.keys: there are 0 keys in it; it must have at least 3");
    snprintf(text, sizeof(text), "%s\n", good);
    assert_told(text, "there is 1 key in it; it must have at least 3, each on a line");
    snprintf(text, sizeof(text), "%s\n\n%s\nsecret\n", good, good);
    assert_told(text,
                "line 4 has 6 characters; it must be a key of 80 bytes in base64 (108 "
                "characters), as openssl rand 80 | openssl base64 -A makes it, or of 48 (64)");
    snprintf(text, sizeof(text), "%s\n%s\n%s\n", good, good, encode(1, 48));
    assert_told(text, "line 3 is a key of 48 bytes, and those before have 80");
    snprintf(text, sizeof(text), "%s\n%s\n%s\n", encode(0, 80), encode(1, 48), encode(2, 80));
    assert_told(text, "line 2 is a key of 48 bytes, and those before have 80");
    snprintf(odd, sizeof(odd), "%s", good);
    odd[20] = '=';
    assert_told(odd, "line 1 is no base64 at its character 21");
    snprintf(odd, sizeof(odd), "%.107sA", good);
    assert_told(odd, "line 1 is no base64 at its character 108");
    memset(large, 'A', 65536 + 1);
    assert_told(large, "is larger than 64 KiB");
    free(large);
    snprintf(text, sizeof(text), "%s\n%s\nsecret\n", good, good);
    char *told = read_text(text, &(struct ticket_keys){0});
    assert_null(strstr(told, "secret")); /* nothing of it is told */
    free(told);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_key_encrypts_for_12_hours_and_opens_for_36),
        cmocka_unit_test(test_what_is_too_old_is_erased),
        cmocka_unit_test(test_the_next_process_goes_on),
        cmocka_unit_test(test_the_clock_is_set),
        cmocka_unit_test(test_a_killed_writer),
        cmocka_unit_test(test_a_strangers_memory),
        cmocka_unit_test(test_a_file_of_keys),
        cmocka_unit_test(test_files_that_are_wrong),
    };

    return cmocka_run_group_tests(tests, make_files, free_files);
}
