#include "runner/check/verify_private.h"

#include "base/memory.h"

static const enum name_kind event_kind = NAME_EVENT;
static const struct type event_name = TYPE_NAME(&event_kind);

static void window_preset(void *into)
{
    *(struct window_keys *)into =
        (struct window_keys){.after_ns = -1, .before_ns = -1, .within_ns = -1};
}

static struct place key_place(const struct node *node, const char *key)
{
    const struct node_pair *pair = node_find(node, str_of(key));
    return pair ? pair->key->place : node->place;
}

static enum read_result window_check(struct reader *reader, const struct node *node, void *into)
{
    const struct window_keys *keys = into;
    if (keys->within_ns >= 0 && !keys->after_event.data) {
        diagnostics_add(reader->diagnostics, key_place(node, "within"),
                        "'within' goes with 'after-event' only");
        return READ_FAILED;
    }
    if (keys->before_ns >= 0 && keys->before_ns <= keys->after_ns) {
        diagnostics_add(reader->diagnostics, key_place(node, "before"),
                        "nothing lies between this 'after' and 'before'");
        return READ_FAILED;
    }
    if (keys->before_ns == 0) {
        diagnostics_add(reader->diagnostics, key_place(node, "before"),
                        "the clients start at 0: nothing to look at lies before it");
        return READ_FAILED;
    }
    return READ_OK;
}

#define AT(member) offsetof(struct window_keys, member)

static const struct row window_rows[] = {
    {"after", &type_time, AT(after_ns), 0, NULL, "From this time on, counted from the start."},
    {"before", &type_time, AT(before_ns), 0, NULL, "Before this time, counted from the start."},
    {"after-event", &event_name, AT(after_event), 0, NULL,
     "After this event; of one that fires several times, after the first."},
    {"within", &type_time, AT(within_ns), 0, NULL, "With `after-event`: at most this long after."},
    {"during", &event_name, AT(during), 0, NULL,
     "From this event to its undoing, else to the next action on the same target, else to the end; "
     "of one that fires several times, in any of these."},
};
static const struct table window_table = {
    TABLE_ROWS("window", window_rows),
    .doc = "The part of the run that an item of verify looks at; several keys hold together.",
    .preset = window_preset,
    .check = window_check,
    .empty_allowed = true,
};
const struct type window_type = TYPE_TABLE(&window_table, struct window_keys);

bool window_is_everything(const struct window_keys *keys)
{
    return keys->after_ns < 0 && keys->before_ns < 0 && !keys->after_event.data &&
           !keys->during.data;
}

/* Finding it */

/** The window of each firing of an event, while it is looked for. */
struct firing {
    uint64_t fired;
    uint64_t undone; /**< 0 = not yet */
    uint64_t next;   /**< the next action of others on one of its targets; 0 = none yet */
};

struct firings {
    struct firing *items;
    size_t count;
    size_t capacity;
    uint32_t *targets; /**< what the event's own actions act on */
    size_t target_count;
    size_t target_capacity;
    size_t to_undo; /**< the oldest that was not undone */
    size_t to_next; /**< the oldest for which no next action was seen */
};

static bool firings_have_target(const struct firings *firings, uint32_t target)
{
    for (size_t i = 0; i < firings->target_count; i++) {
        if (firings->targets[i] == target)
            return true;
    }
    return false;
}

/** The event's own actions say what its targets are; the next one of others on these ends it. */
static void firings_action(struct firings *firings, const struct entry *entry, uint64_t number,
                           uint32_t event)
{
    bool known = firings_have_target(firings, entry->subject);
    if (entry->extra == event && !known) {
        memory_grow(&firings->targets, firings->target_count, &firings->target_capacity,
                    sizeof *firings->targets);
        firings->targets[firings->target_count++] = entry->subject;
    }
    if (entry->extra == event || !known)
        return;
    for (; firings->to_next < firings->count; firings->to_next++)
        firings->items[firings->to_next].next = number;
}

static void firings_collect(struct firings *firings, const struct journal *journal, uint32_t event)
{
    uint64_t last = journal_last(journal);
    for (uint64_t number = journal_first(journal); number <= last; number++) {
        const struct entry *entry = journal_get(journal, number);
        if (entry->kind == ENTRY_EVENT && entry->subject == event) {
            memory_grow(&firings->items, firings->count, &firings->capacity,
                        sizeof *firings->items);
            firings->items[firings->count++] = (struct firing){.fired = number};
        } else if (entry->kind == ENTRY_EVENT_UNDO && entry->subject == event) {
            /* all are undone after the same time, so in the order in which they fired */
            if (firings->to_undo < firings->count)
                firings->items[firings->to_undo++].undone = number;
        } else if (entry->kind == ENTRY_ACTION) {
            firings_action(firings, entry, number, event);
        }
    }
}

/** Makes the spans of the firings, joining those that touch. */
static void window_join(struct window *window, const struct firings *firings)
{
    window->spans = memory_alloc_array(firings->count + 1, sizeof *window->spans);
    GOTO_ASSERT(window->spans);
    for (size_t i = 0; i < firings->count; i++) {
        const struct firing *firing = &firings->items[i];
        uint64_t end = firing->undone ? firing->undone : firing->next ? firing->next : UINT64_MAX;
        struct span *before = window->count ? &window->spans[window->count - 1] : NULL;
        if (!before || firing->fired > before->before)
            window->spans[window->count++] = (struct span){firing->fired, end};
        else if (end > before->before)
            before->before = end;
    }
}

static enum window_result window_find_during(struct window *window, struct scenario *scenario)
{
    struct journal *journal = scenario_journal(scenario);
    uint32_t event = journal_intern(journal, window->keys->during);
    uint64_t fired = journal_count(journal, ENTRY_EVENT, event);
    struct firings firings = {0};
    if (fired == 0)
        return WINDOW_NEVER;
    firings_collect(&firings, journal, event);
    bool lost = firings.count < fired;
    if (!lost)
        window_join(window, &firings);
    memory_free(firings.items);
    memory_free(firings.targets);
    return lost ? WINDOW_LOST : WINDOW_FOUND;
}

static enum window_result window_find_event(struct window *window, struct journal *journal)
{
    uint32_t event = journal_intern(journal, window->keys->after_event);
    uint64_t fired = journal_count(journal, ENTRY_EVENT, event);
    uint64_t last = journal_last(journal);
    if (fired == 0)
        return WINDOW_NEVER;
    for (uint64_t number = journal_first(journal); number <= last; number++) {
        const struct entry *entry = journal_get(journal, number);
        if (entry->kind != ENTRY_EVENT || entry->subject != event)
            continue;
        if (!window->event) {
            window->event = number;
            window->event_ns = entry->time_ns;
        }
        fired--;
    }
    if (window->keys->within_ns >= 0 && window->keys->within_ns < INT64_MAX - window->event_ns)
        window->until_ns = window->event_ns + window->keys->within_ns;
    return fired ? WINDOW_LOST : WINDOW_FOUND;
}

enum window_result window_find(struct window *window, const struct window_keys *keys,
                               struct scenario *scenario, struct str *event)
{
    enum window_result result = WINDOW_FOUND;
    *window = (struct window){.keys = keys, .until_ns = INT64_MAX};
    if (keys->after_event.data) {
        *event = keys->after_event;
        result = window_find_event(window, scenario_journal(scenario));
    }
    if (keys->during.data && result == WINDOW_FOUND) {
        *event = keys->during;
        result = window_find_during(window, scenario);
    }
    return result;
}

void window_clear(struct window *window)
{
    memory_free(window->spans);
    window->spans = NULL;
}

/* Asking it */

/** Whether one of the spans holds the number. */
static bool spans_hold(const struct window *window, uint64_t number)
{
    size_t low = 0;
    size_t high = window->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (window->spans[middle].after < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low && number < window->spans[low - 1].before;
}

bool window_holds(const struct window *window, const struct entry *entry, uint64_t number)
{
    const struct window_keys *keys = window->keys;
    if (keys->after_ns >= 0 && entry->time_ns < keys->after_ns)
        return false;
    if (keys->before_ns >= 0 && entry->time_ns >= keys->before_ns)
        return false;
    if (window->event && (number <= window->event || entry->time_ns > window->until_ns))
        return false;
    return !keys->during.data || spans_hold(window, number);
}

bool window_is_kept(const struct window *window, const struct journal *journal)
{
    uint64_t first = journal_first(journal);
    const struct entry *oldest = journal_get(journal, first);
    if (first <= 1 || window->event >= first)
        return true;
    if (window->count && window->spans[0].after >= first)
        return true;
    return oldest && window->keys->after_ns > oldest->time_ns;
}
