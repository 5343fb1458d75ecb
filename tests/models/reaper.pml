/* Who finds a conn in the registry, or in the table, against the last reference that is dropped: nobody uses a conn that is
 * freed, it is freed once, and it is not left in a list.
 *
 * Stands for: conn_try_ref, conn_ref, conn_unref, conn_register (conn.c), registry_add, registry_remove, registry_due,
 * registry_review_at (registry.c), collect_conns, review_conn (reaper.c), take_next_conns, sweep_conns (sweep.c), table_lose,
 * table_note_hold (table.c).
 * Left out: what a review comes to, which files it anew at most; conns that come meanwhile; one conn stands for all.
 * A part under the registry's lock, or the table's, is one step where nobody changes what it looks at without that lock: the
 * references are counted without. */

byte refs = 2;           /* the pumps' */
bool listed = true;      /* in registry->nodes */
bool filed = true;       /* in registry->reviews: due */
bool noted = true;       /* in table->slots */
bool freed;
bool locked;             /* registry->lock */

#define acquire(l) atomic { !l -> l = true }
#define release(l) l = false
#define use(what)  assert(!freed)

inline unref() {
    atomic {
        use(refs);
        assert(refs > 0);
        refs--;
        last = (refs == 0)
    }
    if
    :: last ->
#ifdef MUTATE_REMOVE_WITHOUT_LOCK
        use(node);
        listed = false;
        filed = false;
#else
        acquire(locked);
        use(node);
        listed = false;
        filed = false;
        release(locked);
#endif
#ifdef MUTATE_FREE_WHILE_NOTED
        freed = true;
        noted = false
#else
        atomic { noted = false }
        assert(!freed && refs == 0 && !listed && !filed);
        freed = true
#endif
    :: else
    fi;
    last = false
}

/* With the registry's lock, under which it was found. */
inline try_ref(got) {
#ifdef MUTATE_REF_ANY
    atomic {
        use(refs);
        refs++;
        got = true
    }
#else
    atomic {
        use(refs);
        seen = refs
    }
    do
    :: seen == 0 ->
        got = false;
        break
    :: seen > 0 ->
        atomic { /* compare and exchange */
            use(refs);
            if
#ifdef MUTATE_DO_NOT_COMPARE
            :: true ->
#else
            :: refs == seen ->
#endif
                refs = seen + 1;
                got = true;
                break
            :: else -> seen = refs
            fi
        }
    od;
    seen = 0
#endif
}

proctype pump() {
    bool last;

    use(conn);
    unref()
}

proctype reaper() {
    bool got, last;
    byte seen, turns;

    do
    :: turns < 2 ->
        turns++;
        acquire(locked);
        if
        :: filed -> /* registry_due takes it out */
            filed = false;
            use(glance);
            if
            :: filed = true /* filed again at once, under the same lock */
            :: try_ref(got)
            fi
        :: else
        fi;
        release(locked);
        if
        :: got ->
            use(review);
            acquire(locked);
            use(node);
            filed = true;
            release(locked);
            unref();
            got = false
        :: else
        fi
    :: true -> break
    od
}

/* A sweep that was at this conn goes on behind it later: it has a reference meanwhile, and the conn is still listed then. */
proctype sweeper() {
    bool got, last;
    byte seen;

    acquire(locked);
    if
    :: listed ->
        use(wants);
        try_ref(got)
    :: else
    fi;
    release(locked);
    if
    :: got ->
        use(visit);
#ifdef MUTATE_GO_ON_WITHOUT_REF
        unref();
#endif
        acquire(locked);
        use(next);
        assert(listed);
        release(locked);
#ifndef MUTATE_GO_ON_WITHOUT_REF
        unref()
#endif
    :: else
    fi
}

/* The link's thread: the keeper has lost it. */
proctype link() {
    if
    :: atomic {
        noted -> use(hold)
    }
    :: !noted
    fi
}

init {
    atomic {
        run pump();
        run pump();
        run reaper();
        run sweeper();
        run link()
    }
    _nr_pr == 1;
    assert(freed && refs == 0)
}
