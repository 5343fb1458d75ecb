/* What the keeper is told of connections, against a keeper that dies and comes again, releases that ride along and answers that
 * come late: whenever relayd is killed, no slot in which the table has a living connection holds the sockets of another one;
 * what relayd believes to be held is; and in the end all that lives is held.
 *
 * Stands for: link_hold, link_hold_again, try_hold, link_release, send_with_releases, put_releases, take_releases,
 * link_forget_releases, raise_to (link_conns.c); lose_keeper, find_keeper, use_socket, begin_holding, catch_up, take_lost
 * (link.c); sweep_hold_missing (sweep.c); table_take, table_give, table_lose (table.c); hold_slot, release_slot, drop_all,
 * answer_lost (keeper.c).
 * Left out: pipes, listeners, terms and pings; a keeper that lives on after it has cut off relayd; a relayd that comes
 * again and adopts; legs that come one after the other. A full socket: a send fails where the channel is full. */

#define SLOTS   2
#define KEEPERS 2 /* one after the other */
#define LIVES_ON 2 /* this conn may */
#define NONE    0

mtype = { HOLD, RELEASE };

chan to_keeper[KEEPERS] = [2] of { mtype, byte, byte, byte, byte }; /* type, slot, conn, epoch, releases (bits) */
chan lost_slots = [1] of { byte, byte }; /* slot, epoch */

/* The keeper's: which conn's sockets a slot has. */
byte has[SLOTS];
byte will[SLOTS];      /* the same, once it has read all that was sent: what the next relayd finds if this one is killed now */
byte keeper = 1;       /* the one that lives, from 1 */
bool alive = true;
byte failures = 1;     /* of descriptors */

/* The table's: which conn lives there; and who is free. */
byte lives[SLOTS];
bool is_free[SLOTS] = true;

/* relayd's. */
byte socket = 1;       /* whose it is: link->fd */
byte epoch = 1, epochs = 1;
byte releases;         /* bits of slots */
bool unsent;
bool told[SLOTS];      /* struct hold of the conn that is there */
byte held[SLOTS], lost[SLOTS];
bool noted[SLOTS];     /* in the table: table_note_hold */
bool visited[SLOTS];   /* by the link's thread, with a reference */

#define fits(slot)   assert(lives[slot] == NONE || will[slot] == NONE || will[slot] == lives[slot])
#define bit_of(slot) (1 << (slot))
#define can_send     (alive && socket == keeper && len(to_keeper[keeper - 1]) < 2)

inline give(slots) {
    d_step {
        if
        :: (slots) & 1 -> is_free[0] = true
        :: else
        fi;
        if
        :: (slots) & 2 -> is_free[1] = true
        :: else
        fi
    }
}

/* ok: whether it was sent. take_releases, the send, and what follows are three steps. */
inline send_with_releases(type, slot, conn, its_epoch) {
    atomic {
        taken = releases;
        releases = 0
    }
#ifdef MUTATE_GIVE_BEFORE_SENT
    give(taken);
#endif
    atomic {
        if
        :: can_send ->
            to_keeper[keeper - 1] ! type, slot, conn, its_epoch, taken;
            will[0] = (taken & 1 -> NONE : will[0]);
            will[1] = (taken & 2 -> NONE : will[1]);
            will[slot] = (type == HOLD -> conn : will[slot]);
            fits(0);
            fits(1);
            ok = true
        :: !can_send -> ok = false
        fi
    }
    if
    :: ok -> give(taken)
    :: else ->
        atomic {
            releases = releases | taken;
            unsent = true
        }
    fi;
    taken = 0
}

inline try_hold(slot, conn) {
    its_epoch = epoch;
    if
    :: its_epoch == 0
    :: else ->
        lost[slot] = 0;
        send_with_releases(HOLD, slot, conn, its_epoch);
        if
        :: ok ->
            told[slot] = true;
            atomic {
                held[slot] = (held[slot] < its_epoch -> its_epoch : held[slot])
            }
#ifndef MUTATE_ANSWERED_ALREADY
            if
            :: lost[slot] == its_epoch -> held[slot] = 0 /* the worker alone */
            :: else
            fi;
#endif
            if
            :: epoch != its_epoch -> unsent = true /* the worker alone */
            :: else
            fi
        :: else
        fi;
        ok = false
    fi;
    its_epoch = 0
}

/* A worker, and then the pumps of the conns that it makes: the last one may live on. */
proctype worker(byte conn; byte last) {
    byte slot, its_epoch, taken;
    bool ok;

    do
    :: conn <= last ->
        atomic { /* table_take */
            if
            :: is_free[0] -> slot = 0
            :: is_free[1] -> slot = 1
            fi;
            is_free[slot] = false;
            told[slot] = false;
            held[slot] = 0;
            lost[slot] = 0;
            lives[slot] = conn;
            noted[slot] = true;
            fits(slot)
        }
        try_hold(slot, conn);
        if
        :: conn == last && conn == LIVES_ON -> break
        :: true
        fi;
        atomic { /* its last reference goes: nobody visits it */
            !visited[slot];
            lives[slot] = NONE;
            noted[slot] = false
        }
#ifdef MUTATE_RELEASE_NOT_TOLD
        if
        :: epoch == 0 || held[slot] == 0 -> give(bit_of(slot))
#else
        if
        :: !told[slot] || epoch == 0 -> give(bit_of(slot))
#endif
        :: else ->
            releases = releases | bit_of(slot);
            if
            :: true -> send_with_releases(RELEASE, 0, NONE, 0)
            :: true /* with a connection that comes, or the link's thread sends it */
            fi;
            ok = false
        fi;
        slot = 0;
        conn++
    :: else -> break
    od
}

inline hold_missing(slot) {
    if
    :: atomic {
        lives[slot] != NONE && held[slot] != now && lost[slot] != now -> visited[slot] = true
    }
        try_hold(slot, lives[slot]);
        visited[slot] = false
    :: else
    fi
}

proctype link() {
    byte now, slot, its_epoch, taken;
    bool ok;

end:
    do
    :: epoch != 0 && nempty(lost_slots) -> /* take_lost */
        lost_slots ? slot, now;
        if
        :: now != epoch ->
            unsent = true;
            now = 0
        :: else
        fi;
        if
        :: atomic {
            noted[slot] ->
#ifdef MUTATE_LOSE_THE_OTHER_WAY
            held[slot] = 0
        }
        lost[slot] = now
#else
            lost[slot] = now
        }
        held[slot] = 0
#endif
        :: else
        fi;
        slot = 0;
        now = 0
    :: epoch != 0 && empty(lost_slots) && !(alive && socket == keeper) -> /* lose_keeper */
        epoch = 0;
        d_step {
            taken = releases;
            releases = 0
        }
        give(taken);
        taken = 0
    :: epoch != 0 && unsent -> /* catch_up */
        unsent = false;
        now = epoch;
        if
        :: releases != 0 -> send_with_releases(RELEASE, 0, NONE, 0)
        :: else
        fi;
        ok = false;
        hold_missing(0);
        hold_missing(1);
        now = 0
    :: epoch != 0 && releases != 0 ->
        send_with_releases(RELEASE, 0, NONE, 0);
        ok = false
    :: epoch == 0 && alive -> /* find_keeper */
#ifdef MUTATE_SOCKET_BEFORE_EPOCH
        socket = keeper;
        epochs++;
        epoch = epochs;
#else
        epochs++;
        epoch = epochs;
        socket = keeper;
#endif
        unsent = true
    od
}

inline release_slots() {
    if
    :: bits & 1 -> has[0] = NONE
    :: else
    fi;
    if
    :: bits & 2 -> has[1] = NONE
    :: else
    fi
}

proctype keeper_life() {
    mtype type;
    byte slot, conn, count, bits;

end:
    do
    :: atomic {
        alive && nempty(to_keeper[keeper - 1]) ->
            to_keeper[keeper - 1] ? type, slot, conn, count, bits;
            release_slots();
            if
            :: type == HOLD -> has[slot] = conn
            :: type == HOLD && failures > 0 && nfull(lost_slots) ->
                failures--;
                has[slot] = NONE;
                lost_slots ! slot, count
            :: type == RELEASE
            fi;
            type = 0;
            slot = 0;
            conn = 0;
            count = 0;
            bits = 0
        }
    :: atomic {
        alive && keeper < KEEPERS ->
            alive = false;
            has[0] = NONE;
            has[1] = NONE;
            will[0] = NONE;
            will[1] = NONE;
            do
            :: to_keeper[keeper - 1] ? _, _, _, _, _
            :: empty(to_keeper[keeper - 1]) -> break
            od
        }
    :: atomic {
        !alive ->
            keeper++;
            alive = true
        }
    od
}

#define is_right(slot)                                                                              \
    assert(lives[slot] == NONE || has[slot] == lives[slot] || lost[slot] == epoch);                  \
    assert(lives[slot] == NONE || held[slot] != epoch || has[slot] == lives[slot]);                  \
    assert(lives[slot] != NONE || (has[slot] == NONE && is_free[slot]))

/* In the end, when nothing moves any more. */
init {
    atomic {
        run worker(1, 2);
        run link();
        run keeper_life()
    }
    timeout;
    assert(epoch != 0 && releases == 0);
    is_right(0);
    is_right(1)
}
