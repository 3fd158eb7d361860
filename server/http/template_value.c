/* Templates evaluated: expressions, texts, JSON values. */
#include "server/http/template_private.h"

#include <string.h>

static const struct json missing = {.kind = JSON_NULL};

const struct json *template_expression(const struct template_call *call,
                                       struct template_context *context, struct arena *arena)
{
    const struct json *value = call->row->value(call, context, arena);
    value = value ? value : &missing;
    for (call = call->next; call; call = call->next) {
        if (value->kind == JSON_NULL && !call->row->takes_missing)
            continue;
        value = call->row->filter(call, value, arena);
        value = value ? value : &missing;
    }
    return value;
}

struct str template_value_text(const struct json *value, struct arena *arena)
{
    if (value->kind == JSON_NULL)
        return STR("");
    if (value->kind == JSON_STRING || value->kind == JSON_NUMBER)
        return value->text;
    struct buf text;
    buf_init(&text, BUF_OWN);
    json_write(value, &text);
    struct str copy = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

struct str template_pieces_text(const struct template_pieces *pieces,
                                struct template_context *context, struct arena *arena)
{
    struct str *texts = arena_alloc_array(arena, pieces->count + 1, sizeof *texts);
    size_t size = 0;
    for (size_t i = 0; i < pieces->count; i++) {
        const struct template_piece *piece = &pieces->items[i];
        texts[i] = piece->text;
        if (piece->expression)
            texts[i] =
                template_value_text(template_expression(piece->expression, context, arena), arena);
        size += texts[i].size;
    }
    if (pieces->count == 1)
        return texts[0];
    char *text = arena_alloc(arena, size + 1);
    size_t at = 0;
    for (size_t i = 0; i < pieces->count; i++) {
        if (texts[i].size)
            memcpy(text + at, texts[i].data, texts[i].size);
        at += texts[i].size;
    }
    return (struct str){text, size};
}

const struct json *template_value_json(const struct template_value *value,
                                       struct template_context *context, struct arena *arena)
{
    if (value->constant)
        return value->constant;
    if (value->kind == JSON_STRING) {
        const struct template_piece *first = &value->pieces.items[0];
        if (value->pieces.count == 1 && first->expression)
            return template_expression(first->expression, context, arena);
        return json_string(arena, template_pieces_text(&value->pieces, context, arena));
    }
    struct json *made = arena_alloc(arena, sizeof *made);
    made->kind = value->kind;
    made->count = value->count;
    if (value->kind == JSON_ARRAY)
        made->elements = arena_alloc_array(arena, value->count, sizeof *made->elements);
    else
        made->members = arena_alloc_array(arena, value->count, sizeof *made->members);
    for (size_t i = 0; i < value->count; i++) {
        const struct json *child = template_value_json(value->children[i], context, arena);
        /* Values are not changed after they were built: the cast only fits the type of an element.
         */
        struct json *element = (struct json *)(uintptr_t)child;
        if (value->kind == JSON_ARRAY)
            made->elements[i] = element;
        else
            made->members[i] = (struct json_member){value->names[i], element};
    }
    return made;
}
