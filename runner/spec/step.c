#include "runner/spec/spec.h"

#include "runner/check/expect_grpc.h"
#include "runner/check/expect_http.h"
#include "runner/check/expect_tcp.h"
#include "runner/client/run.h"

#include <stdlib.h>

/* retry: {until: pass, every: 100ms, for: 5s, backoff: 2} */

static const struct choice until_choices[] = {{"pass", 0, "until its expect holds"}, {0}};
static const struct type until_type = TYPE_CHOICE(until_choices);

struct retry_read {
    int until;
    struct retry retry;
    struct str backoff;
};

static const struct row retry_rows[] = {
    {"until", &until_type, offsetof(struct retry_read, until), 0, "pass", "What ends the tries."},
    {"every", &type_time, offsetof(struct retry_read, retry.every_ns), 0, "100ms",
     "The pause between two tries."},
    {"for", &type_time, offsetof(struct retry_read, retry.for_ns), 0, "5s",
     "No try begins later than this after the first one."},
    {"times", &type_positive, offsetof(struct retry_read, retry.times), 0, "no bound",
     "How many tries at most."},
    {"backoff", &type_text, offsetof(struct retry_read, backoff), 0, "1",
     "Each pause is so many times as long as the one before."},
};

static void retry_preset(void *into)
{
    struct retry_read *read = into;
    read->retry =
        (struct retry){.every_ns = 100 * 1000000, .for_ns = INT64_C(5000000000), .backoff = 1};
}

static const struct table retry_table = {
    TABLE_ROWS("retry", retry_rows),
    .doc = "Repeats a step until its `expect` holds.",
    .preset = retry_preset,
    .empty_allowed = true,
};
static const struct type retry_read_type = TYPE_TABLE(&retry_table, struct retry_read);

static enum read_result retry_read(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into)
{
    struct retry_read read = {0};
    (void)type;
    retry_preset(&read);
    enum read_result result = retry_read_type.read(reader, &retry_read_type, node, &read);
    if (read.backoff.data) {
        char *end = NULL;
        read.retry.backoff = strtod(arena_copy(reader->arena, read.backoff).data, &end);
        if (*end != '\0' || !(read.retry.backoff >= 1) || read.retry.backoff > 1000) {
            diagnostics_add(reader->diagnostics, node->place,
                            "'backoff' is a number from 1 to 1000, found '" STR_FMT "'",
                            STR_ARG(read.backoff));
            result = READ_FAILED;
        }
    }
    if (result != READ_FAILED && read.retry.every_ns <= 0) {
        diagnostics_add(reader->diagnostics, node->place,
                        "'every' of a retry must be longer than nothing");
        result = READ_FAILED;
    }
    if (result == READ_OK || result == READ_DEFERRED)
        *(struct retry *)into = read.retry;
    return result;
}

static struct json *retry_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_of(writer, &retry_read_type);
}

static const struct type retry_type = {
    .raw = true,
    .name = "a mapping such as {every: 100ms, for: 5s}",
    .size = sizeof(struct retry),
    .read = retry_read,
    .schema = retry_schema,
    .of = &retry_read_type,
};
static const struct type retry_pointer = TYPE_POINTER(&retry_type);

/* The step itself */

static const struct type captures_type = TYPE_NAMED_MAP(&type_node);
const struct type step_if_type = TYPE_NAMED_MAP(&type_predicate_json);

/** `expect` as it stands; its keys are judged by the verb's own table. */
static enum read_result expect_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    (void)type;
    return type_node.read(reader, &type_node, node, into);
}

/** The keys of an `expect`, by the verb of its step: only its schema and the reference are made
 * from it. */
static const struct row expect_rows[] = {
    {"http", &http_expect_type, 0, 0, NULL, "What must hold of the answer."},
    {"grpc", &grpc_expect_type, 0, 0, NULL, "What must hold of the call."},
    {"tcp", &tcp_expect_type, 0, 0, NULL, "What must hold of the connection."},
    {"run", &run_expect_type, 0, 0, NULL, "What must hold of the program and its output."},
};
static const struct table expect_table = {
    TABLE_ROWS("expect of a step", expect_rows),
    .doc = "What must hold after a step. Its keys depend on the verb of the step, which is not "
           "written here again.",
};
static const struct type expect_table_type = TYPE_TABLE(&expect_table, const struct node *);

/** The keys of any verb. */
static struct json *expect_schema(struct schema_writer *writer, const struct type *type)
{
    struct json *schema = schema_of(writer, expect_rows[0].type);
    (void)type;
    for (size_t i = 1; i < COUNT_OF(expect_rows); i++)
        schema = schema_either(writer, schema, schema_of(writer, expect_rows[i].type));
    return schema;
}

static const struct type expect_type = {
    .raw = true,
    .name = "a mapping of what must hold",
    .size = sizeof(const struct node *),
    .read = expect_read,
    .schema = expect_schema,
    .of = &expect_table_type,
};

static const struct row step_rows[] = {
    {"name", &type_text, offsetof(struct step, name), 0, "the verb's own words",
     "What the step is called in reports."},
    {"expect", &expect_type, offsetof(struct step, expect_node), 0, NULL,
     "What must hold; its keys are the verb's."},
    {"capture", &captures_type, offsetof(struct step, capture), 0, NULL,
     "Values kept for later steps of the same client and for `finally`: a name and where it is "
     "found."},
    {"retry", &retry_pointer, offsetof(struct step, retry), 0, NULL,
     "Repeats the step until its `expect` holds."},
    {"timeout", &type_time_positive, offsetof(struct step, timeout_ns), 0, "none",
     "The longest all tries may take."},
    {"repeat", &type_positive, offsetof(struct step, repeat), 0, "1",
     "Runs the step so many times; each must pass."},
    {"continue", &type_bool, offsetof(struct step, keep_going), 0, "false",
     "The client goes on when this step's check fails."},
    {"optional", &type_bool, offsetof(struct step, optional), 0, "false",
     "A failure of this step fails nothing; it is reported as skipped."},
    {"session", &type_new_name, offsetof(struct step, session), 0, NULL,
     "Steps of a client with the same session keep connection and cookies between them."},
    {"if", &step_if_type, offsetof(struct step, conditions), 0, NULL,
     "Runs the step only if each named variable or capture fulfils its predicate."},
};

static void step_preset(void *into)
{
    struct step *step = into;
    step->repeat = 1;
}

static const struct table step_table = {
    TABLE_ROWS("step", step_rows),
    .doc = "One thing a client does: exactly one verb and what stands around it.",
    .preset = step_preset,
    .family = &verb_family,
    .family_offset = offsetof(struct step, verb),
};
static const struct type step_table_type = TYPE_TABLE(&step_table, struct step);

static const struct verb *chosen_verb(const struct chosen *chosen)
{
    for (const struct member *const *group = action_family.groups; *group; group++) {
        for (const struct member *member = *group; member->key; member++) {
            if (member == chosen->member)
                return NULL;
        }
    }
    return chosen->member ? chosen->member->extra : NULL;
}

const struct verb *step_verb(const struct step *step)
{
    return chosen_verb(&step->verb);
}

static enum read_result step_refuse(struct reader *reader, const struct node *node,
                                    const struct step *step, const char *key)
{
    const struct node_pair *pair = node_find(node, str_of(key));
    diagnostics_add(reader->diagnostics, pair ? pair->key->place : node->place,
                    "'%s' does not go with '%s'", key, step->verb.member->key);
    return READ_FAILED;
}

static bool step_is_background(const struct step *step)
{
    if (step->verb.member && step_verb(step) == &run_verb && step->verb.value) {
        const struct run_request *request = step->verb.value;
        return request->background;
    }
    return false;
}

/** `expect` is read by the verb's own table, also when other parts of the step are known only
 * later. */
static enum read_result step_read_expect(struct reader *reader, const struct node *node,
                                         struct step *step)
{
    const struct verb *verb = step_verb(step);
    if (!step->verb.member)
        return READ_OK;
    enum read_result result = READ_OK;
    if (step->capture.count && (!verb || !verb->capture))
        result = step_refuse(reader, node, step, "capture");
    if (step->retry && (!verb || !(verb->expect || verb->implied)))
        result = step_refuse(reader, node, step, "retry");
    if (step->capture.count && step_is_background(step)) {
        result = step_refuse(reader, node, step, "capture");
        diagnostics_help(reader->diagnostics, "a program in the background has not ended yet");
    }
    if (step->session.data && (!verb || !verb->sessions))
        result = step_refuse(reader, node, step, "session");
    if (!step->expect_node)
        return result;
    if (!verb || !verb->expect)
        return step_refuse(reader, node, step, "expect");
    step->expect = arena_alloc(reader->arena, verb->expect->size);
    return read_worse(result, reader_read(reader, verb->expect, step->expect_node, step->expect));
}

static enum read_result step_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct step *step = into;
    (void)type;
    enum read_result result = reader_read_table(reader, &step_table, node, step);
    step->place = node->place;
    if (node->kind != NODE_MAP)
        return result;
    return read_worse(result, step_read_expect(reader, node, step));
}

static struct json *step_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_of(writer, &step_table_type);
}

const struct type step_type = {
    .raw = true,
    .name = "a step such as {http: GET ${api}/}",
    .size = sizeof(struct step),
    .read = step_read,
    .schema = step_schema,
    .of = &step_table_type,
};

static void check_condition(struct reader *reader, const struct node *name)
{
    const struct json *value;
    struct str why;
    struct nearest nearest = {.wanted = name->text};
    if (reader->scope->variable(reader->scope, reader->arena, name->text, &value, &why, &nearest) !=
        RESOLVE_FAILED)
        return;
    diagnostics_add(reader->diagnostics, name->place,
                    "no variable or capture is called '" STR_FMT "'", STR_ARG(name->text));
    diagnostics_did_you_mean(reader->diagnostics, &nearest);
}

void step_check_references(struct reader *reader, const struct node *node, const struct step *step)
{
    const struct node *conditions = node_get(node, "if");
    const struct map_entry *entries = step->capture.items;
    const struct verb *verb = step_verb(step);
    for (size_t i = 0; conditions && conditions->kind == NODE_MAP && i < conditions->count; i++)
        check_condition(reader, conditions->pairs[i].key);
    if (verb && verb->check && step->verb.value && step->expect)
        verb->check(reader, step->verb.value, step->expect);
    for (size_t i = 0; verb && verb->source && i < step->capture.count; i++) {
        void *source = arena_alloc(reader->arena, verb->source->size);
        const struct node *written = *(const struct node *const *)entries[i].value;
        (void)!reader_read(reader, verb->source, written, source);
    }
}

enum { LONGEST_TITLE = 100 };

/** The node of an action or verb in few words: "close api", "log ready". */
static struct str plain_title(struct arena *arena, const char *key, const struct node *node)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    buf_append_string(&text, key);
    if (node && node->kind == NODE_STRING) {
        buf_printf(&text, " " STR_FMT, STR_ARG(node->text));
    } else if (node && node->kind != NODE_NULL) {
        struct arena *scratch = arena_new();
        buf_append_byte(&text, ' ');
        json_write(node_to_json(scratch, node), &text);
        arena_free(scratch);
    }
    size_t size = text.size;
    if (size > LONGEST_TITLE) {
        size = LONGEST_TITLE;
        while (size && ((unsigned char)text.data[size] & 0xc0) == 0x80)
            size--;
    }
    struct str title =
        arena_printf(arena, "%.*s%s", (int)size, text.data, size < text.size ? "…" : "");
    buf_clear(&text);
    return title;
}

struct str step_title(struct arena *arena, const struct step *step)
{
    if (step->name.data)
        return step->name;
    if (!step->verb.member)
        return STR("step");
    const struct verb *verb = step_verb(step);
    if (verb && verb->title)
        return verb->title(arena, step->verb.node);
    return plain_title(arena, step->verb.member->key, step->verb.node);
}

struct str action_title(struct arena *arena, const struct chosen *chosen)
{
    if (!chosen->member)
        return STR("action");
    return plain_title(arena, chosen->member->key, chosen->node);
}

bool step_makes_check(const struct step *step)
{
    const struct verb *verb = step_verb(step);
    if (step->expect_node)
        return true;
    if (step_is_background(step))
        return false;
    return verb && verb->implied;
}
