#include "language.h"
#include "schema/jsonschema.h"
#include "schema/reference.h"
#include "unit.h"

/* Two tables of one name, and one with all that a family in a root can be. */
static const struct table other_table = {TABLE_ROWS("limits", limits_rows), .empty_allowed = true};
static const struct type other_type = TYPE_TABLE(&other_table, struct limits);

struct root {
    struct thing thing;
    struct limits other;
};
static const struct row root_rows[] = {
    {NULL, &thing_type, offsetof(struct root, thing), ROW_INCLUDE, NULL, NULL},
    {"other", &other_type, offsetof(struct root, other), ROW_REQUIRED, NULL, "Another one."},
};
static const struct table root_table = {TABLE_ROWS("root", root_rows), .doc = "All | of it."};
static const struct type root_type = TYPE_TABLE(&root_table, struct root);

/** The schema of the invented language, read back. */
struct sample {
    struct arena *arena;
    struct buf text;
    struct json *schema;
};

static void sample_make(struct sample *sample)
{
    struct json_error error = {0};
    sample->arena = arena_new();
    buf_init(&sample->text, BUF_OWN);
    schema_write(&root_type, "a language", &sample->text);
    sample->schema = json_read(sample->arena, buf_str(&sample->text), &error);
    ck_assert_msg(sample->schema != NULL, "%s", error.message);
}

static void sample_free(struct sample *sample)
{
    buf_clear(&sample->text);
    arena_free(sample->arena);
}

/** Fails unless the value at a pointer such as "definitions/step/type" is this JSON; NULL: missing.
 */
static void check_at(const struct sample *sample, const char *pointer, const char *expected)
{
    const struct json *value = sample->schema;
    struct str rest = str_of(pointer);
    while (value && rest.size) {
        ptrdiff_t at = str_find_byte(rest, '/');
        struct str name = at < 0 ? rest : str_slice(rest, 0, (size_t)at);
        rest = at < 0 ? STR("") : str_from(rest, (size_t)at + 1);
        uint64_t index;
        if (value->kind == JSON_ARRAY && str_to_u64(name, 99, &index))
            value = index < value->count ? value->elements[index] : NULL;
        else
            value = value->kind == JSON_OBJECT ? json_get(value, name) : NULL;
    }
    struct buf text;
    buf_init(&text, BUF_OWN);
    if (value)
        json_write(value, &text);
    ck_assert_msg((value != NULL) == (expected != NULL), "%s", pointer);
    if (expected)
        ck_str_is(buf_str(&text), expected);
    buf_clear(&text);
}

START_TEST(test_describes_the_root)
{
    struct sample sample;
    sample_make(&sample);
    check_at(&sample, "$schema", "\"http://json-schema.org/draft-07/schema#\"");
    check_at(&sample, "title", "\"a language\"");
    check_at(&sample, "description", "\"All | of it.\"");
    check_at(&sample, "type", "\"object\"");
    check_at(&sample, "additionalProperties", "false");
    check_at(&sample, "required", "[\"other\"]");
    check_at(&sample, "properties/flag/description", "\"Yes or no. (default: false)\"");
    check_at(&sample, "properties/flag/type", "[\"boolean\",\"string\"]");
    check_at(&sample, "properties/flag/pattern", "\"\\\\$\\\\{\"");
    check_at(&sample, "properties/color/anyOf/0/enum", "[\"red\",\"green\",\"1.1\",1.1]");
    check_at(&sample, "properties/color/anyOf/1",
             "{\"type\":\"string\",\"pattern\":\"\\\\$\\\\{\"}");
    check_at(&sample, "properties/limits/allOf/0/$ref", "\"#/definitions/limits\"");
    check_at(&sample, "properties/other/allOf/0/$ref", "\"#/definitions/limits-2\"");
    check_at(&sample, "properties/steps/items/$ref", "\"#/definitions/step\"");
    check_at(&sample, "properties/inner/propertyNames/pattern", "\"^[a-z][a-z0-9-]*$\"");
    check_at(&sample, "properties/inner/additionalProperties/$ref", "\"#/definitions/thing\"");
    check_at(&sample, "definitions/thing/properties/inner/additionalProperties/$ref",
             "\"#/definitions/thing\"");
    check_at(&sample, "properties/node", "{\"description\":\"As written.\"}");
    check_at(&sample, "properties/words/anyOf/1/type", "\"array\"");
    ck_assert(str_ends(buf_str(&sample.text), STR("}\n")));
    sample_free(&sample);
}
END_TEST

START_TEST(test_describes_families)
{
    struct sample sample;
    sample_make(&sample);
    check_at(&sample, "definitions/step/anyOf/0/oneOf/0", "{\"required\":[\"http\"]}");
    check_at(&sample, "definitions/step/anyOf/0/oneOf/5", "{\"required\":[\"note\"]}");
    check_at(&sample, "definitions/step/anyOf/0/oneOf/6", NULL);
    check_at(&sample, "definitions/step/anyOf/0/properties/grpc", NULL);
    check_at(&sample, "definitions/step/anyOf/0/properties/most/minimum", "0");
    check_at(&sample, "definitions/step/anyOf/0/minProperties", "1");
    check_at(&sample, "definitions/step/anyOf/1", "{\"enum\":[\"stop\",\"limit\"]}");
    check_at(&sample, "definitions/step/anyOf/2/pattern", "\"\\\\$\\\\{\"");
    /* Two families, the one of its own optional: all of them hold. */
    check_at(&sample, "definitions/fault/anyOf/0/allOf/0/oneOf/0", "{\"required\":[\"http\"]}");
    check_at(&sample, "definitions/fault/anyOf/0/allOf/1/oneOf",
             "[{\"required\":[\"reset\"]},{\"not\":{\"anyOf\":[{\"required\":[\"reset\"]}]}}]");
    sample_free(&sample);
}
END_TEST

START_TEST(test_describes_short_forms)
{
    struct sample sample;
    sample_make(&sample);
    check_at(&sample, "definitions/request/anyOf/0/required", "[\"url\"]");
    check_at(&sample, "definitions/request/anyOf/1", "{\"type\":\"string\"}");
    check_at(&sample, "definitions/limits/type", "[\"object\",\"string\"]");
    check_at(&sample, "definitions/limits/minProperties", NULL);
    check_at(&sample, "definitions/limits/properties/pool", NULL);
    sample_free(&sample);
}
END_TEST

START_TEST(test_writes_the_reference)
{
    struct buf page;
    buf_init(&page, BUF_OWN);
    reference_write(&root_type, &page);
    static const char *const parts[] = {
        "## root\n\nAll | of it.\n\n| key | kind | default | |\n",
        "| `color` | `red`, `green` or `1.1` | `red` | How it looks.<br>`red`: Like blood.<br>",
        "| `limits` | [limits](#limits) |  | Its bounds. |\n",
        "| `other` | [limits-2](#limits-2) | *required* | Another one. |\n",
        "| `steps` | list: [step](#step) |  | What it does. |\n",
        "| `inner` | names to: [thing](#thing) |  | More of them. |\n",
        "| `words` | text, or a list of it |  | One or more. |\n",
        "\n## limits\n\nBounds of a thing.\n\n",
        "| `idle` | duration such as 300ms | `60s` | How long nothing may come. |\n",
        "| `pool` |  |  | A pool of them. *Not in this version.* |\n",
        "\nExactly one [verb](#verb) stands in it too.\n",
        "\nAt most one [fault-2](#fault-2) stands in it too.\n",
        "## verb\n\n| verb | kind | |\n| --- | --- | --- |\n| `http` | [request](#request) | Sends",
        "| `close` | name of: upstream, proxy or program | Closes a port. |\n",
        "A value that is no mapping is its `url`.\n",
        "| `headers` | mapping to: text |  | By name \\| in order. |\n",
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        ck_assert_msg(strstr(page.data, parts[i]) != NULL, "not in it: %s\n%s", parts[i],
                      page.data);
    buf_clear(&page);
}
END_TEST

UNIT_MAIN("jsonschema", test_describes_the_root, test_describes_families,
          test_describes_short_forms, test_writes_the_reference)
