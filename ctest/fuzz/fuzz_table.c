/* Any YAML, read by the tables of an invented language whose variables hold all kinds of values. */
#include "ctest/unit/language.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** The name itself is the value, as JSON where it is some: a text picks its own variables. */
static enum resolve_result fuzz_variable(const struct scope *scope, struct arena *arena,
                                         struct str name, const struct json **value,
                                         struct str *why, struct nearest *nearest)
{
    (void)scope;
    struct json_error error;
    str_nearest(nearest, STR("later"));
    if (str_is(name, "later"))
        return RESOLVE_LATER;
    *value = json_read(arena, name, &error);
    if (*value)
        return RESOLVE_OK;
    if (str_starts(name, STR("s"))) {
        *value = json_string(arena, name);
        return RESOLVE_OK;
    }
    *why = arena_printf(arena, "unknown name '" STR_FMT "'", STR_ARG(name));
    return RESOLVE_FAILED;
}

static bool fuzz_defines(const struct scope *scope, enum name_kind kind, struct str name,
                         struct nearest *nearest)
{
    (void)scope;
    (void)kind;
    str_nearest(nearest, STR("api"));
    return str_is(name, "api");
}

/** Reads what was chosen once more, as it is done before a step runs. */
static void read_again(struct reader *reader, const struct thing *thing)
{
    const struct step *steps = thing->steps.items;
    for (size_t i = 0; i < thing->steps.count; i++) {
        const struct chosen *chosen = &steps[i].verb;
        if (!chosen->member)
            continue;
        void *value = arena_alloc(reader->arena, chosen->member->type->size);
        (void)reader_read(reader, chosen->member->type, chosen->node, value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct scope scope = {fuzz_variable, fuzz_defines};
    struct arena *arena = arena_new();
    struct diagnostics diagnostics;
    diagnostics_init(&diagnostics);
    const struct source source = {STR("fuzz"), {(const char *)data, size}};
    struct documents documents = {0};
    struct reader reader = {.arena = arena, .diagnostics = &diagnostics, .scope = &scope};
    if (tree_read_yaml(arena, &source, &documents, &diagnostics) == 0) {
        for (size_t i = 0; i < documents.count; i++) {
            struct thing thing = {0};
            (void)reader_read(&reader, &thing_type, documents.items[i], &thing);
            read_again(&reader, &thing);
        }
    }
    struct buf buf;
    buf_init(&buf, (size_t)1 << 20);
    diagnostics_print(&diagnostics, &buf);
    buf_clear(&buf);
    diagnostics_clear(&diagnostics);
    arena_free(arena);
    return 0;
}
