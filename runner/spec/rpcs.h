/**
 * The rpcs that conditions and `verify` name, and the messages that they compare with: on a port
 * that only ever speaks gRPC they are those of its protos. A name that no proto has would count
 * nothing, and `count: 0` would hold in silence.
 */
#ifndef GOTO_RUNNER_SPEC_RPCS_H
#define GOTO_RUNNER_SPEC_RPCS_H

#include "runner/spec/spec.h"

/** Adds errors for them; called once the document was read. */
void spec_check_rpcs(struct reader *reader, const struct scenario_spec *scenario);

#endif
