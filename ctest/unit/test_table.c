#include "language.h"
#include "unit.h"

/** One reading: the text, what came out, and what was said. */
struct sample {
    struct arena *arena;
    struct diagnostics diagnostics;
    struct source source;
    struct reader reader;
    struct thing thing;
    enum read_result result;
    struct buf said;
};

/* The variables of the fake scope; "later.x" is known only during the run. */
static const char *const variables[][2] = {
    {"n", "3"},
    {"text", "\"abc\""},
    {"word", "\"5\""},
    {"yes", "true"},
    {"null", "null"},
    {"list", "[1, \"${n}\"]"},
    {"api", "\"http://h\""},
    {"step", "{\"http\": \"${n}/$${x}\"}"},
    {"map", "{\"a\": [1.10]}"},
    {"stop", "\"stop\""},
    {"contains", "{\"contains\": 1}"},
};

static struct arena *values;

static enum resolve_result fake_variable(const struct scope *scope, struct arena *arena,
                                         struct str name, const struct json **value,
                                         struct str *why, struct nearest *nearest)
{
    (void)scope;
    if (str_starts(name, STR("later.")))
        return RESOLVE_LATER;
    if (str_starts(name, STR("env."))) {
        ptrdiff_t at = str_find(name, STR(":-"));
        *value = json_string(arena, at < 0 ? STR("set") : str_from(name, (size_t)at + 2));
        return RESOLVE_OK;
    }
    for (size_t i = 0; i < COUNT_OF(variables); i++) {
        str_nearest(nearest, str_of(variables[i][0]));
        if (!str_is(name, variables[i][0]))
            continue;
        struct json_error error;
        *value = json_read(values, str_of(variables[i][1]), &error);
        ck_assert_ptr_nonnull(*value);
        return RESOLVE_OK;
    }
    *why = arena_printf(arena, "unknown name '" STR_FMT "'", STR_ARG(name));
    return RESOLVE_FAILED;
}

static bool fake_defines(const struct scope *scope, enum name_kind kind, struct str name,
                         struct nearest *nearest)
{
    (void)scope;
    ck_assert_int_eq(kind, NAME_PORT);
    str_nearest(nearest, STR("api"));
    return str_is(name, "api");
}

static const struct scope fake = {fake_variable, fake_defines};

static void sample_read_in(struct sample *sample, const struct scope *scope, const char *text)
{
    struct documents documents;
    *sample = (struct sample){.arena = arena_new()};
    values = sample->arena;
    diagnostics_init(&sample->diagnostics);
    buf_init(&sample->said, BUF_OWN);
    sample->source = (struct source){STR("t"), str_of(text)};
    sample->reader = (struct reader){
        .arena = sample->arena, .diagnostics = &sample->diagnostics, .scope = scope};
    int rc = tree_read_yaml(sample->arena, &sample->source, &documents, &sample->diagnostics);
    if (rc == 0)
        sample->result =
            reader_read(&sample->reader, &thing_type, documents.items[0], &sample->thing);
    diagnostics_print(&sample->diagnostics, &sample->said);
    ck_assert_msg(rc == 0, "%s", sample->said.data ? sample->said.data : "");
    ck_assert_uint_eq(sample->reader.depth, 0);
    ck_assert(!sample->reader.resolved);
}

static void sample_free(struct sample *sample)
{
    buf_clear(&sample->said);
    diagnostics_clear(&sample->diagnostics);
    arena_free(sample->arena);
}

/** Reads a text that has to be right. */
static void sample_good(struct sample *sample, const char *text)
{
    sample_read_in(sample, &fake, text);
    ck_assert_msg(sample->result == READ_OK, "%d: %s", sample->result,
                  sample->said.data ? sample->said.data : "");
    ck_assert_uint_eq(sample->diagnostics.count, 0);
}

/** Reads a text that has to be wrong in exactly these ways. */
static void check_said(const char *text, const char *said)
{
    struct sample sample;
    sample_read_in(&sample, &fake, text);
    ck_assert_int_eq(sample.result, READ_FAILED);
    ck_assert_str_eq(sample.said.data, said);
    sample_free(&sample);
}

/** The same, but only the first line of what is said counts, and the help. */
static void check_message(const char *text, const char *message, const char *help)
{
    struct sample sample;
    sample_read_in(&sample, &fake, text);
    ck_assert_msg(sample.result == READ_FAILED, "read: %s", text);
    ck_assert_msg(sample.diagnostics.count == 1, "%s", sample.said.data);
    ck_str_is(sample.diagnostics.first->message, message);
    ck_str_is(sample.diagnostics.first->help, help);
    sample_free(&sample);
}

static struct step *step_at(const struct sample *sample, size_t i)
{
    ck_assert_uint_lt(i, sample->thing.steps.count);
    return (struct step *)sample->thing.steps.items + i;
}

START_TEST(test_reads_every_scalar)
{
    struct sample sample;
    sample_good(&sample, "color: 1.1\nflag: true\nsize: 64KiB\nrange: 10-100\nshare: 25%\n"
                         "integer: -16\npositive: 0o17\ntext: 1.10\nnew-name: a-1\n"
                         "node: ['${n}']\nplace: here\nmaybe: 5\nwords: one\n");
    ck_assert_int_eq(sample.thing.color, COLOR_ONE);
    ck_assert(sample.thing.flag);
    ck_assert_uint_eq(sample.thing.size, 65536);
    ck_assert_uint_eq(sample.thing.range.low, 10);
    ck_assert_uint_eq(sample.thing.range.high, 100);
    ck_assert_double_eq(sample.thing.share, 0.25);
    ck_assert_uint_eq(sample.thing.positive, 15);
    ck_assert_int_eq(sample.thing.integer, -16);
    ck_str_is(sample.thing.text, "1.10");
    ck_str_is(sample.thing.new_name, "a-1");
    ck_str_is(sample.thing.node->items[0]->text, "${n}");
    ck_assert_uint_eq(sample.thing.place.line, 11);
    ck_assert_uint_eq(*sample.thing.maybe, 5);
    ck_assert_uint_eq(sample.thing.words.count, 1);
    ck_assert_ptr_null(sample.thing.limits);
    sample_free(&sample);
}
END_TEST

START_TEST(test_reads_numbers_to_their_bounds)
{
    struct sample sample;
    sample_good(&sample, "positive: 18446744073709551615\ninteger: -9223372036854775808\n");
    ck_assert_uint_eq(sample.thing.positive, UINT64_MAX);
    ck_assert_int_eq(sample.thing.integer, INT64_MIN);
    sample_free(&sample);
    sample_good(&sample, "positive: 1e3\ninteger: -2.0\nmaybe: -0\nsize: 0x10\n");
    ck_assert_uint_eq(sample.thing.positive, 1000);
    ck_assert_int_eq(sample.thing.integer, -2);
    ck_assert_uint_eq(*sample.thing.maybe, 0);
    ck_assert_uint_eq(sample.thing.size, 16);
    sample_free(&sample);
    check_message("positive: 18446744073709551616",
                  "expected a whole number from 1, found a number '18446744073709551616'", "");
    check_message("integer: 9223372036854775808",
                  "expected a whole number, found a number '9223372036854775808'", "");
    check_message("maybe: 1.5", "expected a whole number, found a number '1.5'", "");
    check_message("maybe: 1e999999999", "expected a whole number, found a number '1e999999999'",
                  "");
    check_message("maybe: .inf", "expected a whole number, found a number '.inf'", "");
    check_message("maybe: -1", "expected a whole number, found a number '-1'", "");
    check_message("maybe: '1'", "expected a whole number, found a string '1'", "");
    check_message("positive: 0", "expected a whole number from 1, found a number '0'", "");
}
END_TEST

START_TEST(test_presets_and_checks)
{
    struct sample sample;
    sample_good(&sample, "limits: {idle: 5s}\nsteps: [{stop: true, most: 2}]\n");
    ck_assert_uint_eq(sample.thing.limits->most, 7);
    ck_assert_int_eq(sample.thing.limits->idle_ns, 5000000000);
    ck_assert(sample.thing.limits->checked);
    ck_assert_uint_eq(sample.thing.embedded.most, 7); /* its key is absent */
    ck_assert(!sample.thing.embedded.checked);
    ck_assert_uint_eq(step_at(&sample, 0)->limits.most, 2);
    ck_assert_int_eq(step_at(&sample, 0)->limits.idle_ns, 60000000000);
    ck_assert(step_at(&sample, 0)->limits.checked);
    ck_assert(step_at(&sample, 0)->checked);
    sample_free(&sample);
    check_message("steps: [{stop: , most: 13}]", "13 brings bad luck", "");
}
END_TEST

START_TEST(test_reads_families)
{
    struct sample sample;
    sample_good(&sample,
                "steps:\n  - http: GET /x\n  - http: {url: u, status: 0xC8, headers: {a: 1}}\n"
                "  - run: [a, 2]\n  - run: b\n  - close: api\n    name: n\n  - stop\n"
                "  - limit\n  - limit: {most: 1}\n  - {stop: }\n  - {stop: false}\n");
    const struct request *request = step_at(&sample, 0)->verb.value;
    ck_str_is(request->url, "GET /x");
    ck_assert_str_eq(step_at(&sample, 0)->verb.member->key, "http");
    ck_assert_uint_eq(step_at(&sample, 0)->verb.place.column, 5);
    request = step_at(&sample, 1)->verb.value;
    ck_assert_uint_eq(request->status, 200);
    const struct map_entry *header = request->headers.items;
    ck_str_is(header->name, "a");
    ck_str_is(*(struct str *)header->value, "1");
    const struct list *words = step_at(&sample, 2)->verb.value;
    ck_str_is(((struct str *)words->items)[1], "2");
    ck_str_is(*(struct str *)step_at(&sample, 4)->verb.value, "api");
    ck_str_is(step_at(&sample, 4)->name, "n");
    ck_assert(*(bool *)step_at(&sample, 5)->verb.value);
    ck_assert_uint_eq(((struct limits *)step_at(&sample, 6)->verb.value)->most, 7);
    ck_assert_uint_eq(((struct limits *)step_at(&sample, 7)->verb.value)->most, 1);
    ck_assert(*(bool *)step_at(&sample, 8)->verb.value);
    ck_assert(!*(bool *)step_at(&sample, 9)->verb.value);
    sample_free(&sample);
}
END_TEST

START_TEST(test_reads_a_family_of_an_included_table)
{
    struct sample sample;
    sample_good(&sample, "fault: {run: x, most: 4, reset: true}");
    ck_assert_str_eq(sample.thing.fault->what.member->key, "reset");
    ck_assert_str_eq(sample.thing.fault->once.verb.member->key, "run");
    ck_assert_uint_eq(sample.thing.fault->once.limits.most, 4);
    ck_assert(sample.thing.fault->once.checked);
    sample_free(&sample);
    check_message("fault: {reset: true}",
                  "a fault needs one verb: one of http, run, close, stop, limit, note", "");
    check_message("fault: {reset: true, stop: true, rum: a}", "unknown key 'rum' in fault",
                  "did you mean 'run'?");
}
END_TEST

START_TEST(test_collects_all_errors)
{
    check_said(
        "colour: red\nflag: no\nsteps:\n  - htp: x\n  - most: 1\ninner:\n  api:\n    siez: 1\n",
        "t:1:1: error: unknown key 'colour' in thing\n"
        "    1 | colour: red\n      | ^~~~~~\n      = did you mean 'color'?\n"
        "t:2:7: error: expected true or false, found a string 'no'\n"
        "    2 | flag: no\n      |       ^~\n      = write false\n"
        "t:4:5: error: unknown key 'htp' in step\n"
        "    4 |   - htp: x\n      |     ^~~\n      = did you mean 'http'?\n"
        "t:5:5: error: a step needs one verb: one of http, run, close, stop, limit, note\n"
        "    5 |   - most: 1\n      |     ^~~~\n"
        "t:8:5: error: unknown key 'siez' in thing 'api'\n"
        "    8 |     siez: 1\n      |     ^~~~\n      = did you mean 'size'?\n");
}
END_TEST

START_TEST(test_tells_wrong_mappings)
{
    check_message("steps: [{http: a, run: b}]",
                  "a step has one verb only: 'http' and 'run' both stand here", "");
    check_message("steps: [{grpc: a}]", "'grpc' is part of the language but not of this version",
                  "");
    check_message("limits: {pool: a}", "'pool' is part of the language but not of this version",
                  "");
    check_message("steps: [{http: {status: 200}}]", "missing key 'url' in request", "");
    check_message("steps: [{http: {urll: x}}]", "unknown key 'urll' in request",
                  "did you mean 'url'?");
    check_message("steps: [{}]", "an empty step says nothing; give at least one key", "");
    check_message("limits:", "expected a mapping (limits), found nothing",
                  "write {} for one without keys, or leave the key out");
    check_message("steps: [{http: }]", "expected a mapping (request), found nothing",
                  "give at least one key, or leave this one out");
    check_message("steps:", "expected a list, found nothing",
                  "write [] for an empty list, or leave the key out");
    check_message("steps: 3", "expected a list, found a number '3'", "");
    check_message("inner: [a]", "expected a mapping of names, found a list", "");
    check_message("inner: {A: {flag: true}}", "'A' is not a name",
                  "a name starts with a letter a-z and holds letters a-z, digits and '-'");
    check_message("steps: [run]", "'run' needs a value", "write {run: …}");
    check_message("steps: [runn]", "expected a mapping (step), found a string 'runn'",
                  "did you mean 'run'?");
    check_message("limits: true", "expected a mapping (limits), found 'true'", "");
    check_message("{\"a\\x01b\xc3\xa9\": 1}", "unknown key 'a?b\xc3\xa9' in thing", "");
}
END_TEST

START_TEST(test_tells_wrong_scalars)
{
    check_message("limits: {idle: 3 parsecs}",
                  "expected a duration such as 300ms, found a string '3 parsecs'", "");
    check_message("limits: {idle: 300}", "expected a duration such as 300ms, found a number '300'",
                  "write 300ms or 300s");
    check_message("limits: {idle: 1s-2s}",
                  "expected a duration such as 300ms, found a string '1s-2s'",
                  "one fixed duration stands here, nothing is drawn");
    check_message("limits: {idle: [1s]}", "expected a duration such as 300ms, found a list", "");
    check_message("steps: [{stop: true, delay: 5}]",
                  "expected a duration such as 300ms, 1s-3s or 20ms~5ms, found a number '5'",
                  "write 5ms or 5s");
    check_message("share: 25", "expected a share such as 25%, found a number '25'", "write 25%");
    check_message("size: 1-2", "expected a size such as 512 or 64KiB, found a string '1-2'",
                  "one fixed size stands here, nothing is drawn");
    check_message("range: 9-2", "expected a size such as 64KiB or 10-100, found a string '9-2'",
                  "");
    check_message("text:", "expected a text, found nothing", "write \"\" for an empty text");
    check_message("text: {a: b}", "expected a text, found a mapping", "");
    check_message("steps: [{http: 1.10}]", "expected a string, found a number '1.10'",
                  "write it in quotes: \"1.10\"");
    check_message("steps: [{http: {url: u, status: 99}}]",
                  "expected a status from 100 to 999, found a number '99'", "");
    check_message("steps: [{stop: yes}]", "expected true, false, or nothing, found a string 'yes'",
                  "write true");
    check_message("new-name: Ab", "'Ab' is not a name",
                  "a name starts with a letter a-z and holds letters a-z, digits and '-'");
    check_message("color: gren", "expected one of red, green, 1.1, found a string 'gren'",
                  "did you mean 'green'?");
    check_message("color:", "expected one of red, green, 1.1, found nothing", "");
    check_message("steps: [{close: apj}]", "no upstream, proxy or program is called 'apj'",
                  "did you mean 'api'?");
    check_message("steps: [{close: [api]}]",
                  "expected the name of an upstream, proxy or program, found a list", "");
}
END_TEST

START_TEST(test_resolves_variables)
{
    struct sample sample;
    sample_good(&sample, "maybe: ${n}\npositive: ${word}\nflag: ${yes}\nsize: ${n}KiB\n"
                         "text: ${api}/${n}/${yes}/${null}/${map}/$${n}/$n$$${x}$\n"
                         "words: ${list}\ninteger: ${env.X:-12}\nsteps: ['${step}', '${stop}']\n"
                         "inner: {a: {text: '${n}', words: ['a${n}', '${text}']}}\n");
    ck_assert_uint_eq(*sample.thing.maybe, 3);
    ck_assert_uint_eq(sample.thing.positive, 5);
    ck_assert(sample.thing.flag);
    ck_assert_uint_eq(sample.thing.size, 3072);
    ck_str_is(sample.thing.text, "http://h/3/true/null/{\"a\":[1.10]}/${n}/$n$${x}$");
    const struct str *words = sample.thing.words.items;
    ck_str_is(words[0], "1");
    ck_str_is(words[1], "${n}"); /* the value of a variable is not resolved again */
    ck_assert_int_eq(sample.thing.integer, 12);
    const struct request *request = step_at(&sample, 0)->verb.value;
    ck_str_is(request->url, "${n}/$${x}");
    ck_assert(*(bool *)step_at(&sample, 1)->verb.value);
    sample_free(&sample);
}
END_TEST

START_TEST(test_reads_a_chosen_again)
{
    struct sample sample;
    sample_good(&sample, "steps: ['${step}', {http: 'x${n}'}, {note: '${n}'}]");
    for (size_t i = 0; i < 2; i++) {
        const struct chosen *chosen = &step_at(&sample, i)->verb;
        struct request request = {0};
        ck_assert_int_eq(reader_read(&sample.reader, chosen->member->type, chosen->node, &request),
                         READ_OK);
        ck_str_is(request.url, i ? "x3" : "${n}/$${x}");
    }
    const struct node *note = *(const struct node **)step_at(&sample, 2)->verb.value;
    ck_str_is(note->text, "${n}");
    sample_free(&sample);
}
END_TEST

START_TEST(test_without_a_scope_texts_are_left_alone)
{
    struct sample sample;
    sample_read_in(&sample, NULL, "text: a${x$${y}\nsteps: [{close: nobody}]\n");
    ck_assert_int_eq(sample.result, READ_OK);
    ck_str_is(sample.thing.text, "a${x$${y}");
    sample_free(&sample);
}
END_TEST

START_TEST(test_defers_what_is_known_later)
{
    struct sample sample;
    sample_read_in(&sample, &fake,
                   "limits: {most: '${later.x}', idle: 1s}\nmaybe: ${later.x}\nsize: 5\n"
                   "steps: [{http: '${later.a}/x', most: 2}, {stop: true, most: '${later.n}'}]\n");
    ck_assert_int_eq(sample.result, READ_DEFERRED);
    ck_assert_uint_eq(sample.diagnostics.count, 0);
    ck_assert_uint_eq(sample.thing.size, 5);
    ck_assert_ptr_null(sample.thing.maybe);
    ck_assert_uint_eq(sample.thing.limits->most, 7);
    ck_assert_int_eq(sample.thing.limits->idle_ns, 1000000000);
    ck_assert(!sample.thing.limits->checked);
    const struct step *first = step_at(&sample, 0);
    ck_assert(first->verb.deferred);
    ck_assert(first->checked); /* what is chosen may be deferred, the step is whole */
    ck_str_is(first->verb.node->text, "${later.a}/x");
    ck_assert(!step_at(&sample, 1)->verb.deferred);
    ck_assert(!step_at(&sample, 1)->checked);
    sample_free(&sample);
    sample_read_in(&sample, &fake, "limits: ${later.all}\nwords: ${later.w}\n");
    ck_assert_int_eq(sample.result, READ_DEFERRED);
    ck_assert_uint_eq(sample.thing.limits->most, 7);
    sample_free(&sample);
    sample_read_in(&sample, &fake, "maybe: ${later.x}\nflag: 1\n");
    ck_assert_int_eq(sample.result, READ_FAILED);
    sample_free(&sample);
}
END_TEST

START_TEST(test_tells_wrong_variables)
{
    check_said(
        "text: \"a\\tb${txt}\"\nwords:\n  - |\n    one\n    two ${ap\nnode: [{a: 'x${nope}'}]\n",
        "t:1:12: error: unknown name 'txt'\n"
        "    1 | text: \"a\\tb${txt}\"\n      |            ^~~~~~\n"
        "      = did you mean 'text'?\n"
        "t:5:9: error: '${' without a '}' after it\n"
        "    5 |     two ${ap\n      |         ^~~~\n"
        "      = write $${ for a literal ${\n"
        "t:6:14: error: unknown name 'nope'\n"
        "    6 | node: [{a: 'x${nope}'}]\n      |              ^~~~~~~\n");
    check_message("text: ${}", "'${}' names nothing", "");
    check_message("text: ${env.A:-${n}}", "a variable cannot stand inside another one", "");
    check_message("text: $${a}${n}${nope}", "unknown name 'nope'", "");
    check_message("maybe: ${text}", "expected a whole number, found a string 'abc'", "");
}
END_TEST

START_TEST(test_json_values)
{
    struct sample sample;
    sample_good(
        &sample,
        "steps:\n  - {stop: , json: {a: ['${n}', 1.10, 0x10], b: '${map}', '$${k}': '$${v}'},\n"
        "     literal: '${map}'}\n");
    const struct step *step = step_at(&sample, 0);
    struct buf text;
    buf_init(&text, BUF_OWN);
    json_write(step->json, &text);
    ck_str_is(buf_str(&text), "{\"a\":[3,1.10,16],\"b\":{\"a\":[1.10]},\"$${k}\":\"${v}\"}");
    ck_assert(json_is_subset(step->literal, json_get(step->json, STR("b"))));
    buf_clear(&text);
    sample_free(&sample);
    sample_read_in(&sample, &fake, "steps: [{stop: , json: {a: ['${later.x}']}}]");
    ck_assert_int_eq(sample.result, READ_DEFERRED);
    ck_assert_ptr_null(step_at(&sample, 0)->json);
    sample_free(&sample);
}
END_TEST

START_TEST(test_refuses_predicates_in_literals)
{
    struct sample sample;
    check_message("steps: [{stop: , literal: {a: [{contains: x}]}}]",
                  "'contains' here looks like a predicate; 'json' takes literals only",
                  "use jsonpath: {$.path: {contains: …}}");
    sample_good(&sample, "steps: [{stop: , literal: {a: '${contains}'}}]"); /* that is data */
    sample_free(&sample);
}
END_TEST

START_TEST(test_bounds_the_depth)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    for (int i = 0; i < 45; i++)
        buf_append_string(&text, "{inner: {a: ");
    buf_append_string(&text, "{flag: true}");
    for (int i = 0; i < 45; i++)
        buf_append_string(&text, "}}");
    struct sample sample;
    sample_good(&sample, text.data);
    sample.reader.depth = 95;
    struct documents documents;
    ck_assert_int_eq(tree_read_yaml(sample.arena, &sample.source, &documents, &sample.diagnostics),
                     0);
    struct thing thing = {0};
    ck_assert_int_eq(reader_read(&sample.reader, &thing_type, documents.items[0], &thing),
                     READ_FAILED);
    ck_str_is(sample.diagnostics.first->message, "nested deeper than 100 levels");
    ck_assert_uint_eq(sample.reader.depth, 95);
    sample_free(&sample);
    buf_clear(&text);
}
END_TEST

START_TEST(test_knows_variables_in_texts)
{
    ck_assert(text_has_variable(STR("a${b}")));
    ck_assert(text_has_variable(STR("a${b")));
    ck_assert(text_has_variable(STR("$${a}${b}")));
    ck_assert(!text_has_variable(STR("$${a}")));
    ck_assert(!text_has_variable(STR("a$$${a}$")));
    ck_assert(!text_has_variable(STR("")));
    ck_assert(text_is_variable(STR("${a}")));
    ck_assert(!text_is_variable(STR("${a}b")));
    ck_assert(!text_is_variable(STR("$${a}")));
    ck_assert(!text_is_variable(STR("${a")));
    ck_assert(!text_is_variable(STR("")));
}
END_TEST

START_TEST(test_worse_results)
{
    ck_assert_int_eq(read_worse(READ_OK, READ_DEFERRED), READ_DEFERRED);
    ck_assert_int_eq(read_worse(READ_FAILED, READ_DEFERRED), READ_FAILED);
    ck_assert_int_eq(read_worse(READ_OK, READ_OK), READ_OK);
}
END_TEST

UNIT_MAIN("table", test_reads_every_scalar, test_reads_numbers_to_their_bounds,
          test_presets_and_checks, test_reads_families, test_reads_a_family_of_an_included_table,
          test_collects_all_errors, test_tells_wrong_mappings, test_tells_wrong_scalars,
          test_resolves_variables, test_reads_a_chosen_again,
          test_without_a_scope_texts_are_left_alone, test_defers_what_is_known_later,
          test_tells_wrong_variables, test_json_values, test_refuses_predicates_in_literals,
          test_bounds_the_depth, test_knows_variables_in_texts, test_worse_results)
