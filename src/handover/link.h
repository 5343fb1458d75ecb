/* The link to relayd-keeper: what it is told while connections come and go, and a thread that looks
 * after it.
 *
 * never_waits: to hold and to release is one sendmsg(2) that does not wait. If the keeper is slow,
 * or gone, connections go on unheld, and the thread makes up for it: what could not be said is said
 * later, and a new keeper is given everything.
 *
 * same_number: the thread puts a new socket in the place of the old one (dup3(2)), so that whoever
 * sends needs no lock. What is sent meanwhile goes to one or the other. An epoch counts the
 * keepers: what was held in an earlier one is held again, and to hold twice is harmless. */
#ifndef HANDOVER_LINK_H
#define HANDOVER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/sync.h"
#include "base/thread.h"
#include "handover/hold.h"
#include "handover/table.h"
#include "keeper/message.h"
#include "keeper/trust.h"

/* Holds (link_hold_again) the connections that the keeper of this epoch has not. The link's thread
 * calls it. */
typedef void link_hold_missing_fn(void *arg, unsigned epoch);

/* Which keeper, and what it is told at first. */
struct link_terms {
    const char *path,
        *name;   /* of its socket; of this instance: what others have is not given to it */
    size_t room; /* connections that may come */
    usec_t keeper_timeout;
};

/* What a keeper held when this process came. */
struct heritage {
    size_t n_slots;                      /* connections that the keeper can hold */
    usec_t gone;                         /* when the previous relayd went; 0: there was none */
    int table;                           /* -1: none */
    int listeners[KEEPER_LISTENERS_MAX]; /* -1: none */
    struct heir {
        uint32_t slot;
        int fd[KEEPER_FDS];
    } * conns;
    size_t n_conns, room;
};

/* What becomes of what the keeper holds when this process ends. */
enum link_end {
    LINK_FORGET, /* it drops all */
    LINK_LEAVE,  /* it holds it for the next relayd: nothing of it is touched here */
};

enum link_outcome {
    LINK_OK = 0,
    LINK_NOBODY,  /* nothing listens there */
    LINK_SILENT,  /* it takes no messages, or does not answer */
    LINK_BUSY,    /* another relayd is attached */
    LINK_FOREIGN, /* another one's connections are held */
    LINK_OTHER_VERSION,
    LINK_UNTRUSTED,
    LINK_FAILED, /* a system call, or memory: an errno */
};

/* What the log tells of an outcome besides. */
struct link_why {
    int error;                /* of LINK_FAILED */
    unsigned version;         /* the keeper's; 0: it has not said any */
    char text[TRUST_WHY_MAX]; /* whom it serves, or why it is not trusted */
};

struct link {
    int fd; /* always open while the link is there, see same_number */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct table *table;
    link_hold_missing_fn *hold_missing;
    void *arg;
    _Atomic bool serves;      /* a keeper has been there: connections that come get a slot */
    _Atomic unsigned epoch;   /* 0: no keeper is there */
    unsigned epochs;          /* so many keepers have been there; the thread's */
    _Atomic usec_t last_hold; /* when the last connection came */
    _Atomic bool crowded;     /* a connection found no slot */
    _Atomic bool unsent;      /* something could not be sent */
    _Atomic bool terms_unsent;
    /* The thread's: */
    bool warned;         /* that connections are not held */
    bool warned_crowded; /* that there are too few slots */
    bool warned_lost;    /* that the keeper is out of descriptors */
    unsigned logged;     /* outcomes (bits) since a keeper was there */
    usec_t pinged;       /* when it asked the keeper for a sign of life; 0: that has come */
    _Atomic bool ends;   /* nothing is to outlive this process: no keeper is missed */
    struct thread thread;
    _Atomic bool stop;
    struct lock lock;
    uint32_t *releases GUARDED; /* still to be sent, as in a message */
    size_t n_releases GUARDED;
    size_t pings GUARDED, pongs GUARDED; /* questions, and answers so far (link_pings.c) */
    struct cond answered;
    usec_t keeper_timeout GUARDED;
    char name[KEEPER_NAME_MAX] GUARDED;
    struct lock listeners_lock;                  /* outer: held while the keeper is told */
    int listeners[KEEPER_LISTENERS_MAX] GUARDED; /* -1: none; the descriptors are the acceptors' */
    bool listeners_unsent[KEEPER_LISTENERS_MAX] GUARDED;
};

/* Connects, attaches, and takes what is held, which is the caller's (heritage_free). Else *ret_why
 * is set. drop: the keeper drops what it holds before. Waits some seconds at most. */
enum link_outcome link_attach(const struct link_terms *terms, bool drop, int *ret_fd,
                              struct heritage *ret_heritage, struct link_why *ret_why) MUST_USE;

/* Logs why there is no keeper. by_chance: nobody has asked for one by its path. */
void link_log_outcome(enum link_outcome outcome, const struct link_why *why, const char *path,
                      bool by_chance);

/* Waits until the keeper at the other end has done all that it was told; some seconds at most.
 * Before link_start. 0 or -errno. */
int link_await_pong(int fd);

/* Has a keeper, of whatever version, that this process does not use close what keeps a socket from
 * being bound to this address (only: it leaves IPv4 to others), and, where it holds that for a
 * relayd of this name, all. False: it has closed nothing, or is another relayd's. */
bool link_make_way(const char *path, const char *name, const struct addr *addr, bool only);

struct heritage heritage_none(void);

/* Closes what nobody has taken. */
void heritage_free(struct heritage *heritage);

/* A link over an attached socket, which is taken over with the table; the keeper is given the
 * table's memory if it has another one. *fd -1: there is no keeper, and the thread looks for one;
 * outcome: why, which was said. hold_missing is called with arg. 0 or -errno, with the socket and
 * the table still the caller's. */
int link_init(struct link *link, const struct link_terms *terms, int *fd, struct table *table,
              bool fresh_table, link_hold_missing_fn *hold_missing, void *arg,
              enum link_outcome outcome) MUST_USE;
int link_start(struct link *link) MUST_USE; /* the thread: 0 or -errno */

/* From now on no connection is to outlive this process: a keeper that goes is not missed, and no
 * other one is looked for (which would start it, when both are stopped). Any thread. */
void link_let_end(struct link *link);

/* Ends the thread. Then link_free. */
void link_stop(struct link *link, enum link_end end);
void link_free(struct link *link);

/* A connection, which has a slot, and its two sockets. Any thread that holds a reference to it. */
void link_hold(struct hold *hold, const int fd[2]);

/* The same for one that the keeper has not got, waiting for it. 0 or -errno: then no more can be
 * held now. For link_hold_missing_fn. */
int link_hold_again(struct hold *hold, const int fd[2]) MUST_USE;

/* There was no slot, or no pipe, for a connection. Any thread. */
void link_note_crowded(struct link *link);

/* The connection has ended, its sockets are shut, and its slot is given back, now or as soon as the
 * keeper knows. Any thread; its last act with the slot. */
void link_release(struct hold *hold);

/* The keeper is to let go of what it holds in this slot from before. */
void link_disown(struct link *link, uint32_t slot);

/* A listening socket that stays open until link_release_listener: its index, or -1 if there is no
 * room. Main alone. */
int link_hold_listener(struct link *link, int fd, const struct listen_description *description);

/* What the next relayd must know of one that is held is another thing now. Main alone. */
void link_describe_listener(struct link *link, int index,
                            const struct listen_description *description);

/* As link_hold_listener, for one that the keeper has already, at that index. -1: it is closed here,
 * and stays held for the next relayd. */
void link_keep_listener(struct link *link, int index, int fd);
void link_release_listener(struct link *link, int index);

/* One of a relayd before, or all that are not held again by now: the keeper is to let go of
 * them. */
void link_disown_listener(struct link *link, int index);
void link_disown_listeners(struct link *link);

/* Waits until the keeper has done all that it was told so far, as to let go of a listening socket;
 * a second at most. Main alone. */
void link_settle(struct link *link);

/* Whether a keeper is there; whether one has ever been, and is missed if not. */
bool link_is_up(const struct link *link);
bool link_serves(const struct link *link);

/* What the keeper is to know from now on. Main alone. */
void link_set_terms(struct link *link, usec_t keeper_timeout, const char *name);

#endif
