#include "runner/check/verify_private.h"

#include "base/memory.h"
#include "runner/client/supervisor.h"

#include <inttypes.h>

/** A program as it was the last time it was started. */
struct program_view {
    struct str name;
    struct process *process; /**< NULL unless it is alive */
    const struct entry *end; /**< NULL while it is alive */
};

static bool end_is_failed_start(const struct entry *end)
{
    return end->data_size > 0;
}

/** How it ended, in words. */
static struct str end_words(const struct program_view *program, struct arena *arena)
{
    const struct entry *end = program->end;
    if (end_is_failed_start(end))
        return arena_printf(arena, "could not be started: " STR_FMT,
                            STR_ARG(((struct str){end->data, end->data_size})));
    if (end->value < 0)
        return arena_printf(arena, "was ended by signal %s", signal_name((int)-end->value));
    return arena_printf(arena, "has ended with exit code %" PRId64, end->value);
}

static void program_say(struct view *view, const struct program_view *program, const char *key,
                        struct str what)
{
    failures_say(view->failures, view_key_place(view, key), key, STR_FMT " " STR_FMT,
                 STR_ARG(program->name), STR_ARG(what));
    if (program->end && program->end->flags & ENTRY_OPTIONAL)
        view_note(view, "it was asked to end");
}

static void judge_alive(struct view *view, const struct program_view *program)
{
    const bool *alive = view->keys->alive;
    if (!alive || *alive == !program->end)
        return;
    program_say(view, program, "alive",
                program->end ? end_words(program, view->failures->arena) : STR("still runs"));
}

static void judge_exit(struct view *view, const struct program_view *program)
{
    struct arena *arena = view->failures->arena;
    const struct predicate *predicate = view->keys->exit;
    if (!predicate)
        return;
    if (!program->end)
        program_say(view, program, "exit", STR("still runs, so it has no exit code"));
    else if (program->end->value < 0 || end_is_failed_start(program->end))
        program_say(view, program, "exit", end_words(program, arena));
    else
        failures_test(view->failures, predicate,
                      arena_printf(arena, "exit of " STR_FMT, STR_ARG(program->name)).data,
                      json_integer(arena, program->end->value));
}

static void judge_usage(struct view *view, const struct program_view *program)
{
    struct arena *arena = view->failures->arena;
    const struct verify_keys *keys = view->keys;
    const char *key = keys->rss ? "rss" : "cpu";
    uint64_t rss = 0;
    int64_t cpu_ns = 0;
    if (!keys->rss && !keys->cpu)
        return;
    if (program->end && end_is_failed_start(program->end)) {
        program_say(view, program, key, end_words(program, arena));
        return;
    }
    if (program->end) {
        rss = program->end->extra;
        cpu_ns = (int64_t)program->end->extra2;
    } else if (!process_sample(program->process, &rss, &cpu_ns)) {
        program_say(view, program, key, STR("cannot be measured: it is ending just now"));
        return;
    }
    rss = rss > INT64_MAX ? INT64_MAX : rss;
    failures_test(view->failures, keys->rss,
                  arena_printf(arena, "rss of " STR_FMT, STR_ARG(program->name)).data,
                  json_integer(arena, (int64_t)rss));
    failures_test(view->failures, keys->cpu,
                  arena_printf(arena, "cpu of " STR_FMT, STR_ARG(program->name)).data,
                  json_integer(arena, cpu_ns));
}

/** The newest end of a program in the journal, or NULL. */
static const struct entry *newest_end(const struct journal *journal, uint32_t name_id)
{
    uint64_t first = journal_first(journal);
    for (uint64_t number = journal_last(journal); number >= first && number; number--) {
        const struct entry *entry = journal_get(journal, number);
        if (entry->kind == ENTRY_PROGRAM_END && entry->subject == name_id)
            return entry;
    }
    return NULL;
}

/** Judges one program; false: it was never started. */
static bool judge_program(struct view *view, struct str name)
{
    struct program_view program = {.name = name};
    uint32_t name_id = journal_intern(view->journal, name);
    struct process *process = scenario_process(view->scenario, name);
    if (process && process_is_alive(process))
        program.process = process;
    else
        program.end = newest_end(view->journal, name_id);
    if (!program.process && !program.end) {
        bool started = journal_count(view->journal, ENTRY_PROGRAM, name_id) ||
                       journal_count(view->journal, ENTRY_PROGRAM_END, name_id);
        if (started)
            failures_say(view->failures, view->item->subject.place, "processes",
                         "the journal no longer holds how " STR_FMT " ended", STR_ARG(name));
        return started;
    }
    judge_alive(view, &program);
    judge_exit(view, &program);
    judge_usage(view, &program);
    return true;
}

/** Ids of the programs that the journal knows; each once, in the order of their first entry. */
struct ids {
    uint32_t *items;
    size_t count;
    size_t capacity;
    uint64_t entries;
};

static void ids_collect(struct ids *ids, const struct journal *journal)
{
    uint64_t last = journal_last(journal);
    for (uint64_t number = journal_first(journal); number <= last; number++) {
        const struct entry *entry = journal_get(journal, number);
        size_t at = 0;
        if (entry->kind != ENTRY_PROGRAM && entry->kind != ENTRY_PROGRAM_END)
            continue;
        ids->entries++;
        while (at < ids->count && ids->items[at] != entry->subject)
            at++;
        if (at < ids->count)
            continue;
        memory_grow(&ids->items, ids->count, &ids->capacity, sizeof *ids->items);
        ids->items[ids->count++] = entry->subject;
    }
}

static void judge_all(struct view *view)
{
    struct journal *journal = view->journal;
    struct ids ids = {0};
    ids_collect(&ids, journal);
    if (ids.entries <
        journal_count(journal, ENTRY_PROGRAM, 0) + journal_count(journal, ENTRY_PROGRAM_END, 0))
        failures_say(view->failures, view->item->subject.place, "processes",
                     "the journal no longer holds all programs; name one with 'of'");
    else if (ids.count == 0)
        failures_say(view->failures, view->item->subject.place, "processes",
                     "expected at least one, found no program that was started");
    else
        for (size_t i = 0; i < ids.count; i++)
            (void)judge_program(view, journal_name(journal, ids.items[i]));
    memory_free(ids.items);
}

void processes_judge(struct view *view)
{
    struct str name = view->keys->name;
    if (!name.data)
        judge_all(view);
    else if (!judge_program(view, name))
        failures_say(view->failures, view->item->subject.place, "processes",
                     STR_FMT " was never started", STR_ARG(name));
}
