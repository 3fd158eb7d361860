/**
 * A document as its table reads it, before spec.c makes a scenario of it.
 */
#ifndef GOTO_RUNNER_SPEC_DOCUMENT_H
#define GOTO_RUNNER_SPEC_DOCUMENT_H

#include "runner/spec/spec.h"

struct document_read {
    struct str name;
    struct str description;
    struct list tags;
    int64_t timeout_ns;
    uint64_t seed;
    bool alone;
    struct skip_spec skip;
    const struct node *later; /**< keys that this version does not have */
    struct list vars;
    struct list upstreams;
    struct list proxies;
    struct list programs;
    struct list clients;
    struct list steps;
    struct list events;
    struct list verify;
    struct list finally;
};

extern const struct table document_table;
/** Of `skip`: read on its own before the rest, which may stand on what is not there. */
extern const struct type skip_type;

#endif
