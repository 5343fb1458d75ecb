/* Exchanges are brought to rest at a restart: once they are, no leg comes to be that dies with the process; none that had come
 * is then reset unless drain_timeout is over, or the end was asked for twice; and the departure ends.
 *
 * Stands for: begin_rest, sweep_to_rest (sweep.c), let_in, take_leg, forget_leg, await_dial, exchange_dialled (exchange_leg.c),
 * exchange_parks (exchange_wait.c), relay_is_dialling, relay_rest, relay_park (relay.c), await_unheld (departure.c).
 * Left out: the keeper, which has told of all that goes on; mode tcp; openings; legs that outlive the process, which change nothing;
 * bytes that are in memory for a moment (LEAVE_LAST). A dial that was begun before ends, or is given up by end_workers.
 * A part under the registry's lock is one step. */

#define CONNS 2

mtype = { IDLE, DIALLING, HAS_LEG, PARKED, ABORTED };

mtype conn_is[CONNS] = IDLE;
bool in_memory[CONNS];   /* flow[DIR_DOWN].in_memory: its leg dies with the process */
bool asked[CONNS], dialled[CONNS];
bool rests, parks, stop_now, forced;
bool time_up;            /* drain_timeout, or asked again */
bool over;

#define goes_on(i) (!in_memory[i] || conn_is[i] == ABORTED)

/* A client's exchange: it asks as often as it likes. */
proctype exchange(byte me) {
end:
    do
    :: conn_is[me] == IDLE && !rests ->
        conn_is[me] = DIALLING;
        asked[me] = true;
        dialled[me]; /* await_dial */
        dialled[me] = false;
#ifdef MUTATE_LOOK_WITHOUT_LOCK
        if
        :: rests -> conn_is[me] = PARKED
        :: !rests ->
            in_memory[me] = true;
            conn_is[me] = HAS_LEG
        fi
#else
        atomic {
            if
#ifdef MUTATE_LET_IN_ANYBODY
            :: true ->
#else
            :: rests -> conn_is[me] = PARKED /* the next process dials */
            :: !rests ->
#endif
                in_memory[me] = true;
                conn_is[me] = HAS_LEG
            fi
        }
#endif
    :: atomic { conn_is[me] == IDLE && rests -> conn_is[me] = PARKED }
    :: conn_is[me] == HAS_LEG -> /* the answer comes, or relay_park is faster */
        if
        :: atomic {
            conn_is[me] == HAS_LEG ->
                in_memory[me] = false; /* forget_leg */
                conn_is[me] = IDLE
        }
        :: conn_is[me] == ABORTED
        fi
    :: conn_is[me] == ABORTED || conn_is[me] == PARKED -> break
    od
}

proctype worker(byte me) {
end:
    do
    :: asked[me] ->
        asked[me] = false;
        dialled[me] = true /* with a leg, or without: stop_now */
    od
}

proctype timer() {
    time_up = true
}

inline begin_rest(force) {
#ifdef MUTATE_LOOK_THEN_REST
    all_go_on = goes_on(0) && goes_on(1);
    rests = (all_go_on || force)
#else
    atomic {
        all_go_on = goes_on(0) && goes_on(1);
        rests = (all_go_on || force)
    }
#endif
}

proctype departure() {
    bool all_go_on;

    do
    :: !(asked[0] || asked[1] || dialled[0] || dialled[1]) -> /* !relay_is_dialling */
        begin_rest(false);
        if
        :: rests -> break
        :: else
        fi;
        goto look
    :: asked[0] || asked[1] || dialled[0] || dialled[1] ->
look:
        if
#ifdef MUTATE_NO_DEADLINE
        :: true
#else
        :: time_up ->
            forced = true;
            begin_rest(true);
            break
        :: !time_up
#endif
        fi
    od;
    stop_now = true;
    /* relay_park: sweep_abort_unheld */
    atomic {
        assert(forced || !in_memory[0]);
        conn_is[0] = (in_memory[0] -> ABORTED : conn_is[0])
    }
    atomic {
        assert(forced || !in_memory[1]);
        conn_is[1] = (in_memory[1] -> ABORTED : conn_is[1])
    }
    parks = true;
    over = true;
    conn_is[0] == ABORTED || conn_is[0] == PARKED;
    conn_is[1] == ABORTED || conn_is[1] == PARKED
}

init {
    atomic {
        run exchange(0);
        run exchange(1);
        run worker(0);
        run worker(1);
        run timer();
        run departure()
    }
}

ltl ends { <> over }
