/* GET /: how it is, for people, in a browser; and GET /status.json, what that shows. */
#ifndef CONTROL_PAGE_H
#define CONTROL_PAGE_H

#include "control/question.h"

/* The whole as tables, which a script keeps up to date. Whatever it shows is escaped. */
struct reply page_reply(const struct question *question);

/* {"status": ..., "servers": ..., "events": ..., "problems": ...}. Without question->clients,
 * events that may name a client are left out. */
struct reply page_json_reply(const struct question *question);

#endif
