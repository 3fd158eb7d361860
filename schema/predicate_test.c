/* Trying a predicate on a value. */
#include "schema/predicate_private.h"

#include <string.h>

static enum outcome outcome_of(bool holds)
{
    return holds ? HOLDS : FAILS;
}

/** The worse of two: what a predicate cannot take stays so whatever stands beside it. */
static enum outcome outcome_worse(enum outcome a, enum outcome b)
{
    return a > b ? a : b;
}

static enum outcome too_hard(struct trial *trial)
{
    return trial_cannot(trial, "the pattern takes too long on this text and was given up");
}

static enum outcome searched(struct trial *trial, const struct regex *regex, struct str text)
{
    int found = regex_search(regex, text, 0, NULL, 0);
    return found < 0 ? too_hard(trial) : outcome_of(found == 1);
}

/** The text that a text predicate takes; CANNOT with a note otherwise. */
static enum outcome text_of(struct trial *trial, const struct test *test, const struct json *value,
                            struct str *text)
{
    if (value->kind != JSON_STRING)
        return trial_cannot(trial, "'%s' needs a text; this is %s", test->row->name,
                            json_kind_words(value));
    *text = value->text;
    return HOLDS;
}

/* The predicates */

/** A list literal of a text subject against a list, or a text that counts as a list of one. */
static enum outcome list_equals(struct trial *trial, const struct test *test,
                                const struct json *value)
{
    bool one = value->kind != JSON_ARRAY;
    if (one && test->kind->single)
        return FAILS;
    if ((one ? 1 : value->count) != test->count)
        return FAILS;
    enum outcome outcome = HOLDS;
    for (size_t i = 0; i < test->count; i++)
        outcome = outcome_worse(outcome, literal_equals(trial, test, &test->literals[i],
                                                        one ? value : value->elements[i]));
    return outcome;
}

enum outcome test_equals(struct trial *trial, const struct test *test, const struct json *value)
{
    return test->list ? list_equals(trial, test, value)
                      : literal_equals(trial, test, &test->literals[0], value);
}

enum outcome test_in(struct trial *trial, const struct test *test, const struct json *value)
{
    enum outcome outcome = FAILS;
    for (size_t i = 0; i < test->count; i++) {
        enum outcome one = literal_equals(trial, test, &test->literals[i], value);
        if (one == HOLDS)
            return HOLDS;
        outcome = outcome_worse(outcome, one);
    }
    return outcome;
}

enum outcome test_not(struct trial *trial, const struct test *test, const struct json *value)
{
    struct trial inner = {
        .arena = trial->arena, .explain = trial->explain, .negated = !trial->negated};
    enum outcome outcome = predicate_run(&inner, test->inner, value);
    trial->note = outcome == CANNOT ? inner.note : STR("");
    return outcome == CANNOT ? CANNOT : outcome_of(outcome == FAILS);
}

static enum outcome list_contains(struct trial *trial, const struct test *test,
                                  const struct json *list)
{
    enum outcome outcome = FAILS;
    for (size_t i = 0; i < list->count; i++) {
        enum outcome one = literal_equals(trial, test, &test->literals[0], list->elements[i]);
        if (one == HOLDS)
            return HOLDS;
        outcome = outcome_worse(outcome, one);
    }
    return outcome;
}

enum outcome test_contains(struct trial *trial, const struct test *test, const struct json *value)
{
    const struct literal *literal = &test->literals[0];
    if (value->kind == JSON_ARRAY)
        return list_contains(trial, test, value);
    if (value->kind != JSON_STRING)
        return trial_cannot(trial, "'contains' needs a text or a list; this is %s",
                            json_kind_words(value));
    if (literal->regex)
        return searched(trial, literal->regex, value->text);
    if (literal->value->kind != JSON_STRING)
        return trial_cannot(trial, "a text cannot contain %s; in quotes it would be a text",
                            json_kind_words(literal->value));
    return outcome_of(str_find(value->text, literal->value->text) >= 0);
}

enum outcome test_starts_with(struct trial *trial, const struct test *test,
                              const struct json *value)
{
    const struct literal *literal = &test->literals[0];
    struct str text = STR("");
    enum outcome outcome = text_of(trial, test, value, &text);
    if (outcome != HOLDS)
        return outcome;
    return literal->regex ? searched(trial, literal->regex, text)
                          : outcome_of(str_starts(text, literal->value->text));
}

static enum outcome text_ends_with(struct trial *trial, const struct literal *literal,
                                   struct str text)
{
    return literal->regex ? searched(trial, literal->regex, text)
                          : outcome_of(str_ends(text, literal->value->text));
}

enum outcome test_ends_with(struct trial *trial, const struct test *test, const struct json *value)
{
    struct str text = STR("");
    enum outcome outcome = text_of(trial, test, value, &text);
    if (outcome == HOLDS)
        outcome = text_ends_with(trial, &test->literals[0], text);
    if (outcome == FAILS && test->kind->output)
        outcome = text_ends_with(trial, &test->literals[0], text_without_newline(text));
    return outcome;
}

enum outcome test_matches(struct trial *trial, const struct test *test, const struct json *value)
{
    struct str text = STR("");
    enum outcome outcome = text_of(trial, test, value, &text);
    return outcome == HOLDS ? searched(trial, test->regex, text) : outcome;
}

enum outcome test_exists(struct trial *trial, const struct test *test, const struct json *value)
{
    (void)trial;
    return outcome_of(test->flag == (value != NULL));
}

enum outcome test_empty(struct trial *trial, const struct test *test, const struct json *value)
{
    bool text = value->kind == JSON_STRING;
    if (!text && value->kind != JSON_ARRAY && value->kind != JSON_OBJECT)
        return trial_cannot(trial, "'empty' needs a text, a list or an object; this is %s",
                            json_kind_words(value));
    return outcome_of(test->flag == ((text ? value->text.size : value->count) == 0));
}

enum outcome test_type(struct trial *trial, const struct test *test, const struct json *value)
{
    (void)trial;
    struct str expected = test->literals[0].value->text;
    if (str_is(expected, "number"))
        return outcome_of(value->kind == JSON_NUMBER);
    return outcome_of(str_is(expected, json_type_name(value)));
}

enum outcome test_count(struct trial *trial, const struct test *test, const struct json *value)
{
    bool list = value->kind == JSON_ARRAY;
    if (!list && value->kind != JSON_STRING)
        return trial_cannot(trial, "'count' needs a list or a text; this is %s",
                            json_kind_words(value));
    bool bytes = !list && !str_is_utf8(value->text, NULL);
    const char *unit = list ? "member" : bytes ? "byte" : "character";
    size_t count = list    ? value->count
                   : bytes ? value->text.size
                           : str_characters(value->text);
    struct trial inner = {
        .arena = trial->arena, .explain = trial->explain, .negated = trial->negated};
    enum outcome outcome =
        predicate_run(&inner, test->inner, json_integer(trial->arena, (int64_t)count));
    if (outcome != HOLDS)
        trial->place = inner.place;
    if (outcome == CANNOT)
        trial->note = inner.note;
    else
        trial_note(trial, "it has %zu %s%s", count, unit, count == 1 ? "" : "s");
    return outcome;
}

/** Whether the order of a value and the i-th literal is one of those allowed. */
static enum outcome ordered(struct trial *trial, const struct test *test, size_t i,
                            const struct json *value, bool below, bool equal, bool above)
{
    int order = ORDER_NONE;
    enum outcome outcome = literal_compare(trial, test, &test->literals[i], value, &order);
    if (outcome != HOLDS)
        return outcome;
    if (order == ORDER_NONE)
        return FAILS;
    return outcome_of(order < 0 ? below : order == 0 ? equal : above);
}

enum outcome test_above(struct trial *trial, const struct test *test, const struct json *value)
{
    return ordered(trial, test, 0, value, false, false, true);
}

enum outcome test_below(struct trial *trial, const struct test *test, const struct json *value)
{
    return ordered(trial, test, 0, value, true, false, false);
}

enum outcome test_at_least(struct trial *trial, const struct test *test, const struct json *value)
{
    return ordered(trial, test, 0, value, false, true, true);
}

enum outcome test_at_most(struct trial *trial, const struct test *test, const struct json *value)
{
    return ordered(trial, test, 0, value, true, true, false);
}

enum outcome test_between(struct trial *trial, const struct test *test, const struct json *value)
{
    return outcome_worse(ordered(trial, test, 0, value, false, true, true),
                         ordered(trial, test, 1, value, true, true, false));
}

/** What trying the inner predicate on each member came to. */
struct tally {
    size_t count;
    size_t held;
    size_t unfit;
    size_t first;       /**< the member that decides: the first that did not hold, or that held */
    struct trial inner; /**< of that member */
};

/** Tries the members of a list; `stop` is the outcome whose first member is kept. */
static enum outcome members_run(struct trial *trial, const struct test *test,
                                const struct json *value, bool keep_holding, struct tally *tally)
{
    bool one =
        value->kind == JSON_STRING && test->kind->subject == SUBJECT_TEXT && !test->kind->single;
    *tally = (struct tally){.count = one ? 1 : value->count};
    if (!one && value->kind != JSON_ARRAY)
        return trial_cannot(trial, "'%s' needs a list; this is %s", test->row->name,
                            json_kind_words(value));
    bool kept = false;
    for (size_t i = 0; i < tally->count; i++) {
        struct trial inner = {
            .arena = trial->arena, .explain = trial->explain, .negated = trial->negated};
        enum outcome outcome = predicate_run(&inner, test->inner, one ? value : value->elements[i]);
        tally->held += outcome == HOLDS;
        tally->unfit += outcome == CANNOT;
        bool decides = keep_holding ? outcome == HOLDS : outcome != HOLDS;
        if (decides && !kept) {
            kept = true;
            tally->first = i;
            tally->inner = inner;
        }
    }
    return HOLDS;
}

/** Says which member of a list decided. */
static void member_note(struct trial *trial, const struct tally *tally, const struct json *value)
{
    if (!trial->explain)
        return;
    const struct json *member = value->kind == JSON_ARRAY ? value->elements[tally->first] : value;
    struct buf shown;
    buf_init(&shown, BUF_OWN);
    show_value(type_predicate_json.extra, member, &shown);
    bool more = tally->inner.note.size != 0;
    trial_note(trial, "member %zu is " STR_FMT "%s" STR_FMT, tally->first + 1,
               STR_ARG(buf_str(&shown)), more ? ": " : "", STR_ARG(tally->inner.note));
    buf_clear(&shown);
}

enum outcome test_each(struct trial *trial, const struct test *test, const struct json *value)
{
    struct tally tally;
    enum outcome outcome = members_run(trial, test, value, false, &tally);
    if (outcome != HOLDS || tally.held == tally.count)
        return outcome;
    trial->place = tally.inner.place;
    member_note(trial, &tally, value);
    return tally.unfit ? CANNOT : FAILS;
}

enum outcome test_any(struct trial *trial, const struct test *test, const struct json *value)
{
    struct tally tally;
    enum outcome outcome = members_run(trial, test, value, false, &tally);
    if (outcome != HOLDS || tally.held)
        return outcome;
    if (tally.unfit)
        member_note(trial, &tally, value);
    return tally.unfit ? CANNOT : FAILS;
}

enum outcome test_none(struct trial *trial, const struct test *test, const struct json *value)
{
    struct tally tally;
    enum outcome outcome = members_run(trial, test, value, true, &tally);
    if (outcome != HOLDS)
        return outcome;
    if (tally.held) {
        member_note(trial, &tally, value);
        return FAILS;
    }
    if (tally.unfit) {
        (void)members_run(trial, test, value, false, &tally);
        member_note(trial, &tally, value);
        return CANNOT;
    }
    return HOLDS;
}

/* All predicates of a mapping */

/** Keeps which test did not hold: the first; below `not` rather the first that cannot. */
static void trial_keep(struct trial *trial, const struct test *test, const struct trial *one,
                       enum outcome outcome, enum outcome before)
{
    bool first = before == HOLDS;
    bool instead = trial->negated && outcome == CANNOT && before == FAILS;
    if (outcome == HOLDS || (!first && !instead))
        return;
    trial->failed = test;
    trial->place = one->place;
    trial->note = one->note;
}

/** Tries one predicate of a mapping, and keeps why it did not hold. */
static enum outcome test_run(struct trial *trial, const struct test *test, const struct json *value,
                             enum outcome before)
{
    struct trial one = {.arena = trial->arena,
                        .explain = trial->explain,
                        .negated = trial->negated,
                        .place = test->place};
    bool missing_allowed = test->row->test == test_exists || test->row->test == test_not;
    enum outcome outcome = CANNOT;
    if (value || missing_allowed)
        outcome = test->row->test(&one, test, value);
    trial_keep(trial, test, &one, outcome, before);
    return outcome_worse(before, outcome);
}

/** Whether a test judges a list itself, where the others judge one of its values. */
static bool takes_list(const struct test *test, const struct json *list)
{
    bool empty = test->row->test == test_empty && list->count == 0;
    return test->list || empty || (test->row->flags & (PREDICATE_LIST | PREDICATE_WHOLE));
}

/** All scalar predicates of a mapping on one value of several. */
static enum outcome scalars_run(struct trial *trial, const struct predicate *predicate,
                                const struct json *list, const struct json *value)
{
    enum outcome outcome = HOLDS;
    for (size_t i = 0; i < predicate->count; i++)
        if (!takes_list(&predicate->tests[i], list))
            outcome = test_run(trial, &predicate->tests[i], value, outcome);
    return outcome;
}

/** The scalar predicates of a mapping on a header that came several times: one value has to do. */
static enum outcome several_scalars_run(struct trial *trial, const struct predicate *predicate,
                                        const struct json *list, size_t scalars)
{
    struct trial first = {0};
    enum outcome outcome = FAILS;
    for (size_t i = 0; i < list->count; i++) {
        struct trial one = {
            .arena = trial->arena, .explain = trial->explain, .negated = trial->negated};
        enum outcome this = scalars_run(&one, predicate, list, list->elements[i]);
        if (this == HOLDS)
            return HOLDS;
        if (i == 0 || (this == CANNOT && outcome == FAILS))
            first = one;
        outcome = outcome_worse(outcome, this);
    }
    if (!list->count)
        (void)scalars_run(&first, predicate, list, NULL);
    *trial = (struct trial){.arena = trial->arena,
                            .explain = trial->explain,
                            .negated = trial->negated,
                            .failed = first.failed,
                            .place = first.place,
                            .note = first.note};
    if (scalars > 1 && list->count > 1 && outcome == FAILS)
        trial_note(trial, "no single one of the %zu values fulfils all of them", list->count);
    return list->count ? outcome : CANNOT;
}

/** A header that came several times. */
static enum outcome several_run(struct trial *trial, const struct predicate *predicate,
                                const struct json *list)
{
    enum outcome outcome = HOLDS;
    size_t scalars = 0;
    for (size_t i = 0; i < predicate->count; i++) {
        if (takes_list(&predicate->tests[i], list))
            outcome = test_run(trial, &predicate->tests[i], list, outcome);
        else
            scalars++;
    }
    if (!scalars)
        return outcome;
    struct trial one = {
        .arena = trial->arena, .explain = trial->explain, .negated = trial->negated};
    enum outcome of_scalars = several_scalars_run(&one, predicate, list, scalars);
    trial_keep(trial, one.failed, &one, of_scalars, outcome);
    return outcome_worse(outcome, of_scalars);
}

/** What a predicate on the nodes of an XPath sees: the list, the text of the only one, or nothing.
 */
static const struct json *nodes_value(const struct test *test, const struct json *list)
{
    if (test->row->test == test_exists)
        return list->count ? list : NULL;
    if (test->list || (test->row->flags & PREDICATE_LIST) || test->row->test == test_not)
        return list;
    if (list->count == 0)
        return test->row->test == test_empty ? list : NULL;
    return list->count == 1 ? list->elements[0] : list;
}

enum outcome predicate_run(struct trial *trial, const struct predicate *predicate,
                           const struct json *value)
{
    const struct kind *kind = predicate->kind;
    bool list = value && value->kind == JSON_ARRAY;
    bool several = kind->subject == SUBJECT_TEXT || kind->subject == SUBJECT_CHOICE;
    if (list && several && !kind->nodes)
        return several_run(trial, predicate, value);
    enum outcome outcome = HOLDS;
    for (size_t i = 0; i < predicate->count; i++) {
        const struct test *test = &predicate->tests[i];
        const struct json *seen = list && kind->nodes ? nodes_value(test, value) : value;
        outcome = test_run(trial, test, seen, outcome);
    }
    return outcome;
}

/* Explaining */

static struct str shown(struct arena *arena, struct buf *buf)
{
    struct str text = arena_copy(arena, buf_str(buf));
    buf_clear(buf);
    return text;
}

/** The members of a list literal as one JSON value. */
static const struct json *literal_whole(struct arena *arena, const struct test *test)
{
    if (!test->list)
        return test->literals[0].value;
    struct json *array = json_array(arena);
    for (size_t i = 0; i < test->count; i++)
        json_push(arena, array, test->literals[i].value);
    return array;
}

/** Adds what only a failed equality can say: a diff, the first difference, or that the types
 * differ. */
static void explain_equals(struct arena *arena, const struct test *test, const struct json *value,
                           struct mismatch *mismatch)
{
    const struct json *expected = literal_whole(arena, test);
    if (json_is_structured(expected) && expected->kind == value->kind) {
        mismatch->expected_json = expected;
        mismatch->actual_json = value;
    } else if (mismatch->note.size) {
        return;
    } else if (expected->kind == JSON_STRING && value->kind == JSON_STRING) {
        mismatch->note = show_text_difference(arena, expected->text, value->text);
    } else if (test->kind->subject == SUBJECT_JSON && expected->kind != value->kind) {
        mismatch->note = arena_printf(arena, "expected %s, found %s", json_kind_words(expected),
                                      json_kind_words(value));
    }
}

static void explain(const struct trial *trial, const struct json *value, struct mismatch *mismatch)
{
    const struct test *test = trial->failed;
    struct arena *arena = trial->arena;
    struct buf buf;
    *mismatch = (struct mismatch){
        .place = trial->place, .predicate = str_of(test->row->name), .note = trial->note};
    buf_init(&buf, BUF_OWN);
    show_test(test, &buf);
    mismatch->expected = shown(arena, &buf);
    bool nothing = !value || (test->kind->nodes && value->kind == JSON_ARRAY && !value->count);
    if (nothing)
        buf_append_string(&buf, "nothing");
    else
        show_value(test->kind, value, &buf);
    mismatch->actual = shown(arena, &buf);
    if (!nothing && test->row->test == test_equals)
        explain_equals(arena, test, value, mismatch);
}

bool predicate_test(const struct predicate *predicate, const struct json *value,
                    struct arena *arena, struct mismatch *mismatch)
{
    struct trial trial = {.arena = arena, .explain = mismatch != NULL};
    if (predicate_run(&trial, predicate, value) == HOLDS)
        return true;
    if (mismatch)
        explain(&trial, value, mismatch);
    return false;
}
