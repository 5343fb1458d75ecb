/* Who may come in: what operators block, allow, deny, proxy_from, and each client's limits. Any
 * thread. */
#ifndef ROAD_ADMIT_H
#define ROAD_ADMIT_H

#include "base/prefix.h"
#include "listen/client_table.h"
#include "road/job.h"

/* Before anything is read: END_NONE, END_BLOCKED, END_DENIED, or END_SENDER_DENIED. */
enum end admit_peer(const struct job *job) MUST_USE;

/* Counts the client in job->has.seat (in the listener's gate), unless a PROXY header has yet to
 * name it. END_NONE, END_CLIENT_CONNECTIONS (after a moment's wait for one that is ending), or
 * END_CLIENT_RATE. */
enum end admit_client(struct job *job) MUST_USE;

/* Judges the client that a PROXY header has named, as both do. */
enum end admit_named(struct job *job) MUST_USE;

/* How a client would fare now that comes by itself, or that a PROXY header names. Counts
 * nothing. */
struct admit_look {
    enum end end;             /* as of admit_named */
    int listed;               /* enum access of the prefix that decides; -1: none does */
    struct prefix prefix;     /* that */
    struct client_look count; /* its connections and rate */
};
struct admit_look admit_look(const struct route *route, const struct addr *client);

#endif
