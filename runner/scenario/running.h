/**
 * A program that runs (or ran) in a scenario: its process, its lines and its end in the journal.
 */
#ifndef GOTO_RUNNER_SCENARIO_RUNNING_H
#define GOTO_RUNNER_SCENARIO_RUNNING_H

#include "runner/client/run.h"
#include "runner/client/supervisor.h"

struct running;

/** What its owner hears; both may be NULL. Called on the loop's thread, never from within
 * running_start(). */
struct running_handler {
    void (*started)(void *context, struct running *running);
    void (*ended)(void *context, struct running *running);
};

/** One program; in the scenario's list until the scenario is freed. */
struct running {
    struct running *next; /**< older ones */
    struct scenario *scenario;
    struct str name;
    uint32_t name_id;
    struct process *process;
    struct running_handler handler;
    void *context;
    struct process_end end;
    bool started;
    bool ended;
    bool stopping;  /**< an action or the scenario asked it to end */
    bool timed_out; /**< its own `timeout` or that of its step ran out */
    struct timer timeout;
    int64_t start_ns; /**< monotonic */
    int64_t end_ns;
};

/**
 * Starts a program by the name `name`.
 *
 * @return NULL with *why when this run may not start programs
 */
struct running *running_start(struct scenario *scenario, struct str name,
                              const struct run_request *request,
                              const struct running_handler *handler, void *context,
                              struct str *why);
/** Why it could not be started, in words. */
struct str running_error(const struct running *running);
/** The owner goes: nothing is told to it any more. */
void running_forget(struct running *running);
/** TERM, then KILL of the whole group; it is expected to end from here on. */
void running_stop(struct running *running);
/** Its time ran out: TERM, then KILL of the whole group; nobody expected it to end so. */
void running_expire(struct running *running);
/** A step with `background: true` hands its program to its client (implemented by the scenario). */
void client_take_background(struct attempt *attempt, struct running *running);
/** Frees the process (killing it if it lives); called by the scenario. */
void running_free(struct running *running);

#endif
