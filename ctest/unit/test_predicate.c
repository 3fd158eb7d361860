/* What predicates hold of. */
#include "ctest/unit/predicate_rig.h"

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

UNIT_MAIN("predicate", test_a_scalar_means_equals, test_text_compares_as_written,
          test_numbers_are_equal_by_value, test_a_list_means_equals_this_list,
          test_all_predicates_of_a_mapping_have_to_hold,
          test_a_missing_value_fails_all_but_exists_false, test_not_negates_the_whole,
          test_a_type_that_does_not_fit_fails_also_under_not, test_text_predicates,
          test_ignore_case, test_quantities, test_counts_and_shares, test_structure, test_members,
          test_a_header_that_came_several_times, test_a_choice_may_have_several_names,
          test_an_output_ignores_one_final_newline, test_statuses)
