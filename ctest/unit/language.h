/**
 * A small invented language with everything that tables can do: for the tests of the reader, the
 * JSON Schema and the reference.
 */
#ifndef GOTO_CTEST_LANGUAGE_H
#define GOTO_CTEST_LANGUAGE_H

#include "schema/table.h"

#include <string.h>

struct limits {
    uint64_t most;
    int64_t idle_ns;
    bool checked; /* set by its check */
};

static void limits_preset(void *into)
{
    *(struct limits *)into = (struct limits){.most = 7, .idle_ns = 60000000000};
}

static enum read_result limits_check(struct reader *reader, const struct node *node, void *into)
{
    struct limits *limits = into;
    limits->checked = true;
    if (limits->most != 13)
        return READ_OK;
    diagnostics_add(reader->diagnostics, node->place, "13 brings bad luck");
    return READ_FAILED;
}

static const struct row limits_rows[] = {
    {"most", &type_count, offsetof(struct limits, most), 0, "7", "How many at once."},
    {"idle", &type_time, offsetof(struct limits, idle_ns), 0, "60s", "How long nothing may come."},
    {"pool", NULL, 0, ROW_LATER, NULL, "A pool of them."},
};
static const struct table limits_table = {TABLE_ROWS("limits", limits_rows),
                                          .doc = "Bounds of a thing.", .preset = limits_preset,
                                          .check = limits_check, .empty_allowed = true};
static const struct type limits_type = TYPE_TABLE(&limits_table, struct limits);
static const struct type limits_pointer = TYPE_POINTER(&limits_type);

struct request {
    struct str url;
    uint64_t status;
    struct list headers;
};

static const struct type text_map = TYPE_MAP(&type_text);

static const struct row request_rows[] = {
    {"url", &type_string, offsetof(struct request, url), ROW_REQUIRED, NULL, "Where to."},
    {"status", &type_status, offsetof(struct request, status), 0, "200", "What comes back."},
    {"headers", &text_map, offsetof(struct request, headers), 0, NULL, "By name | in order."},
};
static const struct table request_table = {TABLE_ROWS("request", request_rows),
                                           .doc = "One request.", .shorthand = "url"};
static const struct type request_type = TYPE_TABLE(&request_table, struct request);

static const enum name_kind port_kind = NAME_PORT;
static const struct type port_name = TYPE_NAME(&port_kind);
static const struct type words_type = TYPE_ONE_OR_LIST(&type_text);

static const struct member client_members[] = {
    {"http", &request_type, "Sends a request.", NULL, 0},
    {"run", &words_type, "Runs a program.", NULL, 0},
    {"grpc", NULL, "Calls a method.", NULL, ROW_LATER},
    {0},
};
static const struct member action_members[] = {
    {"close", &port_name, "Closes a port.", NULL, 0},
    {"stop", &type_true, "Ends it all.", NULL, 0},
    {"limit", &limits_type, "Sets limits.", NULL, 0},
    {"note", &type_node, "Keeps a value as written.", NULL, 0},
    {0},
};
static const struct member *const verb_groups[] = {client_members, action_members, NULL};
static const struct family verb_family = {"verb", verb_groups};

struct step {
    struct str name;
    struct limits limits; /* included */
    struct chosen verb;
    struct json *json;
    struct json *literal;
    struct duration delay;
    bool checked;
};

static enum read_result step_check(struct reader *reader, const struct node *node, void *into)
{
    (void)reader;
    (void)node;
    ((struct step *)into)->checked = true;
    return READ_OK;
}

static const struct row step_rows[] = {
    {"name", &type_string, offsetof(struct step, name), 0, NULL, "What it is called."},
    {NULL, &limits_type, offsetof(struct step, limits), ROW_INCLUDE, NULL, NULL},
    {"json", &type_json, offsetof(struct step, json), 0, NULL, "Any value."},
    {"literal", &type_json_literal, offsetof(struct step, literal), 0, NULL, "A literal."},
    {"delay", &type_duration, offsetof(struct step, delay), 0, "0ms", "Waits before."},
};
static const struct table step_table = {TABLE_ROWS("step", step_rows), .doc = "One thing to do.",
                                        .check = step_check, .family = &verb_family,
                                        .family_offset = offsetof(struct step, verb)};
static const struct type step_type = TYPE_TABLE(&step_table, struct step);
static const struct type steps_type = TYPE_LIST(&step_type);

enum { COLOR_RED = 3, COLOR_GREEN, COLOR_ONE };
static const struct choice colors[] = {{"red", COLOR_RED, "Like blood."},
                                       {"green", COLOR_GREEN, "Like grass."},
                                       {"1.1", COLOR_ONE, "Like nothing."},
                                       {0}};
static const struct type color_type = TYPE_CHOICE(colors);

struct fault {
    struct chosen what;
    struct step once; /* included, with a family of its own */
};

static const struct member fault_members[] = {{"reset", &type_true, "A RST.", NULL, 0}, {0}};
static const struct member *const fault_groups[] = {fault_members, NULL};
static const struct family fault_family = {"fault", fault_groups};
static const struct row fault_rows[] = {
    {NULL, &step_type, offsetof(struct fault, once), ROW_INCLUDE, NULL, NULL},
};
static const struct table fault_table = {TABLE_ROWS("fault", fault_rows), .family = &fault_family,
                                         .family_offset = offsetof(struct fault, what),
                                         .family_optional = true};
static const struct type fault_type = TYPE_TABLE(&fault_table, struct fault);

struct thing {
    int color;
    struct limits *limits;
    struct list steps;
    bool flag;
    uint64_t size;
    struct size_range range;
    double share;
    int64_t integer;
    uint64_t positive;
    struct str text;
    struct str new_name;
    const struct node *node;
    struct place place;
    struct fault *fault;
    struct list inner; /* of struct map_entry of struct thing */
    uint64_t *maybe;
    struct list words;
    struct limits embedded;
};

extern const struct type thing_type;
static const struct type things_type = TYPE_NAMED_MAP(&thing_type);
static const struct type count_pointer = TYPE_POINTER(&type_count);
static const struct type fault_pointer = TYPE_POINTER(&fault_type);

static const struct row thing_rows[] = {
    {"color", &color_type, offsetof(struct thing, color), 0, "red", "How it looks."},
    {"limits", &limits_pointer, offsetof(struct thing, limits), 0, NULL, "Its bounds."},
    {"steps", &steps_type, offsetof(struct thing, steps), 0, NULL, "What it does."},
    {"flag", &type_bool, offsetof(struct thing, flag), 0, "false", "Yes or no."},
    {"size", &type_size, offsetof(struct thing, size), 0, "0", "Its size."},
    {"range", &type_size_range, offsetof(struct thing, range), 0, NULL, "From, to."},
    {"share", &type_share, offsetof(struct thing, share), 0, "100%", "How much."},
    {"integer", &type_integer, offsetof(struct thing, integer), 0, NULL, "A number."},
    {"positive", &type_positive, offsetof(struct thing, positive), 0, NULL, "Another."},
    {"text", &type_text, offsetof(struct thing, text), 0, NULL, "A text."},
    {"new-name", &type_new_name, offsetof(struct thing, new_name), 0, NULL, "A name."},
    {"node", &type_node, offsetof(struct thing, node), 0, NULL, "As written."},
    {"place", &type_place, offsetof(struct thing, place), 0, NULL, "Where."},
    {"fault", &fault_pointer, offsetof(struct thing, fault), 0, NULL, "What breaks."},
    {"inner", &things_type, offsetof(struct thing, inner), 0, NULL, "More of them."},
    {"maybe", &count_pointer, offsetof(struct thing, maybe), 0, NULL, "May be absent."},
    {"words", &words_type, offsetof(struct thing, words), 0, NULL, "One or more."},
    {"embedded", &limits_type, offsetof(struct thing, embedded), 0, NULL, "Always there."},
};
static const struct table thing_table = {TABLE_ROWS("thing", thing_rows), .doc = "The root."};
const struct type thing_type = TYPE_TABLE(&thing_table, struct thing);

#endif
