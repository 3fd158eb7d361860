/**
 * What the command line says about running scenarios, and how one is run.
 */
#ifndef GOTO_RUNNER_SCENARIO_RUN_OPTIONS_H
#define GOTO_RUNNER_SCENARIO_RUN_OPTIONS_H

#include "base/loop.h"
#include "runner/report/report.h"
#include "runner/spec/spec.h"

struct supervisor;
struct scenario;

struct run_options {
    struct spec_options spec;
    struct supervisor *supervisor; /**< NULL when no spec runs programs */
    bool has_seed;
    uint64_t seed;      /**< of --seed, or drawn once for the run */
    int64_t timeout_ns; /**< of --timeout; 0 = as the scenario says */
    bool keep_tmp;
    bool no_run; /**< programs are refused */
};

/** A scenario ready to run; `done` is called once, when it has ended and its result is complete. */
GOTO_MUST_USE struct scenario *scenario_new(const struct scenario_spec *spec,
                                            const struct run_options *options, struct loop *loop,
                                            void (*done)(void *context, struct scenario *scenario),
                                            void *context);
void scenario_start(struct scenario *scenario);
/** Ends it early: clients are cancelled, `finally` runs, what ran is judged; done() follows. A
 * second call ends `finally`, too. */
void scenario_interrupt(struct scenario *scenario);
/** The result; filled when done() was called. Borrowed. */
void scenario_result(const struct scenario *scenario, struct result *result);
/** Frees it, after done(). */
void scenario_free(struct scenario *scenario);

/** The checks a scenario would make, all skipped for `reason`: for what is not run. */
void scenario_skipped_checks(const struct scenario_spec *spec, struct checks *checks,
                             struct str reason);

#endif
