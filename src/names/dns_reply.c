#include "names/dns_reply.h"

#include <ares.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/grow.h"

#define HEADER_SIZE   12 /* RFC 1035, 4.1.1 */
#define QUESTION_SIZE 4  /* type and class, after the name: 4.1.2 */
#define RECORD_SIZE   10 /* type, class, TTL, length, after the name: 4.1.3 */
#define SRV_SIZE      6  /* priority, weight, port, before the target: RFC 2782 */
#define CLASS_IN      1

struct reply {
    const unsigned char *bytes;
    size_t size;
};

/* The fixed part of a record. */
struct head {
    unsigned type; /* 0: of another class */
    usec_t ttl;
    size_t at, length; /* of its data */
};

static unsigned read_reply16(const unsigned char *at) {
    return (unsigned)at[0] << 8 | at[1];
}

/* The size of the name there, compressed or not; 0: none, or too long. */
static size_t read_reply_name(const struct reply *reply, size_t at, char ret_name[ADDR_NAME_MAX]) {
    char *name = NULL;
    long length = 0;

    if (at >= reply->size || ares_expand_name(reply->bytes + at, reply->bytes, (int)reply->size,
                                              &name, &length) != ARES_SUCCESS)
        return 0;
    bool fits = strlen(name) < ADDR_NAME_MAX;
    if (fits)
        snprintf(ret_name, ADDR_NAME_MAX, "%s", name);
    ares_free_string(name);
    return fits && length > 0 ? (size_t)length : 0;
}

/* Where the header and questions end; 0: no sense. */
static size_t skip_questions(const struct reply *reply) {
    char name[ADDR_NAME_MAX];
    size_t at = HEADER_SIZE;

    if (reply->size < HEADER_SIZE || reply->size > UINT16_MAX)
        return 0;
    for (unsigned questions = read_reply16(reply->bytes + 4); questions > 0; questions--) {
        size_t length = read_reply_name(reply, at, name);

        if (length == 0 || reply->size - at - length < QUESTION_SIZE)
            return 0;
        at += length + QUESTION_SIZE;
    }
    return at;
}

static bool read_head(const struct reply *reply, size_t at, char owner[ADDR_NAME_MAX],
                      struct head *head) {
    size_t length = read_reply_name(reply, at, owner);

    if (length == 0 || reply->size - at - length < RECORD_SIZE)
        return false;
    const unsigned char *record = reply->bytes + at + length;
    uint32_t seconds = (uint32_t)read_reply16(record + 4) << 16 | read_reply16(record + 6);
    head->type = read_reply16(record + 2) == CLASS_IN ? read_reply16(record) : 0;
    head->ttl = seconds <= INT32_MAX ? (usec_t)seconds * USEC_PER_SEC : 0; /* RFC 2181, 8 */
    head->at = at + length + RECORD_SIZE;
    head->length = read_reply16(record + 8);
    return reply->size - head->at >= head->length;
}

static struct dns_record *add_record(struct dns_records *records) {
    struct dns_record *list = grow_list(records->list, records->n, &records->room, sizeof(*list));

    if (list == NULL)
        return NULL;
    records->list = list;
    list[records->n] = (struct dns_record){.port = 0};
    return &list[records->n++];
}

static bool take_record(const struct reply *reply, const struct head *head,
                        struct dns_records *records) {
    const unsigned char *data = reply->bytes + head->at;
    size_t size = head->type == DNS_A ? 4 : 16;
    struct dns_record *record;

    if (head->type == DNS_SRV ? head->length <= SRV_SIZE : head->length != size)
        return false;
    record = add_record(records);
    if (record == NULL)
        return false;
    if (head->type != DNS_SRV) {
        memcpy(record->address, data, size);
        return true;
    }
    record->priority = read_reply16(data);
    record->weight = read_reply16(data + 2);
    record->port = read_reply16(data + 4);
    return read_reply_name(reply, head->at + SRV_SIZE, record->target) != 0;
}

/* Whether a record of this owner counts: it continues the chain of aliases that begins with the
 * name. A server may send others' along, which are no addresses of the name. */
static bool continues_chain(const char *owner, const char *name,
                            const struct dns_records *records) {
    const char *end = records->alias[0] != '\0' ? records->alias : name;
    size_t length = strlen(end);

    length -= length > 0 && end[length - 1] == '.';
    return strncasecmp(owner, end, length) == 0 && owner[length] == '\0';
}

bool dns_reply_read(const unsigned char *bytes, size_t size, const char *name, enum dns_type type,
                    struct dns_records *records) {
    const struct reply reply = {bytes, size};
    size_t at = skip_questions(&reply);
    char owner[ADDR_NAME_MAX];
    struct head head;

    records->ttl = DNS_TTL_MOST;
    records->alias[0] = '\0';
    for (unsigned left = at > 0 ? read_reply16(bytes + 6) : 0; left > 0; left--) {
        if (!read_head(&reply, at, owner, &head))
            return false;
        at = head.at + head.length;
        if ((head.type != type && head.type != DNS_CNAME) || !continues_chain(owner, name, records))
            continue;
        if (head.type == DNS_CNAME ? read_reply_name(&reply, head.at, records->alias) == 0
                                   : !take_record(&reply, &head, records))
            return false;
        if (head.ttl < records->ttl)
            records->ttl = head.ttl;
    }
    return at > 0;
}
