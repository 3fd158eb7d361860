#include "schema/tree_syntax.h"

#include "schema/tree.h"

#include <string.h>

/** The characters YAML allows in a text (1.2, section 5.1). */
static bool is_printable(uint32_t code)
{
    return code == '\t' || code == '\n' || code == '\r' || (code >= 0x20 && code <= 0x7e) ||
           code == 0x85 || (code >= 0xa0 && code <= 0xd7ff) || (code >= 0xe000 && code <= 0xfffd) ||
           code >= 0x10000;
}

static void add_bad_byte(const struct cursor *cursor, const struct source *source,
                         struct diagnostics *diagnostics)
{
    struct place place = cursor_place(cursor, source);
    unsigned byte = (unsigned char)cursor->text.data[cursor->byte];
    diagnostics_add(diagnostics, place, "the byte 0x%02x is not UTF-8", byte);
    if (byte >= 0xfe && cursor->byte == 0)
        diagnostics_help(diagnostics, "the file looks like UTF-16: save it as UTF-8");
}

/**
 * Checks the character at the cursor, of `size` bytes; 0 if it is none. %TAG is refused here and
 * not by its event: libyaml takes quadratic time for many of them, all within one event.
 */
static bool check_character(const struct cursor *cursor, size_t size, uint32_t code,
                            const struct source *source, struct diagnostics *diagnostics)
{
    if (size == 0) {
        add_bad_byte(cursor, source, diagnostics);
        return false;
    }
    if (!is_printable(code)) {
        diagnostics_add(diagnostics, cursor_place(cursor, source),
                        "the control character U+%04X cannot stand in a spec", code);
        diagnostics_help(diagnostics, "in double quotes it is written \"\\x%02x\"", code);
        return false;
    }
    if (code == '%' && cursor->index == cursor->line_index &&
        str_starts(str_from(cursor->text, cursor->byte), STR("%TAG"))) {
        struct place place = cursor_place(cursor, source);
        place.width = 4;
        diagnostics_add(diagnostics, place, "tags are not supported");
        diagnostics_help(diagnostics, "leave the line out");
        return false;
    }
    return true;
}

bool tree_check_bytes(const struct source *source, struct str text, struct diagnostics *diagnostics)
{
    struct cursor cursor = cursor_at_start(text);
    if (source->text.size > TREE_FILE_SIZE) {
        diagnostics_add(diagnostics, (struct place){.source = source},
                        "the file is larger than %d MiB", TREE_FILE_SIZE / (1024 * 1024));
        return false;
    }
    while (cursor.byte < text.size) {
        uint32_t code = (unsigned char)text.data[cursor.byte];
        size_t size = code < 0x80 ? 1 : str_decode(str_from(text, cursor.byte), &code);
        if (!check_character(&cursor, size, code, source, diagnostics))
            return false;
        cursor.byte += size;
        cursor.index++;
        if (code == '\n') {
            cursor.line++;
            cursor.line_index = cursor.index;
        }
    }
    return true;
}

/** An error of libyaml over the text it is about. */
struct fault {
    struct str text;
    const char *problem;
    const char *context; /**< never NULL */
    size_t at;           /**< the byte of the problem */
    size_t context_at;   /**< the byte where the context began; `at` if there is none */
};

/** The byte at an offset of the text; a line end beyond both ends. */
static char fault_byte(const struct fault *fault, size_t at)
{
    return at < fault->text.size ? fault->text.data[at] : '\n';
}

/** The last byte before the problem on its line that is no blank; 0 if there is none. */
static char fault_byte_before(const struct fault *fault)
{
    for (size_t at = fault->at; at > 0; at--) {
        char byte = fault->text.data[at - 1];
        if (byte == '\n')
            return 0;
        if (byte != ' ' && byte != '\t')
            return byte;
    }
    return 0;
}

static size_t fault_line_start(const struct fault *fault)
{
    size_t at = fault->at;
    while (at > 0 && fault->text.data[at - 1] != '\n')
        at--;
    return at;
}

/** What stands before the problem on its line. */
static struct str fault_line_part(const struct fault *fault)
{
    size_t from = fault_line_start(fault);
    return str_slice(fault->text, from, fault->at - from);
}

static bool is_after_quote(const struct fault *fault)
{
    char before = fault_byte_before(fault);
    return before == '"' || before == '\'';
}

static bool is_after_bracket(const struct fault *fault)
{
    char before = fault_byte_before(fault);
    return before == '}' || before == ']';
}

/** A second `: ` after one on the same line. */
static bool is_second_colon(const struct fault *fault)
{
    return fault_byte(fault, fault->at) == ':' && str_find(fault_line_part(fault), STR(": ")) >= 0;
}

static bool is_first_on_line(const struct fault *fault)
{
    return fault_byte_before(fault) == 0;
}

/** The first `:` of a line below the one where the context began. */
static bool is_key_below(const struct fault *fault)
{
    return fault_byte(fault, fault->at) == ':' && fault->context_at < fault_line_start(fault) &&
           str_find(fault_line_part(fault), STR(": ")) < 0;
}

/** Whether a comment stands between the start of the context and the problem. */
static bool has_comment(const struct fault *fault)
{
    return fault->context_at < fault->at &&
           str_find(str_slice(fault->text, fault->context_at, fault->at - fault->context_at),
                    STR(" #")) >= 0;
}

/** One kind of mistake: how to know it, and what to say. */
struct trap {
    const char *problem;                     /**< a part of libyaml's words; NULL: any */
    const char *context;                     /**< the same; NULL: any */
    const char *bytes;                       /**< one of them stands at the problem; NULL: any */
    bool (*when)(const struct fault *fault); /**< NULL: always */
    bool at_context;                         /**< the place to show is where the context began */
    const char *message;
    const char *help; /**< NULL: none */
};

#define QUOTE_ALL "put the whole text into quotes; in '…' a ' is written ''"
#define INDENTED "is this line indented like the others of its list or mapping?"

/** The first that fits is told. */
static const struct trap traps[] = {
    {"cannot start any token", NULL, "\t", NULL, false, "a tab in the indentation",
     "indent with blanks"},
    {"found a tab character", NULL, NULL, NULL, false, "a tab in the indentation",
     "indent with blanks"},
    {"cannot start any token", NULL, NULL, NULL, false,
     "unquoted text cannot begin with this character", "put the text into quotes"},
    {"unexpected end of stream", "quoted scalar", NULL, NULL, true,
     "the quote that begins here is never closed", NULL},
    {"unexpected document indicator", "quoted scalar", NULL, NULL, true,
     "the quote that begins here is not closed before the document ends", NULL},
    {"unknown escape", NULL, NULL, NULL, false, "an unknown escape in double quotes",
     "write \\\\ for a backslash, or use single quotes"},
    {"hexdecimal number", "quoted scalar", NULL, NULL, false,
     "an escape that lacks hexadecimal digits", "write \\\\ for a backslash, or use single quotes"},
    {"invalid Unicode character escape", NULL, NULL, NULL, false, "an escape of no character",
     "write the character itself, or \\U with eight digits instead of two \\u"},
    {"alphabetic or numeric", "an alias", NULL, NULL, true, "'*' begins an alias, and this is none",
     "text that begins with '*' needs quotes"},
    {"alphabetic or numeric", "an anchor", NULL, NULL, true,
     "'&' begins an anchor, and this is none", "text that begins with '&' needs quotes"},
    {NULL, "a tag", NULL, NULL, true, "'!' begins a tag, and this is none",
     "text that begins with '!' needs quotes"},
    {"undefined tag handle", NULL, NULL, NULL, false, "tags are not supported",
     "text that begins with '!' needs quotes"},
    {"comment or line break", "block scalar", NULL, NULL, false,
     "the text of '|' or '>' begins on the next line",
     "text that begins with '|' or '>' needs quotes"},
    {NULL, "directive", NULL, NULL, true, "a '%' at the start of a line begins a directive",
     "text that begins with '%' needs quotes"},
    {"incompatible YAML", NULL, NULL, NULL, false, "the file says it is neither YAML 1.1 nor 1.2",
     NULL},
    {"could not find expected ':'", NULL, NULL, NULL, true, "this key has no ':' after it",
     "text of several lines needs quotes, or '|' before it"},
    {"mapping values are not allowed", NULL, NULL, is_after_quote, false,
     "text goes on after its closing quote", QUOTE_ALL},
    {"mapping values are not allowed", NULL, NULL, is_second_colon, false,
     "a second ': ' in one value", TREE_HINT_QUOTES},
    {"mapping values are not allowed", NULL, NULL, NULL, false, "a mapping cannot begin here",
     "is this line indented too far, or does the line above lack its ':'?"},
    {"block sequence entries are not allowed", NULL, NULL, NULL, false,
     "a list item cannot begin here",
     "'- ' begins a line of its own; text that begins with '- ' needs quotes"},
    {"mapping keys are not allowed", NULL, NULL, NULL, false, "a key cannot begin here",
     "text that begins with '? ' needs quotes"},
    {"',' or", "flow", ":", is_key_below, false,
     "expected ',' or a closing bracket before this key", "it is missing on the line above"},
    {"',' or", "flow", "{", NULL, false, "a brace in unquoted text", TREE_HINT_QUOTES},
    {"',' or", "flow", ":", NULL, false, "a second ': ' in one value", TREE_HINT_QUOTES},
    {"',' or", "flow", NULL, is_after_quote, false, "text goes on after its closing quote",
     QUOTE_ALL},
    {"',' or", "flow", NULL, is_after_bracket, false, "text goes on after a closing bracket",
     TREE_HINT_QUOTES},
    {"',' or '}'", "flow", NULL, has_comment, true,
     "this '{' is never closed: a comment follows it", TREE_HINT_QUOTES},
    {"',' or ']'", "flow", NULL, has_comment, true,
     "this '[' is never closed: a comment follows it", TREE_HINT_QUOTES},
    {"',' or '}'", "flow", "\n", NULL, true, "this '{' is never closed", NULL},
    {"',' or ']'", "flow", "\n", NULL, true, "this '[' is never closed", NULL},
    {"',' or '}'", "flow", NULL, NULL, false, "expected ',' or '}'", TREE_HINT_QUOTES},
    {"',' or ']'", "flow", NULL, NULL, false, "expected ',' or ']'", TREE_HINT_QUOTES},
    {"node content", NULL, ":", NULL, false, "a key is missing before ':'",
     "text that begins with ':' needs quotes"},
    {"node content", NULL, ",[]{}", NULL, false, "a value is missing here",
     "text that begins with ',', '[', ']', '{' or '}' needs quotes"},
    {"node content", NULL, NULL, NULL, false, "a value is missing here", NULL},
    {"did not find expected", "block", NULL, is_after_quote, false,
     "text goes on after its closing quote", QUOTE_ALL},
    {"did not find expected", "block", NULL, is_after_bracket, false,
     "text goes on after a closing bracket", TREE_HINT_QUOTES},
    {"did not find expected key", NULL, "-", is_first_on_line, false,
     "expected a key here, not a list item", INDENTED},
    {"did not find expected key", NULL, NULL, NULL, false, "expected a key here", INDENTED},
    {"expected '-'", NULL, NULL, NULL, false, "expected '- ' here, as a list is under way",
     INDENTED},
    {"<document start>", NULL, NULL, NULL, false, "text after the end of the document",
     "a new document begins with a line '---'"},
};

static bool trap_fits(const struct trap *trap, const struct fault *fault)
{
    char byte = fault_byte(fault, fault->at);
    return (!trap->problem || strstr(fault->problem, trap->problem)) &&
           (!trap->context || strstr(fault->context, trap->context)) &&
           (!trap->bytes || (byte && strchr(trap->bytes, byte))) &&
           (!trap->when || trap->when(fault));
}

static const struct trap *trap_find(const struct fault *fault)
{
    for (size_t i = 0; i < COUNT_OF(traps); i++) {
        if (trap_fits(&traps[i], fault))
            return &traps[i];
    }
    return NULL;
}

void tree_syntax_error(const yaml_parser_t *parser, struct cursor *cursor,
                       const struct source *source, struct diagnostics *diagnostics)
{
    struct fault fault = {cursor->text, parser->problem ? parser->problem : "unknown error",
                          parser->context ? parser->context : "", 0, 0};
    if (parser->error != YAML_SCANNER_ERROR && parser->error != YAML_PARSER_ERROR) {
        diagnostics_add(diagnostics, (struct place){.source = source},
                        "the file cannot be read: %s", fault.problem);
        return;
    }
    struct cursor context = *cursor;
    cursor_move(cursor, parser->problem_mark.index);
    fault.at = cursor->byte;
    cursor_move(&context,
                parser->context ? parser->context_mark.index : parser->problem_mark.index);
    fault.context_at = context.byte;
    const struct trap *trap = trap_find(&fault);
    if (!trap) {
        diagnostics_add(diagnostics, cursor_place(cursor, source), "%s %s", fault.problem,
                        fault.context);
        return;
    }
    struct place place = cursor_place(trap->at_context ? &context : cursor, source);
    diagnostics_add(diagnostics, place, "%s", trap->message);
    if (trap->help)
        diagnostics_help(diagnostics, "%s", trap->help);
}
