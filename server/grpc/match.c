#include "server/grpc/match.h"

#include "base/jsonpath.h"
#include "server/grpc/message.h"
#include "server/http/match_private.h"

enum { MOST_DIFFERENCES = 20, MOST_NAMES = 4, MOST_STEPS = 16 };

/* Rpcs. */

/** How many of the pools have it; the last one that has. */
static size_t find_rpc(const struct grpc_pools *pools, struct str rpc, const struct protos **protos)
{
    size_t found = 0;
    for (size_t i = 0; i < pools->count; i++) {
        if (!protos_method(pools->items[i], rpc))
            continue;
        *protos = pools->items[i];
        found++;
    }
    return found;
}

static enum read_result tell_no_rpc(struct reader *reader, const struct grpc_pools *pools,
                                    struct str rpc, struct place place)
{
    struct nearest nearest = {0};
    for (size_t i = 0; i < pools->count && !nearest.best.size; i++)
        nearest = protos_nearest_method(pools->items[i], rpc, reader->arena);
    diagnostics_add(reader->diagnostics, place, "the protos have no rpc '" STR_FMT "'",
                    STR_ARG(rpc));
    diagnostics_did_you_mean(reader->diagnostics, &nearest);
    return READ_FAILED;
}

enum read_result grpc_check_rpc(struct reader *reader, const struct grpc_pools *pools,
                                struct str rpc, struct place place)
{
    const struct protos *protos;
    return find_rpc(pools, rpc, &protos) ? READ_OK : tell_no_rpc(reader, pools, rpc, place);
}

/* Literals. */

/** A value that messages are compared with. */
struct literal {
    struct reader *reader;
    const char *key; /**< "json" or "json-subset" */
    struct place place;
    const struct json *value;
    bool subset;
};

static struct place place_in(const struct literal *literal, const struct json *value)
{
    struct place place = literal->place;
    if (value && value->line) {
        place.line = value->line;
        place.column = value->column;
        place.width = 1;
    }
    return place;
}

/** What cannot be a message at all. A part of an Any need not say its type. */
static enum read_result tell_problems(const struct literal *literal,
                                      const struct message_problems *problems)
{
    enum read_result result = READ_OK;
    for (const struct message_problem *p = problems->first; p; p = p->next) {
        if (literal->subset && str_ends(p->message, STR("'@type' is missing")))
            continue;
        const struct json at = {.line = p->line, .column = p->column};
        diagnostics_add(literal->reader->diagnostics, place_in(literal, &at), STR_FMT,
                        STR_ARG(p->message));
        if (p->help.size)
            diagnostics_help(literal->reader->diagnostics, STR_FMT, STR_ARG(p->help));
        result = READ_FAILED;
    }
    return result;
}

static struct str shown(struct arena *arena, const struct json *value)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    json_write(value, &text);
    struct str copy = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

/** A value that stands otherwise in a message, or a name that does not. */
static void tell_difference(const struct literal *literal, const struct json_difference *difference)
{
    struct diagnostics *diagnostics = literal->reader->diagnostics;
    struct arena *arena = literal->reader->arena;
    struct str value = shown(arena, difference->expected);
    diagnostics_add(diagnostics, place_in(literal, difference->expected),
                    "'%s' can never hold: no message has " STR_FMT " at " STR_FMT, literal->key,
                    STR_ARG(value), STR_ARG(difference->path));
    if (difference->actual)
        diagnostics_help(diagnostics, "it is shown as " STR_FMT ": write that",
                         STR_ARG(shown(arena, difference->actual)));
    else if (difference->expected->kind == JSON_NULL)
        diagnostics_help(diagnostics, "what is not set is left out: write jsonpath with "
                                      "{exists: false}");
    else
        diagnostics_help(diagnostics, "fields are shown by their JSON names: unitPrice, not "
                                      "unit_price");
}

/** Of a `json` that leaves out what every message has. */
static void tell_left_out(const struct literal *literal, const struct json_difference *differences,
                          size_t count)
{
    struct buf names;
    size_t told = 0;
    buf_init(&names, BUF_OWN);
    for (size_t i = 0; i < count && told <= MOST_NAMES; i++) {
        if (differences[i].expected)
            continue;
        if (told++ == MOST_NAMES)
            buf_append_string(&names, ", …");
        else
            buf_printf(&names, "%s" STR_FMT, told > 1 ? ", " : "", STR_ARG(differences[i].path));
    }
    if (told) {
        diagnostics_add(literal->reader->diagnostics, literal->place,
                        "'json' can never hold: it compares the whole message, which always has "
                        "" STR_FMT,
                        STR_ARG(buf_str(&names)));
        diagnostics_help(literal->reader->diagnostics, "'json-subset' compares only what it names");
    }
    buf_clear(&names);
}

/** Whether it stands as it would in the message that it says. */
static enum read_result compare(const struct literal *literal, const struct json *message)
{
    size_t count = 0;
    const struct json_difference *differences = json_differences(
        literal->reader->arena, literal->value, message, literal->subset, MOST_DIFFERENCES, &count);
    for (size_t i = 0; i < count; i++)
        if (differences[i].expected)
            tell_difference(literal, &differences[i]);
    tell_left_out(literal, differences, count);
    return count ? READ_FAILED : READ_OK;
}

static enum read_result check_literal(const struct literal *literal, const struct protos *protos,
                                      const struct proto_message *type)
{
    struct arena *arena = literal->reader->arena;
    struct message_problems problems = {.arena = arena};
    struct message_problem problem;
    enum read_result result = READ_OK;
    struct buf bytes;
    if (!literal->value)
        return READ_OK;
    buf_init(&bytes, BUF_OWN);
    if (message_encode(protos, type, literal->value, &(struct message_encoding){.fill_required = 1},
                       &bytes, &problems)) {
        result = tell_problems(literal, &problems);
    } else {
        const struct json *message =
            message_decode(arena, protos, type, arena_copy(arena, buf_str(&bytes)),
                           &(struct message_decoding){.defaults = true}, &problem);
        result = message ? compare(literal, message) : READ_OK;
    }
    buf_clear(&bytes);
    return result;
}

/* Paths. */

static enum read_result tell_no_field(struct reader *reader, const struct map_entry *entry,
                                      const struct proto_message *type, struct str name)
{
    const struct proto_field *field = proto_field_by_name(type, name);
    struct nearest nearest = proto_nearest_field(type, name);
    diagnostics_add(reader->diagnostics, entry->place, STR_FMT " has no field '" STR_FMT "'",
                    STR_ARG(type->name), STR_ARG(name));
    if (field)
        diagnostics_help(reader->diagnostics, "it is shown as '" STR_FMT "'",
                         STR_ARG(field->json_name));
    else
        diagnostics_did_you_mean(reader->diagnostics, &nearest);
    return READ_FAILED;
}

/** Follows the names of a path as far as types are known: an Any, a Struct and a Value hold
 * anything. */
static enum read_result check_path(struct reader *reader, const struct proto_message *type,
                                   const struct map_entry *entry)
{
    const struct body_path *path = entry->value;
    struct jsonpath_step steps[MOST_STEPS];
    size_t count = jsonpath_steps(path->path, steps, MOST_STEPS);
    struct str name = {0};
    const char *what = ""; /* that field's */
    bool inside = false;   /* a list or a map, whose elements have the type */
    for (size_t i = 0; i < count; i++) {
        if (inside) {
            inside = false;
            continue;
        }
        if (!type) {
            diagnostics_add(reader->diagnostics, entry->place,
                            "'" STR_FMT "' holds no members or elements: its type is %s",
                            STR_ARG(name), what);
            return READ_FAILED;
        }
        if (type->known != PROTO_PLAIN || !steps[i].name.data)
            return READ_OK;
        const struct proto_field *field = proto_field_by_name(type, steps[i].name);
        if (!field || !str_equal(field->json_name, steps[i].name))
            return tell_no_field(reader, entry, type, steps[i].name);
        inside = field->repeated;
        name = field->json_name;
        what = proto_kind_name(field->map ? field->message->by_number[1]->kind : field->kind);
        type = field->map ? field->message->by_number[1]->message : field->message;
    }
    return READ_OK;
}

enum read_result grpc_check_body(struct reader *reader, const struct protos *protos,
                                 const struct proto_message *type, const struct body_check *check)
{
    const struct literal whole = {reader, "json", check->json_place, check->json, false};
    const struct literal part = {reader, "json-subset", check->json_subset_place,
                                 check->json_subset, true};
    const struct map_entry *paths = check->jsonpath.items;
    enum read_result result = check_literal(&whole, protos, type);
    result = read_worse(result, check_literal(&part, protos, type));
    for (size_t i = 0; i < check->jsonpath.count; i++)
        if (paths[i].value && ((const struct body_path *)paths[i].value)->path)
            result = read_worse(result, check_path(reader, type, &paths[i]));
    return result;
}

/* Matches. */

/** `method` is that of the match around; NULL: not known. */
static enum read_result check_match(struct reader *reader, const struct grpc_pools *pools,
                                    const struct match *match, const struct protos *protos,
                                    const struct proto_method *method)
{
    enum read_result result = READ_OK;
    if (match->rpc.data) {
        size_t found = find_rpc(pools, match->rpc, &protos);
        if (!found)
            return tell_no_rpc(reader, pools, match->rpc, match->rpc_place);
        /* several may define it differently: then any of them may be meant */
        method = found == 1 ? protos_method(protos, match->rpc) : NULL;
    }
    if (method)
        result = grpc_check_body(reader, protos, method->input, &match->body);
    if (match->unless)
        result = read_worse(result, check_match(reader, pools, match->unless, protos, method));
    return result;
}

enum read_result grpc_check_match(struct reader *reader, const struct grpc_pools *pools,
                                  const struct match *match)
{
    return match ? check_match(reader, pools, match, NULL, NULL) : READ_OK;
}
