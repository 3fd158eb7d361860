/**
 * The faults of a scenario as a whole: those on a layer that their port never speaks, and names to
 * heal that no fault has, are errors (LANGUAGE 7, 8).
 */
#ifndef GOTO_RUNNER_SPEC_FAULTS_H
#define GOTO_RUNNER_SPEC_FAULTS_H

#include "runner/spec/spec.h"

/** Adds errors for the faults of upstreams, routes and answers, and for `heal`. (A `fault` action
 * tells its layer by `needs` of struct action_type.) Called once the document was read. */
void spec_check_faults(struct reader *reader, const struct scenario_spec *scenario);

#endif
