/**
 * One run of a scenario: its clock, journal, server, clients and timeline, from opening the ports
 * to the verdict.
 */
#ifndef GOTO_RUNNER_SCENARIO_SCENARIO_H
#define GOTO_RUNNER_SCENARIO_SCENARIO_H

#include "base/loop.h"
#include "journal/journal.h"
#include "runner/check/check.h"
#include "server/server.h"

struct scenario;
struct process;

/** What the rest of the runner asks a running scenario. */
struct journal *scenario_journal(const struct scenario *scenario);
struct server *scenario_server(struct scenario *scenario);
uint64_t scenario_seed(const struct scenario *scenario);
struct loop *scenario_loop(const struct scenario *scenario);

/** A process by the name of a program, a client or a background step: NULL if it was never started.
 */
struct process *scenario_process(const struct scenario *scenario, struct str name);

/** For condition_possible(): facts about what can still happen. */
bool scenario_client_ended(const struct scenario *scenario, struct str name);
/** Whether that step can still end: its client runs and has not passed it. False for unknown ones.
 */
bool scenario_step_possible(const struct scenario *scenario, struct str name);
/** Whether that event can still fire. */
bool scenario_event_possible(const struct scenario *scenario, struct str name);
/** Whether anybody but the one who waits now can still make requests or connections. */
bool scenario_traffic_possible(const struct scenario *scenario);
/** Whether a program of that name runs or may still be started. */
bool scenario_output_possible(const struct scenario *scenario, struct str name);

#endif
