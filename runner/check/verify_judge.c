#include "runner/check/verify_private.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MOST_SHOWN = 5,   /**< entries that a note lists */
    MOST_EACH = 5,    /**< failures of single entries that are told one by one */
    TARGET_SIZE = 80, /**< bytes of a target or line that are shown */
};

/* How entries read */

static void show_start(struct str text, struct buf *into)
{
    struct str start = str_slice(text, 0, TARGET_SIZE);
    buf_append(into, start);
    if (start.size < text.size)
        buf_append_string(into, "…");
}

void show_time(const struct entry *entry, struct buf *into)
{
    buf_append_string(into, entry->time_ns < 0 ? " at -" : " at ");
    units_write_time(entry->time_ns < 0 ? -entry->time_ns : entry->time_ns, into);
}

static void show_packed(const struct entry *entry, struct buf *into)
{
    struct arena *arena = arena_new();
    struct request request = {0};
    if (request_unpack((struct str){entry->data, entry->data_size}, arena, &request)) {
        show_start(request.method, into);
        buf_append_byte(into, ' ');
        show_start(request.target, into);
    } else {
        buf_append_string(into, "a request");
    }
    arena_free(arena);
}

void request_show(const struct view *view, const struct picked *picked, struct buf *into)
{
    show_packed(picked->entry, into);
    buf_printf(into, " (#%" PRIu64, picked->entry->request);
    if (!view->name_id)
        buf_printf(into, " to " STR_FMT,
                   STR_ARG(journal_name(view->journal, picked->entry->subject)));
    buf_append_byte(into, ')');
    show_time(picked->entry, into);
}

void response_show(const struct view *view, const struct picked *picked, struct buf *into)
{
    const struct entry *entry = picked->entry;
    if (entry->status)
        buf_printf(into, "%u", entry->status);
    else
        buf_append_string(into, "no status");
    if (entry->kind == ENTRY_RESPONSE && entry->data_size)
        buf_printf(into, " %.*s", (int)entry->data_size, entry->data);
    if (entry->flags & ENTRY_ABORTED)
        buf_append_string(into, " (aborted)");
    if (entry->kind == ENTRY_REFUSED)
        buf_printf(into, " to what connection #%" PRIu64 " sent", entry->connection);
    else
        buf_printf(into, " to request #%" PRIu64, entry->request);
    if (!view->name_id)
        buf_printf(into, " of " STR_FMT, STR_ARG(journal_name(view->journal, entry->subject)));
    show_time(entry, into);
}

bool connection_is_closed(const struct entry *entry)
{
    return entry->flags & (ENTRY_CLOSED_BY_CLIENT | ENTRY_CLOSED_BY_SERVER);
}

static void show_closed(const struct entry *entry, struct buf *into)
{
    if (connection_is_closed(entry))
        buf_printf(into, ", closed by the %s",
                   entry->flags & ENTRY_CLOSED_BY_CLIENT ? "client" : "server");
    else
        buf_append_string(into, ", still open");
}

void connection_show(const struct view *view, const struct picked *picked, struct buf *into)
{
    const struct entry *entry = picked->entry;
    buf_printf(into, "#%" PRIu64, entry->connection);
    if (!view->name_id)
        buf_printf(into, " to " STR_FMT, STR_ARG(journal_name(view->journal, entry->subject)));
    show_time(entry, into);
    show_closed(entry, into);
}

void dial_show(const struct view *view, const struct picked *picked, struct buf *into)
{
    const struct entry *entry = picked->entry;
    buf_printf(into, "to " STR_FMT, STR_ARG(journal_name(view->journal, entry->route)));
    if (entry->connection)
        buf_printf(into, " for #%" PRIu64, entry->connection);
    show_time(entry, into);
    show_closed(entry, into);
}

void named_show(const struct view *view, const struct picked *picked, struct buf *into)
{
    show_start(journal_name(view->journal, picked->entry->subject), into);
    show_time(picked->entry, into);
}

void output_show(const struct view *view, const struct picked *picked, struct buf *into)
{
    const struct entry *entry = picked->entry;
    struct str line = {entry->data, entry->data_size};
    (void)view;
    json_write_string(str_slice(line, 0, TARGET_SIZE), into);
    if (line.size > TARGET_SIZE)
        buf_append_string(into, "…");
    show_time(entry, into);
}

/* Notes */

void view_note(struct view *view, const char *format, ...)
{
    struct failures *failures = view->failures;
    struct failure *failure = &failures->items[failures->count - 1];
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int size = vasprintf(&text, format, args);
    va_end(args);
    GOTO_ASSERT(size >= 0);
    failure->note = arena_printf(failures->arena, STR_FMT "%s%s", STR_ARG(failure->note),
                                 failure->note.size ? "; " : "", text);
    free(text);
}

/** How late our own loop was, where an upper bound on a time did not hold. */
static void note_lag(struct view *view, int64_t from_ns, int64_t to_ns)
{
    struct loop *loop = scenario_loop(view->scenario);
    struct buf text;
    if (!loop)
        return;
    int64_t lag_ns = loop_lag(loop, journal_monotonic(view->journal, from_ns),
                              journal_monotonic(view->journal, to_ns));
    buf_init(&text, BUF_OWN);
    units_write_time(lag_ns, &text);
    view_note(view, "our own loop was at most " STR_FMT " late in that time",
              STR_ARG(buf_str(&text)));
    buf_clear(&text);
}

/** What was selected, or what came nearest to it where that is little. */
void note_selection(struct view *view)
{
    struct buf text;
    size_t shown = view->count < MOST_SHOWN ? view->count : MOST_SHOWN;
    if (view->bare)
        return;
    buf_init(&text, BUF_OWN);
    for (size_t i = 0; i < shown; i++) {
        buf_append_string(&text, i ? "; " : "selected: ");
        view->subject->show(view, &view->picked[i], &text);
    }
    if (view->count > shown)
        buf_printf(&text, "; and %zu more", view->count - shown);
    for (size_t i = 0; i < view->near_count && shown < MOST_SHOWN; i++) {
        buf_append_string(&text, i == 0 && text.size ? "; not selected: "
                                 : i == 0            ? "not selected: "
                                                     : "; ");
        view->subject->show(view, &view->near[i], &text);
        buf_printf(&text, " (%s)", view->rejections[i].why);
    }
    if (text.size)
        view_note(view, STR_FMT, STR_ARG(buf_str(&text)));
    buf_clear(&text);
}

/** Too few in a window that has an end: was it us who were late? */
static void note_window_lag(struct view *view)
{
    const struct window *window = &view->window;
    if (window->until_ns != INT64_MAX)
        note_lag(view, window->event_ns, window->until_ns);
    else if (window->keys->before_ns >= 0)
        note_lag(view, 0, window->keys->before_ns);
}

/* Taken over what is selected */

static void judge_count(struct view *view)
{
    const struct verify_keys *keys = view->keys;
    struct arena *arena = view->failures->arena;
    struct str title = view_title(view);
    bool never = keys->fired && !*keys->fired;
    if (keys->count) {
        struct str what = arena_printf(arena, "number of " STR_FMT, STR_ARG(title));
        if (failures_test(view->failures, keys->count, what.data,
                          json_integer(arena, (int64_t)view->count)))
            return;
    } else if (never) {
        if (view->count == 0)
            return;
        failures_say(view->failures, view_key_place(view, "fired"), "fired",
                     "expected none, found %zu " STR_FMT, view->count, STR_ARG(title));
    } else {
        if (view->count)
            return;
        failures_say(view->failures, view->item->subject.place, view->item->subject.member->key,
                     "expected at least one, found no " STR_FMT, STR_ARG(title));
    }
    note_selection(view);
    if (!never && (view->near_count || view->count == 0))
        note_window_lag(view);
}

static void judge_gaps(struct view *view)
{
    struct predicate *const *gaps = view->keys->gaps.items;
    struct arena *arena = view->failures->arena;
    size_t count = view->keys->gaps.count;
    if (count && view->count < count + 1) {
        failures_say(view->failures, view_key_place(view, "gaps"), "gaps",
                     "%zu %s listed, which takes %zu requests; %zu %s selected", count,
                     count == 1 ? "gap is" : "gaps are", count + 1, view->count,
                     view->count == 1 ? "was" : "were");
        note_selection(view);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct entry *from = view->picked[i].entry;
        const struct entry *to = view->picked[i + 1].entry;
        struct str subject = arena_printf(arena, "gap %zu, from request #%" PRIu64 " to #%" PRIu64,
                                          i + 1, from->request, to->request);
        if (failures_test(view->failures, gaps[i], subject.data,
                          json_integer(arena, to->time_ns - from->time_ns)))
            continue;
        if (predicate_has_upper_bound(gaps[i]))
            note_lag(view, from->time_ns, to->time_ns);
    }
}

static void judge_order(struct view *view)
{
    struct match *const *order = view->keys->order.items;
    struct arena *arena = view->failures->arena;
    size_t at = 0;
    for (size_t i = 0; i < view->keys->order.count; i++) {
        while (at < view->count && !view_match(view, order[i], view->picked[at].entry))
            at++;
        if (view->lack.data) {
            failures_say(view->failures, match_place(order[i]), "order", STR_FMT,
                         STR_ARG(view->lack));
            return;
        }
        if (at++ < view->count)
            continue;
        struct str wanted = match_describe(order[i], arena);
        if (i == 0)
            failures_say(view->failures, match_place(order[i]), "order",
                         "no request matches the first one, " STR_FMT, STR_ARG(wanted));
        else
            failures_say(view->failures, match_place(order[i]), "order",
                         "no request that matches " STR_FMT
                         " came after the one that matches " STR_FMT,
                         STR_ARG(wanted), STR_ARG(match_describe(order[i - 1], arena)));
        note_selection(view);
        return;
    }
}

static int number_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x == y ? 0 : x < y ? -1 : 1;
}

/** The highest number of connections open at one time, by the order of the journal. */
static size_t most_concurrent(const struct view *view)
{
    uint64_t *ends = memory_alloc_array(view->count, sizeof *ends);
    size_t open = 0;
    size_t most = 0;
    for (size_t i = 0; i < view->count; i++)
        ends[i] =
            connection_is_closed(view->picked[i].entry) ? view->picked[i].entry->extra : UINT64_MAX;
    if (view->count)
        qsort(ends, view->count, sizeof *ends, number_order);
    for (size_t i = 0, ended = 0; i < view->count; i++) {
        open++;
        while (ends[ended] < view->picked[i].number) {
            ended++;
            open--;
        }
        most = open > most ? open : most;
    }
    memory_free(ends);
    return most;
}

static void judge_concurrent(struct view *view)
{
    struct arena *arena = view->failures->arena;
    if (!view->keys->concurrent)
        return;
    struct str subject =
        arena_printf(arena, STR_FMT " open at one time", STR_ARG(view_title(view)));
    if (!failures_test(view->failures, view->keys->concurrent, subject.data,
                       json_integer(arena, (int64_t)most_concurrent(view))))
        note_selection(view);
}

/* What must hold for each */

/** Tests a number of one entry; only the first failures are told one by one. */
static bool each_test(struct view *view, const struct picked *picked,
                      const struct predicate *predicate, const char *key, int64_t number)
{
    if (!predicate)
        return true;
    struct arena *arena = arena_new();
    bool holds = predicate_test(predicate, json_integer(arena, number), arena, NULL);
    arena_free(arena);
    if (holds || ++view->failed_each > MOST_EACH)
        return true;
    struct buf subject;
    buf_init(&subject, BUF_OWN);
    buf_printf(&subject, "%s of %s ", key, view->subject->noun);
    view->subject->show(view, picked, &subject);
    struct arena *kept = view->failures->arena;
    failures_test(view->failures, predicate, arena_copy(kept, buf_str(&subject)).data,
                  json_integer(kept, number));
    buf_clear(&subject);
    return false;
}

/** The same of a time that passed up to `end_ns`. */
static void each_test_time(struct view *view, const struct picked *picked,
                           const struct predicate *predicate, const char *key, int64_t time_ns,
                           int64_t end_ns)
{
    if (!each_test(view, picked, predicate, key, time_ns) && predicate_has_upper_bound(predicate))
        note_lag(view, end_ns - time_ns, end_ns);
}

void response_judge(struct view *view, const struct picked *picked)
{
    const struct entry *entry = picked->entry;
    int64_t bytes = entry->extra > INT64_MAX ? INT64_MAX : (int64_t)entry->extra;
    (void)each_test(view, picked, view->keys->bytes, "bytes", bytes);
    each_test_time(view, picked, view->keys->duration, "duration", entry->value, entry->time_ns);
}

void connection_judge(struct view *view, const struct picked *picked)
{
    const struct entry *entry = picked->entry;
    int64_t end_ns = connection_is_closed(entry) ? entry->value : journal_now(view->journal);
    each_test_time(view, picked, view->keys->lifetime, "lifetime", end_ns - entry->time_ns, end_ns);
}

void event_judge(struct view *view, const struct picked *picked)
{
    const struct entry *entry = picked->entry;
    each_test_time(view, picked, view->keys->lag, "lag", entry->value, entry->time_ns);
}

static void judge_each(struct view *view)
{
    if (!view->subject->judge_each || view->bare)
        return;
    for (size_t i = 0; i < view->count; i++)
        view->subject->judge_each(view, &view->picked[i]);
    if (view->failed_each > MOST_EACH)
        failures_say(view->failures, view->item->subject.place, view->item->subject.member->key,
                     "and %zu more failures of the same kind", view->failed_each - MOST_EACH);
}

/** What `matched: false` selects is meant: no rule complains of it. */
static void mark_counted(struct view *view)
{
    const bool *matched = view->keys->matched;
    for (size_t i = 0; matched && !*matched && i < view->count; i++)
        journal_set_route(view->journal, view->picked[i].number, view->picked[i].entry->route,
                          ENTRY_COUNTED);
}

static void view_judge(struct view *view)
{
    if (!view_select(view))
        return;
    mark_counted(view);
    judge_count(view);
    judge_failed(view);
    judge_gaps(view);
    judge_order(view);
    judge_concurrent(view);
    judge_each(view);
}

void verify_judge(const struct verify_item *item, struct scenario *scenario,
                  struct failures *failures)
{
    struct view view = {
        .item = item,
        .subject = item->subject.member->extra,
        .keys = item->subject.value,
        .scenario = scenario,
        .journal = scenario_journal(scenario),
        .failures = failures,
    };
    if (view.keys->from.data)
        view.subject = &dials_subject;
    if (view.subject->judge)
        view.subject->judge(&view);
    else
        view_judge(&view);
    view_clear(&view);
}
