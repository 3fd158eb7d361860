#include "journal/journal.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/** Data of entries stands in chunks, filled one after the other; a chunk goes when the last entry
 * in it does. */
struct chunk {
    struct chunk *next;
    uint64_t last; /**< number of the newest entry with data in it */
    size_t size;
    size_t used;
    char data[];
};

enum { CHUNK_SIZE = 64 * 1024, FIRST_CHUNK = 4 * 1024, FIRST_ENTRIES = 64 };

struct observer {
    unsigned number;
    uint32_t kinds;
    journal_observer callback;
    void *context;
};

/** Exact counts of a name, by kind. */
struct name {
    struct str text;
    uint64_t counts[ENTRY_KINDS];
};

struct journal {
    int64_t zero_ns;
    struct entry *entries; /**< a ring once `capacity` is `most_entries` */
    size_t capacity;
    size_t most_entries;
    size_t most_bytes;
    uint64_t first;
    uint64_t last;
    struct chunk *oldest;
    struct chunk *newest;
    size_t bytes;
    struct arena *arena;
    struct name *names;
    size_t name_count;
    size_t name_capacity;
    uint64_t totals[ENTRY_KINDS];
    struct observer *observers;
    size_t observer_count;
    size_t observer_capacity;
    unsigned observer_number;
    uint32_t observed; /**< kinds that anybody observes */
};

static const char *const kind_names[ENTRY_KINDS] = {
    [ENTRY_PORT_OPEN] = "port-open",
    [ENTRY_PORT_CLOSE] = "port-close",
    [ENTRY_CONNECTION] = "connection",
    [ENTRY_CONNECTION_END] = "connection-end",
    [ENTRY_REQUEST] = "request",
    [ENTRY_REQUEST_END] = "request-end",
    [ENTRY_MISS] = "miss",
    [ENTRY_RESPONSE] = "response",
    [ENTRY_REFUSED] = "refused",
    [ENTRY_EVENT] = "event",
    [ENTRY_EVENT_UNDO] = "event-undo",
    [ENTRY_ACTION] = "action",
    [ENTRY_STEP] = "step",
    [ENTRY_STEP_END] = "step-end",
    [ENTRY_CLIENT] = "client",
    [ENTRY_CLIENT_END] = "client-end",
    [ENTRY_PROGRAM] = "program",
    [ENTRY_PROGRAM_END] = "program-end",
    [ENTRY_OUTPUT] = "output",
    [ENTRY_LOG] = "log",
    [ENTRY_SET] = "set",
    [ENTRY_NOTE] = "note",
    [ENTRY_HANDSHAKE] = "handshake",
    [ENTRY_RESET] = "reset",
    [ENTRY_GOAWAY] = "goaway",
    [ENTRY_FAULT] = "fault",
    [ENTRY_DIAL] = "dial",
    [ENTRY_DIAL_FAILED] = "dial-failed",
    [ENTRY_DIAL_END] = "dial-end",
    [ENTRY_FORWARD] = "forward",
    [ENTRY_MESSAGE] = "message",
    [ENTRY_CHECK] = "check",
};

const char *entry_kind_name(enum entry_kind kind)
{
    GOTO_ASSERT(kind < ENTRY_KINDS);
    return kind_names[kind];
}

struct journal *journal_new(size_t most_entries, size_t most_bytes)
{
    struct journal *journal = memory_alloc(sizeof *journal);
    journal->zero_ns = clock_now();
    journal->most_entries = most_entries ? most_entries : JOURNAL_ENTRIES;
    journal->most_bytes = most_bytes ? most_bytes : JOURNAL_BYTES;
    journal->first = 1;
    journal->arena = arena_new();
    return journal;
}

void journal_free(struct journal *journal)
{
    if (!journal)
        return;
    while (journal->oldest) {
        struct chunk *next = journal->oldest->next;
        memory_free(journal->oldest);
        journal->oldest = next;
    }
    memory_free(journal->entries);
    memory_free(journal->names);
    memory_free(journal->observers);
    arena_free(journal->arena);
    memory_free(journal);
}

static struct entry *journal_slot(const struct journal *journal, uint64_t number)
{
    GOTO_ASSERT(journal->capacity);
    return &journal->entries[(number - 1) % journal->capacity];
}

void journal_start(struct journal *journal, int64_t zero_ns)
{
    int64_t shift = zero_ns - journal->zero_ns;
    for (uint64_t number = journal->first; number <= journal->last; number++)
        journal_slot(journal, number)->time_ns -= shift;
    journal->zero_ns = zero_ns;
}

int64_t journal_now(const struct journal *journal)
{
    return clock_now() - journal->zero_ns;
}

int64_t journal_monotonic(const struct journal *journal, int64_t time_ns)
{
    return time_ns + journal->zero_ns;
}

uint32_t journal_intern(struct journal *journal, struct str name)
{
    for (size_t i = 0; i < journal->name_count; i++) {
        if (str_equal(journal->names[i].text, name))
            return (uint32_t)i + 1;
    }
    memory_grow(&journal->names, journal->name_count, &journal->name_capacity,
                sizeof *journal->names);
    journal->names[journal->name_count] = (struct name){.text = arena_copy(journal->arena, name)};
    return (uint32_t)++journal->name_count;
}

struct str journal_name(const struct journal *journal, uint32_t id)
{
    return id && id <= journal->name_count ? journal->names[id - 1].text : (struct str){"", 0};
}

/** Forgets the oldest entry, and its chunk if nothing newer has data there. */
static void journal_drop(struct journal *journal)
{
    uint64_t number = journal->first++;
    while (journal->oldest && journal->oldest->last <= number &&
           journal->oldest != journal->newest) {
        struct chunk *chunk = journal->oldest;
        journal->oldest = chunk->next;
        journal->bytes -= chunk->size;
        memory_free(chunk);
    }
}

static size_t parts_size(const struct str *parts, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].size;
    return size;
}

/** Stores data that stays as long as the entry of that number does. */
static const char *journal_store(struct journal *journal, const struct str *parts, size_t count,
                                 uint64_t number)
{
    struct chunk *chunk = journal->newest;
    size_t needed = parts_size(parts, count);
    if (!chunk || chunk->size - chunk->used < needed) {
        size_t size = chunk ? chunk->size * 2 : FIRST_CHUNK;
        size = size > CHUNK_SIZE ? CHUNK_SIZE : size;
        size = needed > size ? needed : size;
        while (journal->bytes + size > journal->most_bytes && journal->first <= journal->last &&
               journal->oldest != journal->newest)
            journal_drop(journal);
        chunk = memory_alloc(sizeof *chunk + size);
        chunk->size = size;
        journal->bytes += size;
        if (journal->newest)
            journal->newest->next = chunk;
        else
            journal->oldest = chunk;
        journal->newest = chunk;
    }
    char *into = chunk->data + chunk->used;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].size)
            memcpy(chunk->data + chunk->used, parts[i].data, parts[i].size);
        chunk->used += parts[i].size;
    }
    chunk->last = number;
    return into;
}

/** Makes room for one more entry: the array doubles up to its bound, then the oldest one goes. */
static void journal_make_room(struct journal *journal)
{
    size_t count = (size_t)(journal->last - journal->first + 1);
    if (count < journal->capacity)
        return;
    if (journal->capacity == journal->most_entries) {
        journal_drop(journal);
        return;
    }
    size_t capacity = journal->capacity ? journal->capacity * 2 : FIRST_ENTRIES;
    capacity = capacity > journal->most_entries ? journal->most_entries : capacity;
    struct entry *grown = memory_alloc_array(capacity, sizeof *grown);
    for (uint64_t number = journal->first; number <= journal->last; number++)
        grown[(number - 1) % capacity] = *journal_slot(journal, number);
    memory_free(journal->entries);
    journal->entries = grown;
    journal->capacity = capacity;
}

static void journal_tell(struct journal *journal, uint64_t number)
{
    uint32_t bit = UINT32_C(1) << journal_slot(journal, number)->kind;
    if (!(journal->observed & bit))
        return;
    for (size_t i = 0; i < journal->observer_count; i++) {
        struct observer observer = journal->observers[i];
        if (!(observer.kinds & bit))
            continue;
        /* a copy: observers may append, which may move the ring */
        struct entry entry = *journal_slot(journal, number);
        observer.callback(observer.context, &entry, number);
        if (number < journal->first)
            return;
    }
}

uint64_t journal_append(struct journal *journal, const struct entry *entry, struct str data)
{
    if (data.size > UINT32_MAX)
        data.size = UINT32_MAX;
    return journal_append_parts(journal, entry, &data, 1);
}

uint64_t journal_append_parts(struct journal *journal, const struct entry *entry,
                              const struct str *parts, size_t count)
{
    GOTO_ASSERT(entry->kind < ENTRY_KINDS && entry->subject <= journal->name_count);
    journal_make_room(journal);
    uint64_t number = journal->last + 1;
    size_t size = parts_size(parts, count);
    const char *stored = size ? journal_store(journal, parts, count, number) : NULL;
    GOTO_ASSERT(size <= UINT32_MAX);
    journal->last = number;
    struct entry *slot = journal_slot(journal, number);
    *slot = *entry;
    slot->data = stored ? stored : "";
    slot->data_size = (uint32_t)size;
    if (slot->time_ns == INT64_MIN)
        slot->time_ns = journal_now(journal);
    journal->totals[entry->kind]++;
    if (entry->subject)
        journal->names[entry->subject - 1].counts[entry->kind]++;
    journal_tell(journal, number);
    return number;
}

struct entry journal_entry(enum entry_kind kind, uint32_t subject)
{
    return (struct entry){.time_ns = INT64_MIN, .kind = (uint8_t)kind, .subject = subject};
}

void journal_note(struct journal *journal, enum entry_kind kind, uint32_t subject,
                  const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    GOTO_ASSERT(size >= 0);
    if ((size_t)size >= sizeof text)
        size = sizeof text - 1;
    struct entry entry = journal_entry(kind, subject);
    journal_append(journal, &entry, (struct str){text, (size_t)size});
}

uint64_t journal_first(const struct journal *journal)
{
    return journal->first;
}

uint64_t journal_last(const struct journal *journal)
{
    return journal->last;
}

const struct entry *journal_get(const struct journal *journal, uint64_t number)
{
    if (number < journal->first || number > journal->last)
        return NULL;
    return journal_slot(journal, number);
}

void journal_set_route(struct journal *journal, uint64_t number, uint32_t route, unsigned flags)
{
    if (number < journal->first || number > journal->last)
        return;
    struct entry *entry = journal_slot(journal, number);
    entry->route = route;
    entry->flags |= (uint16_t)flags;
}

void journal_set_data(struct journal *journal, uint64_t number, const struct str *parts,
                      size_t count)
{
    size_t size = parts_size(parts, count);
    GOTO_ASSERT(size <= UINT32_MAX);
    if (number < journal->first || number > journal->last || !size)
        return;
    /* it stays as long as the newest entry does, which is longer */
    const char *stored = journal_store(journal, parts, count, journal->last);
    /* making room for it may have dropped the entry */
    if (number < journal->first)
        return;
    struct entry *entry = journal_slot(journal, number);
    entry->data = stored;
    entry->data_size = (uint32_t)size;
}

void journal_set_closed(struct journal *journal, uint64_t number, unsigned flags, int64_t time_ns)
{
    if (number < journal->first || number > journal->last)
        return;
    struct entry *entry = journal_slot(journal, number);
    entry->flags |= (uint16_t)flags;
    entry->value = time_ns;
    entry->extra = journal->last;
}

uint64_t journal_count(const struct journal *journal, enum entry_kind kind, uint32_t subject)
{
    GOTO_ASSERT(kind < ENTRY_KINDS && subject <= journal->name_count);
    return subject ? journal->names[subject - 1].counts[kind] : journal->totals[kind];
}

static void journal_sum_observed(struct journal *journal)
{
    journal->observed = 0;
    for (size_t i = 0; i < journal->observer_count; i++)
        journal->observed |= journal->observers[i].kinds;
}

unsigned journal_observe(struct journal *journal, uint32_t kinds, journal_observer observer,
                         void *context)
{
    memory_grow(&journal->observers, journal->observer_count, &journal->observer_capacity,
                sizeof *journal->observers);
    journal->observers[journal->observer_count++] =
        (struct observer){++journal->observer_number, kinds, observer, context};
    journal->observed |= kinds;
    return journal->observer_number;
}

void journal_unobserve(struct journal *journal, unsigned number)
{
    /* the slot is emptied, not removed: this may be called while observers are being told */
    for (size_t i = 0; i < journal->observer_count; i++) {
        if (journal->observers[i].number == number)
            journal->observers[i].kinds = 0;
    }
    while (journal->observer_count && journal->observers[journal->observer_count - 1].kinds == 0)
        journal->observer_count--;
    journal_sum_observed(journal);
}
