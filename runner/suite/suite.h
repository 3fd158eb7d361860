/**
 * Many scenarios: which ones, in which order, how many at once, and what they come to.
 */
#ifndef GOTO_RUNNER_SUITE_SUITE_H
#define GOTO_RUNNER_SUITE_SUITE_H

#include "runner/report/report.h"
#include "runner/scenario/run_options.h"
#include "runner/spec/spec.h"

/** One scenario that was selected. */
struct selected {
    const struct scenario_spec *spec;
    size_t file_index;
    unsigned repetition; /**< from 1; 0 = not repeated */
};

struct suite_options {
    struct run_options run;
    unsigned jobs; /**< scenarios at once */
    bool fail_fast;
    struct reporter **reporters;
    size_t reporter_count;
};

/** What a suite came to. */
struct suite_result {
    struct totals totals;
    bool interrupted;
    bool harness_failed;
    int64_t duration_ns;
};

/**
 * Runs the scenarios, in order, several at once, and tells the reporters.
 *
 * SIGINT and SIGTERM end what runs (`finally` is left out) and leave the rest; a second one ends
 * the process at once.
 *
 * @return 0, or a negative errno when there could be no event loop
 */
GOTO_MUST_USE int suite_run(const struct selected *selected, size_t count,
                            const struct suite_options *options, struct suite_result *result);

#endif
