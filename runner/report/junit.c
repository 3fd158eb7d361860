/* JUnit XML as Jenkins' junit-10.xsd has it: file = test suite, scenario = class, check = test
 * case. */
#include "base/clock.h"
#include "base/memory.h"
#include "runner/report/report_private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    JUNIT_OUTPUT = 64 * 1024, /**< bytes of the programs' output of one scenario */
    JUNIT_LINE = 4096,        /**< characters of one line of it */
    JUNIT_MESSAGE = 600,      /**< characters of a message attribute */
    JUNIT_NAME = 500,         /**< characters of a name */
};

struct junit {
    struct reporter reporter;
    struct pages pages;
};

static struct junit *junit_of(struct reporter *reporter)
{
    return CONTAINER_OF(reporter, struct junit, reporter);
}

/* Names. */

static void print_attribute(const char *name, struct str value, struct buf *into)
{
    buf_printf(into, " %s=\"", name);
    report_xml(value, true, into);
    buf_append_byte(into, '"');
}

static void print_seconds(int64_t ns, struct buf *into)
{
    buf_printf(into, " time=\"%.3f\"", ns > 0 ? (double)ns / 1e9 : 0.0);
}

static struct str file_stem(struct str file)
{
    static const char *const suffixes[] = {".goto.yaml", ".goto.yml", ".yaml", ".yml"};
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        struct str suffix = str_of(suffixes[i]);
        if (str_ends(file, suffix) && file.size > suffix.size)
            return str_slice(file, 0, file.size - suffix.size);
    }
    return file;
}

/** Appends with '_' for '.': readers take a class name's last '.' as the end of the package. */
static void append_undotted(struct str text, struct buf *into)
{
    for (size_t i = 0; i < text.size; i++)
        buf_append_byte(into, text.data[i] == '.' ? '_' : text.data[i]);
}

/** "examples.outage.The client survives". */
static void class_name(const struct page *page, struct buf *into)
{
    struct str rest = file_stem(page->file);
    while (rest.size) {
        ptrdiff_t end = str_find_byte(rest, '/');
        struct str part = str_slice(rest, 0, end < 0 ? rest.size : (size_t)end);
        rest = end < 0 ? (struct str){0} : str_from(rest, (size_t)end + 1);
        if (part.size == 0 || str_is(part, ".") || str_is(part, ".."))
            continue;
        append_undotted(part, into);
        buf_append_byte(into, '.');
    }
    append_undotted(page->name, into);
}

/* One case. */

/** What is wrong in one line: the first failure, and how many more. */
static void print_message(const struct check *check, struct buf *into)
{
    const struct failures *failures = &check->failures;
    struct arena *arena = arena_new();
    struct buf message;
    buf_init(&message, BUF_OWN);
    if (failures->count)
        report_clean_short(report_failure_summary(&failures->items[0], arena), JUNIT_MESSAGE,
                           &message);
    else
        report_clean_short(check->reason, JUNIT_MESSAGE, &message);
    if (failures->count > 1)
        buf_printf(&message, " (and %zu more)", failures->count - 1);
    print_attribute("message", buf_str(&message), into);
    buf_clear(&message);
    arena_free(arena);
}

static void print_broken(const struct result *result, const struct check *check, struct buf *into)
{
    const struct console_options options = {.program = "goto-run"};
    const char *element = check->verdict == VERDICT_ERROR ? "error" : "failure";
    struct buf picture;
    buf_init(&picture, BUF_OWN);
    report_failure(result, check, &options, &picture);
    buf_printf(into, "      <%s", element);
    print_message(check, into);
    buf_printf(into, " type=\"%s\">",
               check->verdict == VERDICT_ERROR ? "HarnessError" : "AssertionFailure");
    report_xml(buf_str(&picture), false, into);
    buf_printf(into, "</%s>\n", element);
    buf_clear(&picture);
}

/** One line of a program: "app stderr | text". */
static void output_line(const struct journal *journal, const struct entry *entry, struct buf *into)
{
    struct str line = {entry->data, entry->data ? entry->data_size : 0};
    buf_append(into, journal_name(journal, entry->subject));
    buf_append_string(into, entry->flags & ENTRY_STDERR ? " stderr | " : " stdout | ");
    report_clean_short(line, JUNIT_LINE, into);
    buf_append_byte(into, '\n');
}

/** The first entry from which on the output fits into its bound. */
static uint64_t output_start(const struct journal *journal, size_t *left_out)
{
    uint64_t first = journal_first(journal);
    uint64_t start = journal_last(journal) + 1;
    size_t size = 0;
    *left_out = 0;
    for (uint64_t number = journal_last(journal); number && number >= first; number--) {
        const struct entry *entry = journal_get(journal, number);
        if (!entry || entry->kind != ENTRY_OUTPUT)
            continue;
        size += (entry->data_size < JUNIT_LINE ? entry->data_size : JUNIT_LINE) +
                journal_name(journal, entry->subject).size + 16;
        if (size > JUNIT_OUTPUT)
            ++*left_out;
        else
            start = number;
    }
    return start;
}

/** What the scenario's programs wrote, the end of it when it is long. */
static void print_outputs(const struct journal *journal, struct buf *into)
{
    size_t left_out;
    struct buf text;
    if (!journal || journal_count(journal, ENTRY_OUTPUT, 0) == 0)
        return;
    buf_init(&text, BUF_OWN);
    uint64_t number = output_start(journal, &left_out);
    if (left_out)
        buf_printf(&text, "(%zu earlier lines left out)\n", left_out);
    for (; number <= journal_last(journal); number++) {
        const struct entry *entry = journal_get(journal, number);
        if (entry && entry->kind == ENTRY_OUTPUT)
            output_line(journal, entry, &text);
    }
    buf_append_string(into, "      <system-out>");
    report_xml(buf_str(&text), false, into);
    buf_append_string(into, "</system-out>\n");
    buf_clear(&text);
}

static void print_skipped(const struct check *check, struct buf *into)
{
    buf_append_string(into, "      <skipped");
    print_attribute("message", check->reason, into);
    buf_append_string(into, "/>\n");
}

/** `outputs`: this is the case that shows what the programs of its scenario wrote. */
static void print_case(const struct result *result, const struct page *page,
                       const struct check *check, bool outputs, struct buf *into)
{
    struct buf name;
    buf_init(&name, BUF_OWN);
    bool passed = check->verdict == VERDICT_PASS;
    report_clean_short(check->name, JUNIT_NAME, &name);
    pages_print_repetition(page->repetition, &name);
    buf_append_string(into, "    <testcase");
    print_attribute("name", buf_str(&name), into);
    buf_reset(&name);
    class_name(page, &name);
    print_attribute("classname", buf_str(&name), into);
    print_seconds(check->ran ? check->end_ns - check->start_ns : 0, into);
    buf_append_string(into, passed ? "/>\n" : ">\n");
    if (check->verdict == VERDICT_SKIP)
        print_skipped(check, into);
    else if (!passed)
        print_broken(result, check, into);
    if (outputs)
        print_outputs(result->journal, into);
    if (!passed)
        buf_append_string(into, "    </testcase>\n");
    buf_clear(&name);
}

static void junit_finished(struct reporter *reporter, const struct result *result)
{
    struct junit *junit = junit_of(reporter);
    struct page *page = pages_add(&junit->pages, result);
    bool shown = false;
    struct buf text;
    buf_init(&text, BUF_OWN);
    for (size_t i = 0; result->checks && i < result->checks->count; i++) {
        const struct check *check = result->checks->items[i];
        bool failed = check->verdict == VERDICT_FAIL || check->verdict == VERDICT_ERROR;
        print_case(result, page, check, failed && !shown, &text);
        shown |= failed;
    }
    page->text = arena_copy(junit->pages.arena, buf_str(&text));
    buf_clear(&text);
}

/* The document. */

/** The pages from `from` on that are of one file. */
static size_t pages_of_file(const struct pages *pages, size_t from)
{
    size_t to = from;
    while (to < pages->count && pages->items[to]->file_index == pages->items[from]->file_index)
        to++;
    return to;
}

static void print_seed(const char *before, struct str name, uint64_t seed, struct buf *into)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    buf_append_string(&text, before);
    buf_append(&text, name);
    buf_append_string(into, "      <property");
    print_attribute("name", buf_str(&text), into);
    buf_printf(into, " value=\"%llu\"/>\n", (unsigned long long)seed);
    buf_clear(&text);
}

static void print_properties(const struct pages *pages, size_t from, size_t to, struct buf *into)
{
    bool same = true;
    for (size_t i = from; i < to; i++)
        same = same && pages->items[i]->seed == pages->items[from]->seed;
    buf_append_string(into, "    <properties>\n");
    print_seed("seed", (struct str){0}, pages->items[from]->seed, into);
    for (size_t i = from; i < to && !same; i++) {
        struct buf name;
        buf_init(&name, BUF_OWN);
        buf_append(&name, pages->items[i]->name);
        pages_print_repetition(pages->items[i]->repetition, &name);
        print_seed("seed of ", buf_str(&name), pages->items[i]->seed, into);
        buf_clear(&name);
    }
    buf_append_string(into, "    </properties>\n");
}

static size_t page_tests(const struct page *page)
{
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(page->counts); i++)
        count += page->counts[i];
    return count;
}

static void print_suite(const struct pages *pages, size_t from, size_t to, size_t id,
                        struct buf *into)
{
    const struct page *first = pages->items[from];
    size_t counts[VERDICT_SKIP + 1] = {0};
    size_t tests = 0;
    int64_t duration_ns = 0;
    int64_t wall_ns = first->wall_ns;
    char stamp[64];
    char host[256] = "";
    for (size_t i = from; i < to; i++) {
        const struct page *page = pages->items[i];
        for (size_t verdict = 0; verdict < COUNT_OF(counts); verdict++)
            counts[verdict] += page->counts[verdict];
        tests += page_tests(page);
        duration_ns += page->duration_ns;
        wall_ns = page->wall_ns < wall_ns ? page->wall_ns : wall_ns;
    }
    clock_format(wall_ns, stamp, sizeof stamp);
    if (gethostname(host, sizeof host - 1) < 0)
        host[0] = '\0';
    buf_append_string(into, "  <testsuite");
    print_attribute("name", first->file, into);
    buf_printf(into, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\"", tests,
               counts[VERDICT_FAIL], counts[VERDICT_ERROR], counts[VERDICT_SKIP]);
    print_seconds(duration_ns, into);
    /* to the second and without a zone: all readers then take it as UTC */
    print_attribute("timestamp", str_slice(str_of(stamp), 0, strlen("2026-01-02T03:04:05")), into);
    print_attribute("hostname", str_of(host), into);
    buf_printf(into, " id=\"%zu\"", id);
    print_attribute("file", first->file, into);
    buf_append_string(into, ">\n");
    print_properties(pages, from, to, into);
    for (size_t i = from; i < to; i++)
        buf_append(into, pages->items[i]->text);
    buf_append_string(into, "  </testsuite>\n");
}

static int junit_finish(struct reporter *reporter, const struct totals *totals, int64_t duration_ns)
{
    struct junit *junit = junit_of(reporter);
    const struct pages *pages = &junit->pages;
    size_t checks = totals->passed + totals->failed + totals->errors + totals->skipped;
    struct buf text;
    buf_init(&text, BUF_OWN);
    pages_sort(&junit->pages);
    buf_append_string(&text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    buf_printf(&text, "<testsuites name=\"goto-run\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\"",
               checks, totals->failed, totals->errors);
    print_seconds(duration_ns, &text);
    buf_append_string(&text, ">\n");
    for (size_t from = 0, id = 0; from < pages->count; id++) {
        size_t to = pages_of_file(pages, from);
        print_suite(pages, from, to, id, &text);
        from = to;
    }
    buf_append_string(&text, "</testsuites>\n");
    int status = buf_full(&text) ? -EFBIG : report_write(reporter->path, buf_str(&text));
    buf_clear(&text);
    return status;
}

static void junit_free(struct reporter *reporter)
{
    struct junit *junit = junit_of(reporter);
    pages_clear(&junit->pages);
    memory_free(junit);
}

struct reporter *junit_new(const char *path)
{
    static const struct reporter_type type = {"junit", NULL, junit_finished, junit_finish,
                                              junit_free};
    struct junit *junit = memory_alloc(sizeof *junit);
    junit->reporter = (struct reporter){&type, path};
    pages_init(&junit->pages);
    return &junit->reporter;
}
