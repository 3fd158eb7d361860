#include "runner/scenario/scenario_private.h"

#include "base/clock.h"
#include "runner/client/grpc.h"
#include "runner/client/tcp.h"

/* sleep */

static void sleep_over(struct timer *timer);

struct sleep_state {
    struct attempt *attempt;
    struct timer timer;
};

static void sleep_start(struct attempt *attempt)
{
    struct sleep_state *state = arena_alloc(attempt->arena, sizeof *state);
    const struct duration *duration = attempt->value;
    struct random random =
        random_for(scenario_seed(attempt->scenario), attempt->name, attempt->tries);
    attempt->state = state;
    state->attempt = attempt;
    timer_init(&state->timer, attempt->loop, sleep_over);
    timer_start(&state->timer, random_duration(&random, duration));
}

static void sleep_over(struct timer *timer)
{
    struct sleep_state *state = CONTAINER_OF(timer, struct sleep_state, timer);
    attempt_done(state->attempt);
}

static void sleep_cancel(struct attempt *attempt)
{
    struct sleep_state *state = attempt->state;
    timer_stop(&state->timer);
}

static struct str sleep_waiting(struct attempt *attempt, struct arena *arena)
{
    (void)attempt;
    (void)arena;
    return STR("its time to pass");
}

static const struct verb sleep_verb = {
    .start = sleep_start, .cancel = sleep_cancel, .waiting = sleep_waiting};

/* wait */

struct wait_request {
    struct chosen condition;
    int64_t within_ns;
};

static const struct row wait_rows[] = {
    {"within", &type_time_positive, offsetof(struct wait_request, within_ns), 0,
     "the scenario's timeout", "The longest it may take."},
};
static const struct table wait_table = {
    TABLE_ROWS("wait", wait_rows),
    .doc = "Waits until a condition holds; fails at once when it can no longer come.",
    .family = &condition_family,
    .family_offset = offsetof(struct wait_request, condition),
};
static const struct type wait_type = TYPE_TABLE(&wait_table, struct wait_request);

static void wait_remove(struct wait *wait)
{
    struct scenario *scenario = wait->attempt->scenario;
    for (struct wait **slot = &scenario->waits; *slot; slot = &(*slot)->next) {
        if (*slot == wait) {
            *slot = wait->next;
            break;
        }
    }
    timer_stop(&wait->timer);
}

static void wait_end(struct wait *wait)
{
    wait_remove(wait);
    attempt_done(wait->attempt);
}

static void wait_fail(struct wait *wait, const char *what, struct str why)
{
    struct attempt *attempt = wait->attempt;
    struct buf text;
    buf_init(&text, BUF_OWN);
    condition_describe(wait->condition, &text);
    failures_say(&attempt->failures, attempt->verb_place, "wait", "%s: " STR_FMT "%s" STR_FMT, what,
                 STR_ARG(buf_str(&text)), why.size ? "; " : "", STR_ARG(why));
    buf_clear(&text);
    wait_end(wait);
}

/** Whether it may still come; *why if not. */
static bool wait_possible(const struct wait *wait, struct str *why)
{
    const struct scenario *scenario = wait->attempt->scenario;
    if (!condition_possible(wait->condition, wait->attempt->arena, why))
        return false;
    *why = STR("everybody who is left waits");
    return scenario_traffic_possible(scenario);
}

void wait_look(struct wait *wait)
{
    struct scenario *scenario = wait->attempt->scenario;
    struct str why = {0};
    if (condition_holds(wait->condition))
        wait_end(wait);
    else if (condition_lost(wait->condition, &why))
        wait_fail(wait,
                  why.size ? "it cannot be known whether this has come"
                           : "the journal no longer holds what this waits for",
                  why);
    else if (!wait_possible(wait, &why) && !timer_is_active(&scenario->doubt))
        timer_start(&scenario->doubt, 0);
}

/** The one that gives up first: one after which its client goes on, else the oldest. */
static struct wait *waits_hopeless(const struct scenario *scenario, struct str *why)
{
    struct wait *oldest = NULL;
    for (struct wait *wait = scenario->waits; wait; wait = wait->next) {
        struct str reason = {0};
        bool goes_on = client_goes_on(wait->attempt->client);
        if ((oldest && !goes_on) || wait_possible(wait, &reason))
            continue;
        oldest = wait;
        *why = reason;
        if (goes_on)
            break;
    }
    return oldest;
}

void waits_doubt(struct timer *timer)
{
    struct scenario *scenario = CONTAINER_OF(timer, struct scenario, doubt);
    struct str why = {0};
    scenario_read_rest(scenario);
    scenario_look(scenario);
    struct wait *wait = waits_hopeless(scenario, &why);
    if (!wait)
        return;
    wait_fail(wait, "this can no longer come", why);
    scenario_look(scenario);
}

static void wait_timed_out(struct timer *timer)
{
    struct wait *wait = CONTAINER_OF(timer, struct wait, timer);
    wait_fail(wait, "this did not come within its time", (struct str){0});
}

static void wait_start(struct attempt *attempt)
{
    struct scenario *scenario = attempt->scenario;
    const struct wait_request *request = attempt->value;
    struct wait *wait = arena_alloc(attempt->arena, sizeof *wait);
    struct diagnostics diagnostics;
    struct spec_scope scope;
    diagnostics_init(&diagnostics);
    scenario_scope(scenario, attempt->client, &scope);
    struct reader reader = {
        .arena = attempt->arena, .diagnostics = &diagnostics, .scope = &scope.scope};
    wait->attempt = attempt;
    attempt->state = wait;
    timer_init(&wait->timer, attempt->loop, wait_timed_out);
    wait->condition = condition_new(attempt->arena, &reader, &request->condition, scenario);
    if (!wait->condition) {
        const struct diagnostic *first = diagnostics.first;
        failures_say(&attempt->failures, first ? first->place : attempt->verb_place, "wait",
                     STR_FMT,
                     STR_ARG(first ? first->message : STR("its condition cannot be read")));
        diagnostics_clear(&diagnostics);
        attempt_done(attempt);
        return;
    }
    diagnostics_clear(&diagnostics);
    if (condition_needs_bytes(wait->condition))
        scenario_watch_bytes(scenario);
    /* at the end of the list: waits of one moment end in the order in which they began */
    struct wait **slot = &scenario->waits;
    while (*slot)
        slot = &(*slot)->next;
    *slot = wait;
    if (request->within_ns)
        timer_start(&wait->timer, request->within_ns);
    scenario_look(scenario);
}

static void wait_cancel(struct attempt *attempt)
{
    struct wait *wait = attempt->state;
    if (wait && wait->condition)
        wait_remove(wait);
}

static struct str wait_waiting(struct attempt *attempt, struct arena *arena)
{
    struct wait *wait = attempt->state;
    struct buf text;
    buf_init(&text, BUF_OWN);
    if (wait && wait->condition)
        condition_describe(wait->condition, &text);
    struct str words = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return words;
}

static const struct verb wait_verb = {
    .implied = true, .start = wait_start, .cancel = wait_cancel, .waiting = wait_waiting};

/* verify, as a step */

static void verify_start(struct attempt *attempt)
{
    scenario_read_rest(attempt->scenario);
    verify_judge(attempt->value, attempt->scenario, &attempt->failures);
    attempt_done(attempt);
}

static struct str verify_step_title(struct arena *arena, const struct node *value)
{
    return verify_title(arena, value);
}

static const struct verb verify_verb = {
    .implied = true, .start = verify_start, .title = verify_step_title};

const struct chosen *verb_condition(const struct chosen *verb)
{
    if (!verb->member || verb->member->type != &wait_type || !verb->value)
        return NULL;
    return &((const struct wait_request *)verb->value)->condition;
}

/* The family */

static const struct member verbs[] = {
    {"http", &http_type, "Makes an HTTP request.", &http_verb, 0},
    {"tcp", &tcp_type, "Talks over a TCP connection.", &tcp_verb, 0},
    {"grpc", &grpc_type, "Calls a gRPC method.", &grpc_verb, 0},
    {"run", &run_type, "Runs a program.", &run_verb, 0},
    {"sleep", &type_duration, "Waits for a time.", &sleep_verb, 0},
    {"wait", &wait_type, "Waits for a condition.", &wait_verb, 0},
    {"verify", &verify_type, "Judges one item of verify now.", &verify_verb, 0},
    {"load", &type_node, "Makes many requests.", NULL, ROW_LATER},
    {0},
};

static const struct member *const verb_groups[] = {verbs, server_actions, runner_actions, NULL};
const struct family verb_family = {"verb", verb_groups};
