/* What becomes of a failed accept4(2). */
#ifndef LISTEN_ACCEPT_FAILURE_H
#define LISTEN_ACCEPT_FAILURE_H

enum accept_failure {
    ACCEPT_FAILURE_PEER,      /* the client is gone, or its network: on to the next */
    ACCEPT_FAILURE_RESOURCES, /* ours to wait for */
    ACCEPT_FAILURE_OTHER,
};

/* Which it is, of an errno; and it is counted. Any thread. */
enum accept_failure accept_failure_count(int error);

#endif
