#include "server/proxy/json_patch.h"

#include <string.h>

/** A patch on its way. Containers of `root` are its own and may be changed in place. */
struct patching {
    struct arena *arena;
    struct json *root;
    const struct json_patch_step *step;
    struct str *why;
};

/** Where a pointer leads: a place in a container, which may be empty yet. */
struct spot {
    struct json *parent; /**< NULL: the whole document */
    struct str name;     /**< of an object's member */
    size_t index;        /**< of an array's element; its count: behind the last one */
};

const char *json_patch_name(enum json_patch_operation operation)
{
    static const char *const names[] = {"add", "remove", "replace", "move", "copy", "test"};
    return names[operation];
}

bool json_pointer_is_valid(struct str pointer, const char **why)
{
    const char *wrong = NULL;
    if (pointer.size && pointer.data[0] != '/')
        wrong = "a JSON Pointer is empty or begins with '/'";
    for (size_t i = 0; i < pointer.size && !wrong; i++) {
        bool escape = pointer.data[i] == '~';
        if (escape &&
            (i + 1 == pointer.size || (pointer.data[i + 1] != '0' && pointer.data[i + 1] != '1')))
            wrong = "'~' is written ~0 in a JSON Pointer, and '/' within a name ~1";
    }
    if (wrong && why)
        *why = wrong;
    return !wrong;
}

static bool fail(struct patching *patching, struct str pointer, struct str text)
{
    const struct json_patch_step *step = patching->step;
    *patching->why =
        arena_printf(patching->arena, "%s \"" STR_FMT "\": " STR_FMT,
                     json_patch_name(step->operation), STR_ARG(pointer), STR_ARG(text));
    return false;
}

/* Pointers. */

/** The first token of a pointer, unescaped; the pointer goes on behind it. */
static struct str take_token(struct arena *arena, struct str *pointer)
{
    struct str rest = str_from(*pointer, 1);
    ptrdiff_t end = str_find_byte(rest, '/');
    struct str raw = end < 0 ? rest : str_slice(rest, 0, (size_t)end);
    *pointer = str_from(rest, raw.size);
    if (str_find_byte(raw, '~') < 0)
        return raw.data ? raw : STR("");
    char *text = arena_alloc(arena, raw.size);
    size_t size = 0;
    for (size_t i = 0; i < raw.size; i++) {
        bool escape = raw.data[i] == '~' && i + 1 < raw.size;
        text[size++] = !escape ? raw.data[i] : raw.data[++i] == '1' ? '/' : '~';
    }
    return (struct str){text, size};
}

/** An index of RFC 6901 section 4: digits without a leading zero. */
static bool read_index(struct str token, size_t *index)
{
    uint64_t number;
    if ((token.size > 1 && token.data[0] == '0') || !str_to_u64(token, SIZE_MAX, &number))
        return false;
    *index = (size_t)number;
    return true;
}

/** The last member of that name, as json_get() takes duplicates; SIZE_MAX = none. */
static size_t member_at(const struct json *object, struct str name)
{
    for (size_t i = object->count; i-- > 0;) {
        if (str_equal(object->members[i].name, name))
            return i;
    }
    return SIZE_MAX;
}

/** Goes into a container by one token. */
static bool spot_enter(struct patching *patching, struct json *parent, struct str token,
                       struct str pointer, struct spot *spot)
{
    *spot = (struct spot){.parent = parent};
    if (parent->kind == JSON_OBJECT) {
        spot->name = token;
        spot->index = member_at(parent, token);
        return true;
    }
    if (parent->kind != JSON_ARRAY)
        return fail(patching, pointer,
                    arena_printf(patching->arena, "there is no '" STR_FMT "' in a%s %s",
                                 STR_ARG(token),
                                 parent->kind == JSON_NUMBER && json_is_integer(parent) ? "n" : "",
                                 json_type_name(parent)));
    if (str_is(token, "-")) {
        spot->index = parent->count;
        return true;
    }
    if (!read_index(token, &spot->index))
        return fail(
            patching, pointer,
            arena_printf(patching->arena, "'" STR_FMT "' is no index of an array", STR_ARG(token)));
    if (spot->index <= parent->count)
        return true;
    return fail(patching, pointer,
                arena_printf(patching->arena, "the array has %zu element%s", parent->count,
                             parent->count == 1 ? "" : "s"));
}

/** The value at a spot, NULL when nothing is there. */
static struct json **spot_value(struct patching *patching, const struct spot *spot)
{
    if (!spot->parent)
        return &patching->root;
    if (spot->index >= spot->parent->count)
        return NULL;
    return spot->parent->kind == JSON_ARRAY ? &spot->parent->elements[spot->index]
                                            : &spot->parent->members[spot->index].value;
}

/** Where a pointer leads; all but its last step must be there. */
static bool spot_find(struct patching *patching, struct str pointer, struct spot *spot)
{
    struct str rest = pointer;
    *spot = (struct spot){0};
    while (rest.size) {
        struct json **value = spot_value(patching, spot);
        if (!value)
            return fail(patching, pointer,
                        arena_printf(patching->arena, "there is no '" STR_FMT "'",
                                     STR_ARG(str_slice(pointer, 0, pointer.size - rest.size))));
        if (!spot_enter(patching, *value, take_token(patching->arena, &rest), pointer, spot))
            return false;
    }
    return true;
}

/** The same, and something must stand there. */
static bool spot_find_value(struct patching *patching, struct str pointer, struct spot *spot,
                            struct json ***value)
{
    if (!spot_find(patching, pointer, spot))
        return false;
    *value = spot_value(patching, spot);
    return *value ? true : fail(patching, pointer, STR("there is nothing"));
}

/* The operations. */

static void put(struct patching *patching, const struct spot *spot, struct json *value)
{
    struct json *parent = spot->parent;
    struct json **old = spot_value(patching, spot);
    if (!parent) {
        patching->root = value;
    } else if (parent->kind == JSON_OBJECT) {
        if (old)
            *old = value;
        else
            json_put(patching->arena, parent, spot->name, value);
    } else {
        json_push(patching->arena, parent, value);
        memmove(&parent->elements[spot->index + 1], &parent->elements[spot->index],
                (parent->count - 1 - spot->index) * sizeof(struct json *));
        parent->elements[spot->index] = value;
    }
}

static void take(struct patching *patching, const struct spot *spot)
{
    struct json *parent = spot->parent;
    if (!parent) {
        patching->root = json_null(patching->arena);
        return;
    }
    size_t behind = --parent->count - spot->index;
    if (parent->kind == JSON_ARRAY)
        memmove(&parent->elements[spot->index], &parent->elements[spot->index + 1],
                behind * sizeof(struct json *));
    else
        memmove(&parent->members[spot->index], &parent->members[spot->index + 1],
                behind * sizeof(struct json_member));
}

static bool do_add(struct patching *patching)
{
    struct spot spot;
    if (!spot_find(patching, patching->step->path, &spot))
        return false;
    put(patching, &spot, json_copy(patching->arena, patching->step->value));
    return true;
}

static bool do_remove(struct patching *patching)
{
    struct spot spot;
    struct json **value;
    if (!spot_find_value(patching, patching->step->path, &spot, &value))
        return false;
    take(patching, &spot);
    return true;
}

static bool do_replace(struct patching *patching)
{
    struct spot spot;
    struct json **value;
    if (!spot_find_value(patching, patching->step->path, &spot, &value))
        return false;
    *value = json_copy(patching->arena, patching->step->value);
    return true;
}

/** Whether a pointer leads into what another one leads to. */
static bool is_inside(struct str pointer, struct str of)
{
    return pointer.size > of.size && str_starts(pointer, of) && pointer.data[of.size] == '/';
}

static bool do_move(struct patching *patching)
{
    const struct json_patch_step *step = patching->step;
    struct spot spot;
    struct json **value;
    if (is_inside(step->path, step->from))
        return fail(patching, step->path, STR("a value cannot be moved into itself"));
    if (!spot_find_value(patching, step->from, &spot, &value))
        return false;
    if (str_equal(step->path, step->from))
        return true;
    struct json *moved = *value;
    take(patching, &spot);
    if (!spot_find(patching, step->path, &spot))
        return false;
    put(patching, &spot, moved);
    return true;
}

static bool do_copy(struct patching *patching)
{
    struct spot spot;
    struct json **value;
    if (!spot_find_value(patching, patching->step->from, &spot, &value))
        return false;
    struct json *copied = json_copy(patching->arena, *value);
    if (!spot_find(patching, patching->step->path, &spot))
        return false;
    put(patching, &spot, copied);
    return true;
}

static struct str shown(struct arena *arena, const struct json *value)
{
    enum { MOST = 120 };
    struct buf text;
    buf_init(&text, BUF_OWN);
    json_write(value, &text);
    struct str whole = buf_str(&text);
    struct str copy = whole.size > MOST
                          ? arena_printf(arena, STR_FMT "…", STR_ARG(str_slice(whole, 0, MOST)))
                          : arena_copy(arena, whole);
    buf_clear(&text);
    return copy;
}

static bool do_test(struct patching *patching)
{
    const struct json_patch_step *step = patching->step;
    struct spot spot;
    struct json **value;
    if (!spot_find_value(patching, step->path, &spot, &value))
        return false;
    if (json_equal(*value, step->value))
        return true;
    return fail(patching, step->path,
                arena_printf(patching->arena, "it is " STR_FMT ", not " STR_FMT,
                             STR_ARG(shown(patching->arena, *value)),
                             STR_ARG(shown(patching->arena, step->value))));
}

const struct json *json_patch_apply(struct arena *arena, const struct json *document,
                                    const struct json_patch_step *steps, size_t count,
                                    struct str *why)
{
    static bool (*const operations[])(struct patching *) = {
        [PATCH_ADD] = do_add,   [PATCH_REMOVE] = do_remove, [PATCH_REPLACE] = do_replace,
        [PATCH_MOVE] = do_move, [PATCH_COPY] = do_copy,     [PATCH_TEST] = do_test,
    };
    struct patching patching = {.arena = arena, .root = json_copy(arena, document), .why = why};
    for (size_t i = 0; i < count; i++) {
        patching.step = &steps[i];
        if (!operations[steps[i].operation](&patching))
            return NULL;
    }
    return patching.root;
}
