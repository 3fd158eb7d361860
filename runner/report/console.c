/* The console: failures as they happen, a line of what runs on a terminal, a summary at the end. */
#include "base/memory.h"
#include "base/units.h"
#include "runner/report/report_private.h"

#include <sys/ioctl.h>

enum {
    CONSOLE_NAME = 200,   /**< characters of a name */
    CONSOLE_COLUMNS = 80, /**< where the terminal does not say */
};

/** A scenario that runs, for the live line. */
struct live {
    size_t file_index;
    size_t index;
    unsigned repetition;
    struct buf name;
};

struct console {
    struct reporter reporter;
    struct console_options options;
    struct live *running;
    size_t running_count;
    size_t running_capacity;
    size_t finished;
    bool line_shown;
    bool any; /**< a result was seen: `seed` is set */
    bool seeds_differ;
    bool interrupted;
    uint64_t seed;
    int error; /**< the first one of writing */
};

static struct console *console_of(struct reporter *reporter)
{
    return CONTAINER_OF(reporter, struct console, reporter);
}

static void console_write(struct console *console, const struct buf *text)
{
    if (console->error == 0 && text->size)
        console->error = output_write(console->options.fd, buf_str(text));
}

static void paint(const struct console *console, const char *code, struct buf *into)
{
    if (console->options.color)
        buf_printf(into, "\x1b[%sm", code);
}

/* The live line. */

static bool console_is_live(const struct console *console)
{
    return console->options.terminal && console->options.verbosity != VERBOSE_QUIET;
}

static size_t console_columns(const struct console *console)
{
    struct winsize size;
    if (ioctl(console->options.fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return CONSOLE_COLUMNS;
    return size.ws_col;
}

/** Erases the live line, if there is one, before anything else is written. */
static void line_erase(struct console *console, struct buf *into)
{
    if (console->line_shown)
        buf_append_string(into, "\r\x1b[K");
    console->line_shown = false;
}

static void line_show(struct console *console, struct buf *into)
{
    struct buf line;
    if (!console_is_live(console) || console->running_count == 0)
        return;
    buf_init(&line, BUF_OWN);
    const struct live *newest = &console->running[console->running_count - 1];
    buf_printf(&line, "%zu done, %zu running: " STR_FMT, console->finished, console->running_count,
               STR_ARG(buf_str(&newest->name)));
    report_clean_short(buf_str(&line), console_columns(console) - 2, into);
    buf_clear(&line);
    console->line_shown = true;
}

static void live_remove(struct console *console, const struct result *result)
{
    for (size_t i = 0; i < console->running_count; i++) {
        struct live *live = &console->running[i];
        if (live->file_index != result->file_index || live->index != result->index ||
            live->repetition != result->repetition)
            continue;
        buf_clear(&live->name);
        for (; i + 1 < console->running_count; i++)
            console->running[i] = console->running[i + 1];
        console->running_count--;
        return;
    }
}

static void print_title(const struct result *result, struct buf *into)
{
    report_clean_short(result->file, CONSOLE_NAME, into);
    buf_append_string(into, " › ");
    report_clean_short(result->name, CONSOLE_NAME, into);
    pages_print_repetition(result->repetition, into);
}

static void console_started(struct reporter *reporter, const struct result *result)
{
    struct console *console = console_of(reporter);
    struct buf text;
    if (!console_is_live(console))
        return;
    memory_grow(&console->running, console->running_count, &console->running_capacity,
                sizeof *console->running);
    struct live *live = &console->running[console->running_count++];
    *live = (struct live){result->file_index, result->index, result->repetition, {0}};
    buf_init(&live->name, BUF_OWN);
    print_title(result, &live->name);
    buf_init(&text, BUF_OWN);
    line_erase(console, &text);
    line_show(console, &text);
    console_write(console, &text);
    buf_clear(&text);
}

/* Results. */

static void print_check(const struct console *console, const struct check *check, struct buf *into)
{
    static const char *const colors[] = {"32", "1;31", "1;31", "33"};
    static const char *const words[] = {"ok", "FAIL", "ERROR", "skip"};
    struct buf time;
    buf_init(&time, BUF_OWN);
    if (check->ran && check->end_ns >= check->start_ns)
        units_write_time(check->end_ns - check->start_ns, &time);
    buf_append_string(into, "  ");
    paint(console, colors[check->verdict], into);
    buf_printf(into, "%-5s", words[check->verdict]);
    paint(console, "0", into);
    buf_printf(into, " %8.*s  ", (int)time.size, time.size ? time.data : "");
    report_clean_short(check->name, CONSOLE_NAME, into);
    if (check->verdict == VERDICT_SKIP && check->reason.size) {
        buf_append_string(into, ": ");
        report_clean_short(check->reason, CONSOLE_NAME, into);
    }
    buf_append_byte(into, '\n');
    buf_clear(&time);
}

/** Where the temporary folder is that --keep-tmp kept. */
static void print_kept(const struct result *result, struct buf *into)
{
    if (result->tmp.size == 0)
        return;
    buf_append_string(into, "  kept: ");
    report_clean(result->tmp, false, into);
    buf_append_byte(into, '\n');
}

/** With -v: the scenario and each of its checks. */
static void print_scenario(const struct console *console, const struct result *result,
                           struct buf *into)
{
    paint(console, "1", into);
    print_title(result, into);
    paint(console, "0", into);
    buf_append_string(into, "  ");
    units_write_time(result->duration_ns, into);
    buf_printf(into, " (seed %llu)", (unsigned long long)result->seed);
    if (result->skipped || result->reason.size) {
        buf_append_string(into, result->skipped ? " skipped: " : " ");
        report_clean_short(result->reason, CONSOLE_NAME, into);
    }
    buf_append_byte(into, '\n');
    for (size_t i = 0; result->checks && i < result->checks->count; i++)
        print_check(console, result->checks->items[i], into);
    print_kept(result, into);
}

static void print_pictures(const struct console *console, const struct result *result,
                           struct buf *into)
{
    for (size_t i = 0; result->checks && i < result->checks->count; i++) {
        const struct check *check = result->checks->items[i];
        if (check->verdict != VERDICT_FAIL && check->verdict != VERDICT_ERROR)
            continue;
        report_failure(result, check, &console->options, into);
        buf_append_byte(into, '\n');
    }
}

static void console_finished(struct reporter *reporter, const struct result *result)
{
    struct console *console = console_of(reporter);
    struct buf text;
    buf_init(&text, BUF_OWN);
    console->finished++;
    console->seeds_differ |= console->any && console->seed != result->seed;
    console->any = true;
    console->seed = result->seed;
    console->interrupted |= result->interrupted;
    live_remove(console, result);
    line_erase(console, &text);
    if (console->options.verbosity == VERBOSE_MORE)
        print_scenario(console, result, &text);
    else if (result->tmp.size && !checks_count(result->checks, VERDICT_FAIL) &&
             !checks_count(result->checks, VERDICT_ERROR)) {
        print_title(result, &text);
        print_kept(result, &text);
    }
    print_pictures(console, result, &text);
    line_show(console, &text);
    console_write(console, &text);
    buf_clear(&text);
}

/* The summary. */

static void print_count(const struct console *console, size_t count, const char *color,
                        const char *what, struct buf *into)
{
    if (count)
        paint(console, color, into);
    buf_printf(into, "%zu %s", count, what);
    if (count)
        paint(console, "0", into);
}

static void print_summary(const struct console *console, const struct totals *totals,
                          int64_t duration_ns, struct buf *into)
{
    size_t checks = totals->passed + totals->failed + totals->errors + totals->skipped;
    buf_printf(into, "%zu scenario%s, %zu check%s: ", totals->scenarios,
               totals->scenarios == 1 ? "" : "s", checks, checks == 1 ? "" : "s");
    print_count(console, totals->passed, "32", "passed", into);
    buf_append_string(into, ", ");
    print_count(console, totals->failed, "1;31", "failed", into);
    if (totals->errors) {
        buf_append_string(into, ", ");
        print_count(console, totals->errors, "1;31", totals->errors == 1 ? "error" : "errors",
                    into);
    }
    buf_append_string(into, ", ");
    print_count(console, totals->skipped, "33", "skipped", into);
    buf_append_string(into, " in ");
    units_write_time(duration_ns, into);
    if (console->seeds_differ)
        buf_append_string(into, " (seeds differ)");
    else if (console->any)
        buf_printf(into, " (seed %llu)", (unsigned long long)console->seed);
    buf_append_string(into, console->interrupted ? ", interrupted\n" : "\n");
}

static int console_finish(struct reporter *reporter, const struct totals *totals,
                          int64_t duration_ns)
{
    struct console *console = console_of(reporter);
    struct buf text;
    buf_init(&text, BUF_OWN);
    line_erase(console, &text);
    print_summary(console, totals, duration_ns, &text);
    console_write(console, &text);
    buf_clear(&text);
    return console->error;
}

static void console_free(struct reporter *reporter)
{
    struct console *console = console_of(reporter);
    for (size_t i = 0; i < console->running_count; i++)
        buf_clear(&console->running[i].name);
    memory_free(console->running);
    memory_free(console);
}

struct reporter *console_new(const struct console_options *options)
{
    static const struct reporter_type type = {"console", console_started, console_finished,
                                              console_finish, console_free};
    struct console *console = memory_alloc(sizeof *console);
    console->reporter.type = &type;
    console->options = *options;
    return &console->reporter;
}
