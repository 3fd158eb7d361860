/* Where two values differ: JSON by its paths, texts of several lines by their lines. */
#include "runner/report/report_private.h"

enum {
    DIFF_PLACES = 20, /**< differences shown */
    DIFF_VALUE = 120, /**< characters of a value */
    DIFF_LINES = 400, /**< lines of a text that are compared by the best alignment */
    DIFF_SHOWN = 40,  /**< lines shown of a difference of texts */
    DIFF_AROUND = 2,  /**< equal lines shown beside a different one */
};

static bool is_structured(const struct json *value)
{
    return value && (value->kind == JSON_ARRAY || value->kind == JSON_OBJECT);
}

static bool has_lines(const struct json *value)
{
    return value && value->kind == JSON_STRING && str_find_byte(value->text, '\n') >= 0;
}

bool diff_is_useful(const struct failure *failure)
{
    const struct json *expected = failure->expected_json;
    const struct json *actual = failure->actual_json;
    if (!expected || !actual)
        return false;
    if (expected->kind == JSON_STRING && actual->kind == JSON_STRING)
        return has_lines(expected) || has_lines(actual);
    return is_structured(expected) || is_structured(actual);
}

/* Texts. */

struct lines {
    struct str *items;
    size_t count;
};

static struct lines lines_of(struct str text, struct arena *arena)
{
    struct lines lines = {arena_alloc_array(arena, DIFF_LINES, sizeof(struct str)), 0};
    while (text.size && lines.count < DIFF_LINES) {
        ptrdiff_t end = str_find_byte(text, '\n');
        size_t size = end < 0 ? text.size : (size_t)end;
        lines.items[lines.count++] = str_slice(text, 0, size);
        text = str_from(text, size + 1);
    }
    return lines;
}

/** table[i][j]: the length of the longest common subsequence of the lines from i and from j on. */
static uint16_t *lines_align(const struct lines *a, const struct lines *b, struct arena *arena)
{
    size_t width = b->count + 1;
    uint16_t *table = arena_alloc_array(arena, (a->count + 1) * width, sizeof *table);
    for (size_t i = a->count; i-- > 0;) {
        for (size_t j = b->count; j-- > 0;) {
            uint16_t down = table[(i + 1) * width + j];
            uint16_t right = table[i * width + j + 1];
            if (str_equal(a->items[i], b->items[j]))
                table[i * width + j] = (uint16_t)(table[(i + 1) * width + j + 1] + 1);
            else
                table[i * width + j] = down > right ? down : right;
        }
    }
    return table;
}

/** One line of the result; `sign` is ' ', '-' (expected) or '+' (got). */
struct diff_line {
    char sign;
    struct str text;
};

static size_t lines_diff(const struct lines *a, const struct lines *b, struct diff_line *diff,
                         struct arena *arena)
{
    const uint16_t *table = lines_align(a, b, arena);
    size_t width = b->count + 1;
    size_t count = 0;
    size_t i = 0;
    size_t j = 0;
    while (i < a->count || j < b->count) {
        if (i < a->count && j < b->count && str_equal(a->items[i], b->items[j])) {
            diff[count++] = (struct diff_line){' ', a->items[i]};
            i++;
            j++;
        } else if (i < a->count &&
                   (j >= b->count || table[(i + 1) * width + j] >= table[i * width + j + 1])) {
            diff[count++] = (struct diff_line){'-', a->items[i++]};
        } else {
            diff[count++] = (struct diff_line){'+', b->items[j++]};
        }
    }
    return count;
}

static bool is_near_change(const struct diff_line *diff, size_t count, size_t at)
{
    size_t from = at > DIFF_AROUND ? at - DIFF_AROUND : 0;
    for (size_t i = from; i < count && i <= at + DIFF_AROUND; i++) {
        if (diff[i].sign != ' ')
            return true;
    }
    return false;
}

static void print_text_diff(struct str expected, struct str actual, const char *indent,
                            struct buf *into)
{
    struct arena *arena = arena_new();
    struct lines a = lines_of(expected, arena);
    struct lines b = lines_of(actual, arena);
    struct diff_line *diff = arena_alloc_array(arena, a.count + b.count + 1, sizeof *diff);
    size_t count = lines_diff(&a, &b, diff, arena);
    size_t shown = 0;
    bool gap = false;
    buf_printf(into, "%s- expected, + got\n", indent);
    for (size_t i = 0; i < count && shown < DIFF_SHOWN; i++) {
        if (!is_near_change(diff, count, i)) {
            gap = true;
            continue;
        }
        if (gap)
            buf_printf(into, "%s  …\n", indent);
        gap = false;
        buf_printf(into, "%s%c ", indent, diff[i].sign);
        report_clean_short(diff[i].text, DIFF_VALUE, into);
        buf_append_byte(into, '\n');
        shown++;
    }
    if (shown == DIFF_SHOWN)
        buf_printf(into, "%s  … and more\n", indent);
    arena_free(arena);
}

/* JSON. */

static void print_value(const struct json *value, struct buf *into)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    json_write(value, &text);
    report_clean_short(buf_str(&text), DIFF_VALUE, into);
    buf_clear(&text);
}

static bool is_plain_name(struct str name)
{
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return name.size > 0;
}

/** A normalized path as people write it: $['a'][0]['b c'] as $.a[0]['b c']. */
static void print_path(struct str path, struct buf *into)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    while (path.size) {
        ptrdiff_t end = str_starts(path, STR("['")) ? str_find(path, STR("']")) : -1;
        struct str name = end > 0 ? str_slice(path, 2, (size_t)end - 2) : (struct str){0};
        if (is_plain_name(name)) {
            buf_append_byte(&text, '.');
            buf_append(&text, name);
            path = str_from(path, (size_t)end + 2);
        } else {
            /* up to the next step; a name with "[" in it only stays as it was written */
            ptrdiff_t next = str_find_byte(str_from(path, 1), '[');
            size_t size = next < 0 ? path.size : (size_t)next + 1;
            buf_append(&text, str_slice(path, 0, size));
            path = str_from(path, size);
        }
    }
    report_clean_short(buf_str(&text), DIFF_VALUE, into);
    buf_clear(&text);
}

static void print_difference(const struct json_difference *difference, const char *indent,
                             struct buf *into)
{
    const struct json *expected = difference->expected;
    const struct json *actual = difference->actual;
    buf_append_string(into, indent);
    print_path(difference->path, into);
    if (!actual) {
        buf_append_string(into, ": missing, expected ");
        print_value(expected, into);
    } else if (!expected) {
        buf_append_string(into, ": not expected: ");
        print_value(actual, into);
    } else {
        buf_append_string(into, ": expected ");
        print_value(expected, into);
        buf_append_string(into, ", got ");
        print_value(actual, into);
    }
    buf_append_byte(into, '\n');
    if (has_lines(expected) && has_lines(actual)) {
        struct buf deeper;
        buf_init(&deeper, 64);
        buf_printf(&deeper, "%s  ", indent);
        print_text_diff(expected->text, actual->text, deeper.data, into);
        buf_clear(&deeper);
    }
}

void diff_print(const struct failure *failure, const char *indent, struct buf *into)
{
    if (!diff_is_useful(failure))
        return;
    if (failure->expected_json->kind == JSON_STRING && failure->actual_json->kind == JSON_STRING) {
        print_text_diff(failure->expected_json->text, failure->actual_json->text, indent, into);
        return;
    }
    struct arena *arena = arena_new();
    size_t count = 0;
    struct json_difference *list =
        json_differences(arena, failure->expected_json, failure->actual_json, failure->subset,
                         DIFF_PLACES + 1, &count);
    for (size_t i = 0; i < count && i < DIFF_PLACES; i++)
        print_difference(&list[i], indent, into);
    if (count > DIFF_PLACES)
        buf_printf(into, "%s… and more\n", indent);
    arena_free(arena);
}
