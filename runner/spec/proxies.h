/**
 * The proxies of a scenario as a whole: a loop of them would forward for ever, and a `forward`
 * action has to fit what its ports speak (LANGUAGE 5, 8).
 */
#ifndef GOTO_RUNNER_SPEC_PROXIES_H
#define GOTO_RUNNER_SPEC_PROXIES_H

#include "runner/spec/spec.h"

/**
 * Adds errors for loops, as far as they are known before the run: by what ports and routes forward
 * to, and by a `forward` action whose way back no other action changes. What is known only during
 * the run ends at a bound (server/proxy/tcp.h). Called once the document was read.
 */
void spec_check_proxies(struct reader *reader, const struct scenario_spec *scenario);

/** The loops among the ports that were read, in a document with errors. */
void spec_check_loops(struct reader *reader, const struct scenario_spec *scenario);

#endif
