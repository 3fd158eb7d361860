/**
 * The model of a spec: files, scenarios, and what stands in them.
 *
 * A file is read once: its tree, then each document against the tables, so that everything that is
 * wrong is told before a port opens. What may hold variables that are known only during the run
 * (steps, events, verify items, upstreams) keeps its node and is read again just before it is used.
 */
#ifndef GOTO_RUNNER_SPEC_SPEC_H
#define GOTO_RUNNER_SPEC_SPEC_H

#include "base/diag.h"
#include "runner/check/verify.h"
#include "runner/client/run.h"
#include "runner/scenario/attempt.h"
#include "schema/table.h"
#include "server/http/upstream.h"

/** `retry:` of a step. */
struct retry {
    int64_t every_ns; /**< 100 ms */
    int64_t for_ns;   /**< 5 s */
    double backoff;   /**< each pause is so many times the last one; 1 */
    uint64_t times;   /**< tries at most; 0 = as many as fit */
};

/** A step as read; at check time some parts may hold defaults because they are known only later. */
struct step {
    struct str name; /**< data NULL if not written */
    struct place place;
    struct chosen verb;
    const struct node *expect_node; /**< NULL if there is none */
    void *expect;                   /**< as read by the verb's expect type */
    struct list capture;            /**< of struct map_entry whose value is a const struct node * */
    struct retry *retry;
    int64_t timeout_ns; /**< over all tries; 0 = none */
    uint64_t repeat;    /**< 1 */
    bool keep_going;    /**< continue: true */
    bool optional;
    struct str session;     /**< data NULL if none */
    struct list conditions; /**< `if`: of struct map_entry: NAME → struct predicate * */
};

/** [struct step] a step of a client. */
extern const struct type step_type;
/** [struct list of struct map_entry: struct predicate *] the `if` of a step: it is read before the
 * rest of the step, which may speak of what is not there. */
extern const struct type step_if_type;

/** Judges what only a whole document shows, before the run: that the names in `if` are defined,
 * that captures can be read, and that the verb can give what is expected of it. `node` is the step
 * as written. */
void step_check_references(struct reader *reader, const struct node *node, const struct step *step);

/** The verb of a step; NULL when it is an action. */
const struct verb *step_verb(const struct step *step);
/** What an action is called: "close api". */
struct str action_title(struct arena *arena, const struct chosen *chosen);
/** What a step is called in reports: its name, or the verb's words for it. */
struct str step_title(struct arena *arena, const struct step *step);
/** Whether a step makes a check of its own: it has an expect or its verb an implied one. */
bool step_makes_check(const struct step *step);

/** One client. */
struct client_spec {
    struct str name;
    struct place place;
    const struct node *node;
    const struct node **steps; /**< nodes of its steps; one for a client that is a `run` */
    struct step *read;         /**< the same as read at check time */
    struct str *titles;        /**< unique names of the steps' checks */
    size_t count;
    bool single; /**< it is one `run:` */
    bool optional;
};

/** One event. */
struct event_spec {
    struct str name; /**< written, or made from its trigger and action */
    bool named;
    struct place place;
    const struct node *node;
    int64_t at_ns;    /**< -1 = none */
    int64_t every_ns; /**< 0 = none */
    uint64_t times;   /**< of every; 0 = no end */
    int64_t from_ns;  /**< of every; -1 = one interval after t = 0 */
    int64_t jitter_ns;
    struct chosen *when; /**< NULL if none */
    struct event_after *after;
    int64_t for_ns; /**< 0 = not undone */
    bool optional;
    struct list actions; /**< of struct chosen: one, or those of `do` */
};

struct event_after {
    struct chosen condition;
    struct duration delay;
};

/** [struct event_spec] */
extern const struct type event_type;

/** A program in the middle (3.5). */
struct program_spec {
    struct str name;
    struct place place;
    const struct node *node;
    struct run_request *run;
    uint16_t port; /**< 0 = auto */
    struct str host;
    int protocol; /**< enum upstream_protocol */
    struct program_ready
        *ready; /**< NULL: `port: true` when it has a protocol, else started is ready */
    bool optional;
};

struct program_ready {
    bool port;
    struct predicate *output;
    struct str http;
    int64_t within_ns;
};

/** [struct program_spec] */
extern const struct type program_type;

/** `skip:` of a scenario. */
struct skip_spec {
    bool always;
    struct str reason;
    bool skipped; /**< decided when read */
};

/** One scenario: a document of a file. */
struct scenario_spec {
    struct spec_file *file;
    const struct node *node;
    struct place place;
    size_t index;    /**< of the document */
    struct str name; /**< unique in its file */
    struct str description;
    struct list tags; /**< of struct str */
    int64_t timeout_ns;
    bool has_seed;
    uint64_t seed;
    bool alone;
    struct skip_spec skip;
    struct list variables; /**< of struct variable */
    struct list upstreams; /**< of struct map_entry: struct upstream_config; those of `proxies`
                              behind those of `upstreams` */
    struct list programs;  /**< of struct program_spec */
    struct client_spec *clients;
    size_t client_count;
    struct client_spec
        *finally;       /**< the steps of `finally` as a client of that name; NULL if none */
    struct list events; /**< of struct event_spec */
    struct list verify; /**< of struct verify_item */
    struct str *verify_titles;
    bool asks_bytes;     /**< a verify item asks what passed over connections, or may */
    bool speaks_tls;     /**< a port of an upstream speaks TLS, or may at some time */
    bool runs_programs;  /**< a run verb, client, action or program anywhere */
    struct names *names; /**< what the document defines */
};

/** A variable of `vars`. */
struct variable {
    struct str name;
    struct place place;
    const struct json *value; /**< NULL while it is being resolved */
    const struct node *node;
    int state;
};

struct spec_file {
    struct source source;
    struct arena *arena;
    struct documents documents;
    struct scenario_spec **scenarios;
    size_t count;
};

/** What the command line says about variables. */
struct spec_options {
    struct list set;     /**< of struct map_entry: name → const struct json * (--set, --vars) */
    struct list secrets; /**< of struct map_entry: name → const struct json * */
};

/** [struct scenario_spec] a document; what `goto-run schema` prints. */
extern const struct type scenario_type;

/**
 * Reads a file and judges all its documents. Always returns a file (with what could be read);
 * everything that is wrong is in `diagnostics`.
 */
struct spec_file *spec_read(const char *path, const struct spec_options *options,
                            struct diagnostics *diagnostics);
/** The same for a text that is at hand. `name` and `text` must outlive the file. */
struct spec_file *spec_read_text(struct str name, struct str text,
                                 const struct spec_options *options,
                                 struct diagnostics *diagnostics);
void spec_free(struct spec_file *file);

/** The families, for the reference page and for reading. */
extern const struct family verb_family;
/** The condition of a `wait`; NULL: it is another verb. */
const struct chosen *verb_condition(const struct chosen *verb);
extern const struct family action_family;

#endif
