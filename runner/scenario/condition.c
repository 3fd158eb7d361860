#include "runner/scenario/condition.h"

#include "runner/check/lines.h"
#include "runner/scenario/scenario.h"
#include "server/http/match.h"
#include "server/port/port.h"

#include <inttypes.h>

enum direction { DIRECTION_BOTH, DIRECTION_REQUEST, DIRECTION_RESPONSE };

/** The value of every condition on numbers of things. */
struct counted {
    struct str to; /**< data NULL: all ports */
    struct match *where;
    struct lines lines;
    int direction;
    struct str rpc; /**< data NULL: all */
    uint64_t count;
};

/** One alternative of `all` or `any`. */
struct part {
    struct chosen condition;
};

/** What kind of condition it is: hangs at the family's member. */
struct condition_kind {
    enum entry_kind entries; /**< the kind of entries that are counted */
    /** Fills the condition from its value; the name it is about. NULL: nothing to fill. */
    struct str (*start)(struct condition *condition);
    /** Whether an entry of the kind and subject counts; NULL: all do, and no entry is looked at. */
    bool (*takes)(struct condition *condition, const struct entry *entry, uint64_t number);
    /** How much there is now; NULL: the number of entries. */
    uint64_t (*amount)(const struct condition *condition);
    bool (*possible)(const struct condition *condition);
    const char *hopeless; /**< why it cannot come any more */
    void (*describe)(const struct condition *condition, struct buf *into);
};

struct condition {
    const struct condition_kind *kind;
    const void *value;
    struct scenario *scenario;
    struct journal *journal;
    struct str name;          /**< what it is about: a port, event, step, client, program */
    uint32_t subject;         /**< its id; 0 = all */
    uint64_t need;            /**< it holds from this amount on */
    bool looks;               /**< entries have to be looked at one by one */
    uint64_t found;           /**< of the entries looked at, those that count */
    uint64_t looked;          /**< entries of the kind and subject that were looked at */
    uint64_t seen;            /**< number of the newest entry seen */
    struct condition **parts; /**< of `all` and `any` */
    size_t part_count;
    struct arena *arena;
    uint64_t *coming; /**< numbers of requests that are looked at again once they are whole */
    size_t coming_count;
    size_t coming_capacity;
    struct str lack; /**< why an entry could not be judged; data NULL: none */
    bool lost;       /**< entries that it needs were dropped before they were looked at */
    bool any;
};

static const struct condition_kind *chosen_kind(const struct chosen *chosen)
{
    return chosen->member->extra;
}

/* Numbers of things */

static uint64_t entries_amount(const struct condition *condition)
{
    return condition->looks
               ? condition->found
               : journal_count(condition->journal, condition->kind->entries, condition->subject);
}

static uint64_t condition_amount(const struct condition *condition)
{
    const struct condition_kind *kind = condition->kind;
    return kind->amount ? kind->amount(condition) : entries_amount(condition);
}

static bool traffic_possible(const struct condition *condition)
{
    return scenario_traffic_possible(condition->scenario);
}

static struct str counted_start(struct condition *condition)
{
    const struct counted *counted = condition->value;
    condition->need = counted->count;
    condition->looks = counted->where || counted->lines.text || counted->rpc.data;
    return counted->lines.of.data ? counted->lines.of : counted->to;
}

static void counted_describe(const struct condition *condition, const char *noun, struct buf *into)
{
    bool one = condition->need == 1;
    buf_printf(into, "%" PRIu64 " %s%s", condition->need, noun, one ? "" : "s");
    if (condition->name.data)
        buf_printf(into, " to " STR_FMT, STR_ARG(condition->name));
}

static void so_far_describe(const struct condition *condition, struct buf *into)
{
    buf_printf(into, " (%" PRIu64 " so far)", condition_amount(condition));
}

/* requests, connections */

/** It hangs on a body that is not all in the record, or not yet. */
static void request_lacks(struct condition *condition, const struct request *request,
                          const struct entry *entry, uint64_t number)
{
    struct arena *arena = condition->arena;
    if (request->state == REQUEST_COMING) {
        arena_grow(arena, &condition->coming, condition->coming_count, &condition->coming_capacity,
                   sizeof *condition->coming);
        condition->coming[condition->coming_count++] = number;
    } else if (!condition->lack.data) {
        condition->lack = arena_printf(
            arena, "of the body of request #%" PRIu64 " to " STR_FMT " not all is known: " STR_FMT,
            entry->request, STR_ARG(journal_name(condition->journal, entry->subject)),
            STR_ARG(request_body_lacks(request, arena)));
    }
}

static bool request_takes(struct condition *condition, const struct entry *entry, uint64_t number)
{
    const struct counted *counted = condition->value;
    bool lacks = false;
    struct match_context context = {
        .seed = scenario_seed(condition->scenario),
        .key = journal_name(condition->journal, entry->subject),
        .number = entry->request,
        .lacks = &lacks,
    };
    struct arena *arena = arena_new();
    struct request request = {0};
    bool takes = request_unpack((struct str){entry->data, entry->data_size}, arena, &request) &&
                 match_test(counted->where, &request, &context, arena, NULL, NULL);
    if (lacks)
        request_lacks(condition, &request, entry, number);
    arena_free(arena);
    return takes && !lacks;
}

static void requests_describe(const struct condition *condition, struct buf *into)
{
    const struct counted *counted = condition->value;
    counted_describe(condition, "request", into);
    if (counted->where) {
        struct arena *arena = arena_new();
        buf_printf(into, " that match " STR_FMT, STR_ARG(match_describe(counted->where, arena)));
        arena_free(arena);
    }
    so_far_describe(condition, into);
}

static void connections_describe(const struct condition *condition, struct buf *into)
{
    counted_describe(condition, "connection", into);
    so_far_describe(condition, into);
}

/* messages */

static bool message_takes(struct condition *condition, const struct entry *entry, uint64_t number)
{
    const struct counted *counted = condition->value;
    (void)number;
    return str_equal(counted->rpc, (struct str){entry->data, entry->data_size});
}

static void messages_describe(const struct condition *condition, struct buf *into)
{
    const struct counted *counted = condition->value;
    counted_describe(condition, "message", into);
    if (counted->rpc.data)
        buf_printf(into, " of " STR_FMT, STR_ARG(counted->rpc));
    so_far_describe(condition, into);
}

/* bytes */

static uint64_t port_bytes(const struct port *port, int direction)
{
    return (direction != DIRECTION_RESPONSE ? port->bytes_in : 0) +
           (direction != DIRECTION_REQUEST ? port->bytes_out : 0);
}

static uint64_t bytes_amount(const struct condition *condition)
{
    const struct counted *counted = condition->value;
    const struct server *server = scenario_server(condition->scenario);
    uint64_t amount = 0;
    if (counted->to.data) {
        const struct port *port = server_port(server, counted->to);
        return port ? port_bytes(port, counted->direction) : 0;
    }
    for (size_t i = 0; i < server->count; i++)
        amount += port_bytes(server->ports[i], counted->direction);
    return amount;
}

static void bytes_describe(const struct condition *condition, struct buf *into)
{
    const struct counted *counted = condition->value;
    units_write_size(condition->need, into);
    if (counted->direction != DIRECTION_BOTH)
        buf_printf(into, " of %s",
                   counted->direction == DIRECTION_REQUEST ? "requests" : "responses");
    if (condition->name.data)
        buf_printf(into, " %s " STR_FMT,
                   counted->direction == DIRECTION_BOTH      ? "to and from"
                   : counted->direction == DIRECTION_REQUEST ? "to"
                                                             : "from",
                   STR_ARG(condition->name));
    buf_append_string(into, " (");
    units_write_size(bytes_amount(condition), into);
    buf_append_string(into, " so far)");
}

/* output */

static bool output_takes(struct condition *condition, const struct entry *entry, uint64_t number)
{
    const struct counted *counted = condition->value;
    (void)number;
    return lines_take(&counted->lines, entry);
}

static bool output_possible(const struct condition *condition)
{
    return condition->name.data ? scenario_output_possible(condition->scenario, condition->name)
                                : scenario_traffic_possible(condition->scenario);
}

static void output_describe(const struct condition *condition, struct buf *into)
{
    const struct counted *counted = condition->value;
    lines_describe(&counted->lines, into);
    if (condition->need > 1)
        buf_printf(into, ", %" PRIu64 " lines", condition->need);
    so_far_describe(condition, into);
}

/* event, step, client: one entry of that name */

static struct str named_start(struct condition *condition)
{
    condition->need = 1;
    return *(const struct str *)condition->value;
}

static bool event_possible(const struct condition *condition)
{
    return scenario_event_possible(condition->scenario, condition->name);
}

static void event_describe(const struct condition *condition, struct buf *into)
{
    buf_printf(into, "the event " STR_FMT, STR_ARG(condition->name));
}

static bool step_possible(const struct condition *condition)
{
    return scenario_step_possible(condition->scenario, condition->name);
}

static void step_describe(const struct condition *condition, struct buf *into)
{
    buf_printf(into, "the end of the step '" STR_FMT "'", STR_ARG(condition->name));
}

static bool client_possible(const struct condition *condition)
{
    return !scenario_client_ended(condition->scenario, condition->name);
}

static void client_describe(const struct condition *condition, struct buf *into)
{
    buf_printf(into, "the end of the client " STR_FMT, STR_ARG(condition->name));
}

/* all, any */

static void parts_describe(const struct condition *condition, struct buf *into)
{
    buf_append_string(into, condition->any ? "any of [" : "all of [");
    for (size_t i = 0; i < condition->part_count; i++) {
        if (i)
            buf_append_string(into, "; ");
        condition_describe(condition->parts[i], into);
    }
    buf_append_byte(into, ']');
}

/* The tables */

static const enum name_kind upstream_kind = NAME_UPSTREAM;
static const enum name_kind event_kind = NAME_EVENT;
static const enum name_kind step_kind = NAME_STEP;
static const enum name_kind client_kind = NAME_CLIENT;
static const struct type upstream_name = TYPE_NAME(&upstream_kind);
static const struct type event_name = TYPE_NAME(&event_kind);
static const struct type step_name = TYPE_NAME(&step_kind);
static const struct type client_name = TYPE_NAME(&client_kind);

static void counted_preset(void *into)
{
    struct counted *counted = into;
    counted->count = 1;
}

#define AT(member) offsetof(struct counted, member)
#define COUNT_ROW                                                                                  \
    {                                                                                              \
        "count", &type_positive, AT(count), 0, "1", "It holds from the Nth on."                    \
    }
#define TO_ROW                                                                                     \
    {                                                                                              \
        "to", &upstream_name, AT(to), 0, "all of them", "The upstream or proxy."                   \
    }

static const struct row requests_rows[] = {
    TO_ROW,
    COUNT_ROW,
    {"where", &type_match_recorded, AT(where), 0, NULL,
     "Only requests that match, as a route would."},
};
static const struct table requests_table = {
    TABLE_ROWS("requests", requests_rows),
    .doc = "Requests that have come: it holds when the Nth has, and before it is answered.",
    .shorthand = "to",
    .preset = counted_preset,
};
static const struct type requests_type = TYPE_TABLE(&requests_table, struct counted);

static const struct row connections_rows[] = {TO_ROW, COUNT_ROW};
static const struct table connections_table = {
    TABLE_ROWS("connections", connections_rows),
    .doc = "Connections accepted.",
    .shorthand = "to",
    .preset = counted_preset,
};
static const struct type connections_type = TYPE_TABLE(&connections_table, struct counted);

static const struct choice directions[] = {
    {"both", DIRECTION_BOTH, "what came and what was sent, together"},
    {"request", DIRECTION_REQUEST, "what clients sent"},
    {"response", DIRECTION_RESPONSE, "what was sent to clients"},
    {0},
};
static const struct type direction_type = TYPE_CHOICE(directions);

static enum read_result bytes_check(struct reader *reader, const struct node *node, void *into)
{
    const struct counted *counted = into;
    const struct node *count = node_get(node, "count");
    if (counted->count || !count)
        return READ_OK;
    diagnostics_add(reader->diagnostics, count->place,
                    "a condition on 0 bytes holds from the beginning; give a size above 0");
    return READ_FAILED;
}

static const struct row bytes_rows[] = {
    TO_ROW,
    {"direction", &direction_type, AT(direction), 0, "both", "Which bytes are counted."},
    {"count", &type_size, AT(count), 0, "1", "It holds from this size on."},
};
static const struct table bytes_table = {
    TABLE_ROWS("bytes", bytes_rows),
    .doc = "Bytes of all connections of a port, as its peers see them.",
    .shorthand = "to",
    .preset = counted_preset,
    .check = bytes_check,
};
static const struct type bytes_type = TYPE_TABLE(&bytes_table, struct counted);

static const struct row messages_rows[] = {
    TO_ROW,
    {"rpc", &type_rpc, AT(rpc), 0, "all of them",
     "Only those of this rpc: package.Service/Method."},
    COUNT_ROW,
};
static const struct table messages_table = {
    TABLE_ROWS("messages", messages_rows),
    .doc = "Messages of gRPC that clients sent; those of a stream count as they come.",
    .shorthand = "to",
    .preset = counted_preset,
};
static const struct type messages_type = TYPE_TABLE(&messages_table, struct counted);

static const struct row output_rows[] = {
    {NULL, &lines_type, AT(lines), ROW_INCLUDE, NULL, NULL},
    COUNT_ROW,
};
static const struct table output_table = {
    TABLE_ROWS("output", output_rows),
    .doc = "Lines that a program wrote to its standard output or standard error.",
    .preset = counted_preset,
};
static const struct type output_type = TYPE_TABLE(&output_table, struct counted);

static const struct table part_table = {
    .name = "condition",
    .doc = "One condition of `all` or `any`.",
    .family = &condition_family,
    .family_offset = offsetof(struct part, condition),
};
static const struct type part_type = TYPE_TABLE(&part_table, struct part);
static const struct type part_list = TYPE_LIST(&part_type);

static enum read_result parts_read(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into)
{
    (void)type;
    if (node->kind == NODE_LIST && node->count == 0) {
        diagnostics_add(reader->diagnostics, node->place,
                        "an empty list of conditions says nothing");
        return READ_FAILED;
    }
    return part_list.read(reader, &part_list, node, into);
}

static const struct type parts_type = {
    .name = "a list of conditions",
    .size = sizeof(struct list),
    .read = parts_read,
    .schema = type_list_schema,
    .of = &part_type,
};

#define NOBODY_CONNECTS "nobody is left who could make requests or connections"

static const struct condition_kind requests_kind = {
    .entries = ENTRY_REQUEST,
    .start = counted_start,
    .takes = request_takes,
    .possible = traffic_possible,
    .hopeless = NOBODY_CONNECTS,
    .describe = requests_describe,
};
static const struct condition_kind connections_kind = {
    .entries = ENTRY_CONNECTION,
    .start = counted_start,
    .possible = traffic_possible,
    .hopeless = NOBODY_CONNECTS,
    .describe = connections_describe,
};
static const struct condition_kind messages_kind = {
    .entries = ENTRY_MESSAGE,
    .start = counted_start,
    .takes = message_takes,
    .possible = traffic_possible,
    .hopeless = NOBODY_CONNECTS,
    .describe = messages_describe,
};
static const struct condition_kind bytes_kind = {
    .start = counted_start,
    .amount = bytes_amount,
    .possible = traffic_possible,
    .hopeless = NOBODY_CONNECTS,
    .describe = bytes_describe,
};
static const struct condition_kind event_condition = {
    .entries = ENTRY_EVENT,
    .start = named_start,
    .possible = event_possible,
    .hopeless = "the event can no longer fire",
    .describe = event_describe,
};
static const struct condition_kind step_condition = {
    .entries = ENTRY_STEP_END,
    .start = named_start,
    .possible = step_possible,
    .hopeless = "the step will not be run any more",
    .describe = step_describe,
};
static const struct condition_kind client_condition = {
    .entries = ENTRY_CLIENT_END,
    .start = named_start,
    .possible = client_possible,
    .hopeless = "the client will not end any more",
    .describe = client_describe,
};
static const struct condition_kind output_condition = {
    .entries = ENTRY_OUTPUT,
    .start = counted_start,
    .takes = output_takes,
    .possible = output_possible,
    .hopeless = "the program has ended",
    .describe = output_describe,
};
static const struct condition_kind all_condition = {.describe = parts_describe};
static const struct condition_kind any_condition = {.describe = parts_describe};

static const struct member condition_members[] = {
    {"requests", &requests_type, "Requests have come.", &requests_kind, 0},
    {"connections", &connections_type, "Connections were accepted.", &connections_kind, 0},
    {"bytes", &bytes_type, "Bytes have passed.", &bytes_kind, 0},
    {"messages", &messages_type, "Messages of gRPC have come.", &messages_kind, 0},
    {"event", &event_name, "An event has fired.", &event_condition, 0},
    {"step", &step_name, "A step has ended.", &step_condition, 0},
    {"client", &client_name, "A client has ended.", &client_condition, 0},
    {"output", &output_type, "A program has written something.", &output_condition, 0},
    {"all", &parts_type, "All of these hold.", &all_condition, 0},
    {"any", &parts_type, "One of these holds.", &any_condition, 0},
    {0},
};

static const struct member *const condition_groups[] = {condition_members, NULL};
const struct family condition_family = {"condition", condition_groups};

void condition_each_rpcs(const struct chosen *chosen,
                         void (*each)(void *context, const struct condition_rpcs *rpcs),
                         void *context)
{
    const struct member *member = chosen->member;
    if (!member || chosen->deferred || !chosen->value)
        return;
    if (member->type == &parts_type) {
        const struct list *list = chosen->value;
        const struct part *parts = list->items;
        for (size_t i = 0; i < list->count; i++)
            condition_each_rpcs(&parts[i].condition, each, context);
    } else if (member->type == &requests_type || member->type == &messages_type) {
        const struct counted *counted = chosen->value;
        const struct node *node =
            chosen->node->kind == NODE_MAP ? node_get(chosen->node, "rpc") : NULL;
        each(context, &(struct condition_rpcs){.to = counted->to,
                                               .where = counted->where,
                                               .rpc = counted->rpc,
                                               .rpc_place = node ? node->place : chosen->place});
    }
}

/* Watching */

/** Looks again at requests that were coming when they were looked at. */
static void condition_look_again(struct condition *condition)
{
    const uint64_t *coming = condition->coming;
    size_t count = condition->coming_count;
    condition->coming = NULL;
    condition->coming_count = 0;
    condition->coming_capacity = 0;
    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = journal_get(condition->journal, coming[i]);
        if (entry)
            condition->found += condition->kind->takes(condition, entry, coming[i]);
        else
            condition->looked--;
    }
}

/**
 * Looks at every entry not seen yet, whichever one the caller heard of: entries that observers
 * append while others are told, and those of a time when nobody called, are not missed.
 */
static void condition_catch_up(struct condition *condition)
{
    struct journal *journal = condition->journal;
    uint64_t first = journal_first(journal);
    uint64_t last = journal_last(journal);
    if (condition->coming_count)
        condition_look_again(condition);
    for (uint64_t number = condition->seen + 1 > first ? condition->seen + 1 : first;
         number <= last && condition->found < condition->need; number++) {
        const struct entry *entry = journal_get(journal, number);
        condition->seen = number;
        if (entry->kind != condition->kind->entries ||
            (condition->subject && entry->subject != condition->subject))
            continue;
        condition->looked++;
        condition->found += condition->kind->takes(condition, entry, number);
    }
    /* every entry of the kind was looked at, unless it was dropped before */
    condition->lost =
        condition->found < condition->need &&
        condition->looked < journal_count(journal, condition->kind->entries, condition->subject);
}

/** The value as it is now: one that held unknown variables is read again. NULL: a diagnostic. */
static const void *chosen_value(struct arena *arena, struct reader *reader,
                                const struct chosen *chosen)
{
    if (!chosen->deferred)
        return chosen->value;
    void *value = arena_alloc(arena, chosen->member->type->size);
    enum read_result result = reader_read(reader, chosen->member->type, chosen->node, value);
    if (result == READ_DEFERRED)
        diagnostics_add(reader->diagnostics, chosen->place,
                        "a variable in this condition has no value yet");
    return result == READ_OK ? value : NULL;
}

static bool condition_start_parts(struct condition *condition, struct arena *arena,
                                  struct reader *reader)
{
    const struct list *list = condition->value;
    const struct part *parts = list->items;
    condition->parts = arena_alloc_array(arena, list->count, sizeof(struct condition *));
    for (size_t i = 0; i < list->count; i++) {
        struct condition *part =
            condition_new(arena, reader, &parts[i].condition, condition->scenario);
        if (!part)
            return false;
        condition->parts[condition->part_count++] = part;
    }
    return true;
}

struct condition *condition_new(struct arena *arena, struct reader *reader,
                                const struct chosen *chosen, struct scenario *scenario)
{
    struct condition *condition = arena_alloc(arena, sizeof *condition);
    *condition = (struct condition){
        .kind = chosen_kind(chosen),
        .value = chosen_value(arena, reader, chosen),
        .scenario = scenario,
        .arena = arena,
        .journal = scenario_journal(scenario),
        .any = chosen_kind(chosen) == &any_condition,
    };
    if (!condition->value)
        return NULL;
    if (!condition->kind->start)
        return condition_start_parts(condition, arena, reader) ? condition : NULL;
    condition->name = condition->kind->start(condition);
    if (condition->name.data)
        condition->subject = journal_intern(condition->journal, condition->name);
    if (condition->looks)
        condition_catch_up(condition);
    return condition;
}

void condition_entry(struct condition *condition, const struct entry *entry, uint64_t number)
{
    (void)entry;
    if (condition->looks && number > condition->seen)
        condition_catch_up(condition);
    for (size_t i = 0; i < condition->part_count; i++)
        condition_entry(condition->parts[i], entry, number);
}

void condition_bytes(struct condition *condition)
{
    /* ports count them: condition_holds() asks there */
    (void)condition;
}

bool condition_holds(const struct condition *condition)
{
    if (condition->kind->start)
        return condition_amount(condition) >= condition->need;
    for (size_t i = 0; i < condition->part_count; i++) {
        if (condition_holds(condition->parts[i]) == condition->any)
            return condition->any;
    }
    return !condition->any;
}

bool condition_possible(const struct condition *condition, struct arena *arena, struct str *why)
{
    if (condition_holds(condition))
        return true;
    if (condition->kind->start) {
        if (condition->kind->possible(condition))
            return true;
        *why = arena_copy(arena, str_of(condition->kind->hopeless));
        return false;
    }
    for (size_t i = 0; i < condition->part_count; i++) {
        if (condition_possible(condition->parts[i], arena, why) == condition->any)
            return condition->any;
    }
    return !condition->any;
}

void condition_describe(const struct condition *condition, struct buf *into)
{
    condition->kind->describe(condition, into);
}

bool condition_needs_bytes(const struct condition *condition)
{
    for (size_t i = 0; i < condition->part_count; i++) {
        if (condition_needs_bytes(condition->parts[i]))
            return true;
    }
    return condition->kind == &bytes_kind;
}

bool condition_lost(const struct condition *condition, struct str *why)
{
    size_t lost = 0;
    if (condition_holds(condition))
        return false;
    for (size_t i = 0; i < condition->part_count; i++)
        lost += condition_lost(condition->parts[i], why);
    if (!condition->kind->start)
        return condition->any ? lost == condition->part_count : lost > 0;
    if (condition->lack.data)
        *why = condition->lack;
    return condition->lost || condition->lack.data;
}

struct str condition_lack(const struct condition *condition)
{
    struct str lack = condition->lack;
    for (size_t i = 0; i < condition->part_count && !lack.data; i++)
        lack = condition_lack(condition->parts[i]);
    return lack;
}

void condition_ask_bodies(const struct condition *condition)
{
    const struct server *server = scenario_server(condition->scenario);
    const struct counted *counted = condition->value;
    for (size_t i = 0; i < condition->part_count; i++)
        condition_ask_bodies(condition->parts[i]);
    if (condition->kind != &requests_kind || !counted->where || !match_needs_body(counted->where))
        return;
    for (size_t i = 0; i < server->count; i++) {
        struct port *port = server->ports[i];
        if (!counted->to.data || str_equal(port->name, counted->to))
            port->bodies_asked = true;
    }
}
