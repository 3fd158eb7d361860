/* Predicates that are wrong, how a mismatch reads, and what can be told of a predicate beforehand.
 */
#include "ctest/unit/predicate_rig.h"

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

static const char *const codes[] = {"OK", "LATE", NULL};
static const struct type codes_type = TYPE_PREDICATE_CODE(codes);

START_TEST(test_codes_without_a_name)
{
    sample_free(sample_of(&codes_type, "LATE"));
    sample_free(sample_of(&codes_type, "2"));
    sample_free(sample_of(&codes_type, "[OK, 42, '2147483647']"));
    sample_free(sample_of(&codes_type, "{not: {in: [42]}}"));
    says(&codes_type, "1", "1:1 1 has a name (write LATE)");
    says(&codes_type, "{not: 0}", "1:7 0 has a name (write OK)");
    says(&codes_type, "042", "1:1 unknown name '042' (one of OK, LATE)");
    says(&codes_type, "-1", "1:1 unknown name '-1' (one of OK, LATE)");
    says(&codes_type, "2147483648", "1:1 unknown name '2147483648' (one of OK, LATE)");
    says(&codes_type, "LAT", "1:1 unknown name 'LAT' (did you mean 'LATE'?)");
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

UNIT_MAIN("predicate_words", test_wrong_predicates_are_told, test_a_wrong_pattern_is_placed_inside,
          test_mismatches_in_words, test_long_texts_are_cut_and_their_difference_is_told,
          test_structured_values_come_with_a_diff, test_catastrophic_patterns_are_failures,
          test_what_a_growing_count_can_still_reach, test_upper_bounds,
          test_exists_false_is_recognised, test_names_are_checked, test_codes_without_a_name,
          test_what_looks_like_a_predicate, test_variables_in_literals,
          test_tables_name_what_a_subject_knows)
