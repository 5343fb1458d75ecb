/* A file that a test and a relayd with each_call.so share: which call fails next, and which calls
 * there were. Numbers are in the order of this machine; calls.py lays it out in the same way. */
#ifndef FAULTS_EACH_CALL_H
#define FAULTS_EACH_CALL_H

#include <stdatomic.h>
#include <stdint.h>

#define FAULTS_MAGIC 0x31534c4c4143ULL
#define FAULTS_SITES 4096

struct faults {
    uint64_t magic;
    _Atomic uint64_t site;  /* of the call that fails; 0: none does */
    _Atomic int32_t before; /* so many calls at this site are left alone first */
    int32_t error; /* what it fails with; 0: it does as little as it can, without an error */
    _Atomic uint32_t fired;
    uint32_t unused;
    _Atomic uint64_t
        from; /* calls are counted, and fail, from the one at this site on; 0: they are */
    struct faults_seen { /* a site is where a call returns to, from where the program is loaded */
        _Atomic uint64_t site;
        _Atomic uint64_t calls;
    } seen[FAULTS_SITES];
};

#endif
