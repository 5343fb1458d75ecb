/* A process that has keys in memory. */
#ifndef BASE_SECRETS_H
#define BASE_SECRETS_H

/* From now on this process makes no core, whatever the limit, and no other one of its user traces
 * it, reads its memory, or opens or copies what it has open, as the memory that it shares: root
 * alone does (PR_SET_DUMPABLE of prctl(2); ptrace(2), proc(5)). Nothing in the build of a
 * sanitizer, whose leak checker is such a process. Any thread, any number of times. */
void secrets_keep(void);

#endif
