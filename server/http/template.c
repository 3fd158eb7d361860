/* Templates as a spec holds them: read, checked, asked for their text. */
#include "server/http/template.h"

#include "schema/cursor.h"
#include "server/http/template_private.h"

/** How often "{{" stands in a text. */
static size_t opening_count(struct str text)
{
    size_t count = 0;
    for (ptrdiff_t at = str_find(text, STR("{{")); at >= 0; at = str_find(text, STR("{{"))) {
        text = str_from(text, (size_t)at + 2);
        count++;
    }
    return count;
}

/** The offset of a place in its source. */
static size_t place_offset(struct place place)
{
    struct str text = place.source->text;
    size_t at = 0;
    for (uint32_t line = 1; line < place.line && at < text.size; line++) {
        ptrdiff_t end = str_find_byte(str_from(text, at), '\n');
        at = end < 0 ? text.size : at + (size_t)end + 1;
    }
    for (uint32_t column = 1; column < place.column && at < text.size; column++) {
        uint32_t code;
        size_t size = str_decode(str_from(text, at), &code);
        at += size ? size : 1;
    }
    return at;
}

/**
 * Where a part of a template stands in the file. Quotes, escapes, blocks and variables shift it
 * against the text that was read, so the text's n-th "{{" is looked for as the file's n-th from the
 * node on; the node's place will do where what stands there is not the same.
 */
static struct place part_place(const struct node *node, size_t offset, size_t size)
{
    struct place place = node->place;
    struct str text = node_scalar_text(node);
    if (!place.source || place.line == 0)
        return place;
    size_t opening = offset;
    while (opening > 0 && !str_starts(str_from(text, opening), STR("{{")))
        opening--;
    struct str source = place.source->text;
    size_t at = place_offset(place);
    for (size_t left = opening_count(str_slice(text, 0, opening)) + 1; left; left--) {
        ptrdiff_t next = str_find(str_from(source, at), STR("{{"));
        if (next < 0)
            return place;
        at += (size_t)next + (left > 1 ? 2 : 0);
    }
    struct str expected = str_slice(text, opening, offset + size - opening);
    if (!str_starts(str_from(source, at), expected))
        return place;
    struct cursor cursor = cursor_at_start(source);
    cursor_move(&cursor, str_characters(str_slice(source, 0, at + offset - opening)));
    struct place inside = cursor_place(&cursor, place.source);
    struct str underlined = str_slice(text, offset, size);
    ptrdiff_t line_end = str_find_byte(underlined, '\n');
    if (line_end > 0)
        underlined = str_slice(underlined, 0, (size_t)line_end);
    inside.width = (uint32_t)str_characters(underlined);
    return inside;
}

/* Finding a part searches the file: beyond this many errors the place of the whole will do. */
enum { PLACES_MOST = 200 };

static struct place fault_place(const struct reader *reader, const struct node *node, size_t offset,
                                size_t size)
{
    if (reader->diagnostics->count > PLACES_MOST)
        return node->place;
    return part_place(node, offset, size);
}

static void spec_fault(struct template_compiler *compiler, size_t offset, size_t size,
                       struct str message, const struct nearest *nearest, const char *help)
{
    struct reader *reader = compiler->context;
    struct place place = fault_place(reader, compiler->node, offset, size);
    diagnostics_add(reader->diagnostics, place, STR_FMT, STR_ARG(message));
    if (nearest)
        diagnostics_did_you_mean(reader->diagnostics, nearest);
    if (help)
        diagnostics_help(reader->diagnostics, "%s", help);
}

/** Whether nothing in the pieces changes. */
static bool pieces_are_constant(const struct template_pieces *pieces)
{
    for (size_t i = 0; i < pieces->count; i++) {
        if (pieces->items[i].expression)
            return false;
    }
    return true;
}

static struct template *template_of_text(struct template_compiler *compiler)
{
    struct template *template = arena_alloc(compiler->arena, sizeof *template);
    if (!template_parse(compiler, &template->pieces))
        return NULL;
    template->constant = pieces_are_constant(&template->pieces);
    template->text = compiler->text;
    template->uses = compiler->uses;
    return template;
}

static enum read_result read_template(struct reader *reader, const struct type *type,
                                      const struct node *node, void *into)
{
    struct str text;
    if (type_text.read(reader, &type_text, node, &text) != READ_OK)
        return READ_FAILED;
    struct template_compiler compiler = {.arena = reader->arena,
                                         .text = text,
                                         .fault = spec_fault,
                                         .context = reader,
                                         .node = node,
                                         .answers = type->extra != NULL};
    struct template *template = template_of_text(&compiler);
    if (!template)
        return READ_FAILED;
    *(struct template **)into = template;
    return READ_OK;
}

/** A JSON value while it is read; all its parts share the list of captures used. */
struct json_part {
    struct template_value *value;
    struct template_use **uses;
    bool answers;
    bool message; /**< it becomes a message of protobuf, which may hold .inf and .nan */
};

static enum read_result read_part(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into);
static const struct type type_part = {
    .name = "any value", .size = sizeof(struct json_part), .read = read_part};

static enum read_result read_scalar(struct reader *reader, const struct node *node,
                                    struct json_part *part)
{
    struct template_value *value = part->value;
    if (node->kind != NODE_STRING) {
        value->constant = node_to_json(reader->arena, node);
        if (value->constant->kind != JSON_NUMBER || part->message ||
            number_is_valid(value->constant->text))
            return READ_OK;
        diagnostics_add(reader->diagnostics, node->place, "JSON has no number '" STR_FMT "'",
                        STR_ARG(value->constant->text));
        return READ_FAILED;
    }
    struct template_compiler compiler = {.arena = reader->arena,
                                         .text = node_scalar_text(node),
                                         .fault = spec_fault,
                                         .context = reader,
                                         .node = node,
                                         .answers = part->answers,
                                         .uses = *part->uses};
    if (!template_parse(&compiler, &value->pieces))
        return READ_FAILED;
    *part->uses = compiler.uses;
    value->kind = JSON_STRING;
    if (pieces_are_constant(&value->pieces))
        value->constant = json_string(reader->arena, compiler.text);
    return READ_OK;
}

/** Makes one constant of a list or mapping whose parts all are. */
static void fold_constant(struct template_value *value, struct arena *arena)
{
    for (size_t i = 0; i < value->count; i++) {
        if (!value->children[i]->constant)
            return;
    }
    value->constant = template_value_json(value, NULL, arena);
}

static enum read_result read_container(struct reader *reader, const struct node *node,
                                       struct json_part *part)
{
    struct template_value *value = part->value;
    struct arena *arena = reader->arena;
    enum read_result result = READ_OK;
    value->kind = node->kind == NODE_LIST ? JSON_ARRAY : JSON_OBJECT;
    value->count = node->count;
    value->children = arena_alloc_array(arena, node->count, sizeof *value->children);
    if (node->kind == NODE_MAP)
        value->names = arena_alloc_array(arena, node->count, sizeof *value->names);
    for (size_t i = 0; i < node->count; i++) {
        const struct node *child = node->kind == NODE_LIST ? node->items[i] : node->pairs[i].value;
        if (node->kind == NODE_MAP)
            value->names[i] = node_scalar_text(node->pairs[i].key);
        struct json_part inner = {arena_alloc(arena, sizeof *inner.value), part->uses,
                                  part->answers, part->message};
        value->children[i] = inner.value;
        result = read_worse(result, reader_read(reader, &type_part, child, &inner));
    }
    if (result == READ_OK)
        fold_constant(value, arena);
    return result;
}

static enum read_result read_part(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    (void)type;
    if (node_is_scalar(node))
        return read_scalar(reader, node, into);
    if (reader->depth >= TREE_DEPTH) {
        diagnostics_add(reader->diagnostics, node->place, "nested deeper than %d levels",
                        TREE_DEPTH);
        return READ_FAILED;
    }
    reader->depth++;
    enum read_result result = read_container(reader, node, into);
    reader->depth--;
    return result;
}

static enum read_result read_json_template(struct reader *reader, const struct type *type,
                                           const struct node *node, void *into)
{
    struct template *template = arena_alloc(reader->arena, sizeof *template);
    struct json_part part = {arena_alloc(reader->arena, sizeof *part.value), &template->uses,
                             type == &type_answer_json_template, type == &type_message_template};
    enum read_result result = read_part(reader, type, node, &part);
    if (result != READ_OK)
        return result;
    template->value = part.value;
    template->constant = part.value->constant != NULL;
    if (template->constant) {
        struct buf text;
        buf_init(&text, BUF_OWN);
        json_write(part.value->constant, &text);
        template->text = arena_copy(reader->arena, buf_str(&text));
        buf_clear(&text);
    }
    *(struct template **)into = template;
    return READ_OK;
}

static struct json *schema_template(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_of(writer, &type_text);
}

const struct type type_template = {
    .name = "a text",
    .size = sizeof(struct template *),
    .read = read_template,
    .schema = schema_template,
};

const struct type type_json_template = {
    .name = "any value",
    .size = sizeof(struct template *),
    .read = read_json_template,
};

const struct type type_message_template = {
    .name = "any value",
    .size = sizeof(struct template *),
    .read = read_json_template,
};

const struct type type_answer_template = {
    .name = "a text",
    .size = sizeof(struct template *),
    .read = read_template,
    .schema = schema_template,
    .extra = "answers",
};

const struct type type_answer_json_template = {
    .name = "any value",
    .size = sizeof(struct template *),
    .read = read_json_template,
    .extra = "answers",
};

enum read_result template_check_path(struct reader *reader, const struct template *template,
                                     const struct list *names)
{
    enum read_result result = READ_OK;
    const struct str *items = names->items;
    for (const struct template_use *use = template ? template->uses : NULL; use; use = use->next) {
        struct nearest nearest = {.wanted = use->name};
        size_t i = 0;
        if (!use->row->of_path)
            continue;
        while (i < names->count && !str_equal(items[i], use->name))
            str_nearest(&nearest, items[i++]);
        if (i < names->count)
            continue;
        result = READ_FAILED;
        diagnostics_add(reader->diagnostics, fault_place(reader, use->node, use->offset, use->size),
                        "the path of this route captures no '" STR_FMT "'", STR_ARG(use->name));
        diagnostics_did_you_mean(reader->diagnostics, &nearest);
        if (!nearest.best.size)
            diagnostics_help(reader->diagnostics, "write {" STR_FMT "} in the path of its match",
                             STR_ARG(use->name));
    }
    return result;
}

/** Tells of the use of an answer that does not come. */
static void refuse_answer(struct reader *reader, const struct template_use *use,
                          const struct list *names)
{
    struct place place = fault_place(reader, use->node, use->offset, use->size);
    const struct str *items = names->items;
    struct nearest nearest = {.wanted = use->name};
    for (size_t i = 0; i < names->count; i++)
        str_nearest(&nearest, items[i]);
    if (!use->name.size) {
        diagnostics_add(reader->diagnostics, place,
                        "'%s' is the answer of the far side, but there is no 'to' here",
                        use->row->name);
        if (names->count)
            diagnostics_help(reader->diagnostics, "write " STR_FMT ".%s for that of a call",
                             STR_ARG(items[0]), use->row->name + STR("response.").size);
        return;
    }
    diagnostics_add(reader->diagnostics, place, "no call is named '" STR_FMT "'",
                    STR_ARG(use->name));
    diagnostics_did_you_mean(reader->diagnostics, &nearest);
}

enum read_result template_check_answers(struct reader *reader, const struct template *template,
                                        const struct list *names, bool far_side)
{
    enum read_result result = READ_OK;
    const struct str *items = names->items;
    for (const struct template_use *use = template ? template->uses : NULL; use; use = use->next) {
        bool known = !use->row->of_answer || (far_side && !use->name.size);
        for (size_t i = 0; i < names->count && !known; i++)
            known = str_equal(items[i], use->name);
        if (known)
            continue;
        refuse_answer(reader, use, names);
        result = READ_FAILED;
    }
    return result;
}

bool template_needs_body(const struct template *template)
{
    for (const struct template_use *use = template ? template->uses : NULL; use; use = use->next) {
        bool part =
            use->row->shape == SHAPE_PATH || str_is(str_of(use->row->name), "response.body");
        if (use->row->of_answer && part)
            return true;
    }
    return false;
}

bool template_needs_request_body(const struct template *template)
{
    for (const struct template_use *use = template ? template->uses : NULL; use; use = use->next) {
        if (use->row->of_body)
            return true;
    }
    return false;
}

bool template_is_constant(const struct template *template)
{
    return template->constant;
}

struct str template_text(const struct template *template, struct template_context *context,
                         struct arena *arena)
{
    if (template->constant)
        return template->text;
    if (!template->value)
        return template_pieces_text(&template->pieces, context, arena);
    struct buf text;
    buf_init(&text, BUF_OWN);
    json_write(template_value_json(template->value, context, arena), &text);
    struct str copy = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

const struct json *template_json(const struct template *template, struct template_context *context,
                                 struct arena *arena)
{
    if (!template->value)
        return json_string(arena, template_text(template, context, arena));
    return template_value_json(template->value, context, arena);
}

struct template *template_constant(struct arena *arena, struct str text)
{
    struct template *template = arena_alloc(arena, sizeof *template);
    template->text = text;
    template->constant = true;
    return template;
}

/** The first fault of a text that is no spec node. */
struct first_fault {
    struct str message;
    size_t offset;
};

static void text_fault(struct template_compiler *compiler, size_t offset, size_t size,
                       struct str message, const struct nearest *nearest, const char *help)
{
    struct first_fault *first = compiler->context;
    (void)size;
    (void)nearest;
    (void)help;
    if (compiler->faults == 1)
        *first = (struct first_fault){message, offset};
}

struct template *template_compile(struct arena *arena, struct str text, struct str *error,
                                  size_t *offset)
{
    struct first_fault first = {0};
    struct template_compiler compiler = {
        .arena = arena, .text = arena_copy(arena, text), .fault = text_fault, .context = &first};
    struct template *template = template_of_text(&compiler);
    *error = first.message;
    *offset = first.offset;
    return template;
}
