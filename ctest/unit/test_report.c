/* TAP, JUnit and NDJSON. */
#include "ctest/unit/report_rig.h"

START_TEST(test_tap_flat_is_strict)
{
    struct fake fakes[2];
    bool ok;
    struct arena *arena = arena_new();
    fake_init(&fakes[0], 0, "one");
    fake_check(&fakes[0], "first", VERDICT_PASS);
    fake_hostile(&fakes[1], 1);
    struct str text = document(tap_new(in_folder("a.tap"), false), fakes, 2, arena);
    struct str rest = text;
    ck_str_is(next_line(&rest), "TAP version 13");
    ck_assert_uint_eq(tap_take_plan(&rest, ""), 5);
    ck_str_is(tap_take_point(&rest, "", 1, &ok, arena), "examples/x.goto.yaml › one › first");
    ck_assert(ok);
    bool expected[] = {true, false, false, true};
    for (size_t i = 0; i < 4; i++) {
        tap_take_point(&rest, "", i + 2, &ok, arena);
        ck_assert_int_eq(ok, expected[i]);
    }
    ck_assert_uint_eq(rest.size, 0);
    ck_has(text, "severity: fail\n");
    ck_has(text, "severity: error\n");
    ck_has(text, "    file: \"examples/x.goto.yaml\"\n    line: 5\n    column: 7\n");
    ck_has(text, "duration_ms: 12.000\n");
    folder_remove("a.tap");
    fake_clear(&fakes[0]);
    fake_clear(&fakes[1]);
    arena_free(arena);
}
END_TEST

START_TEST(test_tap_subtests_are_strict)
{
    struct fake fakes[2];
    bool ok;
    struct arena *arena = arena_new();
    fake_init(&fakes[0], 0, "one");
    fake_check(&fakes[0], "first", VERDICT_PASS);
    fake_hostile(&fakes[1], 1);
    struct str rest = document(tap_new(in_folder("a.tap"), true), fakes, 2, arena);
    ck_str_is(next_line(&rest), "TAP version 14");
    ck_assert_uint_eq(tap_take_plan(&rest, ""), 2);
    for (size_t i = 1; i <= 2; i++) {
        struct str name = next_line(&rest);
        ck_assert(str_starts(name, STR("# Subtest: ")));
        size_t count = tap_take_plan(&rest, "    ");
        ck_assert_uint_eq(count, i == 1 ? 1 : 4);
        for (size_t j = 1; j <= count; j++)
            tap_take_point(&rest, "    ", j, &ok, arena);
        struct str parent = tap_take_point(&rest, "", i, &ok, arena);
        ck_assert(str_equal(parent, str_from(name, strlen("# Subtest: "))));
        ck_assert_int_eq(ok, i == 1);
    }
    ck_assert_uint_eq(rest.size, 0);
    folder_remove("a.tap");
    fake_clear(&fakes[0]);
    fake_clear(&fakes[1]);
    arena_free(arena);
}
END_TEST

START_TEST(test_tap_of_nothing)
{
    struct arena *arena = arena_new();
    struct str text = document(tap_new(in_folder("a.tap"), false), NULL, 0, arena);
    ck_str_is(text, "TAP version 13\n1..0 # SKIP nothing was run\n");
    text = document(tap_new(in_folder("a.tap"), true), NULL, 0, arena);
    ck_str_is(text, "TAP version 14\n1..0 # SKIP nothing was run\n");
    folder_remove("a.tap");
    arena_free(arena);
}
END_TEST

START_TEST(test_tap_says_interrupted_and_repeated)
{
    struct fake fakes[2];
    struct arena *arena = arena_new();
    for (size_t i = 0; i < 2; i++) {
        fake_init(&fakes[i], 0, "one");
        fake_check(&fakes[i], "a", VERDICT_PASS);
        fakes[i].result.repetition = (unsigned)i + 1;
        fakes[i].result.interrupted = i == 1;
    }
    struct str text = document(tap_new(in_folder("a.tap"), false), fakes, 2, arena);
    ck_has(text, "ok 1 - examples/x.goto.yaml › one › a\n");
    ck_has(text, "ok 2 - examples/x.goto.yaml › one (repetition 2) › a\n");
    ck_assert(str_ends(text, STR("\nBail out! interrupted\n")));
    folder_remove("a.tap");
    fake_clear(&fakes[0]);
    fake_clear(&fakes[1]);
    arena_free(arena);
}
END_TEST

/** Runs a command if the program is there; the exit status, or -1 when it is not. */
static int command(const char *program, const char *arguments)
{
    char text[1024];
    snprintf(text, sizeof text, "command -v %s >/dev/null", program);
    if (system(text) != 0)
        return -1;
    snprintf(text, sizeof text, "%s %s", program, arguments);
    return system(text);
}

START_TEST(test_prove_reads_tap)
{
    struct fake fake;
    char arguments[512];
    struct arena *arena = arena_new();
    fake_init(&fake, 0, "one");
    fake_check(&fake, "first # TODO", VERDICT_PASS);
    fake_check(&fake, hostile, VERDICT_SKIP)->reason = str_of(hostile);
    struct str text = document(tap_new(in_folder("a.tap"), false), &fake, 1, arena);
    ck_assert(text.size > 0);
    snprintf(arguments, sizeof arguments, "--exec cat %s >/dev/null 2>&1", in_folder("a.tap"));
    ck_assert_int_le(command("prove", arguments), 0);
    folder_remove("a.tap");
    fake_clear(&fake);
    fake_hostile(&fake, 0);
    document(tap_new(in_folder("a.tap"), false), &fake, 1, arena);
    /* two points fail and nothing is a parse error */
    snprintf(arguments, sizeof arguments,
             "--exec cat %s 2>&1 | grep -q 'Failed: 2' || ! command -v prove >/dev/null",
             in_folder("a.tap"));
    ck_assert_int_le(command("prove", arguments), 0);
    snprintf(arguments, sizeof arguments, "--exec cat %s 2>&1 | grep -q 'Parse errors'",
             in_folder("a.tap"));
    ck_assert_int_ne(command("prove", arguments), 0);
    folder_remove("a.tap");
    fake_clear(&fake);
    arena_free(arena);
}
END_TEST

/* JUnit */

START_TEST(test_junit_is_as_the_schema_has_it)
{
    struct fake fakes[3];
    char arguments[512];
    struct arena *arena = arena_new();
    fake_init(&fakes[0], 0, "to version 1.0");
    fake_check(&fakes[0], "first", VERDICT_PASS);
    fake_hostile(&fakes[1], 1);
    fake_init(&fakes[2], 0, "other");
    fakes[2].result.file = STR("./b/../c.d/y.yaml");
    fakes[2].result.file_index = 1;
    fakes[2].result.seed = 7;
    struct str text = document(junit_new(in_folder("a.xml")), fakes, 3, arena);
    ck_has(text, "classname=\"examples.x.to version 1_0\"");
    ck_has(text, "tests=\"5\" failures=\"1\" errors=\"1\" skipped=\"1\" time=\"1.468\" "
                 "timestamp=\"2026-01-02T03:04:05\"");
    ck_has(text, "<property name=\"seed\" value=\"42\"/>");
    ck_has(text, "app stderr | a]]&gt;b");
    ck_has(text, "(and 1 more)");
    ck_has(text, "<error message=");
    ck_has_not(text, "]]>");
    const char *data = unit_data_folder();
    snprintf(arguments, sizeof arguments, "--noout --nonet %s%s%s %s 2>/dev/null",
             data ? "--schema " : "", data ? data : "", data ? "/junit-10.xsd" : "",
             in_folder("a.xml"));
    ck_assert_int_le(command("xmllint", arguments), 0);
    folder_remove("a.xml");
    for (size_t i = 0; i < 3; i++)
        fake_clear(&fakes[i]);
    arena_free(arena);
}
END_TEST

START_TEST(test_junit_repetitions_and_seeds_differ)
{
    struct fake fakes[2];
    struct arena *arena = arena_new();
    for (size_t i = 0; i < 2; i++) {
        fake_init(&fakes[i], 0, "one");
        fake_check(&fakes[i], "a", VERDICT_PASS);
        fakes[i].result.repetition = (unsigned)i + 1;
        fakes[i].result.seed = i;
    }
    struct str text = document(junit_new(in_folder("a.xml")), fakes, 2, arena);
    ck_has(text, "<testcase name=\"a\" classname=\"examples.x.one\"");
    ck_has(text, "<testcase name=\"a (repetition 2)\" classname=\"examples.x.one\"");
    ck_has(text, "<property name=\"seed of one (repetition 2)\" value=\"1\"/>");
    folder_remove("a.xml");
    fake_clear(&fakes[0]);
    fake_clear(&fakes[1]);
    arena_free(arena);
}
END_TEST

START_TEST(test_junit_output_is_bounded)
{
    struct fake fake;
    struct arena *arena = arena_new();
    fake_init(&fake, 0, "one");
    fake_failure(&fake, "a", "1", "2");
    for (int i = 0; i < 10000; i++) {
        char line[64];
        snprintf(line, sizeof line, "this is line %d of the program", i);
        fake_entry(&fake, ENTRY_OUTPUT, "app", i, (struct entry){0}, line);
    }
    struct str text = document(junit_new(in_folder("a.xml")), &fake, 1, arena);
    ck_assert_uint_lt(text.size, 100 * 1024);
    ck_has(text, "earlier lines left out)");
    ck_has(text, "app stdout | this is line 9999 of the program\n");
    folder_remove("a.xml");
    fake_clear(&fake);
    arena_free(arena);
}
END_TEST

/* NDJSON */

static const struct json *member(const struct json *object, const char *name)
{
    return json_get(object, str_of(name));
}

/** The first line of a kind. */
static const struct json *line_of_kind(struct str text, const char *kind, struct arena *arena)
{
    struct json_error error;
    while (text.size) {
        struct str line = next_line(&text);
        const struct json *value = json_read(arena, line, &error);
        ck_assert_msg(value != NULL, "%s at %zu in " STR_FMT, error.message, error.offset,
                      STR_ARG(line));
        if (str_is(member(value, "kind")->text, kind))
            return value;
    }
    return NULL;
}

START_TEST(test_ndjson_has_every_kind_as_json)
{
    struct fake fakes[2];
    struct arena *arena = arena_new();
    fake_init(&fakes[0], 0, "one");
    fake_check(&fakes[0], "first", VERDICT_PASS);
    fake_hostile(&fakes[1], 1);
    struct str text = document(ndjson_new(in_folder("a.json")), fakes, 2, arena);
    for (int kind = 0; kind < ENTRY_KINDS; kind++) {
        const char *name = kind == ENTRY_CHECK ? "judged" : entry_kind_name((enum entry_kind)kind);
        ck_assert_msg(line_of_kind(text, name, arena) != NULL, "%s", name);
    }
    const struct json *request = line_of_kind(text, "request", arena);
    ck_str_is(member(request, "method")->text, "GET");
    ck_assert_uint_eq(member(member(request, "headers"), "x-a")->count, 2);
    ck_str_is(member(request, "version")->text, "HTTP/1.1");
    ck_str_is(member(request, "time-ns")->text, "3000000");
    const struct json *check = line_of_kind(text, "check", arena);
    ck_str_is(member(check, "name")->text, "first");
    const struct json *result = line_of_kind(text, "result", arena);
    ck_str_is(member(result, "scenario")->text, "one");
    ck_str_is(member(result, "verdict")->text, "passed");
    ck_str_is(member(result, "start")->text, "2026-01-02T03:04:05.678Z");
    ck_has(text, "\"failures\":[{\"place\":{\"file\":\"examples/x.goto.yaml\",\"line\":5,"
                 "\"column\":7},\"subject\":\"status\",\"predicate\":\"equals\",\"expected\":");
    ck_has(text, "\"verdict\":\"error\"");
    folder_remove("a.json");
    fake_clear(&fakes[0]);
    fake_clear(&fakes[1]);
    arena_free(arena);
}
END_TEST

START_TEST(test_ndjson_bodies_are_bounded)
{
    struct fake fake;
    struct arena *arena = arena_new();
    size_t size = 200 * 1024;
    char *body = arena_alloc(arena, size);
    for (size_t i = 0; i < size; i++)
        body[i] = i % 2 ? '\xa4' : '\xc3';
    body[0] = 'x'; /* the bound is in the middle of a character */
    memmove(body + 1, body + 2, size - 2);
    fake_init(&fake, 0, "one");
    fake_request(&fake, 1, "/", (struct str){body, size - 2}, 1);
    struct str text = document(ndjson_new(in_folder("a.json")), &fake, 1, arena);
    const struct json *request = line_of_kind(text, "request", arena);
    ck_assert_uint_eq(member(request, "body")->text.size, 64 * 1024 - 1);
    ck_assert(member(request, "body-cut")->boolean);
    ck_str_is(member(request, "body-size")->text, "204798");
    ck_has_not(member(request, "body")->text, REPORT_BAD "");
    folder_remove("a.json");
    fake_clear(&fake);
    arena_free(arena);
}
END_TEST

UNIT_MAIN("report", test_tap_flat_is_strict, test_tap_subtests_are_strict, test_tap_of_nothing,
          test_tap_says_interrupted_and_repeated, test_prove_reads_tap,
          test_junit_is_as_the_schema_has_it, test_junit_repetitions_and_seeds_differ,
          test_junit_output_is_bounded, test_ndjson_has_every_kind_as_json,
          test_ndjson_bodies_are_bounded)
