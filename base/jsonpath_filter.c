/* Whether a filter holds for a node (RFC 9535 section 2.3.5.2). */
#include "base/json_private.h"
#include "base/jsonpath_private.h"

const struct json *evaluation_value(struct evaluation *evaluation,
                                    const struct expression *expression, const struct json *current,
                                    struct operand *room)
{
    if (expression->kind == EXPRESSION_LITERAL)
        return expression->literal;
    if (expression->kind == EXPRESSION_QUERY)
        return evaluation_single(evaluation, expression->query, current);
    return expression->function->value(evaluation, expression, current, room);
}

static bool is_equal(struct evaluation *evaluation, const struct json *a, const struct json *b)
{
    if (!a || !b)
        return !a && !b;
    bool equal = json_equal_within(a, b, &evaluation->steps);
    if (evaluation->steps == 0)
        evaluation->cut = true;
    return equal;
}

static bool is_less(struct evaluation *evaluation, const struct json *a, const struct json *b)
{
    bool ordered = true;
    int order = 0;
    if (!a || !b || a->kind != b->kind)
        return false;
    if (!evaluation_spend(evaluation, (a->text.size + b->text.size) / 64))
        return false;
    if (a->kind == JSON_NUMBER)
        order = number_compare(a->text, b->text, &ordered);
    else if (a->kind == JSON_STRING) /* UTF-8 sorts by bytes as its code points do */
        order = str_compare(a->text, b->text);
    return ordered && order < 0;
}

static bool compare_values(struct evaluation *evaluation, enum comparison_operator op,
                           const struct json *a, const struct json *b)
{
    switch (op) {
    case COMPARE_EQUAL:
        return is_equal(evaluation, a, b);
    case COMPARE_NOT_EQUAL:
        return !is_equal(evaluation, a, b);
    case COMPARE_LESS:
        return is_less(evaluation, a, b);
    case COMPARE_LESS_OR_EQUAL:
        return is_less(evaluation, a, b) || is_equal(evaluation, a, b);
    case COMPARE_GREATER:
        return is_less(evaluation, b, a);
    case COMPARE_GREATER_OR_EQUAL:
        return is_less(evaluation, b, a) || is_equal(evaluation, a, b);
    }
    return false;
}

static bool compare_operands(struct evaluation *evaluation, const struct expression *comparison,
                             const struct json *current)
{
    struct operand rooms[2];
    const struct expression *second = comparison->operands->next;
    const struct json *a = evaluation_value(evaluation, comparison->operands, current, &rooms[0]);
    const struct json *b = evaluation_value(evaluation, second, current, &rooms[1]);
    return compare_values(evaluation, comparison->op, a, b);
}

/* All operands of an "and", or one of an "or". */
static bool test_operands(struct evaluation *evaluation, const struct expression *expression,
                          const struct json *current)
{
    bool decisive = expression->kind == EXPRESSION_OR;
    for (const struct expression *each = expression->operands; each; each = each->next) {
        if (evaluation_test(evaluation, each, current) == decisive)
            return decisive;
    }
    return !decisive;
}

bool evaluation_test(struct evaluation *evaluation, const struct expression *expression,
                     const struct json *current)
{
    if (!evaluation_spend(evaluation, 1))
        return false;
    switch (expression->kind) {
    case EXPRESSION_OR:
    case EXPRESSION_AND:
        return test_operands(evaluation, expression, current);
    case EXPRESSION_NOT:
        return !evaluation_test(evaluation, expression->operands, current);
    case EXPRESSION_COMPARISON:
        return compare_operands(evaluation, expression, current);
    case EXPRESSION_QUERY:
        return evaluation_count(evaluation, expression->query, current, 1).count > 0;
    case EXPRESSION_CALL:
        return expression->function->holds(evaluation, expression, current);
    case EXPRESSION_LITERAL:
        break;
    }
    return false;
}
