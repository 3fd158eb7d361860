/**
 * Results that were made up, and their documents.
 */
#ifndef GOTO_CTEST_REPORT_RIG_H
#define GOTO_CTEST_REPORT_RIG_H

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

static inline void fake_init(struct fake *fake, size_t index, const char *name)
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

static inline void fake_clear(struct fake *fake)
{
    journal_free(fake->journal);
    arena_free(fake->arena);
}

static inline struct check *fake_check(struct fake *fake, const char *name, enum verdict verdict)
{
    struct check *check = checks_add(&fake->checks, str_of(name), (struct place){&source, 3, 5, 4});
    check->verdict = verdict;
    check->ran = verdict != VERDICT_SKIP;
    check->start_ns = 10 * CLOCK_MS;
    check->end_ns = 22 * CLOCK_MS;
    return check;
}

static inline struct check *fake_failure(struct fake *fake, const char *name, const char *expected,
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

static inline uint64_t fake_entry(struct fake *fake, enum entry_kind kind, const char *subject,
                                  int64_t time_ms, struct entry with, const char *text)
{
    struct entry entry = with;
    entry.kind = (uint8_t)kind;
    entry.subject = journal_intern(fake->journal, str_of(subject));
    entry.time_ns = time_ms * CLOCK_MS;
    return journal_append(fake->journal, &entry, str_of(text));
}

static inline void fake_request(struct fake *fake, uint64_t number, const char *target,
                                struct str body, int64_t time_ms)
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

static inline void fake_response(struct fake *fake, uint64_t number, uint16_t status,
                                 int64_t time_ms)
{
    struct entry entry = {
        .connection = 1, .request = number, .status = status, .value = 1200000, .extra = 17};
    fake_entry(fake, ENTRY_RESPONSE, "api", time_ms, entry, "");
}

/** A scenario with one of each verdict, hostile in all its texts. */
static inline void fake_hostile(struct fake *fake, size_t index)
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

static inline struct str file_text(struct arena *arena, const char *path)
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

static inline const char *in_folder(const char *name)
{
    static char path[256];
    if (strcmp(folder + sizeof folder - 7, "XXXXXX") == 0)
        ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert(mkdir(folder, 0700) == 0 || errno == EEXIST);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static inline void folder_remove(const char *name)
{
    unlink(in_folder(name));
    rmdir(folder);
}

/** Tells a reporter all results, the last one first, and returns the document. */
static inline struct str document(struct reporter *reporter, struct fake *fakes, size_t count,
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

static inline bool has(struct str text, const char *part)
{
    return str_find(text, str_of(part)) >= 0;
}

#define ck_has(text, part) ck_assert_msg(has(text, part), "'%s' in: " STR_FMT, part, STR_ARG(text))
#define ck_has_not(text, part)                                                                     \
    ck_assert_msg(!has(text, part), "no '%s' in: " STR_FMT, part, STR_ARG(text))

static inline struct str next_line(struct str *rest)
{
    ptrdiff_t end = str_find_byte(*rest, '\n');
    ck_assert_msg(end >= 0, "a line without end");
    struct str line = str_slice(*rest, 0, (size_t)end);
    *rest = str_from(*rest, (size_t)end + 1);
    return line;
}

/* TAP, read as strictly as the strictest reader does */

static inline void yaml_is_a_map(struct str text)
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
static inline void tap_take_yaml(struct str *rest, const char *indent, struct arena *arena)
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
static inline struct str tap_take_point(struct str *rest, const char *indent, size_t number,
                                        bool *ok, struct arena *arena)
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

static inline size_t tap_take_plan(struct str *rest, const char *indent)
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

#endif
