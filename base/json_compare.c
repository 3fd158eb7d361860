/* Equality, subset and differences: one walk over two trees that either stops at or records
 * differences. */
#include "base/json_private.h"

#include "base/memory.h"

#include <stdlib.h>

/* The way from the root to a value, on the stack of the walk. */
struct step {
    const struct step *parent;
    bool is_name;
    struct str name;
    size_t index;
};

struct comparison {
    bool subset;
    size_t steps;
    struct arena *arena; /* NULL: the first difference ends it */
    struct json_difference *items;
    size_t count;
    size_t capacity;
    size_t most;
    bool ended;
};

static bool compare(struct comparison *comparison, const struct json *expected,
                    const struct json *actual, const struct step *step);

static bool spend(struct comparison *comparison, size_t steps)
{
    if (comparison->steps < steps) {
        comparison->steps = 0;
        comparison->ended = true;
        return false;
    }
    comparison->steps -= steps;
    return true;
}

static void write_steps(const struct step *step, struct buf *into)
{
    if (!step) {
        buf_append_byte(into, '$');
        return;
    }
    write_steps(step->parent, into);
    if (step->is_name)
        json_write_path_name(step->name, into);
    else
        json_write_path_index(step->index, into);
}

/* Records a difference; always false, so that callers can return it. */
static bool differ(struct comparison *comparison, const struct step *step,
                   const struct json *expected, const struct json *actual)
{
    if (!comparison->arena || comparison->count >= comparison->most) {
        comparison->ended = true;
        return false;
    }
    struct buf path;
    buf_init(&path, BUF_OWN);
    write_steps(step, &path);
    arena_grow(comparison->arena, &comparison->items, comparison->count, &comparison->capacity,
               sizeof *comparison->items);
    comparison->items[comparison->count++] = (struct json_difference){
        .path = arena_copy(comparison->arena, buf_str(&path)),
        .expected = expected,
        .actual = actual,
    };
    buf_clear(&path);
    comparison->ended = comparison->count == comparison->most;
    return false;
}

static bool numbers_equal(struct str a, struct str b)
{
    bool ordered;
    if (str_equal(a, b))
        return true;
    if (number_compare(a, b, &ordered) != 0)
        return false;
    if (ordered)
        return true;
    /* Two NaN may be written differently; text that is no number equals only itself. */
    return a.size == 4 && str_equal_nocase(a, STR(".nan")) && str_equal_nocase(b, STR(".nan"));
}

static bool compare_arrays(struct comparison *comparison, const struct json *expected,
                           const struct json *actual, const struct step *parent)
{
    size_t longer = expected->count > actual->count ? expected->count : actual->count;
    bool equal = expected->count == actual->count;
    if (!equal && !comparison->arena)
        return differ(comparison, parent, expected, actual);
    for (size_t i = 0; i < longer && !comparison->ended; i++) {
        struct step step = {.parent = parent, .index = i};
        if (i >= actual->count)
            differ(comparison, &step, expected->elements[i], NULL);
        else if (i >= expected->count)
            differ(comparison, &step, NULL, actual->elements[i]);
        else if (!compare(comparison, expected->elements[i], actual->elements[i], &step))
            equal = false;
    }
    return equal;
}

static bool same_names_in_order(const struct json *a, const struct json *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (!str_equal(a->members[i].name, b->members[i].name))
            return false;
    }
    return true;
}

/* The members of an object by name, to find the partner of each member of another object. */
struct slot {
    const struct json_member *member;
    size_t taken; /* in the first slot of a name: how many of that name have a partner */
};

struct pairing {
    struct slot *slots;
    size_t count;
};

static int slot_order(const void *a_slot, const void *b_slot)
{
    const struct json_member *a = ((const struct slot *)a_slot)->member;
    const struct json_member *b = ((const struct slot *)b_slot)->member;
    int order = str_compare(a->name, b->name);
    if (order)
        return order;
    return a < b ? -1 : a > b;
}

static struct pairing pairing_new(const struct json *object)
{
    struct pairing pairing = {
        .slots = memory_alloc_array(object->count, sizeof *pairing.slots),
        .count = object->count,
    };
    for (size_t i = 0; i < object->count; i++)
        pairing.slots[i].member = &object->members[i];
    qsort(pairing.slots, pairing.count, sizeof *pairing.slots, slot_order);
    return pairing;
}

static bool pairing_is_name_at(const struct pairing *pairing, size_t at, struct str name)
{
    return at < pairing->count && str_equal(pairing->slots[at].member->name, name);
}

/* The next member of that name that has no partner yet, or NULL. */
static const struct json_member *pairing_take(struct pairing *pairing, struct str name)
{
    size_t low = 0;
    size_t high = pairing->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_compare(pairing->slots[middle].member->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (!pairing_is_name_at(pairing, low, name))
        return NULL;
    size_t at = low + pairing->slots[low].taken;
    if (!pairing_is_name_at(pairing, at, name))
        return NULL;
    pairing->slots[low].taken++;
    return pairing->slots[at].member;
}

/* Marks the members that nobody asked for; in a subset only further ones of a name that was given.
 */
static bool *pairing_left_over(const struct pairing *pairing, const struct json *object,
                               bool subset)
{
    bool *left = memory_alloc_array(object->count, sizeof *left);
    size_t first = 0;
    for (size_t i = 0; i < pairing->count; i++) {
        if (!str_equal(pairing->slots[first].member->name, pairing->slots[i].member->name))
            first = i;
        size_t taken = pairing->slots[first].taken;
        bool is_asked_for = i - first < taken || (subset && taken == 0);
        left[pairing->slots[i].member - object->members] = !is_asked_for;
    }
    return left;
}

static bool compare_left_over(struct comparison *comparison, const struct pairing *pairing,
                              const struct json *actual, const struct step *parent)
{
    bool equal = true;
    bool *left = pairing_left_over(pairing, actual, comparison->subset);
    for (size_t i = 0; i < actual->count && !comparison->ended; i++) {
        if (!left[i])
            continue;
        struct step step = {.parent = parent, .is_name = true, .name = actual->members[i].name};
        equal = differ(comparison, &step, NULL, actual->members[i].value);
    }
    memory_free(left);
    return equal;
}

static bool compare_paired(struct comparison *comparison, const struct json *expected,
                           const struct json *actual, const struct step *parent)
{
    struct pairing pairing = pairing_new(actual);
    bool equal = true;
    for (size_t i = 0; i < expected->count && !comparison->ended; i++) {
        const struct json_member *member = &expected->members[i];
        const struct json_member *partner = pairing_take(&pairing, member->name);
        struct step step = {.parent = parent, .is_name = true, .name = member->name};
        if (!partner)
            equal = differ(comparison, &step, member->value, NULL);
        else if (!compare(comparison, member->value, partner->value, &step))
            equal = false;
    }
    if (!comparison->ended && !compare_left_over(comparison, &pairing, actual, parent))
        equal = false;
    memory_free(pairing.slots);
    return equal;
}

static bool compare_objects(struct comparison *comparison, const struct json *expected,
                            const struct json *actual, const struct step *parent)
{
    bool equal = true;
    if (!comparison->arena && !comparison->subset && expected->count != actual->count)
        return differ(comparison, parent, expected, actual);
    /* What finding the partners may take. */
    if (!spend(comparison, expected->count + actual->count))
        return false;
    if (!same_names_in_order(expected, actual))
        return compare_paired(comparison, expected, actual, parent);
    for (size_t i = 0; i < expected->count && !comparison->ended; i++) {
        const struct json_member *member = &expected->members[i];
        struct step step = {.parent = parent, .is_name = true, .name = member->name};
        if (!compare(comparison, member->value, actual->members[i].value, &step))
            equal = false;
    }
    return equal;
}

static bool compare(struct comparison *comparison, const struct json *expected,
                    const struct json *actual, const struct step *step)
{
    bool equal = expected->kind == actual->kind;
    if (!spend(comparison, 1 + (equal ? (expected->text.size + actual->text.size) / 64 : 0)))
        return false;
    if (equal && expected->kind == JSON_ARRAY)
        return compare_arrays(comparison, expected, actual, step);
    if (equal && expected->kind == JSON_OBJECT)
        return compare_objects(comparison, expected, actual, step);
    if (equal && expected->kind == JSON_BOOL)
        equal = expected->boolean == actual->boolean;
    else if (equal && expected->kind == JSON_STRING)
        equal = str_equal(expected->text, actual->text);
    else if (equal && expected->kind == JSON_NUMBER)
        equal = numbers_equal(expected->text, actual->text);
    return equal || differ(comparison, step, expected, actual);
}

bool json_equal(const struct json *a, const struct json *b)
{
    struct comparison comparison = {.steps = SIZE_MAX};
    return compare(&comparison, a, b, NULL);
}

bool json_equal_within(const struct json *a, const struct json *b, size_t *steps)
{
    struct comparison comparison = {.steps = *steps};
    bool equal = compare(&comparison, a, b, NULL);
    *steps = comparison.steps;
    return equal && *steps;
}

bool json_is_subset(const struct json *part, const struct json *whole)
{
    struct comparison comparison = {.subset = true, .steps = SIZE_MAX};
    return compare(&comparison, part, whole, NULL);
}

struct json_difference *json_differences(struct arena *arena, const struct json *expected,
                                         const struct json *actual, bool subset, size_t most,
                                         size_t *count)
{
    struct comparison comparison = {
        .subset = subset, .steps = SIZE_MAX, .arena = arena, .most = most};
    compare(&comparison, expected, actual, NULL);
    *count = comparison.count;
    return comparison.items;
}
