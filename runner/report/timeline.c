/* The part of the journal around a check: who did what when, in one column of times. */
#include "runner/report/report_private.h"

#include <stdlib.h>

enum {
    TIMELINE_BEFORE = 400, /**< entries before the check that may be of interest */
    TIMELINE_AFTER = 30,   /**< and after it */
    TIMELINE_SPAN = 1024,  /**< entries looked at in all */
    TIMELINE_NEAR = 100,   /**< entries around a connection where its requests are looked for */
    TIMELINE_FEW = 10,     /**< fewer lines than this are filled up with what stands around */
    TIMELINE_WHO = 20,     /**< columns of the names at most */
};

/** How much an entry says about why something failed. */
enum importance { TRAFFIC, PROGRESS, CHANGE, TROUBLE };

/** One line: an entry, or a run of entries that are alike. */
struct moment {
    uint64_t number;
    const struct entry *entry;
    int64_t time_ns;
    enum importance importance;
    struct str what;
    struct str key;   /**< what it is without times: equal ones are folded */
    size_t more;      /**< entries like it that follow */
    int64_t last_ns;  /**< of those */
    unsigned rank;    /**< 0 is chosen first */
    int64_t distance; /**< from the check's time */
    bool chosen;
};

struct timeline {
    const struct journal *journal;
    struct arena *arena;
    int64_t start_ns;
    int64_t end_ns;
    struct moment *items;
    size_t count;
    uint64_t left_out; /**< entries in the middle of a long check */
};

static enum importance entry_importance(const struct entry *entry)
{
    unsigned broken = ENTRY_ABORTED | ENTRY_FAILED | ENTRY_CLOSED_BY_RESET;
    switch ((enum entry_kind)entry->kind) {
    case ENTRY_MISS:
    case ENTRY_REFUSED:
    case ENTRY_NOTE:
    case ENTRY_FAULT:
    case ENTRY_RESET:
    case ENTRY_DIAL_FAILED:
        return TROUBLE;
    case ENTRY_PROGRAM_END:
        return entry->value && !(entry->flags & ENTRY_OPTIONAL) ? TROUBLE : CHANGE;
    case ENTRY_PORT_OPEN:
    case ENTRY_PORT_CLOSE:
    case ENTRY_EVENT:
    case ENTRY_EVENT_UNDO:
    case ENTRY_ACTION:
    case ENTRY_PROGRAM:
    case ENTRY_LOG:
    case ENTRY_SET:
        return CHANGE;
    case ENTRY_OUTPUT:
        return entry->flags & ENTRY_STDERR ? CHANGE : PROGRESS;
    case ENTRY_GOAWAY:
        return entry->value ? TROUBLE : CHANGE;
    case ENTRY_RESPONSE:
        if (entry->flags & ENTRY_CLOSED_BY_SERVER || entry->status >= 400)
            return TROUBLE;
        break;
    default:
        break;
    }
    if (entry->flags & broken)
        return TROUBLE;
    return entry->kind == ENTRY_STEP_END || entry->kind == ENTRY_CLIENT_END ? PROGRESS : TRAFFIC;
}

/** Whether two entries are two ends of one thing: a request and its answer, a step and its end. */
static bool is_end_of(const struct entry *begin, const struct entry *end)
{
    if (begin->kind == ENTRY_REQUEST &&
        (end->kind == ENTRY_RESPONSE || end->kind == ENTRY_REQUEST_END))
        return begin->subject == end->subject && begin->connection == end->connection &&
               begin->request == end->request;
    return begin->kind == ENTRY_STEP && end->kind == ENTRY_STEP_END &&
           begin->subject == end->subject && begin->extra == end->extra;
}

/** Connections say nothing that their requests do not say, unless they broke. */
static bool is_dull(const struct timeline *timeline, const struct entry *entry, uint64_t from,
                    uint64_t to)
{
    if (entry->kind == ENTRY_CHECK)
        return true;
    bool connection = entry->kind == ENTRY_CONNECTION || entry->kind == ENTRY_CONNECTION_END ||
                      entry->kind == ENTRY_DIAL || entry->kind == ENTRY_DIAL_END;
    if (!connection || entry->flags & ENTRY_CLOSED_BY_RESET)
        return false;
    for (uint64_t number = from; number < to; number++) {
        const struct entry *other = journal_get(timeline->journal, number);
        if (other && other->kind == ENTRY_REQUEST && other->subject == entry->subject &&
            other->connection == entry->connection)
            return true;
    }
    return false;
}

static struct str moment_words(struct timeline *timeline, const struct moment *moment, bool times)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    entry_what(timeline->journal, moment->entry, moment->number, times, &text);
    struct str copy = arena_copy(timeline->arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

static struct moment *timeline_last(struct timeline *timeline, size_t back)
{
    return timeline->count >= back ? &timeline->items[timeline->count - back] : NULL;
}

static bool is_alike(const struct moment *a, const struct moment *b)
{
    bool step = a->entry->kind == ENTRY_STEP || a->entry->kind == ENTRY_STEP_END;
    /* `extra` names the client of a step and is a number of bytes elsewhere */
    return a->entry->kind == b->entry->kind && a->entry->subject == b->entry->subject &&
           (!step || a->entry->extra == b->entry->extra) && str_equal(a->key, b->key);
}

/** Adds an entry as a line of its own, as the end of the line before, or to the run before. */
static void timeline_add(struct timeline *timeline, uint64_t number, const struct entry *entry)
{
    struct moment *before = timeline_last(timeline, 1);
    struct moment moment = {.number = number,
                            .entry = entry,
                            .time_ns = entry->time_ns,
                            .last_ns = entry->time_ns,
                            .importance = entry_importance(entry)};
    if (before && before->more == 0 && is_end_of(before->entry, entry)) {
        moment.time_ns = before->time_ns;
        timeline->count--;
        before = timeline_last(timeline, 1);
    }
    moment.what = moment_words(timeline, &moment, true);
    moment.key = moment_words(timeline, &moment, false);
    if (before && is_alike(before, &moment)) {
        before->more++;
        before->last_ns = moment.time_ns;
        return;
    }
    timeline->items[timeline->count++] = moment;
}

static void timeline_look(struct timeline *timeline, uint64_t number, uint64_t from, uint64_t to)
{
    const struct entry *entry = journal_get(timeline->journal, number);
    from = number > from + TIMELINE_NEAR ? number - TIMELINE_NEAR : from;
    to = to - number > TIMELINE_NEAR ? number + TIMELINE_NEAR : to;
    if (entry && !is_dull(timeline, entry, from, to))
        timeline_add(timeline, number, entry);
}

/** Of the middle of a long check only what is no traffic, as far as there is room. */
static void timeline_read_middle(struct timeline *timeline, uint64_t from, uint64_t to)
{
    size_t room = TIMELINE_SPAN;
    for (uint64_t number = from; number < to; number++) {
        const struct entry *entry = journal_get(timeline->journal, number);
        if (entry && room && entry_importance(entry) >= CHANGE) {
            timeline_add(timeline, number, entry);
            room--;
        } else {
            timeline->left_out++;
        }
    }
}

/** Reads the entries that may be shown. */
static void timeline_read(struct timeline *timeline)
{
    const struct journal *journal = timeline->journal;
    uint64_t first = journal_first(journal) ? journal_first(journal) : 1;
    uint64_t end = journal_last(journal) + 1;
    uint64_t from = entry_at(journal, timeline->start_ns);
    uint64_t to = entry_at(journal, timeline->end_ns + 1);
    from = from > first + TIMELINE_BEFORE ? from - TIMELINE_BEFORE : first;
    to = end - to > TIMELINE_AFTER ? to + TIMELINE_AFTER : end;
    bool is_long = to - from > TIMELINE_SPAN;
    uint64_t middle = is_long ? from + TIMELINE_SPAN / 2 : to;
    uint64_t rest = is_long ? to - TIMELINE_SPAN / 2 : to;
    timeline->items =
        arena_alloc_array(timeline->arena, (size_t)2 * TIMELINE_SPAN, sizeof *timeline->items);
    for (uint64_t number = from; number < middle; number++)
        timeline_look(timeline, number, from, to);
    timeline_read_middle(timeline, middle, rest);
    for (uint64_t number = rest; number < to; number++)
        timeline_look(timeline, number, from, to);
}

/* Choosing. */

static void moment_rank(struct moment *moment, int64_t start_ns, int64_t end_ns)
{
    static const unsigned inside[] = {[TROUBLE] = 0, [CHANGE] = 1, [PROGRESS] = 2, [TRAFFIC] = 3};
    static const unsigned outside[] = {[TROUBLE] = 4, [CHANGE] = 5, [PROGRESS] = 6, [TRAFFIC] = 7};
    int64_t last =
        moment->last_ns > moment->entry->time_ns ? moment->last_ns : moment->entry->time_ns;
    if (last < start_ns)
        moment->distance = start_ns - last;
    else if (moment->time_ns > end_ns)
        moment->distance = moment->time_ns - end_ns;
    else
        moment->distance = 0;
    moment->rank = moment->distance ? outside[moment->importance] : inside[moment->importance];
}

static int moment_compare(const void *left, const void *right)
{
    const struct moment *a = *(struct moment *const *)left;
    const struct moment *b = *(struct moment *const *)right;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->distance != b->distance)
        return a->distance < b->distance ? -1 : 1;
    /* of what is equally good the latest: it is nearest to the failure */
    return a->number > b->number ? -1 : a->number < b->number;
}

/** Chooses by rank; what is only around the check fills up a short picture. */
static void timeline_choose(struct timeline *timeline, size_t most)
{
    struct moment **order =
        arena_alloc_array(timeline->arena, timeline->count + 1, sizeof(struct moment *));
    for (size_t i = 0; i < timeline->count; i++) {
        moment_rank(&timeline->items[i], timeline->start_ns, timeline->end_ns);
        order[i] = &timeline->items[i];
    }
    qsort(order, timeline->count, sizeof(struct moment *), moment_compare);
    size_t lines = 0;
    for (size_t i = 0; i < timeline->count && lines < most; i++) {
        if (order[i]->rank >= 6 && lines >= TIMELINE_FEW)
            break;
        order[i]->chosen = true;
        lines += order[i]->more ? 2 : 1;
    }
}

/* Printing. */

static const char *moment_noun(const struct moment *moment)
{
    switch ((enum entry_kind)moment->entry->kind) {
    case ENTRY_REQUEST:
    case ENTRY_REQUEST_END:
    case ENTRY_RESPONSE:
        return "requests";
    case ENTRY_STEP:
    case ENTRY_STEP_END:
        return "steps";
    case ENTRY_OUTPUT:
        return "lines";
    case ENTRY_EVENT:
    case ENTRY_EVENT_UNDO:
        return "events";
    case ENTRY_CONNECTION:
    case ENTRY_CONNECTION_END:
        return "connections";
    case ENTRY_HANDSHAKE:
        return "handshakes";
    default:
        return "of them";
    }
}

static void print_padded(struct str text, size_t width, bool right, struct buf *into)
{
    size_t shown = str_characters(text);
    for (size_t i = shown; right && i < width; i++)
        buf_append_byte(into, ' ');
    buf_append(into, text);
    for (size_t i = shown; !right && i < width; i++)
        buf_append_byte(into, ' ');
}

static void print_row(int64_t time_ns, struct str who, size_t width, struct str what,
                      const char *indent, struct buf *into)
{
    struct buf cell;
    buf_init(&cell, BUF_OWN);
    buf_append_string(into, indent);
    entry_print_time(time_ns, &cell);
    print_padded(buf_str(&cell), 9, true, into);
    buf_append_string(into, "  ");
    buf_reset(&cell);
    report_clean_short(who, TIMELINE_WHO, &cell);
    print_padded(buf_str(&cell), width, false, into);
    buf_append_string(into, "  ");
    buf_append(into, what);
    buf_append_byte(into, '\n');
    buf_clear(&cell);
}

static size_t timeline_width(const struct timeline *timeline)
{
    size_t width = 4;
    for (size_t i = 0; i < timeline->count; i++) {
        const struct moment *moment = &timeline->items[i];
        size_t size = str_characters(entry_who(timeline->journal, moment->entry));
        if (moment->chosen && size > width)
            width = size;
    }
    return width < TIMELINE_WHO ? width : TIMELINE_WHO;
}

static void timeline_print_chosen(const struct timeline *timeline, const char *indent,
                                  struct buf *into)
{
    size_t width = timeline_width(timeline);
    uint64_t left_out = timeline->left_out;
    for (size_t i = 0; i < timeline->count; i++) {
        const struct moment *moment = &timeline->items[i];
        struct str who = entry_who(timeline->journal, moment->entry);
        if (!moment->chosen) {
            /* what happened long before or after is of no interest, also not as a number */
            left_out += moment->distance == 0;
            continue;
        }
        print_row(moment->time_ns, who, width, moment->what, indent, into);
        if (moment->more) {
            struct str more = arena_printf(timeline->arena, "… %zu more %s like this", moment->more,
                                           moment_noun(moment));
            print_row(moment->last_ns, who, width, more, indent, into);
        }
    }
    if (left_out)
        buf_printf(into, "%s(and %llu entries of that time that are not shown)\n", indent,
                   (unsigned long long)left_out);
}

void timeline_print(const struct result *result, const struct check *check, size_t most,
                    const char *indent, struct buf *into)
{
    struct timeline timeline = {
        .journal = result->journal, .start_ns = check->start_ns, .end_ns = check->end_ns};
    if (!result->journal || journal_last(result->journal) == 0)
        return;
    const struct entry *last = journal_get(result->journal, journal_last(result->journal));
    if (!check->ran && last)
        timeline.end_ns = timeline.start_ns = last->time_ns;
    if (timeline.end_ns < timeline.start_ns || timeline.end_ns == INT64_MAX)
        timeline.end_ns = timeline.start_ns;
    timeline.arena = arena_new();
    timeline_read(&timeline);
    timeline_choose(&timeline, most);
    timeline_print_chosen(&timeline, indent, into);
    arena_free(timeline.arena);
}
