#include "runner/scenario/scenario_private.h"

#include "base/clock.h"
#include "base/memory.h"
#include "runner/client/grpc.h"

#include <math.h>
#include <string.h>

/** A step under way: its tries, one after the other. */
struct step_run {
    struct client *client;
    size_t index;
    struct arena *arena; /**< of the present try */
    struct step step;    /**< as read for this try */
    struct attempt attempt;
    bool attempt_active;    /**< the verb runs */
    bool expired;           /**< the step's timeout ran out */
    struct action_job *job; /**< of a step that is an action */
    struct undo *undo;
    struct spec_scope scope;
    struct timer next; /**< goes on: after a try, before the next one */
    struct timer timeout;
    enum { STEP_TRY, STEP_JUDGE } then;
    unsigned tries;
    uint64_t passes;
    struct buf last;  /**< why the last try that was repeated had failed */
    int64_t first_ns; /**< monotonic: the step began */
    double pause_ns;
};

static void step_begin(struct client *client);
static void step_try(struct step_run *run);
static void client_finish(struct client *client);

static const struct step *static_step(const struct step_run *run)
{
    return &run->client->spec->read[run->index];
}

static struct str step_name(const struct step_run *run)
{
    return run->client->spec->titles[run->index];
}

static struct check *step_check(struct step_run *run)
{
    struct client *client = run->client;
    if (!client->checks[run->index])
        client->checks[run->index] = checks_add(&client->scenario->checks, step_name(run),
                                                client->spec->steps[run->index]->place);
    return client->checks[run->index];
}

void client_init(struct client *client, struct scenario *scenario, const struct client_spec *spec)
{
    *client = (struct client){.scenario = scenario, .spec = spec};
    client->name_id = journal_intern(scenario->journal, spec->name);
    client->checks = arena_alloc_array(scenario->arena, spec->count, sizeof *client->checks);
    client->steps_ended = arena_alloc_array(scenario->arena, spec->count, sizeof(bool));
    for (size_t i = 0; i < spec->count; i++) {
        if (step_makes_check(&spec->read[i]))
            client->checks[i] =
                checks_add(&scenario->checks, spec->titles[i], spec->steps[i]->place);
    }
}

static struct entry step_entry(const struct step_run *run, enum entry_kind kind)
{
    struct journal *journal = run->client->scenario->journal;
    struct entry entry = journal_entry(kind, journal_intern(journal, step_name(run)));
    entry.extra = run->client->name_id;
    return entry;
}

/** Frees the memory of the present try, or keeps it with the scenario when a report may refer to
 * it. */
static void step_drop_try(struct step_run *run, bool keep)
{
    if (run->attempt.verb && run->attempt.verb->release && run->attempt.state)
        run->attempt.verb->release(&run->attempt);
    run->attempt = (struct attempt){0};
    if (keep)
        arena_defer(run->client->scenario->arena, (void (*)(void *))arena_free, run->arena);
    else
        arena_free(run->arena);
    run->arena = NULL;
}

static void step_run_free(struct step_run *run)
{
    timer_stop(&run->next);
    timer_stop(&run->timeout);
    buf_clear(&run->last);
    memory_free(run);
}

/** The written name of a step is what conditions call it; the unique title may have " (2)" behind
 * it. */
static void step_journal_end(struct step_run *run, unsigned flags, struct str outcome)
{
    struct scenario *scenario = run->client->scenario;
    struct entry entry = step_entry(run, ENTRY_STEP_END);
    entry.flags = (uint16_t)flags;
    entry.value = clock_now() - run->first_ns;
    run->client->steps_ended[run->index] = true;
    journal_append(scenario->journal, &entry, outcome);
    scenario_look(scenario);
}

static void check_journal(struct scenario *scenario, const struct check *check)
{
    struct entry entry = journal_entry(ENTRY_CHECK, journal_intern(scenario->journal, check->name));
    struct str line = check->reason;
    entry.flags = check->verdict == VERDICT_PASS   ? ENTRY_PASSED
                  : check->verdict == VERDICT_SKIP ? ENTRY_SKIPPED
                                                   : ENTRY_FAILED;
    if (check->failures.count)
        line = failure_line(&check->failures.items[0], scenario->arena);
    journal_append(scenario->journal, &entry, line);
}

static bool step_is_optional(const struct step_run *run)
{
    return run->step.optional || static_step(run)->optional || run->client->spec->optional;
}

static bool step_keeps_going(const struct step_run *run)
{
    return run->step.keep_going || static_step(run)->keep_going;
}

bool client_goes_on(const struct client *client)
{
    const struct step_run *run = client->run;
    return run && (step_keeps_going(run) || step_is_optional(run));
}

/** A failed check of what is optional fails nothing. */
static void check_excuse(struct check *check, struct arena *arena)
{
    check->verdict = VERDICT_SKIP;
    check->reason = arena_printf(arena, "optional, and failed: " STR_FMT,
                                 STR_ARG(failure_line(&check->failures.items[0], arena)));
}

/** Of a step whose time ran out while it was tried again: that says nothing of why it was. */
static void step_note_last(struct step_run *run)
{
    struct failure *failure = run->attempt.failures.items;
    if (!run->expired || !run->last.size)
        return;
    failure->note = arena_printf(
        run->arena, STR_FMT "%sthe last try that ended had failed: " STR_FMT,
        STR_ARG(failure->note), failure->note.size ? "; " : "", STR_ARG(buf_str(&run->last)));
}

/** The verdict of a step; then the next one, or the end of the client. */
static void step_end(struct step_run *run, enum verdict verdict, struct str reason)
{
    struct client *client = run->client;
    struct scenario *scenario = client->scenario;
    bool optional = step_is_optional(run);
    bool keep_going = step_keeps_going(run);
    bool failed = verdict == VERDICT_FAIL;
    struct check *check = failed || step_makes_check(static_step(run)) ? step_check(run) : NULL;
    bool background = check && run->attempt.verb == &run_verb && client->backgrounds &&
                      client->backgrounds->check == check && !failed;
    struct str outcome =
        run->attempt.outcome.size ? arena_copy(scenario->arena, run->attempt.outcome) : reason;
    timer_stop(&run->timeout);
    if (failed)
        step_note_last(run);
    if (check && !background) {
        check->ran = verdict != VERDICT_SKIP;
        check->verdict = verdict;
        check->reason = reason;
        check->start_ns = run->first_ns - journal_monotonic(scenario->journal, 0);
        check->end_ns = journal_now(scenario->journal);
        if (failed) {
            check->failures = run->attempt.failures;
            check->replay = run->attempt.replay;
        }
        if (failed && optional)
            check_excuse(check, scenario->arena);
        check_journal(scenario, check);
    }
    step_journal_end(run,
                     verdict == VERDICT_PASS ? ENTRY_PASSED
                     : failed                ? ENTRY_FAILED
                                             : ENTRY_SKIPPED,
                     outcome);
    step_drop_try(run, failed);
    client->run = NULL;
    step_run_free(run);
    if (failed && !optional)
        client->failed = true;
    if (failed && !keep_going && !optional) {
        client_finish(client);
        return;
    }
    client->at++;
    step_begin(client);
}

/* Captures */

static void take_captures(struct step_run *run)
{
    const struct map_entry *entries = run->step.capture.items;
    struct attempt *attempt = &run->attempt;
    for (size_t i = 0; i < run->step.capture.count; i++) {
        struct str why = {0};
        const struct node *source = *(const struct node *const *)entries[i].value;
        const struct json *value = NULL;
        struct diagnostics diagnostics;
        diagnostics_init(&diagnostics);
        struct reader reader = {
            .arena = run->arena, .diagnostics = &diagnostics, .scope = &run->scope.scope};
        const struct node *resolved = source;
        if (source->kind == NODE_MAP && reader_resolve_tree(&reader, source, &resolved) == READ_OK)
            value = attempt->verb->capture(attempt, resolved, &why);
        else
            why = diagnostics.first ? arena_copy(run->arena, diagnostics.first->message)
                                    : STR("a capture is a mapping such as {jsonpath: $.id}");
        diagnostics_clear(&diagnostics);
        if (value)
            client_capture(run->client, entries[i].name, value);
        else
            failures_say(&attempt->failures, entries[i].place, "capture",
                         "'" STR_FMT "' found nothing%s" STR_FMT, STR_ARG(entries[i].name),
                         why.size ? ": " : "", STR_ARG(why));
    }
}

/* After a try */

static bool may_retry(struct step_run *run, int64_t *pause_ns)
{
    const struct retry *retry = run->step.retry;
    int64_t now = clock_now();
    if (!retry || run->expired)
        return false;
    if (retry->times && run->tries >= retry->times)
        return false;
    if (run->pause_ns == 0)
        run->pause_ns = (double)retry->every_ns;
    *pause_ns = run->pause_ns > 1e18 ? INT64_C(1000000000000000000) : (int64_t)run->pause_ns;
    if (now - run->first_ns > retry->for_ns - *pause_ns)
        return false;
    run->pause_ns *= retry->backoff;
    return true;
}

static void step_judge(struct step_run *run)
{
    int64_t pause_ns = 0;
    if (run->attempt.failures.count == 0 && run->step.capture.count)
        take_captures(run);
    if (run->attempt.failures.count) {
        if (may_retry(run, &pause_ns)) {
            buf_reset(&run->last);
            buf_append(&run->last, failure_line(&run->attempt.failures.items[0], run->arena));
            step_drop_try(run, false);
            run->then = STEP_TRY;
            timer_start(&run->next, pause_ns);
            return;
        }
        step_end(run, VERDICT_FAIL, (struct str){0});
        return;
    }
    run->passes++;
    if (run->passes < run->step.repeat) {
        step_drop_try(run, false);
        run->tries = 0;
        run->pause_ns = 0;
        buf_reset(&run->last);
        run->then = STEP_TRY;
        timer_start(&run->next, 0);
        return;
    }
    step_end(run, VERDICT_PASS, (struct str){0});
}

static void step_next(struct timer *timer)
{
    struct step_run *run = CONTAINER_OF(timer, struct step_run, next);
    if (run->then == STEP_TRY)
        step_try(run);
    else
        step_judge(run);
}

static void step_attempt_done(struct attempt *attempt)
{
    struct step_run *run = CONTAINER_OF(attempt, struct step_run, attempt);
    if (!run->attempt_active)
        return;
    run->attempt_active = false;
    run->then = STEP_JUDGE;
    timer_start(&run->next, 0);
}

void attempt_done(struct attempt *attempt)
{
    attempt->done(attempt);
}

static void step_action_done(void *context, struct str why, bool harness, struct place place)
{
    struct step_run *run = context;
    run->job = NULL;
    if (harness)
        scenario_harness_failed(run->client->scenario);
    if (why.size)
        failures_say(&run->attempt.failures, place, run->step.verb.member->key, STR_FMT,
                     STR_ARG(why));
    step_attempt_done(&run->attempt);
}

/** The step's timeout covers all tries. */
static void step_timed_out(struct timer *timer)
{
    struct step_run *run = CONTAINER_OF(timer, struct step_run, timeout);
    const struct verb *verb = run->attempt.verb;
    run->expired = true;
    if (run->attempt_active && verb && verb->expire) {
        verb->expire(&run->attempt);
        return;
    }
    bool waiting = run->attempt_active;
    if (waiting && verb && verb->cancel)
        verb->cancel(&run->attempt);
    if (run->job)
        action_job_forget(run->job);
    run->job = NULL;
    run->attempt_active = false;
    timer_stop(&run->next);
    if (!run->arena) {
        run->arena = arena_new();
        run->attempt.failures.arena = run->arena;
    }
    failures_say(&run->attempt.failures, run->step.place, "timeout", "the step's timeout ran out");
    step_end(run, VERDICT_FAIL, (struct str){0});
}

/* A try */

/** Memory and variables of a try. */
static void step_prepare(struct step_run *run)
{
    struct client *client = run->client;
    run->arena = arena_new();
    run->attempt = (struct attempt){.failures = {.arena = run->arena}, .arena = run->arena};
    run->step = (struct step){0};
    scenario_scope(client->scenario, client, &run->scope);
}

/** Reads the step with the values of this moment. False: its failure was added. */
static bool step_read(struct step_run *run)
{
    struct client *client = run->client;
    struct read_fault fault;
    const struct node *node = client->spec->steps[run->index];
    if (scenario_read(&run->scope, run->arena, &step_type, node, &run->step, &fault))
        return true;
    failures_say(&run->attempt.failures, fault.place, NULL, STR_FMT, STR_ARG(fault.why));
    return false;
}

/** The `if` of a step with the values of this moment. What is wrong in it, reading the step tells.
 */
static struct list step_conditions(struct step_run *run)
{
    struct list conditions = {0};
    const struct node *node = node_get(run->client->spec->steps[run->index], "if");
    if (node && !scenario_read(&run->scope, run->arena, &step_if_type, node, &conditions, NULL))
        conditions.count = 0;
    return conditions;
}

/** Whether the `if` of a step lets it run. */
static bool step_wanted(struct step_run *run, struct str *reason)
{
    struct list conditions = step_conditions(run);
    const struct map_entry *entries = conditions.items;
    struct arena *arena = run->client->scenario->arena;
    for (size_t i = 0; i < conditions.count; i++) {
        struct predicate *predicate = *(struct predicate **)entries[i].value;
        const struct json *value = NULL;
        struct str why;
        struct mismatch mismatch;
        const struct scope *scope = &run->scope.scope;
        if (scope->variable(scope, run->arena, entries[i].name, &value, &why, NULL) != RESOLVE_OK)
            value = NULL;
        if (predicate_test(predicate, value, run->arena, &mismatch))
            continue;
        *reason = arena_printf(arena, "if: " STR_FMT " is " STR_FMT, STR_ARG(entries[i].name),
                               STR_ARG(mismatch.actual));
        return false;
    }
    return true;
}

static void step_run_action(struct step_run *run)
{
    run->attempt.done = step_attempt_done;
    run->attempt_active = true;
    run->job = scenario_act(run->client->scenario, &run->scope, &run->step.verb, NULL, NULL,
                            step_action_done, run);
}

static void step_run_verb(struct step_run *run, const struct verb *verb)
{
    struct client *client = run->client;
    struct scenario *scenario = client->scenario;
    struct attempt *attempt = &run->attempt;
    struct failures failures = attempt->failures;
    *attempt = (struct attempt){
        .scenario = scenario,
        .client = client,
        .loop = scenario->loop,
        .journal = scenario->journal,
        .arena = run->arena,
        .verb = verb,
        .value = run->step.verb.value,
        .expect = run->step.expect,
        .verb_place = run->step.verb.place,
        .name = static_step(run)->name.data ? static_step(run)->name
                : client->spec->single      ? client->spec->name
                                            : step_name(run),
        .session = run->step.session,
        .start_ns = clock_now(),
        .failures = failures,
        .done = step_attempt_done,
    };
    attempt->name_id = journal_intern(scenario->journal, attempt->name);
    attempt->tries = run->tries - 1;
    run->attempt_active = true;
    verb->start(attempt);
}

static void step_try(struct step_run *run)
{
    struct str reason = {0};
    bool first = run->tries == 0 && run->passes == 0;
    run->tries++;
    step_prepare(run);
    if (first && !step_wanted(run, &reason)) {
        step_end(run, VERDICT_SKIP, reason);
        return;
    }
    if (!step_read(run)) {
        run->expired = true;
        step_judge(run);
        return;
    }
    if (first && run->step.timeout_ns)
        timer_start_at(&run->timeout, run->first_ns + run->step.timeout_ns);
    const struct verb *verb = step_verb(&run->step);
    if (verb)
        step_run_verb(run, verb);
    else
        step_run_action(run);
}

static void step_begin(struct client *client)
{
    if (client->at >= client->spec->count) {
        client_finish(client);
        return;
    }
    struct step_run *run = memory_alloc(sizeof *run);
    run->client = client;
    run->index = client->at;
    run->first_ns = clock_now();
    buf_init(&run->last, BUF_OWN);
    timer_init(&run->next, client->scenario->loop, step_next);
    timer_init(&run->timeout, client->scenario->loop, step_timed_out);
    client->run = run;
    struct entry entry = step_entry(run, ENTRY_STEP);
    journal_append(client->scenario->journal, &entry, (struct str){0});
    /* from the loop, not from here: a long list of steps must not become a deep stack */
    run->then = STEP_TRY;
    timer_start(&run->next, 0);
}

void client_start(struct client *client)
{
    struct entry entry = journal_entry(ENTRY_CLIENT, client->name_id);
    client->state = CLIENT_RUNNING;
    journal_append(client->scenario->journal, &entry, (struct str){0});
    step_begin(client);
}

/* Programs in the background, and the end of a client */

void client_take_background(struct attempt *attempt, struct running *running)
{
    struct client *client = attempt->client;
    struct step_run *run = client->run;
    struct background *background = arena_alloc(client->scenario->arena, sizeof *background);
    *background = (struct background){.next = client->backgrounds,
                                      .client = client,
                                      .running = running,
                                      .check = client->checks[run->index],
                                      .expect = attempt->expect,
                                      .place = run->step.place,
                                      .verb_place = attempt->verb_place,
                                      .optional = step_is_optional(run)};
    if (background->expect) {
        /* the expectation is judged when the client has ended: its memory stays as long */
        background->expect = arena_alloc(client->scenario->arena, sizeof *background->expect);
        /* it was read without fault before the program was started */
        (void)!scenario_read(&run->scope, client->scenario->arena, &run_expect_type,
                             static_step(run)->expect_node, background->expect, NULL);
    }
    running->handler = (struct running_handler){NULL, background_ended};
    running->context = background;
    client->backgrounds = background;
}

static bool expects_end(const struct run_expect *expect)
{
    return expect && (expect->exit || expect->signal || expect->error);
}

static void background_judge(struct background *background)
{
    struct scenario *scenario = background->client->scenario;
    struct running *running = background->running;
    struct failures failures = {.arena = scenario->arena};
    const struct process_end *end = &running->end;
    background->judged = true;
    if (!expects_end(background->expect) && !background->was_alive && !running->timed_out)
        failures_say(&failures, background->verb_place, "run",
                     "the program ended before its client did (%s%s%d)",
                     end->signal ? "signal " : "exit ", end->signal ? signal_name(end->signal) : "",
                     end->signal ? end->signal : end->exit_code);
    if (background->expect || running->timed_out) {
        /* it was asked to end: how it ended is judged only if that is what the spec asks */
        struct process_end judged = *end;
        if (!expects_end(background->expect))
            judged.exit_code = judged.signal = 0;
        run_judge(background->expect, running->process, &judged, running_error(running),
                  running->end_ns - running->start_ns, running->timed_out, background->verb_place,
                  &failures);
    }
    struct check *check = background->check;
    if (!check && failures.count)
        check = checks_add(
            &scenario->checks,
            arena_printf(scenario->arena, STR_FMT " stayed alive", STR_ARG(running->name)),
            background->place);
    if (!check)
        return;
    check->ran = true;
    check->verdict = failures.count ? VERDICT_FAIL : VERDICT_PASS;
    check->failures = failures;
    if (failures.count && background->optional)
        check_excuse(check, scenario->arena);
    check->start_ns = running->start_ns - journal_monotonic(scenario->journal, 0);
    check->end_ns = journal_now(scenario->journal);
    check_journal(scenario, check);
}

static void client_end(struct client *client)
{
    struct scenario *scenario = client->scenario;
    struct entry entry = journal_entry(ENTRY_CLIENT_END, client->name_id);
    entry.flags = client->failed ? ENTRY_FAILED : ENTRY_PASSED;
    client->state = CLIENT_ENDED;
    http_sessions_free(client->sessions);
    grpc_sessions_free(client->grpc_sessions);
    client->grpc_sessions = NULL;
    client->sessions = NULL;
    journal_append(scenario->journal, &entry, (struct str){0});
    scenario_look(scenario);
    scenario_client_done(scenario, client);
}

void background_ended(void *context, struct running *running)
{
    struct background *background = context;
    struct client *client = background->client;
    (void)running;
    if (client->backgrounds_ending == 0)
        return;
    if (!background->judged && background->asked) {
        background_judge(background);
        if (--client->backgrounds_ending == 0)
            client_end(client);
    }
}

static void client_finish(struct client *client)
{
    struct background *background;
    /* one more than there are, so that one that ends at once does not end the client in the loop */
    client->backgrounds_ending = 1;
    for (background = client->backgrounds; background; background = background->next) {
        struct running *running = background->running;
        background->was_alive = !running->ended;
        background->asked = true;
        running_stop(running);
        if (running->ended)
            background_judge(background);
        else
            client->backgrounds_ending++;
    }
    if (--client->backgrounds_ending == 0)
        client_end(client);
}

void client_cancel(struct client *client, const char *reason)
{
    struct step_run *run = client->run;
    (void)reason;
    if (run) {
        if (run->attempt_active && run->attempt.verb && run->attempt.verb->cancel)
            run->attempt.verb->cancel(&run->attempt);
        if (run->job)
            action_job_forget(run->job);
        if (run->arena)
            step_drop_try(run, true);
        client->run = NULL;
        step_run_free(run);
    }
    for (struct background *background = client->backgrounds; background;
         background = background->next) {
        running_forget(background->running);
        running_stop(background->running);
    }
    http_sessions_free(client->sessions);
    grpc_sessions_free(client->grpc_sessions);
    client->grpc_sessions = NULL;
    client->sessions = NULL;
    client->state = CLIENT_ENDED;
    client->failed = true;
}

void client_clear(struct client *client)
{
    if (client->run)
        client_cancel(client, "");
    http_sessions_free(client->sessions);
    grpc_sessions_free(client->grpc_sessions);
    client->grpc_sessions = NULL;
    client->sessions = NULL;
}

void client_describe(const struct client *client, struct buf *into)
{
    const struct step_run *run = client->run;
    if (!run) {
        buf_printf(into, STR_FMT " waited for its programs to end", STR_ARG(client->spec->name));
        return;
    }
    buf_printf(into, STR_FMT " was in '" STR_FMT "'", STR_ARG(client->spec->name),
               STR_ARG(step_name(run)));
    if (run->attempt_active && run->attempt.verb && run->attempt.verb->waiting) {
        struct arena *arena = arena_new();
        buf_printf(into, ", waiting for " STR_FMT,
                   STR_ARG(run->attempt.verb->waiting((struct attempt *)&run->attempt, arena)));
        arena_free(arena);
    } else if (run->tries > 1) {
        buf_printf(into, " after %u tries", run->tries);
    }
    if (run->last.size)
        buf_printf(into, "; the last try that ended had failed: " STR_FMT,
                   STR_ARG(buf_str(&run->last)));
}

struct http_sessions *client_http_sessions(struct client *client)
{
    if (!client->sessions)
        client->sessions = http_sessions_new();
    return client->sessions;
}

struct grpc_sessions **client_grpc_sessions(struct client *client)
{
    return &client->grpc_sessions;
}
