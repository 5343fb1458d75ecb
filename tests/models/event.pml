/* The event of a pair: no wake-up is lost between who looks at it and waits and who changes something and tells.
 *
 * Stands for: event_value, event_wait, event_bump, event_wake (base/event.c, with the kernel's futex), exchange_await,
 * exchange_tell, exchange_parks (exchange_wait.c), await_dial, exchange_dialled (exchange_leg.c), and who wakes both pumps from
 * outside: conn_abort (over), sweep_to_rest (rests).
 * Left out: waits with a deadline, which end by themselves; signals, after which a wait looks again; the wrap of 32 bits. */

byte value;          /* conn->event */
bool sleeps[3];      /* in the futex: up, down, and who waits for a dial */
bool locked;         /* exchange->lock */
byte waiting;        /* exchange->waiting */
bool holds[2];       /* what up waits for from down, and down from up */
bool dialling = true;
bool over;

#define acquire(l) atomic { !l -> l = true }
#define release(l) l = false

inline wake() {
    d_step {
        sleeps[0] = false;
        sleeps[1] = false;
        sleeps[2] = false
    }
}

inline bump() {
#ifdef MUTATE_WAKE_BEFORE_CHANGE
    wake();
    value++
#else
    value++;
    wake()
#endif
}

/* event_wait: the kernel compares under a lock of its own, or sleeps. */
inline await_change(me, seen) {
    do
    :: value != seen -> break
    :: value == seen ->
#ifdef MUTATE_SLEEP_WITHOUT_COMPARING
        sleeps[me] = true;
#else
        atomic {
            if
            :: value == seen -> sleeps[me] = true
            :: else
            fi
        }
#endif
        !sleeps[me]
    od
}

inline tell(other) {
    acquire(locked);
    holds[other] = true;
    was = waiting;
    release(locked);
    if
    :: was > 0 -> bump()
    :: else
    fi;
    was = 0
}

proctype pump(byte me) {
    byte seen, was;

    if /* who of both waits first, and who tells */
    :: me == 1 -> tell(0)
    :: me == 0
    fi;
    acquire(locked);
#ifndef MUTATE_COUNT_WHEN_ASLEEP
    waiting++;
#endif
    do
    :: true ->
#ifdef MUTATE_LOOK_BEFORE_VALUE
        if
        :: holds[me] || over -> break
        :: else
        fi;
        release(locked);
        seen = value;
#else
        seen = value;
        if
        :: holds[me] || over -> break
        :: else
        fi;
        release(locked);
#endif
#ifdef MUTATE_COUNT_WHEN_ASLEEP
        waiting++;
#endif
        await_change(me, seen);
        acquire(locked)
#ifdef MUTATE_COUNT_WHEN_ASLEEP
        ; waiting--
#endif
    od;
#ifndef MUTATE_COUNT_WHEN_ASLEEP
    waiting--;
#endif
    release(locked);
    seen = 0;
    if
    :: me == 0 -> tell(1)
    :: me == 1
    fi
}

/* exchange_dial: nobody counts this one as waiting, and it is told all the same. */
proctype dialer() {
    byte seen;

    do
    :: true ->
        seen = value;
        if
        :: atomic { !locked && !dialling -> break }
        :: atomic { !locked && dialling }
        fi;
        await_change(2, seen)
    od
}

proctype worker() {
    acquire(locked);
    dialling = false;
    release(locked);
    bump()
}

/* Or who parks all. */
proctype aborter() {
    if
    :: over = true;
        bump()
    :: true
    fi
}

init {
    atomic {
        run pump(0);
        run pump(1);
        run dialer();
        run worker();
        run aborter()
    }
}
