/* From the text of a template to its calls. */
#include "server/http/template_private.h"

/** One expression while it is read. Offsets count in the compiler's text. */
struct scan {
    struct template_compiler *compiler;
    size_t at;
    size_t end; /**< where its `}}` stands */
    bool failed;
};

/** A word or a text in quotes. */
struct word {
    size_t offset;
    size_t size;
    struct str text; /**< as written, or what the quotes hold */
    bool quoted;
};

enum {
    ARGUMENTS_MOST = 3, /**< looked at: one more than anything takes */
    FAULTS_MOST = 20,   /**< told in one text */
};

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static bool is_quote(char byte)
{
    return byte == '"' || byte == '\'';
}

/** Tells a fault; the rest of the expression is not looked at. */
static void scan_fault(struct scan *scan, size_t offset, size_t size, struct str message,
                       const struct nearest *nearest, const char *help)
{
    struct template_compiler *compiler = scan->compiler;
    scan->failed = true;
    compiler->faults++;
    compiler->fault(compiler, offset, size ? size : 1, message, nearest, help);
}

static void skip_blanks(struct scan *scan)
{
    while (scan->at < scan->end && is_blank(scan->compiler->text.data[scan->at]))
        scan->at++;
}

/** Whether the expression ends here, or a filter follows. */
static bool at_end(const struct scan *scan)
{
    return scan->at >= scan->end || scan->compiler->text.data[scan->at] == '|';
}

/** Where the quote that starts at `at` is closed, or `end`. */
static size_t quote_end(struct str text, size_t at, size_t end)
{
    char quote = text.data[at];
    for (at++; at < end && text.data[at] != quote; at++) {
        if (text.data[at] == '\\')
            at++;
    }
    return at < end ? at : end;
}

/** Where the `}}` of an expression stands, -1 if nowhere. Those in quotes do not count. */
static ptrdiff_t expression_end(struct str text, size_t from)
{
    for (size_t at = from; at + 1 < text.size; at++) {
        if (is_quote(text.data[at]))
            at = quote_end(text, at, text.size);
        else if (text.data[at] == '}' && text.data[at + 1] == '}')
            return (ptrdiff_t)at;
    }
    /* A quote may be open: then that is the fault, and the braces end what it is looked for in. */
    ptrdiff_t end = str_find(str_from(text, from), STR("}}"));
    return end < 0 ? -1 : end + (ptrdiff_t)from;
}

/** What a text in single quotes holds. */
static bool unescape_single(struct arena *arena, struct str inside, struct str *text)
{
    char *out = arena_alloc(arena, inside.size + 1);
    size_t size = 0;
    for (size_t i = 0; i < inside.size; i++) {
        if (inside.data[i] == '\\') {
            i++;
            if (i == inside.size || (inside.data[i] != '\\' && inside.data[i] != '\''))
                return false;
        }
        out[size++] = inside.data[i];
    }
    *text = (struct str){out, size};
    return true;
}

/** Reads the text in quotes that starts at `offset`; its end goes to *end. */
static bool scan_quoted(struct scan *scan, size_t offset, size_t *end, struct str *text)
{
    struct template_compiler *compiler = scan->compiler;
    size_t close = quote_end(compiler->text, offset, scan->end);
    *end = close;
    if (close >= scan->end) {
        scan_fault(scan, offset, 1, STR("a quote that is not closed"), NULL, NULL);
        return false;
    }
    *end = close + 1;
    struct str written = str_slice(compiler->text, offset, *end - offset);
    if (written.data[0] == '\'') {
        if (unescape_single(compiler->arena, str_slice(written, 1, written.size - 2), text))
            return true;
        scan_fault(scan, offset, written.size, STR("wrong text in single quotes"), NULL,
                   "only \\\\ and \\' are escaped there");
        return false;
    }
    struct json_error error;
    const struct json *string = json_read(compiler->arena, written, &error);
    if (string && string->kind == JSON_STRING) {
        *text = string->text.data ? string->text : STR("");
        return true;
    }
    scan_fault(scan, offset, written.size,
               arena_printf(compiler->arena, "wrong text in quotes: %s", error.message), NULL,
               "it is written as in JSON");
    return false;
}

/** Takes the next word; false at the end and after a fault. A name may end in quotes: query."a b".
 */
static bool scan_word(struct scan *scan, struct word *word)
{
    struct str text = scan->compiler->text;
    skip_blanks(scan);
    if (scan->failed || at_end(scan))
        return false;
    *word = (struct word){.offset = scan->at, .quoted = is_quote(text.data[scan->at])};
    if (word->quoted) {
        if (!scan_quoted(scan, scan->at, &scan->at, &word->text))
            return false;
    } else {
        while (!at_end(scan) && !is_blank(text.data[scan->at])) {
            bool quoted = is_quote(text.data[scan->at]) && text.data[scan->at - 1] == '.';
            struct str inside;
            if (quoted && !scan_quoted(scan, scan->at, &scan->at, &inside))
                return false;
            scan->at += quoted ? 0 : 1;
        }
        word->text = str_slice(text, word->offset, scan->at - word->offset);
    }
    word->size = scan->at - word->offset;
    return true;
}

/** Takes what follows as it is written, up to a `|` outside of quotes and brackets. */
static struct word scan_path(struct scan *scan)
{
    struct str text = scan->compiler->text;
    skip_blanks(scan);
    struct word word = {.offset = scan->at};
    for (size_t depth = 0; scan->at < scan->end && !(depth == 0 && at_end(scan)); scan->at++) {
        char byte = text.data[scan->at];
        if (is_quote(byte))
            scan->at = quote_end(text, scan->at, scan->end);
        else if (byte == '[' || byte == '(')
            depth++;
        else if ((byte == ']' || byte == ')') && depth)
            depth--;
    }
    scan->at = scan->at < scan->end ? scan->at : scan->end;
    word.text = str_trim(str_slice(text, word.offset, scan->at - word.offset));
    word.size = word.text.size;
    return word;
}

static bool read_integer(const struct word *word, int64_t *value)
{
    bool negative = str_starts(word->text, STR("-"));
    uint64_t amount;
    if (word->quoted ||
        !str_to_u64(str_from(word->text, negative ? 1 : 0), (uint64_t)INT64_MAX, &amount))
        return false;
    *value = negative ? -(int64_t)amount : (int64_t)amount;
    return true;
}

static bool read_literal(struct arena *arena, const struct word *word, const struct json **literal)
{
    if (word->quoted)
        *literal = json_string(arena, word->text);
    else if (number_is_valid(word->text))
        *literal = json_number(arena, word->text);
    else if (str_is(word->text, "true") || str_is(word->text, "false"))
        *literal = json_bool(arena, str_is(word->text, "true"));
    else
        return false;
    return true;
}

/** Puts the arguments where the row wants them; false if they are not what it takes. */
static bool take_arguments(struct template_call *call, struct arena *arena,
                           const struct word *words, size_t count)
{
    struct str sum;
    switch (call->row->shape) {
    case SHAPE_RANGE:
        return count == 2 && read_integer(&words[0], &call->low) &&
               read_integer(&words[1], &call->high) && call->low <= call->high;
    case SHAPE_COUNT:
        return count == 1 && read_integer(&words[0], &call->low) && call->low >= 1 &&
               call->low <= TEMPLATE_COUNT_MOST;
    case SHAPE_LITERAL:
        return count == 1 && read_literal(arena, &words[0], &call->literal);
    case SHAPE_NUMBER:
        return count == 1 && read_literal(arena, &words[0], &call->literal) &&
               call->literal->kind == JSON_NUMBER &&
               template_sum(call->literal->text, STR("0"), arena, &sum);
    case SHAPE_TEXTS:
        if (count != 2 || !words[0].quoted || !words[1].quoted || words[0].text.size == 0)
            return false;
        call->texts[0] = words[0].text;
        call->texts[1] = words[1].text;
        return true;
    default:
        return count == 0;
    }
}

static const char *shape_words(enum template_shape shape)
{
    switch (shape) {
    case SHAPE_RANGE:
        return "two whole numbers, the lower one first";
    case SHAPE_COUNT:
        return "a whole number from 1 to 65536";
    case SHAPE_LITERAL:
        return "one text in quotes, or a number";
    case SHAPE_NUMBER:
        return "one number";
    case SHAPE_TEXTS:
        return "two texts in quotes, the first one not empty";
    case SHAPE_PATH:
        return "a JSONPath";
    default:
        return "nothing behind it";
    }
}

static void wrong_arguments(struct scan *scan, const struct template_row *row,
                            const struct word *word)
{
    struct arena *arena = scan->compiler->arena;
    scan_fault(scan, word->offset, scan->at - word->offset,
               arena_printf(arena, "'%s' takes %s", row->name, shape_words(row->shape)), NULL,
               arena_printf(arena, "write %s", row->doc.form).data);
}

static void scan_jsonpath(struct scan *scan, struct template_call *call, const struct word *name)
{
    struct arena *arena = scan->compiler->arena;
    struct word word = scan_path(scan);
    struct jsonpath_error error;
    if (word.size == 0) {
        wrong_arguments(scan, call->row, name);
        return;
    }
    call->path = jsonpath_compile(arena, word.text, &error);
    if (!call->path)
        scan_fault(scan, word.offset + error.offset, 1,
                   arena_printf(arena, "wrong JSONPath: " STR_FMT, STR_ARG(error.message)), NULL,
                   NULL);
}

static void scan_arguments(struct scan *scan, struct template_call *call, const struct word *name)
{
    struct word words[ARGUMENTS_MOST];
    size_t count = 0;
    if (call->row->shape == SHAPE_PATH) {
        scan_jsonpath(scan, call, name);
        return;
    }
    while (count < ARGUMENTS_MOST && scan_word(scan, &words[count]))
        count++;
    if (!scan->failed && !take_arguments(call, scan->compiler->arena, words, count))
        wrong_arguments(scan, call->row, name);
}

/** The first so many names of a dotted word, with their dots between them. */
static size_t dotted_head(struct str word, size_t names)
{
    for (size_t i = 0; i < word.size; i++) {
        if (word.data[i] == '.' && --names == 0)
            return i;
    }
    return word.size;
}

static size_t dotted_count(struct str word)
{
    size_t count = 1;
    for (size_t i = 0; i < word.size; i++)
        count += word.data[i] == '.';
    return count;
}

static void unknown_name(struct scan *scan, const struct word *word)
{
    struct arena *arena = scan->compiler->arena;
    struct str text = str_slice(word->text, 0, 100);
    struct nearest nearest = {.wanted = text};
    for (size_t i = 0; i < template_names_count; i++) {
        struct str name = str_of(template_names[i].name);
        if (template_names[i].doc.later)
            continue;
        if (template_names[i].shape == SHAPE_MEMBER) {
            struct str rest = str_from(text, dotted_head(text, dotted_count(name)));
            name = arena_printf(arena, STR_FMT STR_FMT, STR_ARG(name),
                                STR_ARG(rest.size > 1 ? rest : STR(".NAME")));
        }
        str_nearest(&nearest, name);
    }
    scan_fault(scan, word->offset, word->size,
               arena_printf(arena, "unknown name '" STR_FMT "' in a template", STR_ARG(text)),
               &nearest, NULL);
}

/** What a name with a member goes on with: behind the dot, perhaps in quotes. */
static bool scan_member(struct scan *scan, const struct template_row *row, const struct word *word,
                        size_t head, struct str *member)
{
    *member = str_from(word->text, head);
    if (member->size && is_quote(member->data[0])) {
        size_t end;
        if (!scan_quoted(scan, word->offset + head, &end, member))
            return false;
    }
    if (member->size)
        return true;
    scan_fault(scan, word->offset, word->size,
               arena_printf(scan->compiler->arena, "'%s' needs a name behind it", row->name), NULL,
               arena_printf(scan->compiler->arena, "write %s", row->doc.form).data);
    return false;
}

static void remember_use(struct template_compiler *compiler, const struct template_row *row,
                         struct str name, const struct word *word)
{
    struct template_use *use = arena_alloc(compiler->arena, sizeof *use);
    *use = (struct template_use){.next = compiler->uses,
                                 .row = row,
                                 .name = name,
                                 .node = compiler->node,
                                 .offset = word->offset,
                                 .size = word->size};
    compiler->uses = use;
}

/** What of a call's answer is asked for: "NAME.status"; NULL if it is no such thing. */
static const struct template_row *find_answer(const struct template_compiler *compiler,
                                              struct str word, struct str *call)
{
    ptrdiff_t dot = str_find_byte(word, '.');
    if (!compiler->answers || dot < 0)
        return NULL;
    *call = str_slice(word, 0, (size_t)dot);
    return str_is_name(*call) ? template_answer_row(str_from(word, (size_t)dot + 1)) : NULL;
}

static const struct template_row *find_name(struct str word)
{
    for (size_t i = 0; i < template_names_count; i++) {
        const struct template_row *row = &template_names[i];
        struct str name = str_of(row->name);
        bool goes_on = row->shape == SHAPE_MEMBER && word.size > name.size &&
                       word.data[name.size] == '.' && str_starts(word, name);
        if (goes_on || str_equal(word, name))
            return row;
    }
    return NULL;
}

/** Reads the name an expression starts with, or its text. */
static void scan_name(struct scan *scan, struct template_call *call)
{
    struct word word;
    if (!scan_word(scan, &word)) {
        if (!scan->failed)
            scan_fault(scan, scan->at, 1, STR("a template without a name"), NULL, NULL);
        return;
    }
    if (word.quoted) {
        call->row = &template_literal_row;
        call->literal = json_string(scan->compiler->arena, word.text);
        scan_arguments(scan, call, &word);
        return;
    }
    call->row = find_name(word.text);
    size_t head = call->row ? str_of(call->row->name).size + 1 : 0;
    if (!call->row) {
        call->row = find_answer(scan->compiler, word.text, &call->answer);
        if (call->row)
            head = call->answer.size + str_of(call->row->name).size - STR("response").size + 1;
    }
    if (!call->row) {
        unknown_name(scan, &word);
    } else if (call->row->doc.later) {
        scan_fault(scan, word.offset, word.size,
                   arena_printf(scan->compiler->arena,
                                "'%s' is part of the language but not of this version",
                                call->row->name),
                   NULL, NULL);
    } else if (call->row->of_answer && !scan->compiler->answers) {
        scan_fault(scan, word.offset, word.size,
                   arena_printf(scan->compiler->arena,
                                "'%s' is known only in the 'response' of a 'forward'",
                                call->row->name),
                   NULL, NULL);
    } else if (call->row->shape != SHAPE_MEMBER ||
               scan_member(scan, call->row, &word, head, &call->member)) {
        if (call->row->of_answer)
            remember_use(scan->compiler, call->row, call->answer, &word);
        else if (call->row->of_path || call->row->of_body)
            remember_use(scan->compiler, call->row, call->member, &word);
        scan_arguments(scan, call, &word);
    }
}

/** Reads the filter behind the `|` that stands here. */
static void scan_filter(struct scan *scan, struct template_call *call)
{
    size_t bar = scan->at++;
    struct arena *arena = scan->compiler->arena;
    struct word word;
    struct nearest nearest = {0};
    if (!scan_word(scan, &word)) {
        if (!scan->failed)
            scan_fault(scan, bar, 1, STR("a '|' without a filter behind it"), NULL, NULL);
        return;
    }
    nearest.wanted = str_slice(word.text, 0, 100);
    for (size_t i = 0; i < template_filters_count && !word.quoted; i++) {
        if (str_is(word.text, template_filters[i].name))
            call->row = &template_filters[i];
    }
    if (call->row) {
        scan_arguments(scan, call, &word);
        return;
    }
    for (size_t i = 0; i < template_filters_count && !word.quoted; i++)
        str_nearest(&nearest, str_of(template_filters[i].name));
    scan_fault(scan, word.offset, word.size,
               arena_printf(arena, "unknown filter '" STR_FMT "'", STR_ARG(nearest.wanted)),
               &nearest, NULL);
}

/** Reads what stands between `{{` and `}}`; NULL after a fault. */
static struct template_call *scan_expression(struct scan *scan)
{
    struct arena *arena = scan->compiler->arena;
    struct template_call *first = arena_alloc(arena, sizeof *first);
    scan_name(scan, first);
    struct template_call *last = first;
    while (!scan->failed && scan->at < scan->end) {
        struct template_call *filter = arena_alloc(arena, sizeof *filter);
        scan_filter(scan, filter);
        last->next = filter;
        last = filter;
    }
    return scan->failed ? NULL : first;
}

static void pieces_add(struct arena *arena, struct template_pieces *pieces,
                       struct template_piece piece)
{
    arena_grow(arena, &pieces->items, pieces->count, &pieces->capacity, sizeof *pieces->items);
    pieces->items[pieces->count++] = piece;
}

bool template_parse(struct template_compiler *compiler, struct template_pieces *pieces)
{
    struct str text = compiler->text;
    size_t before = compiler->faults;
    size_t at = 0;
    while (at < text.size && compiler->faults - before < FAULTS_MOST) {
        ptrdiff_t next = str_find(str_from(text, at), STR("{{"));
        size_t size = next < 0 ? text.size - at : (size_t)next;
        if (size)
            pieces_add(compiler->arena, pieces,
                       (struct template_piece){.text = str_slice(text, at, size)});
        at += size;
        if (next < 0)
            break;
        struct scan scan = {.compiler = compiler, .at = at + 2};
        ptrdiff_t end = expression_end(text, at + 2);
        if (end < 0) {
            scan_fault(&scan, at, 2, STR("'{{' without a '}}' behind it"), NULL,
                       "write {{ \"{{\" }} for the two braces themselves");
            break;
        }
        scan.end = (size_t)end;
        struct template_call *call = scan_expression(&scan);
        pieces_add(compiler->arena, pieces, (struct template_piece){.expression = call});
        at = scan.end + 2;
    }
    return compiler->faults == before;
}
