/**
 * What a `${name}` means: at check time only what is known before the run, during the run
 * everything.
 */
#ifndef GOTO_RUNNER_SPEC_SCOPE_H
#define GOTO_RUNNER_SPEC_SCOPE_H

#include "runner/spec/names.h"
#include "runner/spec/spec.h"

/**
 * A scope over a scenario's spec. At check time `live` is NULL: what is known only during the run
 * is RESOLVE_LATER. During the run `live` is asked first for what changes: ports, captures, set
 * variables.
 */
struct spec_scope {
    struct scope scope;
    const struct scenario_spec *spec;
    const struct spec_options *options;
    unsigned depth;    /**< of variables that refer to variables */
    unsigned *lookups; /**< of variables on the way to the value of one; NULL outside of it */
    /** RESOLVE_OK, RESOLVE_FAILED with *why, or RESOLVE_LATER for "not mine". */
    enum resolve_result (*live)(const struct spec_scope *scope, struct arena *arena,
                                struct str name, const struct json **value, struct str *why);
    void *context; /**< live's */
    void *client;  /**< live's, too */
};

void spec_scope_init(struct spec_scope *scope, const struct scenario_spec *spec,
                     const struct spec_options *options);

#endif
