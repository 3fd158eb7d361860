/* The functions of RFC 9535 section 2.4, one row each. */
#include "base/jsonpath_private.h"

#include <stdio.h>
#include <time.h>

/*
 * What regular expressions cost in steps, so that a document cannot make them run for long: each
 * use and each compilation, and the processor time that all slow ones of an evaluation may take.
 */
enum { STEPS_REGEX_MATCH = 100, STEPS_REGEX_NEW = 300 };
static const int64_t SLOW_REGEX_NS = 20 * 1000;
static const int64_t REGEX_CPU_NS = 1000 * 1000 * 1000;

static const struct json *number_of(size_t value, struct operand *room)
{
    int size = snprintf(room->digits, sizeof room->digits, "%zu", value);
    room->made = (struct json){.kind = JSON_NUMBER, .text = {room->digits, (size_t)size}};
    return &room->made;
}

static const struct json *length_value(struct evaluation *evaluation, const struct expression *call,
                                       const struct json *current, struct operand *room)
{
    const struct json *value = evaluation_value(evaluation, call->operands, current, room);
    if (!value)
        return NULL;
    if (value->kind == JSON_ARRAY || value->kind == JSON_OBJECT)
        return number_of(value->count, room);
    if (value->kind != JSON_STRING || !evaluation_spend(evaluation, value->text.size / 16))
        return NULL;
    return number_of(str_characters(value->text), room);
}

static const struct json *count_value(struct evaluation *evaluation, const struct expression *call,
                                      const struct json *current, struct operand *room)
{
    const struct query *query = call->operands->query;
    return number_of(evaluation_count(evaluation, query, current, SIZE_MAX).count, room);
}

static const struct json *value_value(struct evaluation *evaluation, const struct expression *call,
                                      const struct json *current, struct operand *room)
{
    struct memo found = evaluation_count(evaluation, call->operands->query, current, 2);
    (void)room;
    return found.count == 1 ? found.first : NULL;
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Cuts the evaluation once its slow regular expressions have used up their processor time. */
static void spend_regex_time(struct evaluation *evaluation, int64_t started_ns)
{
    int64_t took = clock_ns(CLOCK_MONOTONIC) - started_ns;
    if (took < SLOW_REGEX_NS)
        return;
    int64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    if (evaluation->regex_cpu_ns == 0)
        evaluation->regex_cpu_ns = cpu > took ? cpu - took : 1;
    if (cpu - evaluation->regex_cpu_ns > REGEX_CPU_NS)
        evaluation_spend(evaluation, SIZE_MAX);
}

/* The compiled form of a pattern that is no literal; the last one is kept. */
static const struct regex *regex_of(struct evaluation *evaluation, struct str pattern)
{
    if (evaluation->has_pattern && str_equal(evaluation->pattern, pattern))
        return evaluation->regex;
    regex_free(evaluation->regex);
    evaluation->regex = NULL;
    evaluation->has_pattern = false;
    if (!evaluation_spend(evaluation, STEPS_REGEX_NEW + pattern.size))
        return NULL;
    evaluation->regex = iregexp_new(pattern);
    evaluation->pattern = pattern;
    evaluation->has_pattern = true;
    return evaluation->regex;
}

static bool apply_regex(struct evaluation *evaluation, const struct expression *call,
                        const struct json *current, bool whole)
{
    struct operand rooms[2];
    const struct expression *second = call->operands->next;
    const struct json *text = evaluation_value(evaluation, call->operands, current, &rooms[0]);
    const struct json *pattern = evaluation_value(evaluation, second, current, &rooms[1]);
    if (!text || !pattern || text->kind != JSON_STRING || pattern->kind != JSON_STRING)
        return false;
    if (!evaluation_spend(evaluation, STEPS_REGEX_MATCH + text->text.size / 16))
        return false;
    int64_t started_ns = clock_ns(CLOCK_MONOTONIC);
    const struct regex *regex =
        call->regex_is_known ? call->regex : regex_of(evaluation, pattern->text);
    int found = 0;
    if (regex)
        found = whole ? regex_matches_whole(regex, text->text)
                      : regex_search(regex, text->text, 0, NULL, 0);
    spend_regex_time(evaluation, started_ns);
    if (found < 0) /* the match limits: what it would have said is not known */
        evaluation->cut = true;
    return found > 0;
}

static bool match_holds(struct evaluation *evaluation, const struct expression *call,
                        const struct json *current)
{
    return apply_regex(evaluation, call, current, true);
}

static bool search_holds(struct evaluation *evaluation, const struct expression *call,
                         const struct json *current)
{
    return apply_regex(evaluation, call, current, false);
}

static const struct function functions[] = {
    {.name = "length",
     .result = TYPE_VALUE,
     .parameter_count = 1,
     .parameters = {TYPE_VALUE},
     .value = length_value,
     .doc = "characters of a string, elements of an array, members of an object"},
    {.name = "count",
     .result = TYPE_VALUE,
     .parameter_count = 1,
     .parameters = {TYPE_NODES},
     .value = count_value,
     .doc = "how many nodes a query selects"},
    {.name = "match",
     .result = TYPE_LOGICAL,
     .parameter_count = 2,
     .parameters = {TYPE_VALUE, TYPE_VALUE},
     .holds = match_holds,
     .takes_pattern = true,
     .doc = "whether an I-Regexp (RFC 9485) matches the whole of a string"},
    {.name = "search",
     .result = TYPE_LOGICAL,
     .parameter_count = 2,
     .parameters = {TYPE_VALUE, TYPE_VALUE},
     .holds = search_holds,
     .takes_pattern = true,
     .doc = "whether an I-Regexp matches somewhere in a string"},
    {.name = "value",
     .result = TYPE_VALUE,
     .parameter_count = 1,
     .parameters = {TYPE_NODES},
     .value = value_value,
     .doc = "the value of the one node a query selects; nothing if there are more or none"},
};

const struct function *function_find(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(functions); i++) {
        if (str_is(name, functions[i].name))
            return &functions[i];
    }
    return NULL;
}

const struct function *function_at(size_t index)
{
    return index < COUNT_OF(functions) ? &functions[index] : NULL;
}
