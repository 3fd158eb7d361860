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

static struct sample *sample_read(const struct type *type, const char *yaml,
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

static void sample_free(struct sample *sample)
{
    diagnostics_clear(&sample->diagnostics);
    arena_free(sample->arena);
    memory_free(sample);
}

static struct sample *sample_of(const struct type *type, const char *yaml)
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
static const struct json *value_of(struct arena *arena, const char *json)
{
    struct json_error error;
    if (!json)
        return NULL;
    const struct json *value = json_read(arena, str_of(json), &error);
    ck_assert_msg(value != NULL, "%s: %s", json, error.message);
    return value;
}

static bool holds(const struct type *type, const char *yaml, const char *json)
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

static void decides(const struct type *type, const char *yaml, const char *json, bool expected)
{
    const char *shown = json ? json : "nothing";
    ck_assert_msg(holds(type, yaml, json) == expected, "%s on %s", yaml, shown);
}

#define YES(type, yaml, json) decides(&type_predicate_##type, yaml, json, true)
#define NO(type, yaml, json) decides(&type_predicate_##type, yaml, json, false)

/** Checks the mismatch: "line:column name: expected / actual / note". */
static void fails_as(const struct type *type, const char *yaml, const char *json,
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
static void says(const struct type *type, const char *yaml, const char *expected)
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

START_TEST(test_a_scalar_means_equals)
{
    YES(text, "abc", "\"abc\"");
    NO(text, "abc", "\"abcd\"");
    YES(json, "7", "7");
    NO(json, "\"7\"", "7");
    NO(json, "7", "\"7\"");
    YES(json, "null", "null");
    NO(json, "null", "false");
    YES(json, "true", "true");
    YES(number, "3", "3");
    YES(duration, "300ms", "300000000");
    YES(size, "64KiB", "65536");
    YES(status, "200", "200");
    YES(choice, "GET", "\"GET\"");
    NO(choice, "GET", "\"get\"");
    YES(count, "3", "3");
}
END_TEST

START_TEST(test_text_compares_as_written)
{
    YES(text, "1.10", "\"1.10\"");
    NO(text, "1.10", "\"1.1\"");
    YES(text, "true", "\"true\"");
    YES(text, "0x10", "\"0x10\"");
    NO(text, "0x10", "\"16\"");
    YES(text, "null", "\"null\"");
    YES(text, "{equals: 007}", "\"007\"");
    YES(text, "{in: [1.0, no]}", "\"1.0\"");
    YES(text, "{contains: 1.0}", "\"HTTP/1.0\"");
    YES(text, "\"\"", "\"\"");
}
END_TEST

START_TEST(test_numbers_are_equal_by_value)
{
    YES(json, "1.10", "1.1");
    YES(json, "100", "1e2");
    YES(json, "18446744073709551615", "18446744073709551615");
    NO(json, "18446744073709551615", "18446744073709551614");
    NO(json, "0.1", "0.10000000000000000001");
    YES(json, "0x10", "16");
}
END_TEST

START_TEST(test_a_list_means_equals_this_list)
{
    YES(json, "[1, 2]", "[1, 2.0]");
    NO(json, "[1, 2]", "[2, 1]");
    NO(json, "[1]", "1");
    YES(json, "[]", "[]");
    YES(text, "[a, b]", "[\"a\", \"b\"]");
    NO(text, "[a, b]", "[\"b\", \"a\"]");
    NO(text, "[a]", "[\"a\", \"a\"]");
    YES(text, "[a]", "\"a\"");
    YES(status, "[200, 3xx]", "301");
    NO(status, "[200, 3xx]", "404");
    YES(choice, "[GET, HEAD]", "\"HEAD\"");
    NO(choice, "[GET, HEAD]", "\"PUT\"");
}
END_TEST

START_TEST(test_all_predicates_of_a_mapping_have_to_hold)
{
    YES(json, "{at-least: 3, at-most: 5}", "5");
    NO(json, "{at-least: 3, at-most: 5}", "6");
    YES(text, "{starts-with: a, ends-with: z}", "\"abz\"");
    NO(text, "{starts-with: a, ends-with: z}", "\"ab\"");
}
END_TEST

START_TEST(test_a_missing_value_fails_all_but_exists_false)
{
    static const char *const all[] = {
        "1",
        "{exists: true}",
        "{not: 1}",
        "{not: {exists: false}}",
        "{empty: true}",
        "{type: 'null'}",
        "{in: [1]}",
        "{count: 0}",
        "{none: 1}",
        "{each: 1}",
        "{below: 5}",
        "{not: {not: 1}}",
        "null",
        "{not: {exists: true, equals: 3}}",
        "{exists: false, equals: 1}",
    };
    for (size_t i = 0; i < COUNT_OF(all); i++)
        NO(json, all[i], NULL);
    YES(json, "{exists: false}", NULL);
    YES(json, "{not: {exists: true}}", NULL);
    NO(json, "{exists: false}", "null");
    YES(json, "{exists: true}", "null");
    YES(text, "{exists: false}", NULL);
    NO(text, "{not: abc}", NULL);
}
END_TEST

START_TEST(test_not_negates_the_whole)
{
    YES(json, "{not: 5}", "6");
    NO(json, "{not: 5}", "5");
    YES(json, "{not: [1, 2]}", "[1]");
    YES(json, "{not: {at-least: 3, at-most: 5}}", "6");
    NO(json, "{not: {at-least: 3, at-most: 5}}", "4");
    YES(status, "{not: [2xx, 404]}", "500");
    NO(status, "{not: [2xx, 404]}", "204");
    YES(json, "{not: {not: 5}}", "5");
    YES(text, "{not: {contains: x}, contains: y}", "\"y\"");
    NO(text, "{not: {contains: x}, contains: y}", "\"xy\"");
}
END_TEST

START_TEST(test_a_type_that_does_not_fit_fails_also_under_not)
{
    static const char *const all[] = {"{above: 5}",    "{starts-with: a}", "{matches: a}",
                                      "{contains: a}", "{empty: true}",    "{count: 1}",
                                      "{each: 1}",     "{any: 1}",         "{none: 1}"};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        char text[64];
        NO(json, all[i], "true");
        snprintf(text, sizeof text, "{not: %s}", all[i]);
        NO(json, text, "true");
        snprintf(text, sizeof text, "{not: {not: %s}}", all[i]);
        NO(json, text, "true");
    }
    NO(json, "{not: {type: string, starts-with: x}}", "5");
    NO(json, "{above: 5}", "\"7\"");
    YES(json, "{not: x}", "5");
    fails_as(&type_predicate_json, "{not: {above: 5}}", "\"7\"",
             "1:2 not: not above 5 / \"7\" / 'above' compares numbers; this is a string");
    fails_as(&type_predicate_json, "{contains: 7}", "\"a7\"",
             "1:2 contains: to contain 7 / \"a7\" / a text cannot contain a number; in quotes it "
             "would be a text");
    fails_as(&type_predicate_text, "{above: 7}", "\"seven\"",
             "1:2 above: above 7 / \"seven\" / 'above' needs a number here, which this text is "
             "not");
}
END_TEST

START_TEST(test_text_predicates)
{
    YES(text, "{contains: bc}", "\"abcd\"");
    NO(text, "{contains: cb}", "\"abcd\"");
    YES(text, "{starts-with: ab}", "\"abcd\"");
    NO(text, "{starts-with: b}", "\"abcd\"");
    YES(text, "{ends-with: cd}", "\"abcd\"");
    NO(text, "{ends-with: abcde}", "\"abcd\"");
    YES(text, "{matches: '^a.c'}", "\"abcd\"");
    YES(text, "{matches: 'c'}", "\"abcd\"");
    NO(text, "{matches: '^c'}", "\"abcd\"");
    YES(json, "{contains: b}", "\"abc\"");
    YES(json, "{contains: b}", "[\"a\", \"b\"]");
    NO(json, "{contains: b}", "[\"abc\"]");
    YES(json, "{contains: {x: 1}}", "[{\"x\": 1.0}]");
    YES(json, "{contains: 2}", "[1, 2]");
    YES(choice, "{starts-with: tls}", "\"tls-expired\"");
}
END_TEST

START_TEST(test_ignore_case)
{
    YES(text, "{equals: ABC, ignore-case: true}", "\"abc\"");
    NO(text, "{equals: ABC, ignore-case: true}", "\"abcd\"");
    NO(text, "{equals: ABC, ignore-case: false}", "\"abc\"");
    YES(text, "{ignore-case: true, contains: 'É.'}", "\"caf\u00e9.\"");
    NO(text, "{ignore-case: true, contains: 'e.'}", "\"ex\"");
    YES(text, "{ignore-case: true, starts-with: 'ΑΒ'}", "\"αβγ\"");
    NO(text, "{ignore-case: true, starts-with: b}", "\"ab\"");
    YES(text, "{ignore-case: true, ends-with: 'ЖЩ'}", "\"ежщ\"");
    NO(text, "{ignore-case: true, ends-with: a}", "\"ab\"");
    YES(text, "{ignore-case: true, matches: '^ab+$'}", "\"ABB\"");
    YES(text, "{ignore-case: true, in: [x, Gzip]}", "\"GZIP\"");
    YES(text, "{ignore-case: true, equals: '[a](b)\\E*'}", "\"[A](B)\\\\e*\"");
    YES(json, "{ignore-case: true, equals: A}", "\"a\"");
    NO(json, "{ignore-case: true, equals: A}", "1");
    YES(json, "{ignore-case: true, contains: A}", "[1, \"a\"]");
    YES(text, "{ignore-case: true, equals: [A, B]}", "[\"a\", \"b\"]");
    NO(text, "{not: {ignore-case: true, equals: A}}", "\"a\"");
    YES(output, "{ignore-case: true, equals: \"A\\n\"}", "\"a\\n\"");
    fails_as(&type_predicate_text, "{equals: A, ignore-case: true}", "\"b\"",
             "1:2 equals: \"A\", ignoring case / \"b\"");
}
END_TEST

START_TEST(test_quantities)
{
    YES(json, "{above: 5}", "5.0000000000000000000001");
    NO(json, "{above: 5}", "5");
    YES(json, "{below: -1}", "-1.5");
    YES(json, "{at-least: 5}", "5.0");
    YES(json, "{at-most: 1e400}", "9e399");
    YES(json, "{between: [1, 3]}", "3");
    YES(json, "{between: [1, 3]}", "1");
    NO(json, "{between: [1, 3]}", "3.01");
    YES(duration, "{below: 300ms}", "299999999");
    NO(duration, "{below: 300ms}", "300000000");
    YES(duration, "{between: [1s, 2s]}", "2000000000");
    YES(size, "{at-most: 1MiB}", "1048576");
    YES(status, "{below: 400}", "399");
    YES(number, "{not: {at-least: 3}}", "2");
    YES(text, "{above: 10}", "\"11\"");
    NO(text, "{above: 10}", "\"9\"");
    YES(text, "{below: 10ms}", "\"9.5ms\"");
    YES(text, "{at-least: 1KiB}", "\"1024B\"");
    NO(text, "{below: 10ms}", "\"9\"");
    YES(output, "{above: 10}", "\"11\\n\"");
    NO(json, "{between: [1, 3]}", "\"2\"");
}
END_TEST

START_TEST(test_counts_and_shares)
{
    YES(count, "25%", "[1, 4]");
    NO(count, "25%", "[2, 4]");
    YES(count, "{at-most: 25%}", "[1, 4]");
    NO(count, "{above: 10%}", "[0, 0]");
    YES(count, "{at-most: 3}", "[3, 4]");
    YES(count, "3", "[3, 4]");
    NO(count, "25%", "1");
    YES(count, "{between: [10%, 20%]}", "[15, 100]");
}
END_TEST

START_TEST(test_structure)
{
    YES(json, "{empty: true}", "[]");
    YES(json, "{empty: true}", "{}");
    YES(json, "{empty: true}", "\"\"");
    YES(json, "{empty: false}", "[0]");
    NO(json, "{empty: true}", "null");
    NO(json, "{empty: false}", "0");
    YES(json, "{type: integer}", "1.0");
    YES(json, "{type: number}", "1");
    NO(json, "{type: integer}", "1.5");
    YES(json, "{type: 'null'}", "null");
    YES(json, "{type: null}", "null");
    YES(json, "{type: array}", "[]");
    YES(json, "{type: object}", "{}");
    YES(json, "{type: boolean}", "false");
    YES(json, "{count: 2}", "[1, 2]");
    YES(json, "{count: 2}", "\"é€\"");
    YES(json, "{count: {at-least: 2, below: 4}}", "[1, 2, 3]");
    NO(json, "{count: 2}", "{\"a\": 1, \"b\": 2}");
    YES(json, "{count: 0}", "[]");
    YES(text, "{count: 3}", "\"abc\"");
    fails_as(&type_predicate_json, "{count: {at-least: 3}}", "[1]",
             "1:10 count: count at least 3 / [1] / it has 1 member");
}
END_TEST

START_TEST(test_members)
{
    YES(json, "{each: {above: 1}}", "[2, 3]");
    NO(json, "{each: {above: 1}}", "[2, 1]");
    YES(json, "{each: 7}", "[]");
    NO(json, "{each: 7}", "7");
    YES(json, "{any: 2}", "[1, 2]");
    NO(json, "{any: 2}", "[]");
    YES(json, "{any: {above: 5}}", "[\"x\", 7]");
    NO(json, "{any: {above: 5}}", "[\"x\", 3]");
    NO(json, "{not: {any: {above: 5}}}", "[\"x\", 3]");
    YES(json, "{none: 2}", "[1, 3]");
    YES(json, "{none: 2}", "[]");
    NO(json, "{none: 2}", "[1, 2]");
    NO(json, "{none: {above: 5}}", "[\"x\"]");
    NO(json, "{none: 1}", "{}");
    YES(json, "{each: {each: {type: integer}}}", "[[1], [2, 3]]");
    YES(json, "{each: [1, 2]}", "[[1, 2]]");
    YES(json, "{any: {equals: {a: 1}}}", "[{\"a\": 1}]");
    fails_as(&type_predicate_json, "{each: {above: 1}}", "[2, 1]",
             "1:9 each: each above 1 / [2,1] / member 2 is 1");
    fails_as(&type_predicate_json, "{none: {above: 1}}", "[1, 2]",
             "1:2 none: none above 1 / [1,2] / member 2 is 2");
    fails_as(&type_predicate_json, "{each: {above: 1}}", "5",
             "1:2 each: each above 1 / 5 / 'each' needs a list; this is a number");
}
END_TEST

START_TEST(test_a_header_that_came_several_times)
{
    const char *two = "[\"gzip\", \"br\"]";
    YES(text, "br", two);
    NO(text, "deflate", two);
    NO(text, "{not: br}", two);
    YES(text, "{not: deflate}", two);
    YES(text, "{contains: zi}", two);
    YES(text, "{starts-with: b, ends-with: r}", two);
    NO(text, "{starts-with: g, ends-with: r}", two);
    YES(text, "{count: 2}", two);
    YES(text, "{count: 2, contains: zi}", two);
    YES(text, "{each: {matches: '^[a-z]+$'}}", two);
    YES(text, "{each: {matches: '^[a-z]+$'}}", "\"br\"");
    YES(text, "{any: br, none: x}", two);
    YES(text, "{type: array}", two);
    YES(text, "{exists: true}", two);
    NO(text, "{exists: false}", two);
    YES(text, "{contains: zi, not: {contains: x}}", two);
    NO(text, "{contains: zi, not: {contains: br}}", two);
    YES(text, "{above: 5}", "[\"abc\", \"7\"]");
    NO(text, "{above: 5}", "[\"abc\", \"4\"]");
    NO(text, "{not: {above: 5}}", "[\"abc\", \"4\"]");
    NO(text, "a", "[]");
    YES(text, "{empty: true}", "[]");
    fails_as(
        &type_predicate_text, "{starts-with: g, ends-with: r}", two,
        "1:18 ends-with: to end with \"r\" / [\"gzip\",\"br\"] / no single one of the 2 values "
        "fulfils all of them");
}
END_TEST

START_TEST(test_a_choice_may_have_several_names)
{
    const char *names = "[\"tls-expired\", \"tls\", \"any\"]";
    YES(choice, "tls", names);
    YES(choice, "[timeout, any]", names);
    NO(choice, "tls-untrusted", names);
    NO(choice, "{not: tls}", names);
    YES(choice, "{not: [timeout, dns]}", names);
    fails_as(&type_predicate_choice, "timeout", names, "1:1 equals: timeout / tls-expired");
}
END_TEST

START_TEST(test_an_output_ignores_one_final_newline)
{
    YES(output, "done", "\"done\\n\"");
    YES(output, "done", "\"done\\r\\n\"");
    YES(output, "\"done\\n\"", "\"done\\n\"");
    YES(output, "\"done\\n\"", "\"done\"");
    NO(output, "done", "\"done\\n\\n\"");
    YES(output, "{in: [a, done]}", "\"done\\n\"");
    YES(output, "{ends-with: ne}", "\"done\\n\"");
    YES(output, "{ends-with: \"ne\\n\"}", "\"done\\n\"");
    NO(output, "{ends-with: \"\\n\"}", "\"done\"");
    NO(output, "{not: done}", "\"done\\n\"");
    NO(output, "{matches: 'done\\z'}", "\"done\\n\"");
    YES(output, "{contains: \"done\\n\"}", "\"done\\n\"");
    NO(text, "done", "\"done\\n\"");
    NO(output, "{each: done}", "\"done\"");
}
END_TEST

START_TEST(test_statuses)
{
    YES(status, "2xx", "299");
    YES(status, "2XX", "200");
    NO(status, "2xx", "301");
    NO(status, "{not: 2xx}", "200");
    YES(status, "{equals: 200}", "200");
    YES(status, "{in: [1xx, 418]}", "418");
    NO(status, "200", NULL);
    says(&type_predicate_status, "20x",
         "1:1 expected a status such as 200 or 2xx, found a string '20x'");
    says(&type_predicate_status, "42",
         "1:1 expected a status such as 200 or 2xx, found a number '42'");
    says(&type_predicate_status, "[]", "1:1 an empty list: nothing is in it");
}
END_TEST

START_TEST(test_wrong_predicates_are_told)
{
    says(&type_predicate_text, "{}",
         "1:1 an empty predicate compares nothing (write for example {exists: true})");
    says(&type_predicate_json, "{}",
         "1:1 an empty predicate compares nothing (write {equals: {}} for an empty object)");
    says(&type_predicate_json, "{not: {}}",
         "1:7 an empty predicate compares nothing (write {equals: {}} for an empty object)");
    says(&type_predicate_text, "{containz: x}",
         "1:2 unknown predicate 'containz' (did you mean 'contains'?)");
    says(&type_predicate_json, "{user: x}",
         "1:2 unknown predicate 'user' (a mapping here is always predicates; to compare with a "
         "mapping as a whole write {equals: {…}})");
    says(&type_predicate_text, "{ignore-case: true}",
         "1:2 'ignore-case' needs a text predicate beside it (write {equals: text, ignore-case: "
         "true}; inside 'not' or 'each' it stands beside the predicate there)");
    says(&type_predicate_json, "{ignore-case: true, above: 5}",
         "1:2 'ignore-case' needs a text predicate beside it (write {equals: text, ignore-case: "
         "true}; inside 'not' or 'each' it stands beside the predicate there)");
    says(&type_predicate_json, "{ignore-case: true, equals: 5}",
         "1:29 with 'ignore-case' this has to be a text");
    says(&type_predicate_text, "{exists: maybe}",
         "1:10 expected true or false, found a string 'maybe'");
    says(&type_predicate_json, "{type: strng}",
         "1:8 expected a type: string, number, integer, boolean, null, array or object, found a "
         "string 'strng' (did you mean 'string'?)");
    says(&type_predicate_json, "{between: [3, 1]}",
         "1:12 the first end is above the second: nothing is between them");
    says(&type_predicate_json, "{between: 3}",
         "1:11 expected a list of two: the lowest and the highest, found a number '3' (write "
         "between: [10, 20])");
    says(&type_predicate_json, "{above: x}", "1:9 expected a number, found a string 'x'");
    says(&type_predicate_text, "{above: x}",
         "1:9 expected a number, duration or size, found a string 'x'");
    says(&type_predicate_duration, "300",
         "1:1 expected a duration such as 300ms, found a number '300' (write 300ms or 300s)");
    says(&type_predicate_number, "[1, 2]",
         "1:1 expected a number or a predicate, found a list (write {in: […]} for one of several)");
    says(&type_predicate_json, "{in: 5}", "1:6 expected a list, found a number '5'");
    says(&type_predicate_json, "{equals: }",
         "1:9 expected a JSON value or a predicate, found nothing (write null to compare with "
         "null)");
    says(&type_predicate_text, "{equals: {a: b}}", "1:10 expected a text, found a mapping");
    says(&type_predicate_duration, "{contains: 5}",
         "1:2 'contains' cannot be used on a duration (one of equals, not, in, exists, type, "
         "above, below, at-least, at-most, between)");
    /* All of its faults at once. */
    says(&type_predicate_json, "{above: x, below: y}",
         "1:9 expected a number, found a string 'x'; 1:19 expected a number, found a string 'y'");
}
END_TEST

START_TEST(test_a_wrong_pattern_is_placed_inside)
{
    says(&type_predicate_text, "{matches: a(b}",
         "1:14 wrong regular expression: missing closing parenthesis");
    says(&type_predicate_text, "{matches: 'é[z-a]'}",
         "1:16 wrong regular expression: range out of order in character class");
    says(&type_predicate_text, "{ignore-case: true, matches: '[z-a]'}",
         "1:34 wrong regular expression: range out of order in character class");
    says(&type_predicate_text, "{matches: \"\\u0061[z-a]\"}",
         "1:11 wrong regular expression: range out of order in character class");
}
END_TEST

START_TEST(test_mismatches_in_words)
{
    fails_as(&type_predicate_status, "200", "503", "1:1 equals: 200 / 503");
    fails_as(&type_predicate_status, "[200, 2xx]", "503", "1:1 in: one of 200, 2xx / 503");
    fails_as(&type_predicate_number, "{at-least: 3}", "2", "1:2 at-least: at least 3 / 2");
    fails_as(&type_predicate_text, "{matches: '^v'}", "\"x\"",
             "1:2 matches: to match \"^v\" / \"x\"");
    fails_as(&type_predicate_text, "abc", NULL, "1:1 equals: \"abc\" / nothing");
    fails_as(&type_predicate_text, "{exists: false}", "\"x\"", "1:2 exists: not to exist / \"x\"");
    fails_as(&type_predicate_duration, "{below: 300ms}", "300040000",
             "1:2 below: below 300ms / 300ms (300040000 ns)");
    fails_as(&type_predicate_size, "{below: 1KiB}", "1536",
             "1:2 below: below 1KiB / 1536 bytes (1.5 KiB)");
    fails_as(&type_predicate_json, "7", "\"7\"",
             "1:1 equals: 7 / \"7\" / expected a number, found a string");
    fails_as(&type_predicate_json, "{not: {at-least: 1, at-most: 3}}", "2",
             "1:2 not: not (at least 1 and at most 3) / 2");
    fails_as(&type_predicate_count, "{below: 25%}", "[1, 4]", "1:2 below: below 25% / 1 of 4");
    fails_as(&type_predicate_json, "{between: [1, 3]}", "4", "1:2 between: between 1 and 3 / 4");
    fails_as(&type_predicate_json, "{type: string}", "4", "1:2 type: of type string / 4");
    fails_as(&type_predicate_json, "{in: [a, 2]}", "4", "1:2 in: one of \"a\", 2 / 4");
}
END_TEST

START_TEST(test_long_texts_are_cut_and_their_difference_is_told)
{
    struct sample *sample = sample_of(&type_predicate_text, "{equals: x}");
    char *text = arena_alloc(sample->arena, 2000);
    struct mismatch mismatch;
    memset(text, 'x', 2000);
    ck_assert(!predicate_test(sample->predicate,
                              json_string(sample->arena, (struct str){text, 2000}), sample->arena,
                              &mismatch));
    ck_assert(mismatch.actual.size < 500);
    ck_assert(str_ends(mismatch.actual, STR("… (2000 bytes)")));
    ck_str_is(mismatch.note, "they differ first at line 1, character 2: expected \"\", found "
                             "\"xxxxxxxxxxxxxxxxxxxxxxxx\"");
    sample_free(sample);
}
END_TEST

START_TEST(test_structured_values_come_with_a_diff)
{
    struct sample *sample = sample_of(&type_predicate_json, "{equals: {a: 1}}");
    struct mismatch mismatch;
    ck_assert(!predicate_test(sample->predicate, value_of(sample->arena, "{\"a\": 2}"),
                              sample->arena, &mismatch));
    ck_assert_ptr_nonnull(mismatch.expected_json);
    ck_assert_ptr_nonnull(mismatch.actual_json);
    ck_assert(!mismatch.subset);
    sample_free(sample);
}
END_TEST

START_TEST(test_catastrophic_patterns_are_failures)
{
    struct sample *sample = sample_of(&type_predicate_text, "{not: {matches: '^(a+)+$'}}");
    char *text = arena_alloc(sample->arena, 5001);
    struct mismatch mismatch;
    memset(text, 'a', 5000);
    text[5000] = '!';
    ck_assert(!predicate_test(sample->predicate,
                              json_string(sample->arena, (struct str){text, 5001}), sample->arena,
                              &mismatch));
    ck_str_is(mismatch.note, "the pattern takes too long on this text and was given up");
    sample_free(sample);
}
END_TEST

static bool possible(const char *yaml, uint64_t value)
{
    struct sample *sample = sample_of(&type_predicate_count, yaml);
    bool result = predicate_count_possible(sample->predicate, value);
    sample_free(sample);
    return result;
}

START_TEST(test_what_a_growing_count_can_still_reach)
{
    ck_assert(possible("3", 3));
    ck_assert(!possible("3", 4));
    ck_assert(possible("{at-least: 3}", 100));
    ck_assert(possible("{at-most: 3}", 3));
    ck_assert(!possible("{at-most: 3}", 4));
    ck_assert(!possible("{below: 3}", 3));
    ck_assert(possible("{between: [1, 3]}", 0));
    ck_assert(!possible("{between: [1, 3]}", 4));
    ck_assert(possible("{in: [1, 7]}", 5));
    ck_assert(!possible("{in: [1, 7]}", 8));
    ck_assert(!possible("{not: {at-least: 3}}", 3));
    ck_assert(possible("{not: {at-least: 3}}", 2));
    ck_assert(possible("{not: 3}", 3));
    ck_assert(possible("{not: {at-most: 3}}", 3));
    ck_assert(possible("25%", 1000000));
}
END_TEST

static bool bounded(const char *yaml)
{
    struct sample *sample = sample_of(&type_predicate_duration, yaml);
    bool result = predicate_has_upper_bound(sample->predicate);
    sample_free(sample);
    return result;
}

START_TEST(test_upper_bounds)
{
    ck_assert(bounded("{below: 3s}"));
    ck_assert(bounded("{at-most: 3s}"));
    ck_assert(bounded("{between: [1s, 3s]}"));
    ck_assert(bounded("{not: {above: 3s}}"));
    ck_assert(!bounded("{at-least: 3s}"));
    ck_assert(!bounded("{not: {below: 3s}}"));
}
END_TEST

START_TEST(test_exists_false_is_recognised)
{
    static const struct {
        const char *yaml;
        bool is;
    } all[] = {{"{exists: false}", true},
               {"{not: {exists: true}}", true},
               {"{exists: true}", false},
               {"{not: {exists: false}}", false},
               {"false", false}};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct sample *sample = sample_of(&type_predicate_json, all[i].yaml);
        ck_assert_int_eq(predicate_is_exists_false(sample->predicate), all[i].is);
        sample_free(sample);
    }
}
END_TEST

static const char *const errors[] = {"timeout", "connection-refused", "tls", "http2-reset", NULL};
static const struct type errors_type = TYPE_PREDICATE_CHOICE(errors);

START_TEST(test_names_are_checked)
{
    sample_free(sample_of(&errors_type, "timeout"));
    sample_free(sample_of(&errors_type, "[tls, 'http2-reset(REFUSED_STREAM)']"));
    sample_free(sample_of(&errors_type, "{not: {in: [tls]}}"));
    says(&errors_type, "conection-refused",
         "1:1 unknown name 'conection-refused' (did you mean 'connection-refused'?)");
    says(&errors_type, "[tls, zzz]",
         "1:7 unknown name 'zzz' (one of timeout, connection-refused, tls, http2-reset)");
    says(&errors_type, "{not: timeoutt}", "1:7 unknown name 'timeoutt' (did you mean 'timeout'?)");
}
END_TEST

static bool looks_like(const char *yaml)
{
    struct arena *arena = arena_new();
    struct diagnostics diagnostics;
    struct documents documents;
    struct source source = {STR("f"), str_of(yaml)};
    diagnostics_init(&diagnostics);
    ck_assert_int_eq(tree_read_yaml(arena, &source, &documents, &diagnostics), 0);
    bool result = predicate_looks_like(documents.items[0]);
    diagnostics_clear(&diagnostics);
    arena_free(arena);
    return result;
}

START_TEST(test_what_looks_like_a_predicate)
{
    ck_assert(looks_like("{contains: x}"));
    ck_assert(looks_like("{at-least: 3, at-most: 5}"));
    ck_assert(looks_like("{exists: true}"));
    ck_assert(looks_like("{type: string}"));
    ck_assert(looks_like("{not: {matches: x}}"));
    ck_assert(looks_like("{count: {above: 3}}"));
    ck_assert(looks_like("{between: [1, 2]}"));
    ck_assert(!looks_like("{}"));
    ck_assert(!looks_like("{count: 3}"));
    ck_assert(!looks_like("{type: user}"));
    ck_assert(!looks_like("{type: string, id: 5}"));
    ck_assert(!looks_like("{in: stock}"));
    ck_assert(!looks_like("{any: 5, none: 3}"));
    ck_assert(!looks_like("{empty: 0}"));
    ck_assert(!looks_like("[1]"));
}
END_TEST

/** Variables: `list`, `object`, `text`, `late` (known later). */
static enum resolve_result variable(const struct scope *scope, struct arena *arena, struct str name,
                                    const struct json **value, struct str *why,
                                    struct nearest *nearest)
{
    (void)scope;
    (void)why;
    (void)nearest;
    if (str_is(name, "late"))
        return RESOLVE_LATER;
    if (str_is(name, "list"))
        *value = value_of(arena, "[\"a\", \"${text}\"]");
    else if (str_is(name, "object"))
        *value = value_of(arena, "{\"id\": 5}");
    else if (str_is(name, "number"))
        *value = value_of(arena, "5");
    else
        *value = value_of(arena, "\"${late}\"");
    return RESOLVE_OK;
}

static const struct scope scope = {.variable = variable};

static bool holds_with(const struct type *type, const char *yaml, const char *json)
{
    struct sample *sample = sample_read(type, yaml, &scope);
    ck_assert_msg(sample->result == READ_OK, "%s", yaml);
    bool result =
        predicate_test(sample->predicate, value_of(sample->arena, json), sample->arena, NULL);
    sample_free(sample);
    return result;
}

START_TEST(test_variables_in_literals)
{
    static const char *const late[] = {"${late}",
                                       "{not: '${late}'}",
                                       "{equals: 'x${late}'}",
                                       "{in: [a, '${late}']}",
                                       "[a, '${late}']",
                                       "{each: {contains: '${late}'}}",
                                       "{exists: '${late}'}",
                                       "{contains: a, matches: 'b${late}'}"};
    for (size_t i = 0; i < COUNT_OF(late); i++) {
        struct sample *sample = sample_read(&type_predicate_text, late[i], &scope);
        ck_assert_msg(sample->result == READ_DEFERRED, "%s", late[i]);
        sample_free(sample);
    }
    ck_assert(holds_with(&type_predicate_json, "${number}", "5"));
    ck_assert(!holds_with(&type_predicate_json, "x${number}", "5"));
    ck_assert(holds_with(&type_predicate_json, "{above: '${number}'}", "6"));
    ck_assert(holds_with(&type_predicate_json, "${object}", "{\"id\": 5}"));
    ck_assert(holds_with(&type_predicate_json, "{not: '${object}'}", "{\"id\": 6}"));
    ck_assert(holds_with(&type_predicate_json, "{in: '${list}'}", "\"a\""));
    ck_assert(holds_with(&type_predicate_json, "${list}", "[\"a\", \"${text}\"]"));
    ck_assert(holds_with(&type_predicate_text, "${text}", "\"${late}\""));
    ck_assert(holds_with(&type_predicate_text, "$${late}", "\"${late}\""));
    ck_assert(holds_with(&type_predicate_text, "{contains: '$${late}'}", "\"a${late}b\""));
    ck_assert(holds_with(&type_predicate_number, "${number}", "5"));
}
END_TEST

START_TEST(test_tables_name_what_a_subject_knows)
{
    struct slot slot;
    ck_assert(table_find(predicate_table(SUBJECT_TEXT), STR("contains"), &slot));
    ck_assert(!table_find(predicate_table(SUBJECT_DURATION), STR("contains"), &slot));
    ck_assert(table_find(predicate_table(SUBJECT_DURATION), STR("below"), &slot));
    ck_assert_ptr_eq(predicate_table(SUBJECT_JSON), predicate_table(SUBJECT_JSON));
    for (size_t i = 0; i < predicate_table(SUBJECT_JSON)->count; i++)
        ck_assert(predicate_table(SUBJECT_JSON)->rows[i].doc[0] != '\0');
}
END_TEST

UNIT_MAIN("predicate", test_a_scalar_means_equals, test_text_compares_as_written,
          test_numbers_are_equal_by_value, test_a_list_means_equals_this_list,
          test_all_predicates_of_a_mapping_have_to_hold,
          test_a_missing_value_fails_all_but_exists_false, test_not_negates_the_whole,
          test_a_type_that_does_not_fit_fails_also_under_not, test_text_predicates,
          test_ignore_case, test_quantities, test_counts_and_shares, test_structure, test_members,
          test_a_header_that_came_several_times, test_a_choice_may_have_several_names,
          test_an_output_ignores_one_final_newline, test_statuses, test_wrong_predicates_are_told,
          test_a_wrong_pattern_is_placed_inside, test_mismatches_in_words,
          test_long_texts_are_cut_and_their_difference_is_told,
          test_structured_values_come_with_a_diff, test_catastrophic_patterns_are_failures,
          test_what_a_growing_count_can_still_reach, test_upper_bounds,
          test_exists_false_is_recognised, test_names_are_checked, test_what_looks_like_a_predicate,
          test_variables_in_literals, test_tables_name_what_a_subject_knows)
