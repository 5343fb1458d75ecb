/* How far a step has come that the previous process did not finish: by the kernel's counts of its
 * sockets. */
#include <stdatomic.h>

#include "conn/passage.h"
#include "conn/source.h"
#include "conn/tls_buffers.h"
#include "conn/wire_count.h"

/* A step from one socket to another. */
struct asked_step {
    const struct passage_mark *now, *before;
    int source, sink;
    uint32_t halted;
    uint64_t goal;       /* of all that is sent to the sink, with it */
    uint64_t size, took; /* what it sends, and takes */
    uint64_t sent, taken;
};

/* What was taken and not sent is in the pipe. Where the sink takes no more, how much that is is all
 * the same. */
static bool ask_spliced(struct asked_step *step, bool dead, struct passage_rest *ret) {
    const struct passage_mark *now = step->now;

    if (!wire_count_taken(step->source, &step->taken) ||
        (!dead && !wire_count_sent(step->sink, &step->sent)))
        return false;
    uint64_t carried = step->taken - now->read, done = dead ? carried : step->sent - step->goal;
    *ret = (struct passage_rest){
        .undone = true, .dead = dead, .spliced = true, .done = done, .left = carried - done};
    return step->taken >= now->read && carried <= now->exchange.body.left && done <= carried;
}

static bool fits_step(const struct asked_step *step, uint64_t taken) {
    return taken == step->now->read || taken == step->now->read - step->took;
}

/* Of a source that is closed: whether an end of data is in the count cannot be told, but a step
 * takes all of its bytes at once, or none. One byte may be either. */
static bool count_taken_of_closed(struct asked_step *step) {
    uint64_t taken;

    if (!wire_is_closed(step->source, &taken) ||
        fits_step(step, taken - 1) == fits_step(step, taken))
        return false;
    step->taken = fits_step(step, taken) ? taken : taken - 1;
    return true;
}

/* A step that takes nothing leaves its source alone, which may be another client's by then. */
static bool count_taken(struct asked_step *step) {
    if (step->took > 0)
        return wire_count_taken(step->source, &step->taken) || count_taken_of_closed(step);
    step->taken = step->now->read;
    return true;
}

/* Of a unix socket, by what was noted, or by the other one: nothing is taken before all was sent.
 */
static bool infer_sent(struct asked_step *step, bool taken_known) {
    bool all = taken_known && step->taken > step->now->read - step->took;

    if (source_is_tcp(step->sink) || (!all && step->halted == 0))
        return false;
    step->sent = all ? step->goal : step->goal - step->size + step->halted - 1;
    return true;
}

static bool infer_taken(struct asked_step *step, bool sent_known) {
    bool none = step->halted > 0 || (sent_known && step->sent < step->goal);

    if (source_is_tcp(step->source) || !none)
        return false;
    step->taken = step->now->read - step->took;
    return true;
}

static bool count_step(struct asked_step *step) {
    bool silent = step->size == 0, taken_known = count_taken(step);

    if (silent) /* whatever its sink has got since */
        step->sent = step->goal;
    bool sent_known =
        silent || wire_count_sent(step->sink, &step->sent) || infer_sent(step, taken_known);
    return sent_known && (taken_known || infer_taken(step, sent_known));
}

static struct asked_step describe_step(const struct passage *passage, int dir, const int fd[2]) {
    const struct passage_mark *now = passage_now(passage), *before = passage_before(passage);
    enum side sink = now->step == PASSAGE_MESSAGE ? (enum side)now->sink : passage_sink(dir);
    bool again = passage_is_made_again(now);

    return (struct asked_step){
        .now = now,
        .before = before,
        .source = fd[passage_source(dir)],
        .sink = fd[sink],
        .halted = atomic_load(&passage->halted),
        .goal = now->sent[sink],
        .size = again ? now->sent[sink] - before->sent[sink] : now->size,
        .took = again ? now->read - before->read : now->took,
    };
}

static bool is_within(const struct asked_step *step) {
    uint64_t most = TLS_BUFFER_READ, left = step->now->read - step->taken;

    return step->sent <= step->goal && step->goal - step->sent <= step->size &&
           step->taken <= step->now->read && left <= step->took &&
           (!passage_is_made_again(step->now) || step->before->stashed + step->took <= most);
}

/* Nobody takes what is left of it; but the source goes on behind it. */
static void ask_dead(struct asked_step *step, struct passage_rest *ret) {
    bool known = count_taken(step) || infer_taken(step, false);
    uint64_t left = known ? step->now->read - step->taken : 0;

    *ret = (struct passage_rest){
        .undone = true, .dead = true, .unsure = !known || left > step->took, .left = left};
}

/* next_draft: where the step is done, the next one may have begun to be noted, over the mark
 * before. */
bool passage_ask(const struct passage *passage, int dir, bool whole, const int fd[2],
                 struct passage_rest *ret) {
    struct asked_step step = describe_step(passage, dir, fd);
    bool spliced = step.now->step == PASSAGE_SPLICE;

    *ret = (struct passage_rest){0};
    if (whole || step.now->step == PASSAGE_START)
        return true;
    bool dead = (spliced || step.size > 0) && wire_is_shut(step.sink);
    if (spliced)
        return ask_spliced(&step, dead, ret);
    if (dead) {
        ask_dead(&step, ret);
        return true;
    }
    if (!count_step(&step))
        return false;
    if (step.sent == step.goal && step.taken == step.now->read) /* next_draft */
        return true;
    if (!is_within(&step))
        return false;
    *ret = (struct passage_rest){.undone = true,
                                 .again = step.sent < step.goal,
                                 .done = step.size - (step.goal - step.sent),
                                 .left = step.now->read - step.taken};
    return !ret->again || ret->left == step.took;
}
