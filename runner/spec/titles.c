#include "runner/spec/titles.h"

struct title {
    struct str name; /**< data NULL: the slot is free */
    unsigned next;   /**< the number that the next use of this name tries first */
};

enum { FIRST_SIZE = 64 };

/** FNV-1a. */
static size_t name_hash(struct str name)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ (unsigned char)name.data[i]) * UINT64_C(1099511628211);
    return (size_t)(hash ^ hash >> 32);
}

/** The slot of a name: where it stands, or the free one that it would take. */
static struct title *titles_slot(const struct titles *titles, struct str name)
{
    size_t at = name_hash(name);
    for (;; at++) {
        struct title *slot = &titles->slots[at & (titles->size - 1)];
        if (!slot->name.data || str_equal(slot->name, name))
            return slot;
    }
}

/** Keeps half of the slots free. */
static void titles_grow(struct titles *titles)
{
    struct titles larger = *titles;
    if (2 * titles->count < titles->size)
        return;
    larger.size = titles->size ? 2 * titles->size : FIRST_SIZE;
    larger.slots = arena_alloc_array(titles->arena, larger.size, sizeof *larger.slots);
    for (size_t i = 0; i < titles->size; i++) {
        if (titles->slots[i].name.data)
            *titles_slot(&larger, titles->slots[i].name) = titles->slots[i];
    }
    *titles = larger;
}

/** Takes a name that is free; false if it is taken. */
static bool titles_add(struct titles *titles, struct str name)
{
    titles_grow(titles);
    struct title *slot = titles_slot(titles, name);
    if (slot->name.data)
        return false;
    *slot = (struct title){name.data ? name : STR(""), 2};
    titles->count++;
    return true;
}

struct str titles_take(struct titles *titles, struct str wanted)
{
    struct str name = wanted;
    while (!titles_add(titles, name))
        name = arena_printf(titles->arena, STR_FMT " (%u)", STR_ARG(wanted),
                            titles_slot(titles, wanted)->next++);
    return name;
}
