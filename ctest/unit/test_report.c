#include "unit.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "runner/report/report_private.h"
#include "server/http/message.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

/* Fake results */

/** Everything that a format may choke on: controls, bad UTF-8, markup, comment signs, line ends. */
static const char hostile[] =
    "a]]>b<c>&\"' # SKIP \\ \x1b[31mred\x1b[0m\x1b \x07\xff\xef\xbf\xbe "
    "\xef\xbf\xbf\xf0\x9f\x98\x80 \xc2\x85\xe2\x80\xa8\nnot ok 9 - x\n1..3\r\n...";

static struct source source = {
    STR_INIT("examples/x.goto.yaml"),
    STR_INIT("name: one\nsteps:\n  - http: GET ${api}/foo\n    expect:\n      status: 503\n"),
};

static const struct place status_place = {&source, 5, 7, 6};

struct fake {
    struct result result;
    struct checks checks;
    struct arena *arena;
    struct journal *journal;
};

static void fake_init(struct fake *fake, size_t index, const char *name)
{
    *fake = (struct fake){.arena = arena_new(), .journal = journal_new(0, 0)};
    journal_start(fake->journal, 0);
    fake->checks.arena = fake->arena;
    fake->result = (struct result){
        .file = source.name,
        .name = str_of(name),
        .place = {&source, 1, 1, 4},
        .index = index,
        .seed = 42,
        .wall_ns = INT64_C(1767323045678000000),
        .duration_ns = 734 * CLOCK_MS,
        .checks = &fake->checks,
        .journal = fake->journal,
    };
}

static void fake_clear(struct fake *fake)
{
    journal_free(fake->journal);
    arena_free(fake->arena);
}

static struct check *fake_check(struct fake *fake, const char *name, enum verdict verdict)
{
    struct check *check = checks_add(&fake->checks, str_of(name), (struct place){&source, 3, 5, 4});
    check->verdict = verdict;
    check->ran = verdict != VERDICT_SKIP;
    check->start_ns = 10 * CLOCK_MS;
    check->end_ns = 22 * CLOCK_MS;
    return check;
}

static struct check *fake_failure(struct fake *fake, const char *name, const char *expected,
                                  const char *actual)
{
    struct check *check = fake_check(fake, name, VERDICT_FAIL);
    struct mismatch mismatch = {.place = status_place,
                                .predicate = STR("equals"),
                                .expected = str_of(expected),
                                .actual = str_of(actual)};
    failures_add(&check->failures, STR("status"), &mismatch);
    return check;
}

static uint64_t fake_entry(struct fake *fake, enum entry_kind kind, const char *subject,
                           int64_t time_ms, struct entry with, const char *text)
{
    struct entry entry = with;
    entry.kind = (uint8_t)kind;
    entry.subject = journal_intern(fake->journal, str_of(subject));
    entry.time_ns = time_ms * CLOCK_MS;
    return journal_append(fake->journal, &entry, str_of(text));
}

static void fake_request(struct fake *fake, uint64_t number, const char *target, struct str body,
                         int64_t time_ms)
{
    struct request request = {.method = STR("GET"),
                              .target = str_of(target),
                              .path = str_of(target),
                              .version = HTTP_1_1,
                              .body = body};
    struct buf packed;
    buf_init(&packed, BUF_OWN);
    headers_add(&request.headers, fake->arena, STR("Host"), STR("a"));
    headers_add(&request.headers, fake->arena, STR("X-A"), STR("1"));
    headers_add(&request.headers, fake->arena, STR("x-a"), STR("2"));
    request_pack(&request, &packed);
    struct entry entry = journal_entry(ENTRY_REQUEST, journal_intern(fake->journal, STR("api")));
    entry.connection = 1;
    entry.request = number;
    entry.time_ns = time_ms * CLOCK_MS;
    journal_append(fake->journal, &entry, buf_str(&packed));
    buf_clear(&packed);
}

static void fake_response(struct fake *fake, uint64_t number, uint16_t status, int64_t time_ms)
{
    struct entry entry = {
        .connection = 1, .request = number, .status = status, .value = 1200000, .extra = 17};
    fake_entry(fake, ENTRY_RESPONSE, "api", time_ms, entry, "");
}

/** A scenario with one of each verdict, hostile in all its texts. */
static void fake_hostile(struct fake *fake, size_t index)
{
    fake_init(fake, index, hostile);
    fake_check(fake, "passes # TODO", VERDICT_PASS);
    struct check *check = fake_failure(fake, hostile, hostile, hostile);
    check->replay = str_of(hostile);
    failures_say(&check->failures, status_place, "b", "%s", hostile)->note = str_of(hostile);
    check = fake_check(fake, "error", VERDICT_ERROR);
    failures_say(&check->failures, (struct place){0}, NULL, "%s", hostile);
    fake_check(fake, "skipped", VERDICT_SKIP)->reason = str_of(hostile);
    fake_entry(fake, ENTRY_OUTPUT, "app", 1, (struct entry){.flags = ENTRY_STDERR}, hostile);
    fake_entry(fake, ENTRY_NOTE, "", 2, (struct entry){0}, hostile);
    fake_request(fake, 1, hostile, str_of(hostile), 3);
    for (int kind = 0; kind < ENTRY_KINDS; kind++)
        fake_entry(fake, (enum entry_kind)kind, hostile, 12, (struct entry){.route = 9999},
                   hostile);
}

static const struct totals totals = {2, 1, 0, 1, 1, 1, 1};

/* Documents */

static struct str file_text(struct arena *arena, const char *path)
{
    struct buf text;
    char bytes[4096];
    size_t size;
    buf_init(&text, BUF_OWN);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    while ((size = fread(bytes, 1, sizeof bytes, file)) > 0)
        buf_append(&text, (struct str){bytes, size});
    fclose(file);
    struct str copy = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

static char folder[] = "/tmp/goto-test-report-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[256];
    if (strcmp(folder + sizeof folder - 7, "XXXXXX") == 0)
        ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert(mkdir(folder, 0700) == 0 || errno == EEXIST);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void folder_remove(const char *name)
{
    unlink(in_folder(name));
    rmdir(folder);
}

/** Tells a reporter all results, the last one first, and returns the document. */
static struct str document(struct reporter *reporter, struct fake *fakes, size_t count,
                           struct arena *arena)
{
    for (size_t i = count; i-- > 0;)
        reporter->type->finished(reporter, &fakes[i].result);
    ck_assert_int_eq(reporter->type->finish(reporter, &totals, 1234 * CLOCK_MS), 0);
    struct str text = file_text(arena, reporter->path);
    reporter->type->free(reporter);
    ck_assert_msg(str_is_utf8(text, NULL), "strict UTF-8");
    return text;
}

static bool has(struct str text, const char *part)
{
    return str_find(text, str_of(part)) >= 0;
}

#define ck_has(text, part) ck_assert_msg(has(text, part), "'%s' in: " STR_FMT, part, STR_ARG(text))
#define ck_has_not(text, part)                                                                     \
    ck_assert_msg(!has(text, part), "no '%s' in: " STR_FMT, part, STR_ARG(text))

static struct str next_line(struct str *rest)
{
    ptrdiff_t end = str_find_byte(*rest, '\n');
    ck_assert_msg(end >= 0, "a line without end");
    struct str line = str_slice(*rest, 0, (size_t)end);
    *rest = str_from(*rest, (size_t)end + 1);
    return line;
}

/* TAP, read as strictly as the strictest reader does */

static void yaml_is_a_map(struct str text)
{
    yaml_parser_t parser;
    yaml_document_t yaml;
    ck_assert(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.data, text.size);
    ck_assert_msg(yaml_parser_load(&parser, &yaml), "%s in: " STR_FMT, parser.problem,
                  STR_ARG(text));
    yaml_node_t *root = yaml_document_get_root_node(&yaml);
    ck_assert(root && root->type == YAML_MAPPING_NODE);
    yaml_document_delete(&yaml);
    yaml_parser_delete(&parser);
}

/** Takes a YAML block off the rest, if one comes. */
static void tap_take_yaml(struct str *rest, const char *indent, struct arena *arena)
{
    struct buf yaml;
    struct str begin = arena_printf(arena, "%s  ---", indent);
    struct str end = arena_printf(arena, "%s  ...", indent);
    struct str probe = *rest;
    if (rest->size == 0 || !str_equal(next_line(&probe), begin))
        return;
    *rest = probe;
    buf_init(&yaml, BUF_OWN);
    for (struct str line = next_line(rest); !str_equal(line, end); line = next_line(rest)) {
        ck_assert(str_starts(line, arena_printf(arena, "%s  ", indent)));
        buf_append(&yaml, str_from(line, strlen(indent) + 2));
        buf_append_byte(&yaml, '\n');
    }
    yaml_is_a_map(buf_str(&yaml));
    buf_clear(&yaml);
}

/** Takes one point with the number given; returns its description without directive. */
static struct str tap_take_point(struct str *rest, const char *indent, size_t number, bool *ok,
                                 struct arena *arena)
{
    struct str line = next_line(rest);
    struct str good = arena_printf(arena, "%sok %zu - ", indent, number);
    struct str bad = arena_printf(arena, "%snot ok %zu - ", indent, number);
    *ok = str_starts(line, good);
    ck_assert_msg(*ok || str_starts(line, bad), "point %zu: " STR_FMT, number, STR_ARG(line));
    struct str name = str_from(line, *ok ? good.size : bad.size);
    ptrdiff_t hash = str_find_byte(name, '#');
    if (hash >= 0) {
        ck_assert(str_starts(str_from(name, (size_t)hash - 1), STR(" # SKIP")));
        name = str_slice(name, 0, (size_t)hash - 1);
    }
    ck_assert(str_find_byte(name, '\\') < 0 && str_find_byte(name, '\x1b') < 0);
    tap_take_yaml(rest, indent, arena);
    return name;
}

static size_t tap_take_plan(struct str *rest, const char *indent)
{
    uint64_t count = 0;
    struct str line = next_line(rest);
    size_t skip = strlen(indent) + 3;
    ck_assert(line.size > skip && str_starts(str_from(line, strlen(indent)), STR("1..")));
    ptrdiff_t blank = str_find_byte(str_from(line, skip), ' ');
    struct str digits = str_slice(line, skip, blank < 0 ? line.size : (size_t)blank);
    ck_assert(str_to_u64(digits, 1000000, &count));
    ck_assert(count > 0 || str_starts(str_from(line, skip), STR("0 # SKIP ")));
    return (size_t)count;
}

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

/* The picture */

static struct str picture(struct fake *fake, const struct check *check, bool color)
{
    const struct console_options options = {.program = "goto-run", .color = color};
    struct buf text;
    buf_init(&text, BUF_OWN);
    report_failure(&fake->result, check, &options, &text);
    struct str copy = arena_copy(fake->arena, buf_str(&text));
    buf_clear(&text);
    ck_assert(str_is_utf8(copy, NULL));
    return copy;
}

START_TEST(test_picture)
{
    struct fake fake;
    fake_init(&fake, 0, "one");
    struct check *check = fake_failure(&fake, "GET /foo", "503", "200");
    check->replay = STR("curl -sS http://127.0.0.1:1/foo");
    fake_entry(&fake, ENTRY_PORT_OPEN, "api", 0, (struct entry){0}, "127.0.0.1:40123");
    fake_request(&fake, 1, "/foo", (struct str){0}, 12);
    fake_response(&fake, 1, 200, 13);
    ck_str_is(picture(&fake, check, false),
              "FAIL examples/x.goto.yaml › one › GET /foo                              12ms\n"
              "    examples/x.goto.yaml:5:7: status: expected 503, got 200\n"
              "      5 |       status: 503\n"
              "        |       ^~~~~~\n"
              "    timeline:\n"
              "        +0.000s  api   open on 127.0.0.1:40123\n"
              "          +12ms  api   GET /foo → 200 in 1.2ms\n"
              "    replay:  curl -sS http://127.0.0.1:1/foo\n"
              "    rerun:   goto-run examples/x.goto.yaml:1 --seed 42\n");
    ck_has(picture(&fake, check, true), "\x1b[1;31mFAIL\x1b[0m");
    fake_clear(&fake);
}
END_TEST

START_TEST(test_picture_quotes_the_rerun)
{
    struct fake fake;
    fake_init(&fake, 0, "one");
    fake.result.file = STR("-my file's.yaml");
    ck_has(picture(&fake, fake_failure(&fake, "a", "1", "2"), false),
           "goto-run './-my file'\\''s.yaml:1' --seed 42\n");
    fake_clear(&fake);
}
END_TEST

static const struct json *json_of(struct fake *fake, const char *text)
{
    struct json_error error;
    const struct json *value = json_read(fake->arena, str_of(text), &error);
    ck_assert_ptr_nonnull(value);
    return value;
}

START_TEST(test_picture_of_a_json_difference)
{
    struct fake fake;
    fake_init(&fake, 0, "one");
    struct check *check = fake_check(&fake, "a", VERDICT_FAIL);
    const struct mismatch mismatch = {
        .place = status_place,
        .expected = STR("{...}"),
        .actual = STR("{...}"),
        .expected_json = json_of(&fake, "{\"a\":{\"b\":1},\"c\":2,\"e f\":[1,\"x\\ny\\n\"]}"),
        .actual_json = json_of(&fake, "{\"a\":{\"b\":2},\"d\":[],\"e f\":[1,\"x\\nz\\n\"]}")};
    failures_add(&check->failures, STR("json"), &mismatch);
    struct str text = picture(&fake, check, false);
    ck_has(text, "json: is not as expected:\n");
    ck_has(text, "      $.a.b: expected 1, got 2\n");
    ck_has(text, "      $.c: missing, expected 2\n");
    ck_has(text, "      $.d: not expected: []\n");
    ck_has(text, "      $['e f'][1]: expected \"x\\ny\\n\", got \"x\\nz\\n\"\n"
                 "        - expected, + got\n"
                 "          x\n"
                 "        - y\n"
                 "        + z\n");
    fake_clear(&fake);
}
END_TEST

START_TEST(test_timeline_folds_and_is_bounded)
{
    struct fake fake;
    fake_init(&fake, 0, "one");
    struct check *check = fake_failure(&fake, "a", "1", "2");
    check->start_ns = 0;
    check->end_ns = 900 * CLOCK_MS;
    for (uint64_t i = 1; i <= 300; i++) {
        if (i == 200)
            fake_entry(&fake, ENTRY_EVENT, "down", 200, (struct entry){0}, "close api");
        fake_request(&fake, i, "/foo", (struct str){0}, (int64_t)i);
        fake_response(&fake, i, 200, (int64_t)i);
    }
    struct str text = picture(&fake, check, false);
    ck_has(text, "… 198 more requests like this\n");
    ck_has(text, "+200ms  down  event fires: close api\n");
    ck_has(text, "… 100 more requests like this\n");
    for (uint64_t i = 1; i <= 3000; i++) {
        char target[32];
        snprintf(target, sizeof target, "/%d", (int)i);
        fake_request(&fake, i + 300, target, (struct str){0}, 300);
        fake_response(&fake, i + 300, i == 7 ? 500 : 200, 300);
    }
    text = picture(&fake, check, false);
    size_t lines = 0;
    for (struct str rest = text; rest.size; lines++)
        next_line(&rest);
    ck_assert_uint_lt(lines, 40);
    ck_has(text, "that are not shown)");
    ck_has(text, "GET /7 → 500");
    fake_clear(&fake);
}
END_TEST

START_TEST(test_words_of_every_kind)
{
    struct fake fake;
    struct buf text;
    buf_init(&text, BUF_OWN);
    fake_hostile(&fake, 0);
    fake_request(&fake, 7, "/a", (struct str){0}, 20);
    fake_response(&fake, 7, 404, 21);
    for (uint64_t i = 1; i <= journal_last(fake.journal); i++) {
        buf_reset(&text);
        report_entry_words(fake.journal, journal_get(fake.journal, i), &text);
        struct str words = buf_str(&text);
        ck_assert(words.size > 5 && words.size < 2000 && str_find_byte(words, '\n') < 0);
        ck_assert(str_is_utf8(words, NULL) && str_find_byte(words, '\x1b') < 0);
    }
    ck_str_is(buf_str(&text), "+21ms  api  GET /a → 404 in 1.2ms");
    buf_clear(&text);
    fake_clear(&fake);
}
END_TEST

/* The console */

static struct str console(struct fake *fakes, size_t count, struct console_options options,
                          struct arena *arena)
{
    options.fd = open(in_folder("console"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(options.fd, 0);
    options.program = "goto-run";
    struct reporter *reporter = console_new(&options);
    for (size_t i = 0; i < count; i++)
        reporter->type->started(reporter, &fakes[i].result);
    for (size_t i = 0; i < count; i++)
        reporter->type->finished(reporter, &fakes[i].result);
    ck_assert_int_eq(reporter->type->finish(reporter, &totals, 1234 * CLOCK_MS), 0);
    reporter->type->free(reporter);
    close(options.fd);
    struct str text = file_text(arena, in_folder("console"));
    folder_remove("console");
    return text;
}

START_TEST(test_console)
{
    struct fake fakes[2];
    struct arena *arena = arena_new();
    fake_init(&fakes[0], 0, "one");
    fake_check(&fakes[0], "first", VERDICT_PASS);
    fake_init(&fakes[1], 1, "two");
    fake_failure(&fakes[1], "second", "1", "2");
    const char *summary = "2 scenarios, 4 checks: 1 passed, 1 failed, 1 error, 1 skipped in "
                          "1.234s (seed 42)\n";
    ck_str_is(console(fakes, 1, (struct console_options){0}, arena), summary);
    struct str text = console(fakes, 2, (struct console_options){0}, arena);
    ck_assert(str_starts(text, STR("FAIL examples/x.goto.yaml › two › second ")));
    ck_assert(str_ends(text, str_of(summary)));
    text = console(fakes, 2, (struct console_options){.verbosity = VERBOSE_MORE}, arena);
    ck_has(text, "examples/x.goto.yaml › one  734ms (seed 42)\n  ok        12ms  first\n");
    ck_has(text, "  FAIL      12ms  second\n");
    text = console(fakes, 2, (struct console_options){.terminal = true}, arena);
    ck_assert(str_starts(text, STR("0 done, 1 running: examples/x.goto.yaml › one\r\x1b[K0 done, "
                                   "2 running: examples/x.goto.yaml › two\r\x1b[K1 done, 1 ")));
    fakes[1].result.seed = 43;
    text = console(fakes, 2, (struct console_options){.color = true}, arena);
    ck_has(text, "(seeds differ)\n");
    ck_has(text, "--seed 43");
    ck_has(text, "\x1b[32m1 passed\x1b[0m");
    fake_clear(&fakes[0]);
    fake_clear(&fakes[1]);
    arena_free(arena);
}
END_TEST

START_TEST(test_console_tells_a_full_disk)
{
    const struct console_options options = {.fd = open("/dev/full", O_WRONLY)};
    struct reporter *reporter = console_new(&options);
    ck_assert_int_eq(reporter->type->finish(reporter, &totals, 1), -ENOSPC);
    reporter->type->free(reporter);
    close(options.fd);
}
END_TEST

/* Secrets */

START_TEST(test_no_reporter_tells_a_secret)
{
    struct fake fake;
    struct arena *arena = arena_new();
    report_add_secret(STR("hunter\"2"));
    fake_init(&fake, 0, "with hunter\"2");
    struct check *check = fake_failure(&fake, "hunter\"2", "hunter\"2", "\"hunter\\\"2\"");
    check->replay = STR("curl -u me:hunter\"2 'http://a/?q=hunter%222'");
    fake.result.file = STR("hunter\"2.yaml");
    fake.result.tmp = STR("/tmp/hunter\"2");
    fake_request(&fake, 1, "/?q=hunter%222", STR("hunter\"2"), 11);
    fake_entry(&fake, ENTRY_OUTPUT, "app", 12, (struct entry){0}, "hunter\"2");
    fake_entry(&fake, ENTRY_LOG, "hunter\"2", 12, (struct entry){0}, "hunter\"2");
    struct str texts[] = {
        document(tap_new(in_folder("a"), false), &fake, 1, arena),
        document(tap_new(in_folder("a"), true), &fake, 1, arena),
        document(junit_new(in_folder("a")), &fake, 1, arena),
        document(ndjson_new(in_folder("a")), &fake, 1, arena),
        console(&fake, 1, (struct console_options){.verbosity = VERBOSE_MORE, .terminal = true},
                arena),
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        ck_has(texts[i], "***");
        ck_has_not(texts[i], "hunter");
    }
    folder_remove("a");
    fake_clear(&fake);
    arena_free(arena);
}
END_TEST

/* Files */

START_TEST(test_writes_whole_files)
{
    struct arena *arena = arena_new();
    struct stat before;
    struct stat after;
    char link[256];
    ck_assert_int_eq(report_write(in_folder("a"), STR("one")), 0);
    ck_assert_int_eq(chmod(in_folder("a"), 0640), 0);
    ck_assert_int_eq(stat(in_folder("a"), &before), 0);
    ck_assert_int_eq(report_write(in_folder("a"), STR("two")), 0);
    ck_assert_int_eq(stat(in_folder("a"), &after), 0);
    ck_assert(before.st_ino != after.st_ino && (after.st_mode & 0777) == 0640);
    ck_str_is(file_text(arena, in_folder("a")), "two");
    snprintf(link, sizeof link, "%s", in_folder("link"));
    ck_assert_int_eq(symlink("a", link), 0);
    ck_assert_int_eq(report_write(link, STR("three")), 0);
    ck_assert_int_eq(lstat(link, &after), 0);
    ck_assert(S_ISLNK(after.st_mode));
    ck_str_is(file_text(arena, in_folder("a")), "three");
    unlink(link);
    unlink(in_folder("a"));
    ck_assert_int_eq(rmdir(folder), 0); /* nothing was left behind */
    arena_free(arena);
}
END_TEST

START_TEST(test_tells_why_it_cannot_write)
{
    struct stat after;
    ck_assert_int_eq(report_write(in_folder("no/such/file"), STR("x")), -ENOENT);
    ck_assert_int_eq(report_write(folder, STR("x")), -EISDIR);
    ck_assert_int_eq(report_write("/dev/full", STR("x")), -ENOSPC);
    ck_assert_int_eq(stat("/dev/full", &after), 0);
    ck_assert(S_ISCHR(after.st_mode));
    ck_assert_int_eq(report_write("/dev/null", STR("x")), 0);
    ck_assert_int_eq(report_write("", STR("x")), -ENOENT);
    int kept = dup(1);
    int full = open("/dev/full", O_WRONLY);
    dup2(full, 1);
    int status = report_write("-", STR("x"));
    dup2(kept, 1);
    ck_assert_int_eq(status, -ENOSPC);
    close(kept);
    close(full);
    rmdir(folder);
}
END_TEST

START_TEST(test_reporters_tell_a_failed_write)
{
    struct reporter *reporters[] = {tap_new("/dev/full", false), junit_new("/dev/full"),
                                    ndjson_new("/dev/full")};
    struct fake fake;
    fake_init(&fake, 0, "one");
    for (size_t i = 0; i < COUNT_OF(reporters); i++) {
        reporters[i]->type->finished(reporters[i], &fake.result);
        ck_assert_int_eq(reporters[i]->type->finish(reporters[i], &totals, 1), -ENOSPC);
        reporters[i]->type->free(reporters[i]);
    }
    fake_clear(&fake);
}
END_TEST

UNIT_MAIN("report", test_tap_flat_is_strict, test_tap_subtests_are_strict, test_tap_of_nothing,
          test_tap_says_interrupted_and_repeated, test_prove_reads_tap,
          test_junit_is_as_the_schema_has_it, test_junit_repetitions_and_seeds_differ,
          test_junit_output_is_bounded, test_ndjson_has_every_kind_as_json,
          test_ndjson_bodies_are_bounded, test_picture, test_picture_quotes_the_rerun,
          test_picture_of_a_json_difference, test_timeline_folds_and_is_bounded,
          test_words_of_every_kind, test_console, test_console_tells_a_full_disk,
          test_no_reporter_tells_a_secret, test_writes_whole_files, test_tells_why_it_cannot_write,
          test_reporters_tell_a_failed_write)
