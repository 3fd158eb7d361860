/* The picture of a failed check: what a user sees first, and often all that is needed. */
#include "base/units.h"
#include "runner/report/report_private.h"

enum {
    PICTURE_FAILURES = 20,      /**< failures of one check that are shown */
    PICTURE_LINE = 600,         /**< characters of one failure's line */
    PICTURE_VALUE = 200,        /**< characters of a name */
    PICTURE_REPLAY = 4000,      /**< characters of the replay command */
    PICTURE_TIMELINE = 24,      /**< lines of the timeline */
    PICTURE_TIMELINE_MORE = 60, /**< with -v */
    PICTURE_WIDTH = 66,         /**< column where the duration stands, if there is room */
};

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {
        [VERDICT_PASS] = "passed",
        [VERDICT_FAIL] = "failed",
        [VERDICT_ERROR] = "error",
        [VERDICT_SKIP] = "skipped",
    };
    return names[verdict];
}

static void paint(const struct console_options *options, const char *code, struct buf *into)
{
    if (options->color)
        buf_printf(into, "\x1b[%sm", code);
}

/* The heading: FAIL file › scenario › check      734ms */

static void print_heading(const struct result *result, const struct check *check,
                          const struct console_options *options, struct buf *into)
{
    struct buf title;
    buf_init(&title, BUF_OWN);
    paint(options, "1;31", into);
    buf_append_string(into, check->verdict == VERDICT_ERROR ? "ERROR" : "FAIL");
    paint(options, "0", into);
    paint(options, "1", into);
    buf_append_byte(&title, ' ');
    report_clean_short(result->file, PICTURE_VALUE, &title);
    buf_append_string(&title, " › ");
    report_clean_short(result->name, PICTURE_VALUE, &title);
    pages_print_repetition(result->repetition, &title);
    buf_append_string(&title, " › ");
    report_clean_short(check->name, PICTURE_VALUE, &title);
    buf_append(into, buf_str(&title));
    paint(options, "0", into);
    if (check->ran && check->end_ns > check->start_ns) {
        size_t width = str_characters(buf_str(&title));
        for (size_t i = width; i < PICTURE_WIDTH; i++)
            buf_append_byte(into, ' ');
        buf_append_string(into, "  ");
        units_write_time(check->end_ns - check->start_ns, into);
    }
    buf_append_byte(into, '\n');
    buf_clear(&title);
}

/* The failures. */

/** Appends each line of a text behind `indent`. */
static void print_indented(struct str text, const char *indent, struct buf *into)
{
    while (text.size) {
        ptrdiff_t end = str_find_byte(text, '\n');
        size_t size = end < 0 ? text.size : (size_t)end;
        buf_append_string(into, indent);
        buf_append(into, str_slice(text, 0, size));
        buf_append_byte(into, '\n');
        text = str_from(text, size + 1);
    }
}

struct str report_failure_line(const struct failure *failure, struct arena *arena)
{
    struct buf line;
    buf_init(&line, BUF_OWN);
    if (diff_is_useful(failure) && failure->message.size == 0) {
        /* the two values whole say less than the places where they differ */
        report_clean_short(failure->subject, PICTURE_VALUE, &line);
        buf_append_string(&line, failure->subject.size ? ": " : "");
        buf_append_string(&line, "is not as expected:");
    } else {
        report_clean_short(failure_line(failure, arena), PICTURE_LINE, &line);
    }
    struct str copy = arena_copy(arena, buf_str(&line));
    buf_clear(&line);
    return copy;
}

/** The places where two values differ, in one line. */
static void print_differences(const struct failure *failure, struct buf *into)
{
    struct buf lines;
    buf_init(&lines, BUF_OWN);
    diff_print(failure, " ", &lines);
    struct str rest = buf_str(&lines);
    while (rest.size) {
        ptrdiff_t end = str_find_byte(rest, '\n');
        struct str line = end < 0 ? rest : str_slice(rest, 0, (size_t)end);
        buf_append(into, line);
        rest = str_from(rest, line.size + 1);
        buf_append_string(into, rest.size ? ";" : "");
    }
    buf_clear(&lines);
}

struct str report_failure_summary(const struct failure *failure, struct arena *arena)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    bool places = diff_is_useful(failure) && failure->message.size == 0 &&
                  failure->expected_json->kind != JSON_STRING;
    buf_append(&text, places ? report_failure_line(failure, arena) : failure_line(failure, arena));
    if (places)
        print_differences(failure, &text);
    if (failure->note.size)
        buf_printf(&text, " (" STR_FMT ")", STR_ARG(failure->note));
    struct str copy = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

static void print_failure(const struct failure *failure, struct place fallback,
                          const struct console_options *options, struct arena *arena,
                          struct buf *into)
{
    struct place place = failure->place.source ? failure->place : fallback;
    struct buf lines;
    buf_init(&lines, BUF_OWN);
    buf_append_string(into, "    ");
    if (place.source) {
        place_print(place, &lines);
        report_clean_short(buf_str(&lines), PICTURE_VALUE, into);
        buf_append_string(into, ": ");
    }
    paint(options, "1", into);
    buf_append(into, report_failure_line(failure, arena));
    paint(options, "0", into);
    buf_append_byte(into, '\n');
    buf_reset(&lines);
    place_print_line(place, &lines);
    report_mask(&lines);
    print_indented(buf_str(&lines), "  ", into);
    diff_print(failure, "      ", into);
    if (failure->note.size) {
        buf_append_string(into, "      = ");
        report_clean_short(failure->note, PICTURE_LINE, into);
        buf_append_byte(into, '\n');
    }
    buf_clear(&lines);
}

static void print_failures(const struct check *check, const struct console_options *options,
                           struct buf *into)
{
    const struct failures *failures = &check->failures;
    struct arena *arena = arena_new();
    for (size_t i = 0; i < failures->count && i < PICTURE_FAILURES; i++)
        print_failure(&failures->items[i], check->place, options, arena, into);
    if (failures->count > PICTURE_FAILURES)
        buf_printf(into, "    … and %zu more\n", failures->count - PICTURE_FAILURES);
    if (failures->count == 0) {
        struct failure unknown = {.message = check->reason.size ? check->reason : STR("failed")};
        print_failure(&unknown, check->place, options, arena, into);
    }
    arena_free(arena);
}

/* What follows. */

void report_rerun(const struct result *result, const char *program, struct buf *into)
{
    struct buf target;
    buf_init(&target, BUF_OWN);
    /* a name that begins with '-' would be an option */
    if (str_starts(result->file, STR("-")))
        buf_append_string(&target, "./");
    buf_append(&target, result->file);
    if (result->place.line)
        buf_printf(&target, ":%u", result->place.line);
    report_shell(str_of(program ? program : "goto-run"), into);
    buf_append_byte(into, ' ');
    report_shell(buf_str(&target), into);
    buf_printf(into, " --seed %llu", (unsigned long long)result->seed);
    buf_clear(&target);
}

static void print_timeline(const struct result *result, const struct check *check,
                           const struct console_options *options, struct buf *into)
{
    size_t most = options->verbosity == VERBOSE_MORE ? PICTURE_TIMELINE_MORE : PICTURE_TIMELINE;
    struct buf lines;
    if (options->verbosity == VERBOSE_QUIET)
        return;
    buf_init(&lines, BUF_OWN);
    timeline_print(result, check, most, "      ", &lines);
    if (lines.size) {
        buf_append_string(into, "    timeline:\n");
        paint(options, "2", into);
        buf_append(into, buf_str(&lines));
        paint(options, "0", into);
    }
    buf_clear(&lines);
}

static void print_commands(const struct result *result, const struct check *check,
                           const struct console_options *options, struct buf *into)
{
    struct buf rerun;
    buf_init(&rerun, BUF_OWN);
    if (check->replay.size) {
        buf_append_string(into, "    replay:  ");
        report_clean_short(check->replay, PICTURE_REPLAY, into);
        buf_append_byte(into, '\n');
    }
    report_rerun(result, options->program, &rerun);
    for (const char *const *word = options->arguments; word && *word; word++) {
        buf_append_byte(&rerun, ' ');
        report_shell(str_of(*word), &rerun);
    }
    buf_append_string(into, "    rerun:   ");
    report_clean(buf_str(&rerun), false, into);
    buf_append_byte(into, '\n');
    buf_clear(&rerun);
    if (result->tmp.size) {
        buf_append_string(into, "    kept:    ");
        report_clean(result->tmp, false, into);
        buf_append_byte(into, '\n');
    }
}

void report_failure(const struct result *result, const struct check *check,
                    const struct console_options *options, struct buf *into)
{
    struct buf picture;
    buf_init(&picture, BUF_OWN);
    print_heading(result, check, options, &picture);
    print_failures(check, options, &picture);
    print_timeline(result, check, options, &picture);
    print_commands(result, check, options, &picture);
    report_mask(&picture);
    buf_append(into, buf_str(&picture));
    buf_clear(&picture);
}
