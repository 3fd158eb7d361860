/**
 * The `run` verb: the user's own program, under the supervisor, and its `expect`.
 */
#ifndef GOTO_RUNNER_CLIENT_RUN_H
#define GOTO_RUNNER_CLIENT_RUN_H

#include "runner/client/supervisor.h"
#include "runner/scenario/attempt.h"
#include "schema/body.h"

/** What `run:` says: a list, or a mapping with `command` or `shell`. */
struct run_request {
    struct list command; /**< of struct str; empty when `shell` is given */
    struct str shell;    /**< data NULL if not given */
    struct list env;     /**< of struct map_entry: struct str; data NULL = taken away */
    struct str cwd;      /**< data NULL = the spec's folder */
    struct str input;    /**< standard input */
    int64_t timeout_ns;  /**< 0 = none: TERM, then KILL of the whole group */
    bool background;
    struct place place;
};

/** One output as checked: predicates and the keys of section 2.4. */
struct output_check {
    struct predicate *text; /**< NULL if only other keys are given */
    struct body_check body;
};

/** The `expect` of a program. */
struct run_expect {
    struct predicate *exit;
    struct predicate *signal;
    struct output_check *standard_output;
    struct output_check *standard_error;
    struct predicate *duration;
    struct predicate *error;
};

/** [struct run_request] */
extern const struct type run_type;
/** [struct run_expect] */
extern const struct type run_expect_type;
extern const struct verb run_verb;

/** The command in words and as a shell would take it: "./app --url http://…". */
struct str run_command_line(struct arena *arena, const struct run_request *request);

/** Judges how a process ended (`why`: in words, why it could not be started); `timed_out` adds the
 * failure that says so. */
void run_judge(const struct run_expect *expect, const struct process *process,
               const struct process_end *end, struct str why, int64_t duration_ns, bool timed_out,
               struct place verb_place, struct failures *failures);

/** Bytes kept of each output of a program, and of a line. */
enum { RUN_OUTPUT = 16 * 1024 * 1024, RUN_LINE = 64 * 1024 };
/** Between TERM and KILL. */
#define RUN_GRACE_NS (2 * INT64_C(1000000000))

#endif
