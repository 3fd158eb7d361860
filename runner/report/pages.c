/* What a document keeps of each result, in the order in which it is written. */
#include "runner/report/report_private.h"

#include <stdlib.h>

void pages_init(struct pages *pages)
{
    *pages = (struct pages){.arena = arena_new()};
}

void pages_clear(struct pages *pages)
{
    arena_free(pages->arena);
    *pages = (struct pages){0};
}

struct str pages_copy(struct pages *pages, struct str text)
{
    struct buf masked;
    buf_init(&masked, BUF_OWN);
    report_mask_some(text, text.size, &masked);
    struct str copy = arena_copy(pages->arena, buf_str(&masked));
    buf_clear(&masked);
    return copy;
}

struct page *pages_add(struct pages *pages, const struct result *result)
{
    struct page *page = arena_alloc(pages->arena, sizeof *page);
    *page = (struct page){
        .file_index = result->file_index,
        .index = result->index,
        .repetition = result->repetition,
        .file = pages_copy(pages, result->file),
        .name = pages_copy(pages, result->name),
        .reason = pages_copy(pages, result->reason),
        .seed = result->seed,
        .wall_ns = result->wall_ns,
        .duration_ns = result->duration_ns,
        .skipped = result->skipped,
        .interrupted = result->interrupted,
    };
    for (int verdict = 0; verdict <= VERDICT_SKIP; verdict++)
        page->counts[verdict] = checks_count(result->checks, (enum verdict)verdict);
    arena_grow(pages->arena, &pages->items, pages->count, &pages->capacity, sizeof(struct page *));
    pages->items[pages->count++] = page;
    return page;
}

static int page_compare(const void *left, const void *right)
{
    const struct page *a = *(struct page *const *)left;
    const struct page *b = *(struct page *const *)right;
    if (a->file_index != b->file_index)
        return a->file_index < b->file_index ? -1 : 1;
    if (a->index != b->index)
        return a->index < b->index ? -1 : 1;
    return a->repetition < b->repetition ? -1 : a->repetition > b->repetition;
}

void pages_sort(struct pages *pages)
{
    if (pages->count)
        qsort(pages->items, pages->count, sizeof(struct page *), page_compare);
}

void pages_print_repetition(unsigned repetition, struct buf *into)
{
    if (repetition > 1)
        buf_printf(into, " (repetition %u)", repetition);
}
