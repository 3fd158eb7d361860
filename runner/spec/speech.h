/**
 * What the ports of a scenario ever speak, and errors for what fits none of it (LANGUAGE 7: "a
 * fault (or `tls`) on a layer that no protocol the port ever has in the scenario speaks").
 *
 * A port has the protocol of its upstream and those of every `switch` in events (`do` included),
 * in steps of all clients and in `finally`. A protocol, port or ALPN with a variable that is known
 * only during the run may be anything: then the port may speak everything, and what does not fit is
 * told when it is done.
 *
 * Whatever in a spec fits only some layers asks here when the document was read: an action by
 * `needs` of its struct action_type (server/action.h), everything else by spec_need_speech() in
 * spec_check_speech(), at its own place.
 */
#ifndef GOTO_RUNNER_SPEC_SPEECH_H
#define GOTO_RUNNER_SPEC_SPEECH_H

#include "runner/spec/spec.h"

/** All that the port of an upstream ever speaks in the scenario: bits of enum speech. SPEECH_ANY
 * for a name that is no upstream's. The reader's scope is that of the scenario. */
unsigned spec_port_speaks(struct reader *reader, const struct scenario_spec *scenario,
                          struct str port);

/**
 * Adds an error unless the port ever speaks one of `speech` (0: nothing is asked).
 *
 * @param what what needs it, in quotes: "'goaway'"
 */
void spec_need_speech(struct reader *reader, const struct scenario_spec *scenario, struct str port,
                      unsigned speech, struct place place, struct str what);

/** Checks the keys of all upstreams and all actions of a document that was read without error. */
void spec_check_speech(struct reader *reader, const struct scenario_spec *scenario);

/** What can be told of upstreams that were read in a document with errors, whose actions are not
 * known: keys and faults that do not fit what they speak, if there is no `switch` at all. */
void spec_check_ports_alone(struct reader *reader, const struct scenario_spec *scenario);

/** Calls for every action of the scenario: of steps, of `finally`, of events with their `do`. */
void spec_each_action(const struct scenario_spec *scenario,
                      void (*each)(void *context, const struct chosen *chosen), void *context);

/** Calls for every item of `verify`, also where it stands as a step. */
void spec_each_verify(const struct scenario_spec *scenario,
                      void (*each)(void *context, const struct verify_item *item), void *context);

/** The upstreams with what every `switch` makes of them behind: a list of struct map_entry of
 * struct upstream_config, where a name may stand several times. */
struct list spec_upstreams_ever(const struct scenario_spec *scenario, struct arena *arena);

#endif
