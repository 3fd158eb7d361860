/**
 * The inside of a running scenario, shared by the files of this folder.
 *
 * scenario.c     the order of a run, from opening the ports to the verdict
 * ports.c        ports, variables of the run
 * endpoint.c     where a name, an address or a URL leads
 * client.c       clients and their steps
 * timeline.c     events
 * actions.c      doing an action, for events and steps; the runner's own actions
 * programs.c     programs in the middle; probe.c looks whether they are ready
 * running.c      a process and its journal entries
 * rules.c        nothing passes in silence
 * verbs.c        the family of verbs; sleep, wait, verify
 */
#ifndef GOTO_RUNNER_SCENARIO_SCENARIO_PRIVATE_H
#define GOTO_RUNNER_SCENARIO_SCENARIO_PRIVATE_H

#include "base/random.h"
#include "runner/client/http.h"
#include "runner/scenario/condition.h"
#include "runner/scenario/probe.h"
#include "runner/scenario/run_options.h"
#include "runner/scenario/running.h"
#include "runner/scenario/scenario.h"
#include "runner/spec/scope.h"
#include "runner/spec/spec.h"
#include "server/action.h"
#include "server/http/upstream.h"
#include "server/tls/tls.h"

#include <sys/socket.h>

/** A port of the run as variables see it: of an upstream or of a program. */
struct scenario_port {
    struct str name;
    struct place place; /**< of its key in the spec */
    struct str host;
    uint16_t number;
    int protocol;      /**< of a program: enum upstream_protocol */
    struct port *port; /**< NULL for a program */
    struct upstream *upstream;
    struct upstream_config *config;
    int held_fd; /**< a program's number while the program does not run; -1 else */
};

/** A value that was set or captured during the run. */
struct live_value {
    struct live_value *next;
    struct str name;
    const struct json *value;
    uint64_t change; /**< of a `set` that can be undone; 0 = for good */
};

enum client_state { CLIENT_WAITING, CLIENT_RUNNING, CLIENT_ENDED };

/** One client while it runs. */
struct client {
    struct scenario *scenario;
    const struct client_spec *spec;
    uint32_t name_id;
    enum client_state state;
    size_t at; /**< the step */
    bool failed;
    struct live_value *captures;
    struct http_sessions *sessions;
    struct grpc_sessions *grpc_sessions;
    struct step_run *run;  /**< the step under way */
    struct check **checks; /**< of each step; NULL where it makes none */
    bool *steps_ended;
    struct background *backgrounds;
    size_t backgrounds_ending; /**< stopped and not ended yet */
};

/** A program started by a step with `background: true`. */
struct background {
    struct background *next;
    struct client *client;
    struct running *running;
    struct check *check; /**< NULL if the step has no expect */
    struct run_expect *expect;
    struct place place; /**< of the step */
    struct place verb_place;
    bool optional;
    bool was_alive; /**< when its client ended */
    bool asked;     /**< it was asked to end */
    bool judged;
};

/** One event while the scenario runs. */
struct event {
    struct scenario *scenario;
    const struct event_spec *spec;
    struct str name;
    uint32_t name_id;
    struct timer timer; /**< of `at`, `every`, and the delay of `after` */
    struct condition *condition;
    bool waiting; /**< the condition has not held yet */
    bool pending; /**< its time has been set */
    uint64_t fired;
    size_t acting;   /**< firings whose actions are not all done */
    int64_t next_ns; /**< undisturbed time of the next firing of `every`, journal time */
    struct undoing *undoings;
};

/** A change that is taken back after `for`. */
struct undoing {
    struct undoing *next;
    struct event *event;
    struct timer timer;
    struct undo *undo;
    bool done;
};

/** Who waits for a program: until it is ready, until it has ended, or until it has ended and was
 * started anew. */
struct program_waiter {
    struct program_waiter *next;
    enum program_wish { PROGRAM_READY, PROGRAM_ENDED, PROGRAM_RESTARTED } wish;
    void (*told)(void *context, struct str why);
    void *context;
};

/** A program in the middle. */
struct program {
    struct scenario *scenario;
    const struct program_spec *spec;
    struct scenario_port *port;
    struct running *running;
    struct program_ready ready;
    struct timer timer; /**< the next look */
    struct probe probe; /**< of its port, while it is not ready */
    uint64_t seen;      /**< journal entries looked at */
    bool is_ready;
    bool stopped_by_action;
    int signalled; /**< the last signal that an action sent it; 0 = none */
    int64_t deadline_ns;
    struct program_waiter *waiters; /**< in the order they came */
};

enum phase {
    PHASE_NEW,
    PHASE_STARTING,
    PHASE_RUNNING,
    PHASE_SETTLING,
    PHASE_FINALLY,
    PHASE_STOPPING,
    PHASE_DONE
};

struct scenario {
    const struct scenario_spec *spec;
    const struct run_options *options;
    struct loop *loop;
    struct arena *arena;
    struct journal *journal;
    struct server server;
    uint64_t seed;
    enum phase phase;
    struct str folder;               /**< of the spec, absolute */
    struct str tmp;                  /**< made at the first use; empty before */
    struct str tls_files[TLS_FILES]; /**< paths of those that were written; data NULL = not yet */
    struct spec_scope scope;         /**< of the scenario itself: upstreams, events */
    struct live_value *set;          /**< newest first: the newest of a name counts */
    uint64_t changes;                /**< numbers given by scenario_set() */
    struct scenario_port *ports;
    size_t port_count;
    struct program *programs;
    size_t program_count;
    size_t programs_started; /**< at the beginning: how many are ready */
    struct client *clients;
    size_t client_count;
    struct client *finally;
    struct event *events;
    size_t event_count;
    bool timeline_closed;  /**< all clients have ended: no event fires any more */
    bool timeline_stopped; /**< no action of an event begins any more */
    struct running *running;
    struct http_client *http;
    struct grpc_reflected *reflected; /**< what far sides told of their types */
    struct checks checks;
    struct check **verify_checks;
    struct timer timeout;
    struct timer settle;
    unsigned observer;
    struct action_job *jobs; /**< actions that are not done yet */
    struct wait *waits;      /**< steps that wait for conditions */
    struct timer doubt;      /**< some of these seem to wait in vain */
    bool looking;            /**< conditions are being looked at */
    bool look_again;
    bool ran; /**< t = 0 has come */
    bool timed_out;
    bool interrupted;
    bool harness_failed;
    int64_t started_wall_ns;
    int64_t started_ns;
    int64_t duration_ns;
    void (*done)(void *context, struct scenario *scenario);
    void *context;
};

/* ports.c */
/** Takes all port numbers and reads the upstreams with the variables of the run. 0, or the failure
 * was added. */
GOTO_MUST_USE int scenario_open_ports(struct scenario *scenario);
void scenario_close_ports(struct scenario *scenario);
struct scenario_port *scenario_find_port(const struct scenario *scenario, struct str name);
/** The base URL of this moment: "http://127.0.0.1:1234", or "127.0.0.1:1234" where it has no
 * scheme.
 */
struct str scenario_port_url(const struct scenario_port *port, struct arena *arena);
/** What a port speaks now: enum upstream_protocol. */
int scenario_port_protocol(const struct scenario_port *port);
/** Whether programs are told of the run's authority: a port may speak TLS, or the spec uses
 * `${ca}`. */
bool scenario_wants_ca(const struct scenario *scenario);
/**
 * The path of a file of the run's authority in the private folder, written at the first use.
 *
 * @return true, or false with *why (in the arena)
 */
GOTO_MUST_USE bool scenario_tls_file(struct scenario *scenario, enum tls_file file,
                                     struct arena *arena, struct str *path, struct str *why);
/** server->program of a run: where its programs listen. */
bool scenario_program_endpoint(const struct server *server, struct str name,
                               struct endpoint *endpoint);
struct str scenario_folder(const struct scenario *scenario);
/** The scope of a client's steps: its captures, or all captures for `finally`. */
void scenario_scope(struct scenario *scenario, struct client *client, struct spec_scope *scope);

/** Why something of the spec could not be read during the run. */
struct read_fault {
    struct place place;
    struct str why; /**< in the arena that was read into */
};
/**
 * Reads a node with the variables of this moment into `into`, which holds the defaults.
 *
 * @return true, or false with *fault filled (it may be NULL)
 */
GOTO_MUST_USE bool scenario_read(const struct spec_scope *scope, struct arena *arena,
                                 const struct type *type, const struct node *node, void *into,
                                 struct read_fault *fault);
/** An address for bind() or connect(); "localhost" is 127.0.0.1. 0 if the host is no address. */
socklen_t scenario_sockaddr(struct str host, uint16_t number, struct sockaddr_storage *address);

/** Sets a variable: for good (what was set before is forgotten), or so that scenario_unset() can
 * lift this change and no other by the number that is returned. */
uint64_t scenario_set(struct scenario *scenario, struct str name, const struct json *value,
                      bool undoable);
void scenario_unset(struct scenario *scenario, uint64_t change);
/** Gives a held number free for its program, or takes it again. */
void scenario_port_release(struct scenario_port *port);

/* client.c */
void client_init(struct client *client, struct scenario *scenario, const struct client_spec *spec);
void client_start(struct client *client);
/** Keeps a captured value. */
void client_capture(struct client *client, struct str name, const struct json *value);
/** Ends it at once: what is under way is cancelled. */
void client_cancel(struct client *client, const char *reason);
void client_clear(struct client *client);
/** Whether it goes on when the step under way fails. */
bool client_goes_on(const struct client *client);
/** "main waits in 'GET /x': an answer from …": for the timeout's message. */
void client_describe(const struct client *client, struct buf *into);
/** A program that was started in the background by this client and not judged yet ended. */
void background_ended(void *context, struct running *running);

/* timeline.c */
void timeline_init(struct scenario *scenario);
void timeline_start(struct scenario *scenario);
/** No event fires any more; what has fired goes on. */
void timeline_close(struct scenario *scenario);
/** The first event whose actions are not all done, or NULL. */
const struct event *timeline_acting(const struct scenario *scenario);
/** Nothing is done any more, and what was changed for a time is put back. */
void timeline_stop(struct scenario *scenario);
/** Looks at all conditions of events and waits; called after each entry. */
void scenario_look(struct scenario *scenario);
/** From now on conditions are told of bytes that move. */
void scenario_watch_bytes(struct scenario *scenario);

/* actions.c */
/**
 * Does an action now, with the variables of `scope`.
 *
 * @param event whose action it is, NULL: a step's; one with `for` wants its undo
 * @param undo  filled for such an event
 * @param done  called with an empty `why` once it is done, maybe before this returns
 */
struct action_job;
struct action_job *
scenario_act(struct scenario *scenario, struct spec_scope *scope, const struct chosen *chosen,
             const struct event *event, struct undo **undo,
             void (*done)(void *context, struct str why, bool harness, struct place place),
             void *context);
/** Nobody waits for it any more. */
void action_job_forget(struct action_job *job);
/** The runner's own actions but `run`, which as a step is a verb. */
extern const struct member runner_actions[];
/** Frees actions that were never done; nobody is told. */
void scenario_free_jobs(struct scenario *scenario);

/* programs.c */
void program_init(struct program *program, struct scenario *scenario,
                  const struct program_spec *spec);
/**
 * Starts it and calls told(context, why) once it is ready (why empty) or failed.
 *
 * One that is being stopped is started anew when it has ended.
 */
void program_start(struct program *program, void (*told)(void *context, struct str why),
                   void *context);
/** Stops it and calls told(context, why) once it has ended. */
void program_stop(struct program *program, void (*told)(void *context, struct str why),
                  void *context);
void program_clear(struct program *program);
struct program *scenario_find_program(const struct scenario *scenario, struct str name);

/* rules.c */
/** Adds the checks of the rules that were broken: nothing passes in silence. */
void scenario_judge_rules(struct scenario *scenario);
/** "the script of api expected 4 bytes, got nothing": of all that wait or failed. */
void scenario_describe_scripts(const struct scenario *scenario, struct buf *into);
/** Adds a failed check of its own with a unique name. */
struct check *scenario_fail(struct scenario *scenario, struct place place, struct str name,
                            const char *format, ...) GOTO_PRINTF(4, 5);

/* verbs.c */
/** A step that waits for a condition. */
struct wait {
    struct wait *next;
    struct attempt *attempt;
    struct condition *condition;
    struct timer timer;
    bool held;
};
/** Looks at one wait; ends it if its condition holds, doubts if it can no longer. */
void wait_look(struct wait *wait);
/**
 * Of `doubt`: reads what the kernel still holds; if that brings nothing, the wait that is the first
 * to give up fails. Only one at a time: what its client does next may be what others wait for.
 */
void waits_doubt(struct timer *timer);

/* scenario.c */
/** Reads whatever the kernel still holds on sockets and pipes. */
void scenario_read_rest(struct scenario *scenario);
/** A client has ended; goes on when all have, and with them the actions of what has fired. */
void scenario_client_done(struct scenario *scenario, struct client *client);
/** All actions of a firing are done. */
void scenario_firing_done(struct scenario *scenario);
void scenario_program_changed(struct scenario *scenario);
/** Marks a failure of the harness itself. */
void scenario_harness_failed(struct scenario *scenario);

#endif
