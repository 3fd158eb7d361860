/**
 * A check: one thing that had to hold, its verdict, and why it failed. One check is one test case.
 */
#ifndef GOTO_RUNNER_CHECK_CHECK_H
#define GOTO_RUNNER_CHECK_CHECK_H

#include "base/arena.h"
#include "base/diag.h"
#include "journal/journal.h"
#include "schema/predicate.h"

enum verdict {
    VERDICT_PASS,
    VERDICT_FAIL,  /**< what had to hold did not */
    VERDICT_ERROR, /**< the harness could not do its part (a port taken, memory of the journal gone)
                    */
    VERDICT_SKIP,  /**< not reached, or not to be run; `reason` says why */
};

/** One reason for a failed check; a check may have several. Texts live in the scenario's arena. */
struct failure {
    struct place
        place; /**< of the key of the predicate that failed; the verb where it was implied */
    struct str subject;   /**< "status", "header x-a", "jsonpath $.a"; may be empty */
    struct str predicate; /**< "equals", "at-least"; may be empty */
    struct str expected;  /**< empty when there is only a message */
    struct str actual;
    struct str message; /**< in words; empty when subject/expected/actual say it all */
    struct str note;    /**< a further line, may be empty */
    const struct json *expected_json; /**< both set: show a diff */
    const struct json *actual_json;
    bool subset;
};

struct failures {
    struct arena *arena;
    struct failure *items;
    size_t count;
    size_t capacity;
};

/** Adds a predicate that did not hold. */
void failures_add(struct failures *failures, struct str subject, const struct mismatch *mismatch);
/** Adds a failure in words. */
struct failure *failures_say(struct failures *failures, struct place place, const char *subject,
                             const char *format, ...) GOTO_PRINTF(4, 5);
/**
 * Tests a predicate (NULL: nothing to test) and adds a failure if it does not hold.
 *
 * @return whether it held
 */
bool failures_test(struct failures *failures, const struct predicate *predicate,
                   const char *subject, const struct json *value);
struct loop;
/**
 * The same of a duration between two monotonic times, -1 for one that was not reached. A missed
 * upper bound may be our own lateness: the failure says how late the loop was. `loop` may be NULL.
 */
bool failures_test_time(struct failures *failures, const struct predicate *predicate,
                        const char *subject, int64_t ns, const struct loop *loop, int64_t start_ns,
                        int64_t end_ns);
/** One line: "status: expected 503, got 200". */
struct str failure_line(const struct failure *failure, struct arena *arena);

/** What a check stands for: its kind decides where the message is placed and how it is replayed. */
struct check {
    struct str name;    /**< unique in its file */
    struct place place; /**< where the step, item or rule stands */
    enum verdict verdict;
    struct failures failures;
    struct str reason; /**< VERDICT_SKIP: why */
    struct str replay; /**< a command line that repeats it by hand (curl …), or empty */
    int64_t start_ns;  /**< in the journal's time */
    int64_t end_ns;
    bool ran; /**< it was begun */
};

/** All checks of a scenario, in the order of the spec. */
struct checks {
    struct arena *arena;
    struct check **items;
    size_t count;
    size_t capacity;
};

/** Adds a check (skipped, "not reached", until it is judged). */
struct check *checks_add(struct checks *checks, struct str name, struct place place);
size_t checks_count(const struct checks *checks, enum verdict verdict);

#endif
