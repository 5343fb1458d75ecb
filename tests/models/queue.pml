/* The bounded work queue and those who wait at it: nothing is lost, nothing taken twice, nobody sleeps while there is work or
 * room for him, and a close wakes all.
 *
 * Stands for: queue_push, queue_wait_room, queue_nudge, queue_take_out, queue_unbind, queue_close (queue.c);
 * queue_pop, begin_turn, end_turn, await_call, is_dismissed, queue_choose, queue_call_next, queue_tell, queue_call_all
 * (queue_turn.c), with acceptors that wait for room (enqueue_accepted).
 * Left out: several lines and their order, slow lines with turns that go away, full lines, dismissals, the usher and the times: what the
 * usher finds would hide who was not woken. LATE may be over at any moment, or never.
 * A part under the lock is one step: nobody else sees what is between. */

#define PUSHERS 2
#define JOBS    3 /* of the first one two */
#define WORKERS 2
#define NONE    255

mtype = { OWNED, QUEUED, TAKEN, REFUSED };
mtype = { WAITING, WOKEN };

mtype job_is[JOBS] = OWNED;
chan line = [JOBS] of { byte };
mtype event_of[WORKERS] = WAITING;
byte idle[WORKERS], n_idle;  /* a stack */
byte places;                 /* a bound, and */
#define capacity 2           /* another */
byte busy, coming, blocked, nudges, ended;
bool unbounded, closed, dials_end;
bool asleep[PUSHERS];        /* in queue->room */

#define count    len(line)
#define has_room (unbounded || count < capacity)
#define place    (busy < places)

inline broadcast_room() {
    asleep[0] = false;
    asleep[1] = false
}

inline call_all() {
    do
    :: n_idle > 0 ->
        n_idle--;
        coming++;
        event_of[idle[n_idle]] = WOKEN;
        idle[n_idle] = 0
    :: else -> break
    od
}

/* turn: whom to tell without the lock, or NONE. */
inline call_next(turn) {
    turn = NONE;
    if
    :: count > 0 && n_idle > 0 && place ->
        if
        :: coming > 0 /* one is on his way */
        :: true ->    /* none is, or he is late */
            n_idle--;
            turn = idle[n_idle];
            idle[n_idle] = 0;
            coming++
        fi
    :: else
    fi
}

/* Its own step, unless it is nothing. */
inline tell(turn) {
    if
    :: atomic {
        turn != NONE -> event_of[turn] = WOKEN;
        turn = NONE
    }
    :: turn == NONE
    fi
}

inline take_out() {
    if
#ifdef MUTATE_WAKE_NOBODY_FOR_ROOM
    :: false
#else
    :: blocked > 0 -> broadcast_room()
#endif
    :: else
    fi;
#ifndef MUTATE_LAST_JOB_CALLS_NOBODY
    if
    :: closed && count == 0 -> call_all()
    :: else
    fi
#endif
}

proctype worker(byte me) {
    byte turn = NONE, job = NONE;

pop:
    atomic {
        if
        :: job != NONE -> busy--
        :: else
        fi;
        job = NONE
look:
        if
        :: closed && count == 0 ->
            goto end
        :: count > 0 && place ->
            line ? job;
            assert(job_is[job] == QUEUED);
            job_is[job] = TAKEN;
            busy++;
            take_out();
#ifdef MUTATE_CHAIN_BREAKS
            turn = NONE
#else
            call_next(turn)
#endif
        :: else ->
#ifndef MUTATE_RESET_AFTER_LOCK
            event_of[me] = WAITING;
#endif
            idle[n_idle] = me;
            n_idle++;
            goto await
        fi
    }
    tell(turn);
    if
    :: true
    :: true -> dials_end /* one that takes long */
    fi;
    goto pop;
await:
#ifdef MUTATE_RESET_AFTER_LOCK
    event_of[me] = WAITING;
#endif
    event_of[me] != WAITING;
    atomic {
        coming--;
        goto look
    }
end:
    ended++ /* nothing waits */
}

proctype pusher(byte me) {
    byte turn = NONE, job = me * 2, seen;

    do
    :: job == 2 + me -> break
    :: else ->
push:
        atomic {
            if
            :: closed ->
                job_is[job] = REFUSED;
                turn = NONE
            :: !closed && has_room ->
                job_is[job] = QUEUED;
                line ! job;
                call_next(turn)
            :: else -> goto wait
            fi
        }
        tell(turn);
        job++
    od;
    ended++;
    goto out;
wait:
    atomic {
        seen = nudges;
        blocked++
again:
        if
        :: !has_room && nudges == seen -> asleep[me] = true
        :: else ->
            blocked--;
            seen = 0;
            goto push
        fi
    }
    !asleep[me];
    atomic {
        skip;
        goto again
    }
out:
}

init {
    byte i;
    bool patient;

    atomic {
        select(places : 1 .. 2);
        select(i : 0 .. 1);
        patient = (i == 1);
        run pusher(0);
        run pusher(1);
        run worker(0);
        run worker(1)
    }
    atomic { /* queue_nudge */
        nudges++;
        broadcast_room()
    }
    if
    :: patient -> /* until nothing moves any more: then nobody sleeps who should not */
        timeout;
        assert(count == 0 || n_idle == 0 || !place);
        assert(!has_room || (!asleep[0] && !asleep[1]));
    :: else
    fi;
    dials_end = true;
    atomic {
        unbounded = true;
        broadcast_room()
    }
    atomic {
        closed = true;
#ifndef MUTATE_CLOSE_WAKES_NOBODY
        call_all()
#endif
    }
    ended == PUSHERS + WORKERS; /* else it is no valid end */
    for (i : 0 .. JOBS - 1) {
        assert(job_is[i] == TAKEN || job_is[i] == REFUSED)
    }
}
