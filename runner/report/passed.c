/* What passed on connections, in the pieces that the journal has: a secret may lie in several. */
#include "base/memory.h"
#include "runner/report/report_private.h"

#include <stdlib.h>

/** One piece: an ENTRY_BYTES. */
struct piece {
    const struct entry *entry;
    uint64_t number;
    struct str masked; /**< in the arena */
};

struct passed {
    struct arena *arena;
    struct piece *items; /**< on the heap, in the order of their numbers once they are masked */
    size_t count;
    size_t capacity;
};

static int compare(uint64_t x, uint64_t y)
{
    return x == y ? 0 : x < y ? -1 : 1;
}

static int by_number(const void *a, const void *b)
{
    return compare(((const struct piece *)a)->number, ((const struct piece *)b)->number);
}

/** One direction of one connection or tunnel after the other. */
static int by_flow(const void *a, const void *b)
{
    const struct entry *x = ((const struct piece *)a)->entry;
    const struct entry *y = ((const struct piece *)b)->entry;
    int order = compare(x->subject, y->subject);
    if (!order)
        order = compare(x->connection, y->connection);
    if (!order)
        order = compare(x->request, y->request);
    return order ? order : compare((uint64_t)x->value, (uint64_t)y->value);
}

static int by_flow_and_number(const void *a, const void *b)
{
    int order = by_flow(a, b);
    return order ? order : by_number(a, b);
}

/** Where the journal dropped what came before, or what came behind was not kept, "…" stands for it:
 * a part of a secret beside it is masked. */
static void mask_flow(struct passed *passed, struct piece *pieces, size_t count, bool dropped)
{
    struct str *parts = arena_alloc_array(passed->arena, count + 2, sizeof *parts);
    bool cut = pieces[count - 1].entry->flags & ENTRY_CUT;
    parts[0] = dropped ? STR("…") : STR("");
    parts[count + 1] = cut ? STR("…") : STR("");
    for (size_t i = 0; i < count; i++)
        parts[i + 1] = (struct str){pieces[i].entry->data, pieces[i].entry->data_size};
    report_mask_parts(passed->arena, parts, count + 2);
    for (size_t i = 0; i < count; i++)
        pieces[i].masked = parts[i + 1];
}

static void collect(struct passed *passed, const struct journal *journal)
{
    uint64_t last = journal_last(journal);
    for (uint64_t number = journal_first(journal); number && number <= last; number++) {
        const struct entry *entry = journal_get(journal, number);
        if (!entry || entry->kind != ENTRY_BYTES || !entry->data_size)
            continue;
        memory_grow(&passed->items, passed->count, &passed->capacity, sizeof *passed->items);
        passed->items[passed->count++] = (struct piece){.entry = entry, .number = number};
    }
}

struct passed *passed_new(const struct journal *journal)
{
    struct passed *passed = memory_alloc(sizeof *passed);
    passed->arena = arena_new();
    if (!journal || !report_has_secrets())
        return passed;
    collect(passed, journal);
    if (!passed->count)
        return passed;
    qsort(passed->items, passed->count, sizeof *passed->items, by_flow_and_number);
    for (size_t from = 0, to; from < passed->count; from = to) {
        to = from + 1;
        while (to < passed->count && by_flow(&passed->items[from], &passed->items[to]) == 0)
            to++;
        mask_flow(passed, &passed->items[from], to - from, journal_first(journal) > 1);
    }
    qsort(passed->items, passed->count, sizeof *passed->items, by_number);
    return passed;
}

struct str passed_text(const struct passed *passed, const struct entry *entry, uint64_t number)
{
    const struct piece key = {.number = number};
    const struct piece *piece =
        passed->count ? bsearch(&key, passed->items, passed->count, sizeof key, by_number) : NULL;
    return piece ? piece->masked : (struct str){entry->data, entry->data_size};
}

void passed_free(struct passed *passed)
{
    arena_free(passed->arena);
    memory_free(passed->items);
    memory_free(passed);
}
