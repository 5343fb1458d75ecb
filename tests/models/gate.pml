/* The gate: nobody waits while there is room, nobody enters once it is closed, and the last one out then calls on_empty, once;
 * from then on nobody touches the gate, which may be gone.
 *
 * Stands for: gate_try_enter, gate_leave, gate_wait_room, gate_nudge, gate_close (listen/gate.c), as acceptors and conns use
 * them. Who closes it has acceptors end, and frees it once on_empty was called, or at once if gate_close said that nobody is in.
 * Left out: gate_set_max, gate_await_leaver (a wait that ends by itself).
 * A part under the lock is one step: nobody else sees what is between. */

#define ACCEPTORS 2
#define CONNS     2
#define MOST      2
#define TURNS     2 /* of an acceptor */

byte live, nudges;
bool closed, gone, conns_end;
bool asleep[ACCEPTORS];
byte emptied;          /* calls of on_empty */
byte at_close;         /* what gate_close said */
byte acceptors = ACCEPTORS;
chan inside = [MOST] of { bit };

#define touch assert(!gone)

inline broadcast() {
    asleep[0] = false;
    asleep[1] = false
}

inline signal() {
#ifdef MUTATE_WAKE_ONE
    if
    :: asleep[0] -> asleep[0] = false
    :: else -> asleep[1] = false
    fi
#else
    broadcast()
#endif
}

proctype conn() {
    bool is_last;

endless:
    do
    :: inside ? _ ->
        if
        :: true
        :: true -> conns_end /* one that stays long */
        fi;
        atomic {
            touch;
            assert(live > 0);
            live--;
            is_last = (closed && live == 0);
#ifndef MUTATE_SIGNAL_AFTER_LOCK
            signal()
#endif
        }
#ifdef MUTATE_LOOK_AFTER_LOCK
        is_last = (closed && live == 0);
#endif
#ifdef MUTATE_SIGNAL_AFTER_LOCK
        atomic {
            touch;
            signal()
        }
#endif
        if
        :: is_last -> emptied++
        :: else
        fi;
        is_last = false
    od
}

/* It goes on to wait for a client, which may not come, once there was room. */
proctype acceptor(byte me) {
    byte seen, turns;

    do
    :: turns < TURNS ->
        atomic {
            touch;
            if
#ifdef MUTATE_ENTER_CLOSED
            :: live < MOST ->
#else
            :: live < MOST && !closed ->
#endif
                live++;
                inside ! 1;
                turns++;
                goto again
            :: else
            fi
        }
        atomic {
            touch;
            seen = nudges
wait:
#ifdef MUTATE_WAIT_WHEN_CLOSED
            if
            :: live >= MOST && nudges == seen -> asleep[me] = true
#else
            if
            :: live >= MOST && !closed && nudges == seen -> asleep[me] = true
#endif
            :: else ->
                seen = 0;
                goto look
            fi
        }
        !asleep[me];
        atomic {
            touch;
            goto wait
        }
look:
        if
        :: closed -> break
        :: !closed
        fi
again:
        skip
    :: true -> break
    od;
    acceptors--
}

init {
    bool patient;

    atomic {
        if
        :: patient = true
        :: true
        fi;
        run acceptor(0);
        run acceptor(1);
        run conn();
        run conn()
    }
    atomic {
        nudges++;
        broadcast()
    }
    if
    :: patient ->
        timeout;
        assert(live >= MOST || (!asleep[0] && !asleep[1]))
    :: else
    fi;
    atomic {
        closed = true;
        at_close = live;
        broadcast()
    }
    acceptors == 0;
    conns_end = true;
    if
    :: at_close > 0 -> emptied > 0
    :: else
    fi;
    gone = true;
    timeout;
    assert(live == 0 && emptied == (at_close > 0 -> 1 : 0))
}
