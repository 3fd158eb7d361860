/**
 * Predicates of a YAML text, tested on JSON texts.
 */
#ifndef GOTO_CTEST_PREDICATE_RIG_H
#define GOTO_CTEST_PREDICATE_RIG_H

#include "schema/predicate.h"

#include "base/memory.h"
#include "unit.h"

#include <string.h>

/** A predicate that was read from YAML, with what was said about it. */
struct sample {
    struct arena *arena;
    struct source source;
    struct diagnostics diagnostics;
    struct predicate *predicate;
    enum read_result result;
};

static inline struct sample *sample_read(const struct type *type, const char *yaml,
                                         const struct scope *scope)
{
    struct sample *sample = memory_alloc(sizeof *sample);
    sample->arena = arena_new();
    sample->source = (struct source){STR("f"), str_of(yaml)};
    diagnostics_init(&sample->diagnostics);
    struct documents documents;
    ck_assert_msg(
        tree_read_yaml(sample->arena, &sample->source, &documents, &sample->diagnostics) == 0, "%s",
        yaml);
    struct reader reader = {
        .arena = sample->arena, .diagnostics = &sample->diagnostics, .scope = scope};
    sample->result = reader_read(&reader, type, documents.items[0], &sample->predicate);
    ck_assert_int_eq(sample->result == READ_FAILED, sample->diagnostics.count != 0);
    ck_assert_int_eq(sample->result == READ_OK, sample->predicate != NULL);
    return sample;
}

static inline void sample_free(struct sample *sample)
{
    diagnostics_clear(&sample->diagnostics);
    arena_free(sample->arena);
    memory_free(sample);
}

static inline struct sample *sample_of(const struct type *type, const char *yaml)
{
    struct sample *sample = sample_read(type, yaml, NULL);
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    diagnostics_print(&sample->diagnostics, &buf);
    ck_assert_msg(sample->result == READ_OK, "%s: %s", yaml, buf.data);
    buf_clear(&buf);
    return sample;
}

/** JSON text as a value; NULL is a missing one. */
static inline const struct json *value_of(struct arena *arena, const char *json)
{
    struct json_error error;
    if (!json)
        return NULL;
    const struct json *value = json_read(arena, str_of(json), &error);
    ck_assert_msg(value != NULL, "%s: %s", json, error.message);
    return value;
}

static inline bool holds(const struct type *type, const char *yaml, const char *json)
{
    struct sample *sample = sample_of(type, yaml);
    const struct json *value = value_of(sample->arena, json);
    struct mismatch mismatch;
    bool quiet = predicate_test(sample->predicate, value, sample->arena, NULL);
    bool loud = predicate_test(sample->predicate, value, sample->arena, &mismatch);
    ck_assert_int_eq(quiet, loud);
    sample_free(sample);
    return loud;
}

static inline void decides(const struct type *type, const char *yaml, const char *json,
                           bool expected)
{
    const char *shown = json ? json : "nothing";
    ck_assert_msg(holds(type, yaml, json) == expected, "%s on %s", yaml, shown);
}

#define YES(type, yaml, json) decides(&type_predicate_##type, yaml, json, true)
#define NO(type, yaml, json) decides(&type_predicate_##type, yaml, json, false)

/** Checks the mismatch: "line:column name: expected / actual / note". */
static inline void fails_as(const struct type *type, const char *yaml, const char *json,
                            const char *expected)
{
    struct sample *sample = sample_of(type, yaml);
    struct mismatch mismatch;
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    ck_assert_msg(
        !predicate_test(sample->predicate, value_of(sample->arena, json), sample->arena, &mismatch),
        "%s on %s", yaml, json ? json : "nothing");
    buf_printf(&buf, "%u:%u " STR_FMT ": " STR_FMT " / " STR_FMT, mismatch.place.line,
               mismatch.place.column, STR_ARG(mismatch.predicate), STR_ARG(mismatch.expected),
               STR_ARG(mismatch.actual));
    if (mismatch.note.size)
        buf_printf(&buf, " / " STR_FMT, STR_ARG(mismatch.note));
    ck_str_is(buf_str(&buf), expected);
    buf_clear(&buf);
    sample_free(sample);
}

/** Checks what is said when it is read: "line:column message (help); …". */
static inline void says(const struct type *type, const char *yaml, const char *expected)
{
    struct sample *sample = sample_read(type, yaml, NULL);
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    for (const struct diagnostic *d = sample->diagnostics.first; d; d = d->next) {
        buf_printf(&buf, "%s%u:%u " STR_FMT, d == sample->diagnostics.first ? "" : "; ",
                   d->place.line, d->place.column, STR_ARG(d->message));
        if (d->help.size)
            buf_printf(&buf, " (" STR_FMT ")", STR_ARG(d->help));
    }
    buf_append_string(&buf, "");
    ck_str_is(buf_str(&buf), expected);
    buf_clear(&buf);
    sample_free(sample);
}

#endif
