/* The marks of a direction whose bytes change on their way, against kills: whatever step of whichever process is its last one, each
 * byte is sent once, taken once and in order, and what a sequence number sealed is never made of other bytes. The kernel's
 * counts decide, where it has some; where a unix socket has none, what was noted or the other one, or the connection is reset.
 *
 * Stands for: passage_draft, passage_commit, passage_done, passage_halt, passage_go_on (passage.c, passage.h), passage_ask with
 * count_step, infer_sent, infer_taken, is_within (passage_ask.c), carry_step, commit_step, send_parcel, resume_step, make_again
 * (copy_passage_write.c), source_discard (source.c).
 * Left out: sinks that are shut, messages and splices (what they send lies in an area, not made again), the stash, other
 * threads (a direction's passage is its pump's alone), and what a processor might reorder: a kill of a process leaves all of
 * its stores before. A step takes one byte or two and sends these and one more, as a tag. */

#define BYTES 5 /* of the source */

#define FIRST  0
#define SECOND 1

/* Which outlives the process: the table, */
byte read[2], sent[2]; /* of both marks */
bit at = FIRST;
bool undone;
byte halted;
/* and the kernel. */
byte taken, out;       /* bytes off the source, and to the sink */
/* What the sink has seen of the record that is on its way: made of the bytes from .. to */
byte made_from, made_to, made_out;
bool source_counts, sink_counts;

#define now    at
#define before (1 - at)

/* A record of the bytes from..to is this long. */
#define size_of(from, to) ((to) - (from) + 1)

/* Any statement may be the last one of its process. */
inline may_die() {
    if
    :: true
    :: true -> goto killed
    fi
}

inline send_byte(from, to) {
    d_step {
        if
        :: made_out == 0 ->
            assert(from == made_to); /* in order */
            made_from = from;
            made_to = to
        :: else -> assert(made_from == from && made_to == to) /* the same one */
        fi;
        made_out++;
        out++;
        if
        :: made_out == size_of(from, to) -> made_out = 0
        :: else
        fi
    }
}

/* From so many bytes on. parks: it leaves the rest in order. */
inline send_parcel(from, to, done) {
    do
    :: done < size_of(from, to) ->
        send_byte(from, to);
        done++;
        may_die();
        if
        :: done < size_of(from, to) -> /* it parks */
            halted = done + 1;
            goto killed
        :: true
        fi
    :: else -> break
    od;
    done = 0
}

inline discard(left) {
    do
    :: left > 0 ->
        taken++;
        left--;
        may_die()
    :: else -> break
    od
}

inline commit() {
    halted = 0;
    may_die();
#ifdef MUTATE_COUNTS_BEFORE_UNDONE
    at = 1 - at;
    may_die();
    undone = true;
#else
    undone = true;
    may_die();
    at = 1 - at;
#endif
    may_die()
}

active proctype relayd() {
    byte from, to, done, left, size, took, was_sent, was_taken;
    bool sent_known, taken_known, again, lost;

    if
    :: source_counts = true
    :: true
    fi;
    if
    :: sink_counts = true
    :: true
    fi;
next:
    skip;
    d_step { /* passage_ask, by a new process */
        from = 0; to = 0; done = 0; left = 0; again = false; lost = false;
        if
        :: undone ->
            size = sent[now] - sent[before];
            took = read[now] - read[before];
            was_taken = taken;
            was_sent = out;
            taken_known = source_counts;
            sent_known = sink_counts;
            if
            :: !sent_known && taken_known && was_taken > read[before] ->
                was_sent = sent[now];
                sent_known = true
            :: else ->
                if
                :: !sent_known && halted > 0 ->
                    was_sent = sent[now] - size + halted - 1;
                    sent_known = true
                :: else
                fi
            fi;
            if
            :: sent_known && !taken_known && (halted > 0 || was_sent < sent[now]) ->
                was_taken = read[before];
                taken_known = true
            :: else
            fi;
            lost = !(sent_known && taken_known);
            if
            :: !lost && (was_sent != sent[now] || was_taken != read[now]) ->
                assert(was_sent == out && was_taken == taken); /* what is inferred is true */
                assert(was_sent <= sent[now] && sent[now] - was_sent <= size);
                assert(was_taken <= read[now] && read[now] - was_taken <= took);
                from = read[before];
                to = read[now];
                again = (was_sent < sent[now]);
                done = size - (sent[now] - was_sent);
                left = read[now] - was_taken;
                assert(!again || left == took)
            :: else
            fi
        :: else
        fi;
        size = 0; took = 0; was_sent = 0; was_taken = 0;
        sent_known = false;
        taken_known = false
    }
    if
    :: lost -> goto reset
    :: else
    fi;
    may_die();
    /* resume_step */
    if
    :: again ->
#ifndef MUTATE_RESUME_KEEPS_HALT
        halted = 0;
#endif
        may_die();
        send_parcel(from, to, done)
    :: else
    fi;
    done = 0;
    again = false;
    discard(left);
    undone = false;
    may_die();
    do
    :: taken < BYTES ->
        /* It looks at some bytes that have come, and notes where it will stand. */
        from = taken;
        if
        :: to = from + 1
        :: from + 2 <= BYTES -> to = from + 2
        fi;
#ifdef MUTATE_DRAFT_OVER_NOW
        read[now] = to;
        may_die();
        sent[now] = sent[now] + size_of(from, to);
        undone = true;
        may_die();
#else
#ifdef MUTATE_SEND_BEFORE_COMMIT
        send_parcel(from, to, done);
#endif
        read[before] = to;
        may_die();
        sent[before] = sent[now] + size_of(from, to);
        may_die();
        commit();
#endif
#ifdef MUTATE_TAKE_BEFORE_SENT
        left = to - from;
        discard(left);
#endif
#ifndef MUTATE_SEND_BEFORE_COMMIT
        send_parcel(from, to, done);
#endif
#ifdef MUTATE_DONE_BEFORE_TAKEN
        undone = false;
        may_die();
#endif
#ifndef MUTATE_TAKE_BEFORE_SENT
        left = to - from;
        discard(left);
#endif
        undone = false;
        may_die()
    :: else -> break
    od;
    assert(taken == BYTES && made_to == BYTES && made_out == 0);
    goto end;
killed:
    goto next;
reset:
    assert(!source_counts || !sink_counts);
end:
}
