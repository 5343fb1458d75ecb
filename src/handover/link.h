/* The link to relayd-keeper, and the thread that looks after it.
 *
 * never_waits: to hold or release is one sendmsg(2) that does not wait. If the keeper is slow or
 * gone, connections go on unheld, and the thread sends the rest later; a new keeper gets all.
 *
 * same_number: the thread replaces the socket under its number (dup3(2)), so senders need no lock:
 * a message goes to the old or the new. An epoch counts keepers: what an earlier one held is held
 * again; twice is harmless. */
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

/* Holds (link_hold_again) what the keeper of this epoch lacks. The link's thread. */
typedef void link_hold_missing_fn(void *arg, unsigned epoch);

struct link_terms {
    const char *path; /* of its socket */
    const char *name; /* this instance's: others get nothing it has */
    size_t room;      /* connections that may come */
    usec_t keeper_timeout;
};

/* What a keeper held at the start. */
struct heritage {
    size_t n_slots;                      /* connections that it can hold */
    usec_t gone;                         /* when the previous relayd went; 0: none */
    int table;                           /* -1: none */
    int listeners[KEEPER_LISTENERS_MAX]; /* -1: none */
    struct legacy {
        uint32_t slot;
        int fd[KEEPER_FDS]; /* -1: none; all of them: there were no descriptors for it */
    } * conns;
    size_t n_conns, room;
};

/* When this process ends, the keeper: */
enum link_end {
    LINK_FORGET, /* drops all */
    LINK_LEAVE,  /* holds all for the next relayd; untouched here */
};

enum link_outcome {
    LINK_OK = 0,
    LINK_NOBODY,  /* nothing listens there */
    LINK_SILENT,  /* it takes no messages or does not answer */
    LINK_BUSY,    /* another relayd is attached */
    LINK_FOREIGN, /* it holds another one's connections */
    LINK_OTHER_VERSION,
    LINK_UNTRUSTED,
    LINK_FAILED, /* by an errno: link_why.error */
};

/* For the log. */
struct link_why {
    int error;                /* of LINK_FAILED */
    bool want;                /* the same, of memory or descriptors in this process */
    unsigned version;         /* the keeper's; 0: it named none */
    char text[TRUST_WHY_MAX]; /* whom it serves, or why it is not trusted */
};

struct link {
    int fd; /* always open, see same_number */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct table *table;
    link_hold_missing_fn *hold_missing;
    void *arg;
    _Atomic bool serves;      /* a keeper has been there: connections get slots */
    _Atomic unsigned epoch;   /* 0: no keeper */
    _Atomic usec_t last_hold; /* when the last connection came */
    _Atomic bool crowded;     /* a connection found no slot */
    _Atomic bool unsent;      /* something could not be sent */
    _Atomic bool terms_unsent;
    _Atomic bool ends; /* nothing shall outlive this process: no keeper is missed */
    _Atomic bool stop;
    struct thread thread; /* whose these are: */
    bool warned;          /* that connections are not held */
    bool warned_crowded;  /* that there are too few slots */
    bool warned_lost;     /* that the keeper is out of descriptors */
    unsigned logged;      /* outcomes (bits) since a keeper was there */
    unsigned epochs;      /* keepers so far */
    usec_t pinged;        /* when it asked; 0: answered */
    struct lock lock;
    uint32_t *releases GUARDED; /* unsent, as in a message */
    size_t n_releases GUARDED;
    size_t pings GUARDED, pongs GUARDED; /* so far (link_pings.c) */
    struct cond answered;
    usec_t keeper_timeout GUARDED;
    char name[KEEPER_NAME_MAX] GUARDED;
    struct lock listeners_lock;                  /* outer: held while the keeper is told */
    int listeners[KEEPER_LISTENERS_MAX] GUARDED; /* -1: none; the acceptors own them */
    bool listeners_unsent[KEEPER_LISTENERS_MAX] GUARDED;
};

/* Takes what is held, for heritage_free; on failure sets *ret_why. drop: the keeper first drops
 * what it holds; it also does so if there is want. Waits some seconds at most. */
enum link_outcome link_attach(const struct link_terms *terms, bool drop, int *ret_fd,
                              struct heritage *ret_heritage, struct link_why *ret_why) MUST_USE;

/* Why there is no keeper. by_chance: the path is the default, not asked for. */
void link_log_outcome(enum link_outcome outcome, const struct link_why *why, const char *path,
                      bool by_chance);

/* Waits, some seconds at most, until the keeper has done all it was told. Before link_start. 0 or
 * -errno. */
int link_await_pong(int fd);

/* The keeper drops all that it holds for this link, and has done so when this returns, unless it is
 * silent: listening sockets are closed then, and can be bound anew. The same. */
void link_drop_held(int fd);

struct heritage heritage_none(void);

/* Closes what nobody took. */
void heritage_free(struct heritage *heritage);

/* Takes an attached socket and the table, whose memory is sent if fresh. *fd -1: no keeper
 * (outcome: why, as logged), the thread looks for one. 0, or -errno with socket and table still
 * the caller's. */
int link_init(struct link *link, const struct link_terms *terms, int *fd, struct table *table,
              bool fresh_table, link_hold_missing_fn *hold_missing, void *arg,
              enum link_outcome outcome) MUST_USE;
int link_start(struct link *link) MUST_USE; /* 0 or -errno */

/* Nothing shall outlive this process: a keeper that goes is not missed, and no other looked for,
 * which would start it while both are being stopped. Any thread. */
void link_let_end(struct link *link);

/* Ends the thread; then link_free. */
void link_stop(struct link *link, enum link_end end);
void link_free(struct link *link);

/* Sends a connection that has a slot. Any thread with a reference to it. */
void link_hold(struct hold *hold, const int fd[2]);

/* The same, waiting for the keeper, for one that it lacks. 0, or -errno: nothing more can be sent
 * now. For a link_hold_missing_fn. */
int link_hold_again(struct hold *hold, const int fd[2]) MUST_USE;

/* A connection found no slot, or no pipe. Any thread. */
void link_note_crowded(struct link *link);

/* Its sockets are shut: gives the slot back, now or once the keeper knows. The caller uses it no
 * more. Any thread. */
void link_release(struct hold *hold);

/* The keeper releases what it holds there from before. */
void link_disown(struct link *link, uint32_t slot);

/* The socket stays open until link_release_listener: its index, or -1: no room. Main. */
int link_hold_listener(struct link *link, int fd, const struct listen_description *description);

/* Changes what the next relayd will know of a held one. Main. */
void link_describe_listener(struct link *link, int index,
                            const struct listen_description *description);

/* As link_hold_listener, for a socket the keeper already has at that index. -1: closed here, still
 * held for the next relayd. */
void link_keep_listener(struct link *link, int index, int fd);
void link_release_listener(struct link *link, int index);

/* The keeper releases one of a previous relayd, or all not held again by now. */
void link_disown_listener(struct link *link, int index);
void link_disown_listeners(struct link *link);

/* Waits, a second at most, until the keeper has done all it was told so far. Main. */
void link_sync(struct link *link);

/* A keeper is there; one has ever been (and is missed if not). */
bool link_is_up(const struct link *link);
bool link_serves(const struct link *link);

/* What the keeper knows from now on. Main. */
void link_set_terms(struct link *link, usec_t keeper_timeout, const char *name);

#endif
