/* Reading what stands after '?': logical expressions, and the type rules of RFC 9535 section 2.4.3.
 */
#include "base/jsonpath_private.h"

#include <string.h>

static struct expression *read_or(struct parser *parser);

static struct expression *expression_new(struct parser *parser, enum expression_kind kind)
{
    struct expression *expression = arena_alloc(parser->arena, sizeof *expression);
    expression->kind = kind;
    expression->offset = parser->at;
    return expression;
}

static struct expression *literal_new(struct parser *parser, size_t offset, struct json *value)
{
    struct expression *expression = expression_new(parser, EXPRESSION_LITERAL);
    expression->literal = value;
    expression->offset = offset;
    return expression;
}

static struct expression *read_string_literal(struct parser *parser)
{
    size_t from = parser->at;
    struct str text;
    if (!parser_string(parser, &text))
        return NULL;
    return literal_new(parser, from, json_string(parser->arena, text));
}

static void skip_digits(struct parser *parser)
{
    while (parser_peek(parser) >= '0' && parser_peek(parser) <= '9')
        parser->at++;
}

static struct expression *read_number_literal(struct parser *parser)
{
    size_t from = parser->at;
    parser_take(parser, "-");
    skip_digits(parser);
    if (parser_take(parser, "."))
        skip_digits(parser);
    if (parser_take(parser, "e") || parser_take(parser, "E")) {
        if (!parser_take(parser, "+"))
            parser_take(parser, "-");
        skip_digits(parser);
    }
    struct str text = str_slice(parser->text, from, parser->at - from);
    if (!number_is_valid(text))
        return parser_fail(parser, from, "'" STR_FMT "' is no number",
                           STR_ARG(str_slice(text, 0, 40)));
    return literal_new(parser, from, json_number(parser->arena, text));
}

/* Why an operand cannot be a value, or NULL. Queries must be singular, calls give a value. */
static const char *why_no_value(const struct expression *operand)
{
    if (operand->kind == EXPRESSION_QUERY && !operand->query->singular)
        return "this path may select more than one value: only names and indexes can be used here";
    if (operand->kind == EXPRESSION_CALL && operand->function->result != TYPE_VALUE)
        return "this function gives no value, it is a test by itself";
    return NULL;
}

static const char *why_no_argument(const struct expression *argument, enum value_type type)
{
    if (type == TYPE_VALUE)
        return why_no_value(argument);
    if (argument->kind == EXPRESSION_QUERY)
        return NULL;
    if (argument->kind == EXPRESSION_CALL && argument->function->result == type)
        return NULL;
    return "expected a path as argument";
}

static const char *why_no_test(const struct expression *operand)
{
    if (operand->kind == EXPRESSION_LITERAL)
        return "a literal alone is no test: compare it";
    if (operand->kind == EXPRESSION_CALL && operand->function->result == TYPE_VALUE)
        return "this function gives a value: compare it";
    return NULL;
}

static bool check_arguments(struct parser *parser, const struct expression *call)
{
    const struct function *function = call->function;
    size_t count = 0;
    for (const struct expression *each = call->operands; each; each = each->next, count++) {
        if (count >= function->parameter_count)
            continue;
        const char *why = why_no_argument(each, function->parameters[count]);
        if (why)
            return parser_fail(parser, each->offset, "%s", why);
    }
    if (count != function->parameter_count)
        return parser_fail(parser, call->offset, "%s() takes %zu argument%s, not %zu",
                           function->name, function->parameter_count,
                           function->parameter_count == 1 ? "" : "s", count);
    return true;
}

/* Compiles the pattern of match() and search() when it is a literal. */
static void prepare_regex(struct parser *parser, struct expression *call)
{
    const struct expression *pattern = call->operands->next;
    if (!call->function->takes_pattern || pattern->kind != EXPRESSION_LITERAL ||
        pattern->literal->kind != JSON_STRING)
        return;
    call->regex_is_known = true;
    call->regex = iregexp_new(pattern->literal->text);
    call->next_regex = parser->path->regexes;
    parser->path->regexes = call;
}

static struct expression *read_operand(struct parser *parser);

static bool read_arguments(struct parser *parser, struct expression *call)
{
    struct expression **last = &call->operands;
    parser_skip_blanks(parser);
    if (parser_take(parser, ")"))
        return true;
    do {
        parser_skip_blanks(parser);
        *last = read_operand(parser);
        if (!*last)
            return false;
        last = &(*last)->next;
        parser_skip_blanks(parser);
    } while (parser_take(parser, ","));
    return parser_take(parser, ")") || parser_fail(parser, parser->at, "expected ',' or ')'");
}

static void *fail_unknown_function(struct parser *parser, size_t offset, struct str name)
{
    struct nearest nearest = {.wanted = name};
    for (size_t i = 0; function_at(i); i++)
        str_nearest(&nearest, str_of(function_at(i)->name));
    struct str shown = str_slice(name, 0, 40);
    if (nearest.best.size)
        return parser_fail(parser, offset,
                           "unknown function '" STR_FMT "', did you mean '" STR_FMT "'?",
                           STR_ARG(shown), STR_ARG(nearest.best));
    return parser_fail(parser, offset, "unknown function '" STR_FMT "'", STR_ARG(shown));
}

/* A call after its name, at the '('. */
static struct expression *read_call(struct parser *parser, size_t from, struct str name)
{
    struct expression *call = expression_new(parser, EXPRESSION_CALL);
    call->offset = from;
    call->function = function_find(name);
    if (!call->function)
        return fail_unknown_function(parser, from, name);
    parser_take(parser, "(");
    if (!parser_enter(parser) || !read_arguments(parser, call) || !check_arguments(parser, call))
        return NULL;
    parser_leave(parser);
    prepare_regex(parser, call);
    return call;
}

/* true, false, null or a call. */
static struct expression *read_word(struct parser *parser)
{
    size_t from = parser->at;
    char byte = parser_peek(parser);
    while ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_') {
        parser->at++;
        byte = parser_peek(parser);
    }
    struct str word = str_slice(parser->text, from, parser->at - from);
    if (byte == '(')
        return read_call(parser, from, word);
    if (str_is(word, "true") || str_is(word, "false"))
        return literal_new(parser, from, json_bool(parser->arena, word.data[0] == 't'));
    if (str_is(word, "null"))
        return literal_new(parser, from, json_null(parser->arena));
    return parser_fail(parser, from,
                       "expected '@', '$', a function, a string in quotes, a number, true, false "
                       "or null, not '" STR_FMT "'",
                       STR_ARG(str_slice(word, 0, 40)));
}

/* A literal, a query or a call. */
static struct expression *read_operand(struct parser *parser)
{
    char byte = parser_peek(parser);
    if (byte == '\'' || byte == '"')
        return read_string_literal(parser);
    if (byte == '-' || (byte >= '0' && byte <= '9'))
        return read_number_literal(parser);
    if (byte >= 'a' && byte <= 'z')
        return read_word(parser);
    if (byte != '@' && byte != '$')
        return parser_fail(parser, parser->at,
                           "expected '@', '$', a function, a string in quotes, a number, true, "
                           "false or null");
    struct expression *expression = expression_new(parser, EXPRESSION_QUERY);
    expression->query = parser_query(parser);
    return expression->query ? expression : NULL;
}

static bool take_operator(struct parser *parser, enum comparison_operator *op)
{
    static const struct {
        const char *token;
        enum comparison_operator op;
    } operators[] = {
        /* the longer ones first */
        {"==", COMPARE_EQUAL},         {"!=", COMPARE_NOT_EQUAL},
        {"<=", COMPARE_LESS_OR_EQUAL}, {">=", COMPARE_GREATER_OR_EQUAL},
        {"<", COMPARE_LESS},           {">", COMPARE_GREATER},
    };
    for (size_t i = 0; i < COUNT_OF(operators); i++) {
        if (parser_take(parser, operators[i].token)) {
            *op = operators[i].op;
            return true;
        }
    }
    return false;
}

/* An operand that must be a value, of a comparison. */
static bool check_value(struct parser *parser, const struct expression *operand)
{
    const char *why = why_no_value(operand);
    return !why || parser_fail(parser, operand->offset, "%s", why);
}

static struct expression *read_comparison(struct parser *parser, struct expression *left,
                                          enum comparison_operator op)
{
    struct expression *comparison = expression_new(parser, EXPRESSION_COMPARISON);
    if (!check_value(parser, left))
        return NULL;
    parser_skip_blanks(parser);
    struct expression *right = read_operand(parser);
    if (!right || !check_value(parser, right))
        return NULL;
    comparison->op = op;
    comparison->operands = left;
    left->next = right;
    return comparison;
}

/* A comparison or, also after '!', a test. */
static struct expression *read_test(struct parser *parser, bool may_compare)
{
    enum comparison_operator op;
    struct expression *operand = read_operand(parser);
    if (!operand)
        return NULL;
    size_t end = parser->at;
    parser_skip_blanks(parser);
    if (take_operator(parser, &op)) {
        if (may_compare)
            return read_comparison(parser, operand, op);
        return parser_fail(parser, end, "'!' before a comparison needs parentheses");
    }
    if (parser_peek(parser) == '=')
        return parser_fail(parser, parser->at, "equality is written '=='");
    parser->at = end;
    const char *why = why_no_test(operand);
    return why ? parser_fail(parser, operand->offset, "%s", why) : operand;
}

static struct expression *read_parenthesis(struct parser *parser)
{
    if (!parser_enter(parser))
        return NULL;
    parser->at++;
    parser_skip_blanks(parser);
    struct expression *inner = read_or(parser);
    if (!inner)
        return NULL;
    parser_skip_blanks(parser);
    if (!parser_take(parser, ")"))
        return parser_fail(parser, parser->at, "expected '&&', '||' or ')'");
    parser_leave(parser);
    return inner;
}

static struct expression *read_basic(struct parser *parser)
{
    if (parser_peek(parser) == '(')
        return read_parenthesis(parser);
    if (parser_peek(parser) != '!')
        return read_test(parser, true);
    struct expression *negation = expression_new(parser, EXPRESSION_NOT);
    parser->at++;
    parser_skip_blanks(parser);
    negation->operands =
        parser_peek(parser) == '(' ? read_parenthesis(parser) : read_test(parser, false);
    return negation->operands ? negation : NULL;
}

/* Operands joined by `token`; one alone stands for itself. */
static struct expression *read_joined(struct parser *parser, enum expression_kind kind,
                                      const char *token,
                                      struct expression *(*read)(struct parser *parser))
{
    struct expression *joined = expression_new(parser, kind);
    struct expression **last = &joined->operands;
    for (;;) {
        *last = read(parser);
        if (!*last)
            return NULL;
        last = &(*last)->next;
        size_t end = parser->at;
        parser_skip_blanks(parser);
        if (!parser_take(parser, token)) {
            parser->at = end;
            return joined->operands->next ? joined : joined->operands;
        }
        parser_skip_blanks(parser);
    }
}

static struct expression *read_and(struct parser *parser)
{
    return read_joined(parser, EXPRESSION_AND, "&&", read_basic);
}

static struct expression *read_or(struct parser *parser)
{
    return read_joined(parser, EXPRESSION_OR, "||", read_and);
}

struct expression *parser_filter(struct parser *parser)
{
    return read_or(parser);
}
