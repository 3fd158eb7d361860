#include "runner/scenario/running.h"

#include "base/clock.h"
#include "base/memory.h"
#include "runner/scenario/scenario_private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

/** The environment of a program while it is put together. */
struct environment {
    struct arena *arena;
    const char **items;
    size_t count;
    size_t capacity;
};

static size_t environment_find(const struct environment *environment, struct str name)
{
    size_t i = 0;
    for (; i < environment->count; i++) {
        struct str item = str_of(environment->items[i]);
        if (str_starts(item, name) && item.size > name.size && item.data[name.size] == '=')
            break;
    }
    return i;
}

static void environment_set(struct environment *environment, struct str name, struct str value)
{
    size_t at = environment_find(environment, name);
    const char *item =
        arena_printf(environment->arena, STR_FMT "=" STR_FMT, STR_ARG(name), STR_ARG(value)).data;
    if (at == environment->count) {
        arena_grow(environment->arena, &environment->items, environment->count,
                   &environment->capacity, sizeof *environment->items);
        environment->count++;
    }
    GOTO_ASSERT(environment->items);
    environment->items[at] = item;
}

static void environment_remove(struct environment *environment, struct str name)
{
    size_t at = environment_find(environment, name);
    if (at < environment->count)
        environment->items[at] = environment->items[--environment->count];
}

/** "my-api" as "MY_API". */
static struct str environment_name(struct arena *arena, struct str name)
{
    struct str copy = arena_copy(arena, name);
    char *text = arena_alloc(arena, name.size + 1);
    for (size_t i = 0; i < copy.size; i++) {
        char c = copy.data[i];
        text[i] = (char)(c == '-' ? '_' : c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    return (struct str){text, name.size};
}

static void environment_add_port(struct environment *environment, const struct scenario_port *port)
{
    struct arena *arena = environment->arena;
    struct str name = environment_name(arena, port->name);
    struct str number = arena_printf(arena, "%u", port->number);
    environment_set(environment, arena_printf(arena, "GOTO_RUN_" STR_FMT "_URL", STR_ARG(name)),
                    scenario_port_url(port, arena));
    environment_set(environment, arena_printf(arena, "GOTO_RUN_" STR_FMT "_HOST", STR_ARG(name)),
                    port->host);
    environment_set(environment, arena_printf(arena, "GOTO_RUN_" STR_FMT "_PORT", STR_ARG(name)),
                    number);
}

/** GOTO_RUN_CA: a program that cannot be given it fails by itself; the journal says why. */
static void environment_add_ca(struct environment *environment, struct scenario *scenario)
{
    struct str path;
    struct str why;
    if (!scenario_wants_ca(scenario))
        return;
    if (scenario_tls_file(scenario, TLS_FILE_CA, environment->arena, &path, &why))
        environment_set(environment, STR("GOTO_RUN_CA"), path);
    else
        journal_note(scenario->journal, ENTRY_NOTE, 0, "no GOTO_RUN_CA: " STR_FMT, STR_ARG(why));
}

/** Whether a list such as "localhost,10.0.0.1" has this host in it. */
static bool host_list_has(struct str list, struct str host)
{
    while (list.size) {
        ptrdiff_t comma = str_find_byte(list, ',');
        size_t size = comma < 0 ? list.size : (size_t)comma;
        if (str_equal(str_trim(str_slice(list, 0, size)), host))
            return true;
        list = comma < 0 ? (struct str){0} : str_from(list, size + 1);
    }
    return false;
}

/** The value of a variable; data NULL if there is none. */
static struct str environment_get(const struct environment *environment, struct str name)
{
    size_t at = environment_find(environment, name);
    if (!environment->items || at == environment->count)
        return (struct str){0};
    return str_from(str_of(environment->items[at]), name.size + 1);
}

/**
 * no_proxy gets the hosts of the run's ports: the user's proxy is not for them. Many programs look
 * at only one of the two spellings, so the new one begins as the other.
 */
static void environment_extend_no_proxy(struct environment *environment,
                                        const struct scenario *scenario)
{
    struct arena *arena = environment->arena;
    struct str upper = environment_get(environment, STR("NO_PROXY"));
    struct str lower = environment_get(environment, STR("no_proxy"));
    struct str both[] = {lower.data ? lower : upper, upper};
    if (scenario->port_count == 0)
        return;
    for (size_t n = 0; n < COUNT_OF(both); n++) {
        for (size_t i = 0; i < scenario->port_count; i++) {
            struct str host = scenario->ports[i].host;
            if (!host_list_has(both[n], host))
                both[n] = arena_printf(arena, STR_FMT "%s" STR_FMT, STR_ARG(both[n]),
                                       both[n].size ? "," : "", STR_ARG(host));
        }
    }
    environment_set(environment, STR("no_proxy"), both[0]);
    if (upper.data)
        environment_set(environment, STR("NO_PROXY"), both[1]);
}

static const char **environment_make(struct scenario *scenario, const struct run_request *request,
                                     struct arena *arena)
{
    struct environment environment = {.arena = arena};
    for (char **item = environ; *item; item++) {
        arena_grow(arena, &environment.items, environment.count, &environment.capacity,
                   sizeof *environment.items);
        environment.items[environment.count++] = *item;
    }
    for (size_t i = 0; i < scenario->port_count; i++)
        environment_add_port(&environment, &scenario->ports[i]);
    environment_add_ca(&environment, scenario);
    environment_extend_no_proxy(&environment, scenario);
    const struct map_entry *own = request->env.items;
    for (size_t i = 0; i < request->env.count; i++) {
        const struct str *value = own[i].value;
        if (value->data)
            environment_set(&environment, own[i].name, *value);
        else
            environment_remove(&environment, own[i].name);
    }
    arena_grow(arena, &environment.items, environment.count, &environment.capacity,
               sizeof *environment.items);
    environment.items[environment.count] = NULL;
    return environment.items;
}

static const char **argv_make(const struct run_request *request, struct arena *arena)
{
    if (request->shell.data) {
        const char **argv = arena_alloc_array(arena, 4, sizeof *argv);
        argv[0] = "/bin/sh";
        argv[1] = "-c";
        argv[2] = arena_copy(arena, request->shell).data;
        return argv;
    }
    const char **argv = arena_alloc_array(arena, request->command.count + 1, sizeof *argv);
    const struct str *parts = request->command.items;
    for (size_t i = 0; i < request->command.count; i++)
        argv[i] = arena_copy(arena, parts[i]).data;
    return argv;
}

static struct str cwd_make(const struct scenario *scenario, const struct run_request *request,
                           struct arena *arena)
{
    struct str folder = scenario_folder(scenario);
    if (!request->cwd.data)
        return folder;
    if (request->cwd.size && request->cwd.data[0] == '/')
        return arena_copy(arena, request->cwd);
    return arena_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(folder), STR_ARG(request->cwd));
}

static void running_started(void *context, int pid)
{
    struct running *running = context;
    struct entry entry = journal_entry(ENTRY_PROGRAM, running->name_id);
    entry.value = pid;
    running->started = true;
    journal_append(running->scenario->journal, &entry, (struct str){0});
    if (running->handler.started)
        running->handler.started(running->context, running);
}

static void running_line(void *context, bool is_stderr, struct str line, bool cut)
{
    struct running *running = context;
    struct entry entry = journal_entry(ENTRY_OUTPUT, running->name_id);
    entry.flags = (uint16_t)((is_stderr ? ENTRY_STDERR : 0) | (cut ? ENTRY_CUT : 0));
    journal_append(running->scenario->journal, &entry, line);
}

struct str running_error(const struct running *running)
{
    struct arena *arena = running->scenario->arena;
    if (running->end.error == EOWNERDEAD)
        return STR("the supervisor of programs was killed");
    if (running->end.error_in_cwd)
        return arena_printf(arena, "its working directory: %s", strerror(running->end.error));
    return str_of(strerror(running->end.error));
}

static void running_ended(void *context, const struct process_end *end)
{
    struct running *running = context;
    struct entry entry = journal_entry(ENTRY_PROGRAM_END, running->name_id);
    running->end = *end;
    running->ended = true;
    running->end_ns = clock_now();
    timer_stop(&running->timeout);
    entry.value = end->error ? 127 : end->signal ? -end->signal : end->exit_code;
    entry.extra = end->rss;
    entry.extra2 = (uint64_t)end->cpu_ns;
    entry.flags = running->stopping ? ENTRY_OPTIONAL : 0;
    journal_append(running->scenario->journal, &entry,
                   end->error ? running_error(running) : (struct str){0});
    if (end->error == EOWNERDEAD)
        scenario_harness_failed(running->scenario);
    if (running->handler.ended)
        running->handler.ended(running->context, running);
}

static void running_timed_out(struct timer *timer)
{
    running_expire(CONTAINER_OF(timer, struct running, timeout));
}

struct running *running_start(struct scenario *scenario, struct str name,
                              const struct run_request *request,
                              const struct running_handler *handler, void *context, struct str *why)
{
    static const struct process_handler process_handler = {running_started, running_line,
                                                           running_ended};
    if (scenario->options->no_run) {
        *why = STR("--no-run refuses to start programs");
        return NULL;
    }
    struct running *running = arena_alloc(scenario->arena, sizeof *running);
    struct arena *arena = arena_new();
    struct process_options options = {
        .argv = argv_make(request, arena),
        .env = environment_make(scenario, request, arena),
        .cwd = cwd_make(scenario, request, arena).data,
        .input = request->input,
        .most_output = RUN_OUTPUT,
        .most_line = RUN_LINE,
    };
    *running = (struct running){
        .next = scenario->running,
        .scenario = scenario,
        .name = name,
        .name_id = journal_intern(scenario->journal, name),
        .context = context,
        .start_ns = clock_now(),
    };
    if (handler)
        running->handler = *handler;
    running->process =
        process_start(scenario->options->supervisor, &options, &process_handler, running);
    arena_free(arena);
    timer_init(&running->timeout, scenario->loop, running_timed_out);
    if (request->timeout_ns)
        timer_start(&running->timeout, request->timeout_ns);
    scenario->running = running;
    return running;
}

void running_forget(struct running *running)
{
    running->handler = (struct running_handler){0};
    running->context = NULL;
}

void running_stop(struct running *running)
{
    running->stopping = true;
    /* also when the first process has ended: what it left in its group goes too */
    process_stop(running->process, RUN_GRACE_NS);
}

void running_expire(struct running *running)
{
    running->timed_out = true;
    process_stop(running->process, RUN_GRACE_NS);
}

void running_free(struct running *running)
{
    timer_stop(&running->timeout);
    process_free(running->process);
    running->process = NULL;
}
