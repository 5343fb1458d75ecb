#include "relayctl/explain.h"

#include <stddef.h>
#include <strings.h>

#include "base/check.h"
#include "record/ends.h"

static const struct explanation ends[] = {
#define END_BY(letter, who)
#define END_WHEN(letter, phase)
#define END(name, end_code, end_failed, phase, answer, status, counter, brief, end_sentence,       \
            end_advice)                                                                            \
    {.code = end_code,                                                                             \
     .failed = end_failed,                                                                         \
     .refused = end_failed && END_PHASE_##phase != END_PHASE_RELAY,                                \
     .sentence = end_sentence,                                                                     \
     .advice = end_advice},
#include "record/ends.def"
};

struct letter {
    const char *letter, *meaning;
};

static const struct letter by[] = {
#define END(name, code, failed, phase, answer, status, counter, brief, sentence, advice)
#define END_BY(the_letter, who) {the_letter, who},
#define END_WHEN(letter, phase)
#include "record/ends.def"
};

static const struct letter when[] = {
#define END(name, code, failed, phase, answer, status, counter, brief, sentence, advice)
#define END_BY(letter, who)
#define END_WHEN(the_letter, phase) {the_letter, phase},
#include "record/ends.def"
};

static const char *find_letter(const struct letter *letters, size_t n, char letter) {
    for (size_t i = 0; i < n; i++)
        if (letters[i].letter[0] == letter)
            return letters[i].meaning;
    return "";
}

bool explain_end(const char *code, struct explanation *ret) {
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        if (strcasecmp(code, ends[i].code) != 0)
            continue;
        *ret = ends[i];
        ret->who = find_letter(by, ARRAY_LEN(by), ret->code[0]);
        ret->when = find_letter(when, ARRAY_LEN(when), ret->code[1]);
        return true;
    }
    return false;
}
