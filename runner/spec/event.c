#include "runner/spec/spec.h"

#include "runner/scenario/condition.h"
#include "server/action.h"

/** `when: CONDITION` and `after: {CONDITION, delay: …}`. */
static const struct table when_table = {
    .name = "when",
    .doc = "The first time this condition holds.",
    .family = &condition_family,
    .family_offset = 0,
};
static const struct type when_type = TYPE_TABLE(&when_table, struct chosen);
static const struct type when_pointer = TYPE_POINTER(&when_type);

static const struct row after_rows[] = {
    {"delay", &type_duration, offsetof(struct event_after, delay), 0, "0ms",
     "How long after the condition held."},
};
static const struct table after_table = {
    TABLE_ROWS("after", after_rows),
    .doc = "A while after the first time this condition holds.",
    .family = &condition_family,
    .family_offset = offsetof(struct event_after, condition),
};
static const struct type after_type = TYPE_TABLE(&after_table, struct event_after);
static const struct type after_pointer = TYPE_POINTER(&after_type);

static const struct table action_table = {
    .name = "action",
    .doc = "One thing to be done to a port, a program or the run.",
    .family = &action_family,
    .family_offset = 0,
};
static const struct type action_one = TYPE_TABLE(&action_table, struct chosen);
static const struct type actions_type = TYPE_LIST(&action_one);

struct event_read {
    struct event_spec event;
    struct chosen action;
    struct list actions;
};

#define AT(member) offsetof(struct event_read, member)

static const struct row event_rows[] = {
    {"name", &type_new_name, AT(event.name), 0, "made from its trigger and action",
     "What the event is called."},
    {"at", &type_time, AT(event.at_ns), 0, NULL, "Fires so long after t = 0."},
    {"every", &type_time_positive, AT(event.every_ns), 0, NULL,
     "Fires again and again, so far apart."},
    {"times", &type_positive, AT(event.times), 0, "no end", "How often `every` fires."},
    {"from", &type_time, AT(event.from_ns), 0, "one interval after t = 0",
     "When `every` fires first."},
    {"jitter", &type_time, AT(event.jitter_ns), 0, "0ms",
     "Each firing of `at` or `every` is moved by up to so much, earlier or later, drawn from the "
     "seed."},
    {"when", &when_pointer, AT(event.when), 0, NULL,
     "Fires once, the first time a condition holds."},
    {"after", &after_pointer, AT(event.after), 0, NULL,
     "Fires once, a while after a condition first held."},
    {"for", &type_time_positive, AT(event.for_ns), 0, NULL,
     "The action is undone after this time."},
    {"do", &actions_type, AT(actions), 0, NULL, "Several actions, in this order."},
    {"optional", &type_bool, AT(event.optional), 0, "false",
     "It is no failure if the event is never reached."},
};

static void event_preset(void *into)
{
    struct event_read *read = into;
    read->event.at_ns = -1;
    read->event.from_ns = -1;
}

static const struct table event_table = {
    TABLE_ROWS("event", event_rows),
    .doc = "A trigger (`at`, `every`, `when` or `after`) and one action (or `do` with several).",
    .preset = event_preset,
    .family = &action_family,
    .family_offset = AT(action),
    .family_optional = true,
};
static const struct type event_table_type = TYPE_TABLE(&event_table, struct event_read);

static enum read_result event_wrong(struct reader *reader, struct place place, const char *message,
                                    const char *help)
{
    diagnostics_add(reader->diagnostics, place, "%s", message);
    if (help)
        diagnostics_help(reader->diagnostics, "%s", help);
    return READ_FAILED;
}

static struct place key_place(const struct node *node, const char *key)
{
    const struct node_pair *pair = node_find(node, str_of(key));
    return pair ? pair->key->place : node->place;
}

static bool has_key(const struct node *node, const char *key)
{
    return node_get(node, key) != NULL;
}

static enum read_result event_check_trigger(struct reader *reader, const struct node *node)
{
    static const char *const triggers[] = {"at", "every", "when", "after"};
    static const char *const of_every[] = {"times", "from"};
    const char *first = NULL;
    enum read_result result = READ_OK;
    for (size_t i = 0; i < COUNT_OF(triggers); i++) {
        if (!has_key(node, triggers[i]))
            continue;
        if (first) {
            diagnostics_add(reader->diagnostics, key_place(node, triggers[i]),
                            "an event has one trigger only: '%s' and '%s' both stand here", first,
                            triggers[i]);
            return READ_FAILED;
        }
        first = triggers[i];
    }
    if (!first)
        return event_wrong(reader, node->place, "an event needs a trigger",
                           "write one of 'at', 'every', 'when', 'after'");
    for (size_t i = 0; i < COUNT_OF(of_every); i++) {
        if (has_key(node, of_every[i]) && !has_key(node, "every")) {
            diagnostics_add(reader->diagnostics, key_place(node, of_every[i]),
                            "'%s' goes with 'every' only", of_every[i]);
            result = READ_FAILED;
        }
    }
    if (has_key(node, "jitter") && !has_key(node, "every") && !has_key(node, "at"))
        result = event_wrong(reader, key_place(node, "jitter"),
                             "'jitter' goes with 'at' and 'every' only", NULL);
    return result;
}

static enum read_result event_check_undo(struct reader *reader, const struct node *node,
                                         const struct event_spec *event)
{
    const struct chosen *actions = event->actions.items;
    enum read_result result = READ_OK;
    if (!has_key(node, "for"))
        return READ_OK;
    for (size_t i = 0; i < event->actions.count; i++) {
        const struct action_type *type = actions[i].member ? actions[i].member->extra : NULL;
        if (!type || type->undoable)
            continue;
        diagnostics_add(reader->diagnostics, key_place(node, "for"),
                        "'for' does not suit '%s': it cannot be undone", actions[i].member->key);
        diagnostics_help(reader->diagnostics,
                         "it suits open, close, switch, tls, respond, status, delay, forward, "
                         "fault and set");
        result = READ_FAILED;
    }
    return result;
}

static enum read_result event_check_actions(struct reader *reader, const struct node *node,
                                            struct event_read *read)
{
    struct event_spec *event = &read->event;
    bool several = has_key(node, "do");
    if (several && read->action.member) {
        diagnostics_add(reader->diagnostics, key_place(node, "do"),
                        "an event has one action, or 'do': '%s' and 'do' "
                        "both stand here",
                        read->action.member->key);
        return READ_FAILED;
    }
    if (!several && !read->action.member)
        return event_wrong(reader, node->place, "an event needs an action",
                           "write one such as 'close: NAME', or 'do' with a list of them");
    if (several) {
        event->actions = read->actions;
        if (read->actions.count == 0 && node_get(node, "do")->kind == NODE_LIST)
            return event_wrong(reader, key_place(node, "do"), "an empty 'do' does nothing", NULL);
        return READ_OK;
    }
    struct chosen *one = arena_alloc(reader->arena, sizeof *one);
    *one = read->action;
    event->actions = (struct list){one, 1};
    return READ_OK;
}

/** "at 300ms: close api". */
static struct str event_title(struct reader *reader, const struct node *node,
                              const struct event_spec *event)
{
    static const char *const triggers[] = {"at", "every", "when", "after"};
    struct arena *arena = reader->arena;
    const struct chosen *action = event->actions.items;
    struct str what = event->actions.count ? action_title(arena, action) : STR("nothing");
    for (size_t i = 0; i < COUNT_OF(triggers); i++) {
        const struct node *value = node_get(node, triggers[i]);
        if (!value)
            continue;
        if (i < 2)
            return arena_printf(arena, "%s " STR_FMT ": " STR_FMT, triggers[i],
                                STR_ARG(value->text), STR_ARG(what));
        return arena_printf(arena, "%s … : " STR_FMT " (line %u)", triggers[i], STR_ARG(what),
                            node->place.line);
    }
    return what;
}

static enum read_result event_read(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into)
{
    struct event_read read = {0};
    (void)type;
    enum read_result result = reader_read_table(reader, &event_table, node, &read);
    if (node->kind != NODE_MAP)
        return result;
    result = read_worse(result, event_check_trigger(reader, node));
    result = read_worse(result, event_check_actions(reader, node, &read));
    result = read_worse(result, event_check_undo(reader, node, &read.event));
    read.event.node = node;
    read.event.place = node->place;
    read.event.named = read.event.name.data != NULL;
    if (!read.event.named)
        read.event.name = event_title(reader, node, &read.event);
    *(struct event_spec *)into = read.event;
    return result;
}

static struct json *event_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_of(writer, &event_table_type);
}

const struct type event_type = {
    .raw = true,
    .name = "an event such as {at: 300ms, close: api}",
    .size = sizeof(struct event_spec),
    .read = event_read,
    .schema = event_schema,
    .of = &event_table_type,
};
