/* A predicate up to the first NUL, then a value as JSON: it is read and tried as every subject. */
#include "schema/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct type *const types[] = {
    &type_predicate_text,   &type_predicate_json,   &type_predicate_number,
    &type_predicate_size,   &type_predicate_status, &type_predicate_duration,
    &type_predicate_choice, &type_predicate_count,  &type_predicate_output,
};

/** What fails says why in words; asking twice gives the same answer. */
static void check(const struct predicate *predicate, const struct json *value, struct arena *arena)
{
    struct mismatch mismatch;
    struct buf buf;
    bool holds = predicate_test(predicate, value, arena, &mismatch);
    GOTO_ASSERT(holds == predicate_test(predicate, value, arena, NULL));
    GOTO_ASSERT(holds || (mismatch.predicate.size && mismatch.expected.size));
    GOTO_ASSERT(holds || mismatch.place.line);
    buf_init(&buf, BUF_OWN);
    predicate_describe(predicate, &buf);
    GOTO_ASSERT(buf.size);
    buf_clear(&buf);
    (void)predicate_count_possible(predicate, 3);
    (void)predicate_has_upper_bound(predicate);
}

static void read_and_check(struct arena *arena, const struct type *type, const struct node *node,
                           const struct json *value)
{
    struct predicate *predicate = NULL;
    struct diagnostics diagnostics;
    diagnostics_init(&diagnostics);
    struct reader reader = {.arena = arena, .diagnostics = &diagnostics};
    enum read_result result = reader_read(&reader, type, node, &predicate);
    GOTO_ASSERT((result == READ_OK) == (predicate != NULL));
    GOTO_ASSERT((result == READ_FAILED) == (diagnostics.count != 0));
    if (predicate) {
        check(predicate, value, arena);
        check(predicate, NULL, arena);
    }
    diagnostics_clear(&diagnostics);
}

static void body_check(struct arena *arena, const struct node *node, struct str body)
{
    struct body_check checked = {0};
    struct diagnostics diagnostics;
    diagnostics_init(&diagnostics);
    struct reader reader = {.arena = arena, .diagnostics = &diagnostics};
    if (reader_read(&reader, &body_type, node, &checked) == READ_OK)
        (void)body_check_test(&checked, body, arena, NULL, NULL);
    diagnostics_clear(&diagnostics);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct diagnostics diagnostics;
    struct documents documents;
    struct json_error error;
    struct str text = {(const char *)data, size};
    ptrdiff_t end = str_find_byte(text, '\0');
    struct str body = end < 0 ? STR("") : str_from(text, (size_t)end + 1);
    struct source source = {STR("fuzz"), end < 0 ? text : str_slice(text, 0, (size_t)end)};
    diagnostics_init(&diagnostics);
    if (tree_read_yaml(arena, &source, &documents, &diagnostics) == 0 && documents.count) {
        const struct json *value = json_read(arena, body, &error);
        for (size_t i = 0; i < COUNT_OF(types); i++)
            read_and_check(arena, types[i], documents.items[0], value);
        body_check(arena, documents.items[0], body);
    }
    diagnostics_clear(&diagnostics);
    arena_free(arena);
    return 0;
}
