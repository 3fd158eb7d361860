/**
 * One try of a step: what a verb gets to run, and what it gives back.
 *
 * The scenario reads the step with the variables of that moment, makes an attempt and calls the
 * verb's start(). The verb works on the loop and, once it has ended, judges `expect` into
 * `failures` and calls attempt_done() (also from within start()). cancel() ends it early: the verb
 * stops at once, must not call attempt_done(), and keeps no pointer to the attempt.
 */
#ifndef GOTO_RUNNER_SCENARIO_ATTEMPT_H
#define GOTO_RUNNER_SCENARIO_ATTEMPT_H

#include "base/arena.h"
#include "base/loop.h"
#include "runner/check/check.h"
#include "schema/table.h"

struct scenario;
struct client;
struct verb;
struct attempt;

/** Where a step's `capture` finds a value. */
struct capture {
    struct str name;
    struct place place;
    const struct node *node; /**< the mapping with one source: jsonpath, header, body … */
};

struct attempt {
    struct scenario *scenario;
    struct client *client;
    struct loop *loop;
    struct journal *journal;
    struct arena *arena; /**< lives until the step has ended */
    const struct verb *verb;
    void *value;             /**< the verb's value as read by its type */
    void *expect;            /**< the expect mapping as read by verb->expect, or NULL */
    struct place verb_place; /**< of the verb's key: implied failures are placed there */
    struct str name;         /**< of the step */
    uint32_t name_id;        /**< in the journal */
    struct str session;      /**< data NULL = none */
    int64_t start_ns;        /**< monotonic */
    unsigned tries;          /**< how many tries of the step came before this one */
    struct failures failures;
    struct str outcome;                    /**< a few words for the journal: "200 in 3ms" */
    struct str replay;                     /**< a command that repeats it, or empty */
    void *state;                           /**< the verb's */
    void (*done)(struct attempt *attempt); /**< the scenario's; call attempt_done() */
};

/** The try has ended; failures were added. The verb's state must be gone or be freed by
 * free_result(). */
void attempt_done(struct attempt *attempt);

/** What a verb can do. One static struct a verb, beside its table. */
struct verb {
    const struct type *expect; /**< type of its `expect` mapping; NULL: it takes none */
    /** Tells before the run what an expect, as it was read, asks of the verb's value in vain; both
     * may hold what is known only later. May be NULL. */
    void (*check)(struct reader *reader, const void *value, const void *expect);
    bool implied;  /**< it makes a check also without an expect */
    bool sessions; /**< steps with the same `session` share something */
    /** Type of the source of a capture, a mapping with one key; NULL: no captures. */
    const struct type *source;
    void (*start)(struct attempt *attempt);
    /**
     * The step's timeout ran out: ends the try as one whose own limit did (error `timeout`), judges
     * and calls attempt_done(), maybe later. NULL: it is cancelled and fails.
     */
    void (*expire)(struct attempt *attempt);
    /** Ends a running try at once. */
    void (*cancel)(struct attempt *attempt);
    /**
     * A value for a capture after the try ended: source is "jsonpath", "header", "body", …, `node`
     * its value. NULL when nothing is found (*why says what is wrong if the source does not fit the
     * verb).
     */
    const struct json *(*capture)(struct attempt *attempt, const struct node *source,
                                  struct str *why);
    /** Frees what start() made and captures needed; called once after done or cancel. May be NULL.
     */
    void (*release)(struct attempt *attempt);
    /** The default name of a step: "GET ${api}/x"; from the node as written. */
    struct str (*title)(struct arena *arena, const struct node *value);
    /** What it waits for, in words: for "ended within 10s". May be NULL. */
    struct str (*waiting)(struct attempt *attempt, struct arena *arena);
};

#endif
