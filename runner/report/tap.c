/* TAP: version 13, flat, or version 14 with a subtest for each scenario. */
#include "base/memory.h"
#include "runner/report/report_private.h"

#include <errno.h>

enum {
    TAP_VALUE = 4096,  /**< characters of an expected or actual value */
    TAP_FAILURES = 20, /**< lines of a message */
};

struct tap {
    struct reporter reporter;
    bool subtests;
    struct pages pages;
};

static struct tap *tap_of(struct reporter *reporter)
{
    return CONTAINER_OF(reporter, struct tap, reporter);
}

/* One point. */

static void yaml_key(const char *key, struct str value, struct buf *into)
{
    struct buf cut;
    buf_init(&cut, BUF_OWN);
    if (report_mask_some(value, TAP_VALUE, &cut))
        buf_append_string(&cut, "…");
    buf_printf(into, "%s: ", key);
    report_yaml(buf_str(&cut), into);
    buf_append_byte(into, '\n');
    buf_clear(&cut);
}

static void yaml_message(const struct check *check, struct buf *into)
{
    struct arena *arena = arena_new();
    struct buf message;
    buf_init(&message, BUF_OWN);
    for (size_t i = 0; i < check->failures.count && i < TAP_FAILURES; i++) {
        buf_append_string(&message, i ? "\n" : "");
        buf_append(&message, report_failure_summary(&check->failures.items[i], arena));
    }
    if (check->failures.count == 0)
        buf_append(&message, check->reason.size ? check->reason : STR("failed"));
    yaml_key("message", buf_str(&message), into);
    buf_clear(&message);
    arena_free(arena);
}

/** The map of one point: plain keys, quoted texts, one nested map. */
static void point_yaml(const struct check *check, struct buf *into)
{
    bool failed = check->verdict == VERDICT_FAIL || check->verdict == VERDICT_ERROR;
    const struct failure *first = check->failures.count ? check->failures.items : NULL;
    if (failed) {
        struct place place = first && first->place.source ? first->place : check->place;
        yaml_message(check, into);
        buf_printf(into, "severity: %s\n", check->verdict == VERDICT_ERROR ? "error" : "fail");
        if (place.source) {
            buf_append_string(into, "at:\n  ");
            yaml_key("file", place.source->name, into);
            buf_printf(into, "  line: %u\n  column: %u\n", place.line, place.column);
        }
        if (first && first->message.size == 0) {
            yaml_key("expected", first->expected, into);
            yaml_key("actual", first->actual, into);
        }
    }
    if (check->ran && check->verdict != VERDICT_SKIP && check->end_ns >= check->start_ns)
        buf_printf(into, "duration_ms: %.3f\n", (double)(check->end_ns - check->start_ns) / 1e6);
}

static void print_scenario_name(const struct page *page, struct buf *into)
{
    report_tap(page->file, into);
    buf_append_string(into, " › ");
    report_tap(page->name, into);
    pages_print_repetition(page->repetition, into);
}

static void print_skip(struct str reason, struct buf *into)
{
    buf_append_string(into, " # SKIP");
    if (reason.size == 0)
        return;
    buf_append_byte(into, ' ');
    report_tap(reason, into);
}

static struct point tap_point(struct tap *tap, const struct page *page, const struct check *check)
{
    struct point point = {.ok = check->verdict == VERDICT_PASS || check->verdict == VERDICT_SKIP};
    struct buf text;
    buf_init(&text, BUF_OWN);
    if (!tap->subtests) {
        print_scenario_name(page, &text);
        buf_append_string(&text, " › ");
    }
    report_tap(check->name, &text);
    if (check->verdict == VERDICT_SKIP)
        print_skip(check->reason, &text);
    point.head = arena_copy(tap->pages.arena, buf_str(&text));
    buf_reset(&text);
    point_yaml(check, &text);
    point.yaml = arena_copy(tap->pages.arena, buf_str(&text));
    buf_clear(&text);
    return point;
}

static void tap_finished(struct reporter *reporter, const struct result *result)
{
    struct tap *tap = tap_of(reporter);
    struct page *page = pages_add(&tap->pages, result);
    size_t count = result->checks ? result->checks->count : 0;
    page->points = arena_alloc_array(tap->pages.arena, count + 1, sizeof *page->points);
    page->point_count = count;
    for (size_t i = 0; i < count; i++)
        page->points[i] = tap_point(tap, page, result->checks->items[i]);
}

/* The document. */

static void print_point(const struct point *point, size_t number, const char *indent,
                        struct buf *into)
{
    struct str rest = point->yaml;
    buf_printf(into, "%s%s %zu - ", indent, point->ok ? "ok" : "not ok", number);
    buf_append(into, point->head);
    buf_append_byte(into, '\n');
    if (rest.size == 0)
        return;
    buf_printf(into, "%s  ---\n", indent);
    while (rest.size) {
        ptrdiff_t end = str_find_byte(rest, '\n');
        size_t size = end < 0 ? rest.size : (size_t)end + 1;
        buf_printf(into, "%s  ", indent);
        buf_append(into, str_slice(rest, 0, size));
        rest = str_from(rest, size);
    }
    buf_printf(into, "%s  ...\n", indent);
}

static void print_plan(size_t count, const char *indent, const char *nothing, struct buf *into)
{
    buf_printf(into, "%s1..%zu", indent, count);
    buf_printf(into, count ? "\n" : " # SKIP %s\n", nothing);
}

static void print_flat(const struct tap *tap, struct buf *into)
{
    size_t count = 0;
    size_t number = 0;
    for (size_t i = 0; i < tap->pages.count; i++)
        count += tap->pages.items[i]->point_count;
    buf_append_string(into, "TAP version 13\n");
    print_plan(count, "", "nothing was run", into);
    for (size_t i = 0; i < tap->pages.count; i++) {
        const struct page *page = tap->pages.items[i];
        for (size_t j = 0; j < page->point_count; j++)
            print_point(&page->points[j], ++number, "", into);
    }
}

static void print_subtest(const struct page *page, size_t number, struct buf *into)
{
    bool failed = page->counts[VERDICT_FAIL] + page->counts[VERDICT_ERROR] > 0;
    buf_append_string(into, "# Subtest: ");
    print_scenario_name(page, into);
    buf_append_byte(into, '\n');
    print_plan(page->point_count, "    ", "no checks", into);
    for (size_t i = 0; i < page->point_count; i++)
        print_point(&page->points[i], i + 1, "    ", into);
    buf_printf(into, "%s %zu - ", failed ? "not ok" : "ok", number);
    print_scenario_name(page, into);
    if ((page->skipped || page->interrupted) && !failed)
        print_skip(page->reason, into);
    buf_append_byte(into, '\n');
}

static void print_nested(const struct tap *tap, struct buf *into)
{
    buf_append_string(into, "TAP version 14\n");
    print_plan(tap->pages.count, "", "nothing was run", into);
    for (size_t i = 0; i < tap->pages.count; i++)
        print_subtest(tap->pages.items[i], i + 1, into);
}

static int tap_finish(struct reporter *reporter, const struct totals *totals, int64_t duration_ns)
{
    struct tap *tap = tap_of(reporter);
    bool interrupted = false;
    struct buf text;
    (void)totals;
    (void)duration_ns;
    buf_init(&text, BUF_OWN);
    pages_sort(&tap->pages);
    for (size_t i = 0; i < tap->pages.count; i++)
        interrupted |= tap->pages.items[i]->interrupted;
    if (tap->subtests)
        print_nested(tap, &text);
    else
        print_flat(tap, &text);
    /* what did not run is not in the plan: a reader must not take the rest for all */
    if (interrupted)
        buf_append_string(&text, "Bail out! interrupted\n");
    int status = buf_full(&text) ? -EFBIG : report_write(reporter->path, buf_str(&text));
    buf_clear(&text);
    return status;
}

static void tap_free(struct reporter *reporter)
{
    struct tap *tap = tap_of(reporter);
    pages_clear(&tap->pages);
    memory_free(tap);
}

struct reporter *tap_new(const char *path, bool subtests)
{
    static const struct reporter_type type = {"tap", NULL, tap_finished, tap_finish, tap_free};
    struct tap *tap = memory_alloc(sizeof *tap);
    tap->reporter = (struct reporter){&type, path};
    tap->subtests = subtests;
    pages_init(&tap->pages);
    return &tap->reporter;
}
