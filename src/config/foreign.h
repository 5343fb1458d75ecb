/* Words of other programs' configurations, for those who come from there. */
#ifndef CONFIG_FOREIGN_H
#define CONFIG_FOREIGN_H

/* Whose word it is: "nginx", "HAProxy" or "nginx and HAProxy"; NULL: nobody's that is known. */
const char *foreign_find(const char *word);

#endif
