/* Scripts as a spec writes them. */
#include "server/tcp/script_private.h"

#include "schema/file.h"

#include <string.h>

/* Bytes: a text, {hex: …} or {file: …}. */

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    char letter = (char)(digit | 0x20);
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

static enum read_result hex_read(struct reader *reader, const struct type *type,
                                 const struct node *node, void *into)
{
    struct str text = node_scalar_text(node);
    char *bytes = arena_alloc(reader->arena, text.size / 2 + 1);
    size_t digits = 0;
    for (size_t i = 0; i < text.size; i++) {
        int digit = hex_digit(text.data[i]);
        bool space = text.data[i] == ' ' || text.data[i] == '\n';
        /* between two bytes, not within one */
        if (digit < 0 ? !space || digits % 2 : digits >= 2 * (text.size / 2))
            return reader_expected(reader, node, type->name);
        if (digit < 0)
            continue;
        bytes[digits / 2] = (char)(digits % 2 ? bytes[digits / 2] | digit : digit << 4);
        digits++;
    }
    if (digits == 0 || digits % 2)
        return reader_expected(reader, node, type->name);
    *(struct str *)into = (struct str){bytes, digits / 2};
    return READ_OK;
}

static struct json *hex_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": [\"string\", \"integer\"]}");
}

static const struct type type_hex = {
    .name = "bytes in hexadecimal such as \"0d 0a\"",
    .size = sizeof(struct str),
    .read = hex_read,
    .schema = hex_schema,
};

/** {hex: …} or {file: …}. */
struct payload_read {
    struct str hex;
    struct str file;
};

static enum read_result payload_check(struct reader *reader, const struct node *node, void *into)
{
    (void)into;
    if (node->count == 1)
        return READ_OK;
    diagnostics_add(reader->diagnostics, node->pairs[1].key->place,
                    "'hex' and 'file' exclude each other");
    return READ_FAILED;
}

static const struct row payload_rows[] = {
    {"hex", &type_hex, offsetof(struct payload_read, hex), 0, NULL,
     "Bytes in hexadecimal; spaces may stand between them."},
    {"file", &type_file_bytes, offsetof(struct payload_read, file), 0, NULL,
     "The bytes of a file, at most 64 MiB; its path is relative to the spec."},
};
static const struct table payload_table = {
    TABLE_ROWS("bytes", payload_rows),
    .doc = "Bytes that are no text.",
    .check = payload_check,
};
static const struct type payload_table_type = TYPE_TABLE(&payload_table, struct payload_read);

static enum read_result payload_read(struct reader *reader, const struct type *type,
                                     const struct node *node, void *into)
{
    struct script_payload *payload = into;
    struct payload_read read = {0};
    if (node->kind == NODE_LIST)
        return reader_expected(reader, node, type->name);
    if (node_is_scalar(node))
        return reader_read(reader, &type_text, node, &payload->bytes);
    enum read_result result = reader_read(reader, type->of, node, &read);
    payload->bytes = read.hex.data ? read.hex : read.file;
    return result;
}

static struct json *payload_schema(struct schema_writer *writer, const struct type *type)
{
    return schema_either(writer, schema_of(writer, &type_text), schema_of(writer, type->of));
}

static const struct type type_payload = {
    .raw = true,
    .name = "a text, {hex: …} or {file: …}",
    .size = sizeof(struct script_payload),
    .read = payload_read,
    .schema = payload_schema,
    .of = &payload_table_type,
};

/* receive */

static enum read_result until_read(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into)
{
    struct script_payload *until = into;
    enum read_result result = reader_read(reader, type->of, node, until);
    if (result != READ_OK || (until->bytes.size && until->bytes.size <= SCRIPT_MOST_UNTIL))
        return result;
    diagnostics_add(reader->diagnostics, node->place,
                    until->bytes.size ? "'until' takes at most 64 KiB"
                                      : "an empty text is found before the first byte");
    return READ_FAILED;
}

static const struct type type_until = {
    .raw = true,
    .name = "a text, {hex: …} or {file: …}",
    .size = sizeof(struct script_payload),
    .read = until_read,
    .schema = type_of_schema,
    .of = &type_payload,
};

static enum read_result bytes_read(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into)
{
    uint64_t *bytes = into;
    enum read_result result = type->of->read(reader, type->of, node, bytes);
    if (result != READ_OK || *bytes)
        return result;
    diagnostics_add(reader->diagnostics, node->place, "0 bytes are there before the first one");
    return READ_FAILED;
}

static const struct type type_bytes = {
    .name = "a size such as 512 or 64KiB",
    .size = sizeof(uint64_t),
    .read = bytes_read,
    .schema = type_of_schema,
    .of = &type_size,
};

static enum read_result exact_check(struct reader *reader, const struct node *node, void *into)
{
    (void)into;
    if (node->count == 1)
        return READ_OK;
    diagnostics_add(reader->diagnostics, node->pairs[1].key->place,
                    "'bytes' and 'until' exclude each other");
    return READ_FAILED;
}

static const struct row exact_rows[] = {
    {"bytes", &type_bytes, offsetof(struct script_receive, bytes), 0, NULL,
     "Exactly so many bytes."},
    {"until", &type_until, offsetof(struct script_receive, until), 0, NULL,
     "Everything up to this text, and with it."},
};
static const struct table exact_table = {
    TABLE_ROWS("receive", exact_rows),
    .doc = "What is consumed, where it is not a predicate on all that came since the last receive.",
    .check = exact_check,
};
static const struct type exact_table_type = TYPE_TABLE(&exact_table, struct script_receive);

/** How much of the delimiter still matches behind each of its bytes. */
static const uint32_t *fallback_of(struct str until, struct arena *arena)
{
    uint32_t *fallback = arena_alloc_array(arena, until.size + 1, sizeof *fallback);
    uint32_t length = 0;
    for (size_t i = 1; i < until.size; i++) {
        while (length && until.data[i] != until.data[length])
            length = fallback[length - 1];
        length += until.data[i] == until.data[length];
        fallback[i] = length;
    }
    return fallback;
}

static enum read_result receive_read(struct reader *reader, const struct type *type,
                                     const struct node *node, void *into)
{
    struct script_receive *receive = into;
    bool exact = node->kind == NODE_MAP && node->count &&
                 (node_get(node, "bytes") || node_get(node, "until"));
    enum read_result result;
    receive->place = node->place;
    if (node->kind == NODE_LIST)
        return reader_expected(reader, node, type->name);
    if (exact) {
        result = reader_read(reader, type->of, node, receive);
        receive->place = node->pairs[0].key->place;
        receive->fallback = fallback_of(receive->until.bytes, reader->arena);
    } else {
        result = reader_read(reader, &type_predicate_text, node, &receive->predicate);
        if (receive->predicate)
            receive->place = predicate_place(receive->predicate);
    }
    return result;
}

static struct json *receive_schema(struct schema_writer *writer, const struct type *type)
{
    return schema_either(writer, schema_of(writer, type->of),
                         schema_of(writer, &type_predicate_text));
}

static const struct type type_receive = {
    .raw = true,
    .name = "a predicate, {bytes: N} or {until: TEXT}",
    .size = sizeof(struct script_receive),
    .read = receive_read,
    .schema = receive_schema,
    .of = &exact_table_type,
};

/* repeat */

static enum read_result items_read(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into);
static struct json *items_schema(struct schema_writer *writer, const struct type *type);

/** [struct list of struct script_item] */
static const struct type type_items = {
    .raw = true,
    .name = "a list of items such as send: x",
    .size = sizeof(struct list),
    .read = items_read,
    .schema = items_schema,
};

static const struct row repeat_rows[] = {
    {"times", &type_positive, offsetof(struct script_repeat, times), 0, "until the peer ends",
     "How often; without it an end of the peer between two iterations ends the repeat."},
    {"steps", &type_items, offsetof(struct script_repeat, items), ROW_REQUIRED, NULL,
     "What is repeated."},
};

/** One that neither waits nor sends would go round for ever. */
static bool items_take_time(const struct list *list)
{
    const struct script_item *items = list->items;
    bool take = false;
    for (size_t i = 0; i < list->count && !take; i++) {
        enum script_kind kind = script_item_kind(&items[i]);
        const struct script_repeat *repeat = kind == ITEM_REPEAT ? items[i].chosen.value : NULL;
        take = repeat ? items_take_time(&repeat->items) : kind != ITEM_HALF_CLOSE;
    }
    return take;
}

static enum read_result repeat_check(struct reader *reader, const struct node *node, void *into)
{
    const struct script_repeat *repeat = into;
    if (repeat->times || items_take_time(&repeat->items))
        return READ_OK;
    diagnostics_add(reader->diagnostics, node->place,
                    "a repeat without 'times' needs a receive, a send or a sleep");
    return READ_FAILED;
}

static const struct table repeat_table = {
    TABLE_ROWS("repeat", repeat_rows),
    .doc = "Does its steps again and again.",
    .check = repeat_check,
};
static const struct type type_repeat = TYPE_TABLE(&repeat_table, struct script_repeat);

/* The items. */

static const enum script_kind kinds[] = {ITEM_SEND,  ITEM_RECEIVE, ITEM_SLEEP, ITEM_HALF_CLOSE,
                                         ITEM_CLOSE, ITEM_RESET,   ITEM_REPEAT};

static const struct member script_members[] = {
    {"send", &type_payload, "Sends a text, {hex: …} or {file: …}.", &kinds[ITEM_SEND], 0},
    {"receive", &type_receive,
     "Waits for {bytes: N}, {until: TEXT}, or until a predicate holds for all that came since the "
     "last receive.",
     &kinds[ITEM_RECEIVE], 0},
    {"sleep", &type_duration, "Waits for a time.", &kinds[ITEM_SLEEP], 0},
    {"half-close", &type_true, "FIN behind what was sent; what the peer sends is still received.",
     &kinds[ITEM_HALF_CLOSE], 0},
    {"close", &type_true, "FIN, and the end.", &kinds[ITEM_CLOSE], 0},
    {"reset", &type_true, "RST once the peer has what was sent, and the end.", &kinds[ITEM_RESET],
     0},
    {"repeat", &type_repeat, "Does steps again and again.", &kinds[ITEM_REPEAT], 0},
    {0},
};
static const struct member *const script_groups[] = {script_members, NULL};
static const struct family script_family = {"item", script_groups};

static const struct table item_table = {
    .name = "item of a script",
    .doc = "What is sent or waited for next.",
    .family = &script_family,
    .family_offset = offsetof(struct script_item, chosen),
};
static const struct type type_item = TYPE_TABLE(&item_table, struct script_item);
static const struct type type_item_list = TYPE_LIST(&type_item);

enum script_kind script_item_kind(const struct script_item *item)
{
    return *(const enum script_kind *)item->chosen.member->extra;
}

static bool item_is_off(const struct script_item *item)
{
    const struct chosen *chosen = &item->chosen;
    return chosen->member->type == &type_true && !chosen->deferred && !*(const bool *)chosen->value;
}

/** What cannot come to anything behind what stands before it. */
static enum read_result order_check(struct reader *reader, const struct list *list)
{
    const struct script_item *items = list->items;
    enum read_result result = READ_OK;
    bool half = false;
    for (size_t i = 0; i < list->count; i++) {
        if (!items[i].chosen.member)
            continue;
        enum script_kind kind = script_item_kind(&items[i]);
        struct place place = items[i].chosen.place;
        if (item_is_off(&items[i])) {
            diagnostics_add(reader->diagnostics, place, "'%s: false' does nothing; leave it out",
                            items[i].chosen.member->key);
            result = READ_FAILED;
        }
        if ((kind == ITEM_CLOSE || kind == ITEM_RESET) && i + 1 < list->count) {
            diagnostics_add(reader->diagnostics, place, "nothing comes after '%s'",
                            items[i].chosen.member->key);
            diagnostics_help(reader->diagnostics, "write it as the last item");
            result = READ_FAILED;
        }
        if (half && kind == ITEM_SEND) {
            diagnostics_add(reader->diagnostics, place, "nothing can be sent after 'half-close'");
            result = READ_FAILED;
        }
        half = half || kind == ITEM_HALF_CLOSE;
    }
    return result;
}

/** How deep repeats stand within each other. */
static unsigned items_depth(const struct node *node)
{
    unsigned deepest = 0;
    for (size_t i = 0; node && node->kind == NODE_LIST && i < node->count; i++) {
        const struct node *item = node->items[i];
        const struct node *repeat = item->kind == NODE_MAP ? node_get(item, "repeat") : NULL;
        if (!repeat || repeat->kind != NODE_MAP)
            continue;
        unsigned depth = 1 + items_depth(node_get(repeat, "steps"));
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

static enum read_result items_read(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into)
{
    struct list *list = into;
    (void)type;
    enum read_result result = reader_read(reader, &type_item_list, node, list);
    if (result == READ_FAILED)
        return result;
    if (list->count == 0) {
        diagnostics_add(reader->diagnostics, node->place, "a script without items does nothing");
        return READ_FAILED;
    }
    const struct script_item *items = list->items;
    for (size_t i = 0; i < list->count; i++)
        if (items[i].chosen.deferred)
            result = read_worse(result, READ_DEFERRED);
    return read_worse(result, order_check(reader, list));
}

static struct json *items_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_of(writer, &type_item_list);
}

static enum read_result script_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    struct tcp_script *script = into;
    script->place = node->place;
    if (items_depth(node) > SCRIPT_DEPTH) {
        diagnostics_add(reader->diagnostics, node->place,
                        "repeats stand deeper in each other than %d", SCRIPT_DEPTH);
        return READ_FAILED;
    }
    return reader_read(reader, type->of, node, &script->items);
}

const struct type script_type = {
    .raw = true,
    .name = "a list of items such as send: x",
    .size = sizeof(struct tcp_script),
    .read = script_read,
    .schema = type_of_schema,
    .of = &type_items,
};
