/**
 * Conditions (LANGUAGE 8): what `when`, `after` and `wait` wait for. They look at the whole journal
 * and are kept up to date entry by entry.
 */
#ifndef GOTO_RUNNER_SCENARIO_CONDITION_H
#define GOTO_RUNNER_SCENARIO_CONDITION_H

#include "base/arena.h"
#include "journal/journal.h"
#include "schema/table.h"

struct scenario;

/** The family of conditions: requests connections bytes event step client output messages
 * all any. */
extern const struct family condition_family;

/** A condition that is being watched. */
struct condition;
struct match;

/** What a condition says of requests or messages, as it was read. */
struct condition_rpcs {
    struct str to;             /**< data NULL: all ports */
    const struct match *where; /**< NULL if it has none */
    struct str rpc;            /**< data NULL if it has none */
    struct place rpc_place;
};

/** Calls for each part of a condition that is about requests or messages. What is known only during
 * the run is left out. */
void condition_each_rpcs(const struct chosen *chosen,
                         void (*each)(void *context, const struct condition_rpcs *rpcs),
                         void *context);

/**
 * Starts to watch: what the journal already holds counts. `chosen` comes from a table with
 * condition_family and must live as long. `reader` is used to read what was deferred; NULL result:
 * a diagnostic was added.
 */
struct condition *condition_new(struct arena *arena, struct reader *reader,
                                const struct chosen *chosen, struct scenario *scenario);
/** Tells it of a new entry. Call for every entry in order. */
void condition_entry(struct condition *condition, const struct entry *entry, uint64_t number);
/** Tells it that bytes moved on some port (conditions on bytes have no entries). */
void condition_bytes(struct condition *condition);
bool condition_holds(const struct condition *condition);
/** Whether it can still come to hold; false makes a `wait` fail at once. `*why` in words. */
bool condition_possible(const struct condition *condition, struct arena *arena, struct str *why);
/** "2 requests to api (1 so far)". */
void condition_describe(const struct condition *condition, struct buf *into);
/** Whether any part of it is about bytes. */
bool condition_needs_bytes(const struct condition *condition);
/** Whether it was cut short because the journal has not all that it needs; *why in words, if there
 * is more to say than that entries were dropped. */
bool condition_lost(const struct condition *condition, struct str *why);
/** Why it could not be sure: a body that it asks for is not all in the record. Data NULL: it was.
 */
struct str condition_lack(const struct condition *condition);
/** Has requests that it asks the bodies of be whole before they arrive. */
void condition_ask_bodies(const struct condition *condition);

#endif
