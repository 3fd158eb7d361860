#include "runner/suite/suite.h"

#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/** The first one ends the run, the second one also `finally`; this one ends everything at once. */
enum { INTERRUPTIONS_MOST = 3 };

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_DONE };

struct suite;

/** One scenario of the suite. */
struct job {
    struct suite *suite;
    const struct selected *selected;
    struct scenario *scenario;
    enum job_state state;
};

struct suite {
    const struct suite_options *options;
    struct suite_result *result;
    struct loop *loop;
    struct job *jobs;
    size_t count;
    size_t first; /**< jobs before it are done or running */
    size_t running;
    bool stopping; /**< no further scenario starts */
    uv_signal_t signals[3];
    unsigned interruptions;
    bool starting;
};

static void suite_start_more(struct suite *suite);

/* Ports that a spec fixes are locks: two scenarios that want the same one do not overlap. */

static bool fixes_port(const struct scenario_spec *spec, uint16_t number)
{
    const struct map_entry *upstreams = spec->upstreams.items;
    const struct program_spec *programs = spec->programs.items;
    for (size_t i = 0; i < spec->upstreams.count; i++) {
        if (((const struct upstream_config *)upstreams[i].value)->port == number)
            return true;
    }
    for (size_t i = 0; i < spec->programs.count; i++) {
        if (programs[i].port == number)
            return true;
    }
    return false;
}

static bool shares_port(const struct scenario_spec *a, const struct scenario_spec *b)
{
    const struct map_entry *upstreams = a->upstreams.items;
    const struct program_spec *programs = a->programs.items;
    for (size_t i = 0; i < a->upstreams.count; i++) {
        uint16_t number = ((const struct upstream_config *)upstreams[i].value)->port;
        if (number && fixes_port(b, number))
            return true;
    }
    for (size_t i = 0; i < a->programs.count; i++) {
        if (programs[i].port && fixes_port(b, programs[i].port))
            return true;
    }
    return false;
}

static bool may_start(const struct suite *suite, const struct job *job)
{
    const struct scenario_spec *spec = job->selected->spec;
    if (suite->running >= suite->options->jobs)
        return false;
    if (spec->alone && suite->running)
        return false;
    for (size_t i = 0; suite->running && i < suite->count; i++) {
        const struct job *other = &suite->jobs[i];
        if (other->state != JOB_RUNNING)
            continue;
        if (other->selected->spec->alone || shares_port(spec, other->selected->spec))
            return false;
    }
    return true;
}

/* Telling */

static void suite_count(struct suite *suite, const struct result *result)
{
    struct totals *totals = &suite->result->totals;
    size_t failed = checks_count(result->checks, VERDICT_FAIL);
    size_t errors = checks_count(result->checks, VERDICT_ERROR);
    totals->scenarios++;
    totals->scenarios_failed += failed + errors > 0;
    totals->scenarios_skipped += result->skipped;
    totals->passed += checks_count(result->checks, VERDICT_PASS);
    totals->failed += failed;
    totals->errors += errors;
    totals->skipped += checks_count(result->checks, VERDICT_SKIP);
    suite->result->harness_failed |= result->harness_failed;
    if (suite->options->fail_fast && failed + errors)
        suite->stopping = true;
}

static void suite_tell(struct suite *suite, const struct job *job, struct result *result,
                       bool finished)
{
    result->file_index = job->selected->file_index;
    result->repetition = job->selected->repetition;
    for (size_t i = 0; i < suite->options->reporter_count; i++) {
        struct reporter *reporter = suite->options->reporters[i];
        if (finished && reporter->type->finished)
            reporter->type->finished(reporter, result);
        else if (!finished && reporter->type->started)
            reporter->type->started(reporter, result);
    }
}

/** A scenario that is not run at all: every check of it is skipped. */
static void suite_skip(struct suite *suite, struct job *job, struct str reason)
{
    const struct scenario_spec *spec = job->selected->spec;
    struct arena *arena = arena_new();
    struct checks checks = {.arena = arena};
    scenario_skipped_checks(spec, &checks, reason);
    struct result result = {
        .file = spec->file->source.name,
        .name = spec->name,
        .place = spec->place,
        .index = spec->index,
        .skipped = true,
        .reason = reason,
        .seed = suite->options->run.seed,
        .wall_ns = clock_wall(),
        .checks = &checks,
    };
    job->state = JOB_DONE;
    suite_count(suite, &result);
    suite_tell(suite, job, &result, true);
    arena_free(arena);
}

static void job_done(void *context, struct scenario *scenario)
{
    struct job *job = context;
    struct suite *suite = job->suite;
    struct result result;
    scenario_result(scenario, &result);
    job->state = JOB_DONE;
    job->scenario = NULL;
    suite->running--;
    suite_count(suite, &result);
    suite_tell(suite, job, &result, true);
    scenario_free(scenario);
    suite_start_more(suite);
}

static void job_start(struct suite *suite, struct job *job)
{
    job->state = JOB_RUNNING;
    suite->running++;
    job->scenario =
        scenario_new(job->selected->spec, &suite->options->run, suite->loop, job_done, job);
    struct result result;
    scenario_result(job->scenario, &result);
    suite_tell(suite, job, &result, false);
    scenario_start(job->scenario);
}

static bool suite_start_one(struct suite *suite)
{
    for (size_t i = suite->first; i < suite->count; i++) {
        struct job *job = &suite->jobs[i];
        if (job->state != JOB_WAITING) {
            suite->first += i == suite->first;
            continue;
        }
        if (job->selected->spec->skip.skipped) {
            suite_skip(suite, job, job->selected->spec->skip.reason);
            return true;
        }
        if (may_start(suite, job)) {
            job_start(suite, job);
            return true;
        }
        /* one that must run alone waits for all before it, and those behind wait for it */
        if (job->selected->spec->alone || suite->running >= suite->options->jobs)
            return false;
    }
    return false;
}

static void suite_start_more(struct suite *suite)
{
    if (suite->starting)
        return;
    suite->starting = true;
    while (!suite->stopping && suite_start_one(suite))
        ;
    suite->starting = false;
    if (suite->running == 0)
        loop_stop(suite->loop);
}

/* Being interrupted */

static void suite_interrupted(uv_signal_t *handle, int number)
{
    struct suite *suite = handle->data;
    (void)number;
    if (++suite->interruptions >= INTERRUPTIONS_MOST)
        _exit(130);
    suite->result->interrupted = true;
    suite->stopping = true;
    for (size_t i = 0; i < suite->count; i++) {
        if (suite->jobs[i].state == JOB_RUNNING)
            scenario_interrupt(suite->jobs[i].scenario);
    }
    if (suite->running == 0)
        loop_stop(suite->loop);
}

static void suite_watch_signals(struct suite *suite)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        struct sigaction before;
        uv_signal_init(loop_uv(suite->loop), &suite->signals[i]);
        suite->signals[i].data = suite;
        /* nohup: whoever ignores the end of the terminal goes on */
        if (numbers[i] != SIGHUP || sigaction(SIGHUP, NULL, &before) != 0 ||
            before.sa_handler != SIG_IGN)
            uv_signal_start(&suite->signals[i], suite_interrupted, numbers[i]);
        uv_unref((uv_handle_t *)&suite->signals[i]);
    }
}

/** As many descriptors as the system allows; programs were given the limit of before. */
static void suite_raise_limits(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int suite_run(const struct selected *selected, size_t count, const struct suite_options *options,
              struct suite_result *result)
{
    struct suite suite = {.options = options, .result = result, .count = count};
    int64_t start_ns = clock_now();
    int status = 0;
    suite_raise_limits();
    suite.loop = loop_new();
    if (!suite.loop)
        return -errno;
    if (options->run.supervisor)
        status = supervisor_attach(options->run.supervisor, suite.loop);
    if (status == 0) {
        suite.jobs = memory_alloc_array(count, sizeof *suite.jobs);
        for (size_t i = 0; i < count; i++)
            suite.jobs[i] = (struct job){.suite = &suite, .selected = &selected[i]};
        suite_watch_signals(&suite);
        suite_start_more(&suite);
        if (suite.running)
            loop_run(suite.loop);
        for (size_t i = 0; !result->interrupted && i < count; i++) {
            if (suite.jobs[i].state == JOB_WAITING)
                suite_skip(&suite, &suite.jobs[i],
                           STR("not run: a check failed before (--fail-fast)"));
        }
        for (size_t i = 0; i < COUNT_OF(suite.signals); i++)
            uv_close((uv_handle_t *)&suite.signals[i], NULL);
        memory_free(suite.jobs);
    }
    if (options->run.supervisor)
        supervisor_free(options->run.supervisor);
    result->duration_ns = clock_now() - start_ns;
    loop_free(suite.loop);
    return status;
}
