/**
 * The names that a document defines: collected before anything is read, so that references may
 * stand before definitions. Collecting is tolerant; what is malformed is told by the tables.
 */
#ifndef GOTO_RUNNER_SPEC_NAMES_H
#define GOTO_RUNNER_SPEC_NAMES_H

#include "schema/table.h"

/** One name of a kind. */
struct name_entry {
    struct str name;
    struct place place;
    bool is_program; /**< NAME_PORT: of `programs` */
};

struct name_list {
    struct name_entry *items;
    size_t count;
    size_t capacity;
};

struct names {
    struct arena *arena;
    struct name_list ports;  /**< upstreams, proxies, programs */
    struct name_list routes; /**< "api.foobar" */
    struct name_list clients;
    struct name_list programs;
    struct name_list running; /**< programs, clients that run one, background steps */
    struct name_list events;
    struct name_list steps;
    struct name_list variables; /**< of vars */
    struct name_list captures;
    struct name_list set; /**< targets of `set` actions */
};

/** The names of a document. */
struct names *names_collect(struct arena *arena, const struct node *document);
/** Adds diagnostics for names that are taken twice or are built-in ones. */
void names_check(const struct names *names, struct diagnostics *diagnostics);
/** Adds the names of ports, programs and captures that --set, --vars or --secret (a list of struct
 * map_entry) give a value, too: it would never be seen. */
void names_check_given(const struct names *names, const struct list *given,
                       struct diagnostics *diagnostics);
/** The entry of a name, or NULL. */
const struct name_entry *names_find(const struct name_list *list, struct str name);
/** The list of a kind. */
const struct name_list *names_of_kind(const struct names *names, enum name_kind kind);
/** Whether a name is built in: env ca tmp seed spec-dir client-cert client-key. */
bool names_is_built_in(struct str name);

#endif
