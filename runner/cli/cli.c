#include "runner/cli/cli.h"

#include "base/memory.h"
#include "base/random.h"
#include "runner/cli/init.h"
#include "runner/cli/options.h"
#include "runner/client/http.h"
#include "runner/client/supervisor.h"
#include "runner/spec/names.h"
#include "runner/suite/discover.h"
#include "schema/jsonschema.h"
#include "schema/reference.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum exit_status {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_WRONG = 2,
    EXIT_HARNESS = 3,
    EXIT_NOTHING = 4,
    EXIT_INTERRUPTED = 130,
};

/** One run of the program. */
struct cli {
    struct options options;
    struct diagnostics diagnostics;
    struct arena *arena;
    struct discovered discovered;
    struct spec_options spec_options;
    struct map_entry *sets;
    size_t set_count;
    size_t set_capacity;
    struct map_entry *secrets;
    size_t secret_count;
    size_t secret_capacity;
};

static int print(int fd, struct str text)
{
    while (text.size) {
        ssize_t written = write(fd, text.data, text.size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? -errno : -EIO;
        text = str_from(text, (size_t)written);
    }
    return 0;
}

static int print_buf(int fd, struct buf *text)
{
    report_mask(text);
    int error = print(fd, buf_str(text));
    buf_clear(text);
    return error;
}

/** What a command has to say goes to standard output; returns the exit status. */
static int print_answer(struct buf *text)
{
    int error = print_buf(STDOUT_FILENO, text);
    if (!error)
        return EXIT_OK;
    fprintf(stderr, "error: standard output could not be written: %s\n", strerror(-error));
    return EXIT_HARNESS;
}

static int cli_wrong(struct cli *cli)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    diagnostics_print(&cli->diagnostics, &text);
    if (cli->diagnostics.count > 1)
        buf_printf(&text, "%zu errors; nothing was run\n", cli->diagnostics.count);
    (void)!print_buf(STDERR_FILENO, &text);
    return cli->diagnostics.harness ? EXIT_HARNESS : EXIT_WRONG;
}

/* Variables of the command line */

static struct source *make_source(struct cli *cli, const char *name, struct str text)
{
    struct source *source = arena_alloc(cli->arena, sizeof *source);
    *source = (struct source){str_of(name), text};
    return source;
}

static void add_value(struct cli *cli, struct map_entry **entries, size_t *count, size_t *capacity,
                      struct str name, const struct json *value, struct place place)
{
    if (!str_is_name(name)) {
        diagnostics_add(&cli->diagnostics, place, "'" STR_FMT "' is no name for a variable",
                        STR_ARG(name));
        diagnostics_help(&cli->diagnostics,
                         "a name has small letters, digits and '-', and begins with a letter");
        return;
    }
    if (names_is_built_in(name)) {
        diagnostics_add(&cli->diagnostics, place,
                        "'" STR_FMT "' is a built-in name; no variable can be called so",
                        STR_ARG(name));
        return;
    }
    arena_grow(cli->arena, entries, *count, capacity, sizeof **entries);
    (*entries)[(*count)++] =
        (struct map_entry){.name = name, .place = place, .value = (void *)value};
}

/** `name=value`; the value of --set is read as a YAML scalar, that of --secret is text. */
static void take_assignment(struct cli *cli, const char *option, const char *text, bool secret)
{
    struct str whole = str_of(text);
    size_t equals = (size_t)str_find_byte(whole, '=');
    struct str name = str_slice(whole, 0, equals);
    struct str value = str_from(whole, equals + 1);
    struct source *source = make_source(cli, option, value);
    struct place place = {source, 1, 1, 1};
    if (secret) {
        report_add_secret(value);
        add_value(cli, &cli->secrets, &cli->secret_count, &cli->secret_capacity, name,
                  json_string(cli->arena, value), place);
        return;
    }
    struct node *node = NULL;
    if (tree_read_value(cli->arena, source, &node, &cli->diagnostics) == 0)
        add_value(cli, &cli->sets, &cli->set_count, &cli->set_capacity, name,
                  node_to_json(cli->arena, node), place);
}

static void take_vars_file(struct cli *cli, const char *path)
{
    FILE *file = fopen(path, "re");
    struct buf text;
    if (!file) {
        diagnostics_add(&cli->diagnostics, (struct place){0}, "--vars %s: %s", path,
                        strerror(errno));
        return;
    }
    buf_init(&text, TREE_FILE_SIZE + 4096);
    for (;;) {
        char *into = buf_reserve(&text, 4096);
        size_t got = into ? fread(into, 1, 4096, file) : 0;
        text.size += got;
        if (got == 0)
            break;
    }
    bool failed = ferror(file) != 0;
    if (failed)
        diagnostics_add(&cli->diagnostics, (struct place){0}, "--vars %s: %s", path,
                        strerror(errno));
    fclose(file);
    struct source *source = make_source(cli, path, arena_copy(cli->arena, buf_str(&text)));
    struct documents documents = {0};
    bool empty = str_trim(buf_str(&text)).size == 0;
    buf_clear(&text);
    if (failed ||
        (!empty && tree_read_yaml(cli->arena, source, &documents, &cli->diagnostics) != 0))
        return;
    if (documents.count != 1 || documents.items[0]->kind != NODE_MAP) {
        diagnostics_add(&cli->diagnostics, (struct place){.source = source},
                        "--vars takes one mapping of names and values");
        return;
    }
    for (size_t i = 0; i < documents.items[0]->count; i++) {
        const struct node_pair *pair = &documents.items[0]->pairs[i];
        add_value(cli, &cli->sets, &cli->set_count, &cli->set_capacity, pair->key->text,
                  node_to_json(cli->arena, pair->value), pair->key->place);
    }
}

static void take_variables(struct cli *cli)
{
    const struct options *options = &cli->options;
    for (size_t i = 0; i < options->vars.count; i++)
        take_vars_file(cli, options->vars.items[i]);
    for (size_t i = 0; i < options->sets.count; i++) {
        if (strchr(options->sets.items[i], '='))
            take_assignment(cli, "--set", options->sets.items[i], false);
    }
    for (size_t i = 0; i < options->secrets.count; i++) {
        if (strchr(options->secrets.items[i], '='))
            take_assignment(cli, "--secret", options->secrets.items[i], true);
    }
    cli->spec_options.set = (struct list){cli->sets, cli->set_count};
    cli->spec_options.secrets = (struct list){cli->secrets, cli->secret_count};
}

/** Secrets of `vars: {x: {secret: true, env: X}}` are kept out of every report. */
static void take_spec_secrets(struct cli *cli)
{
    for (size_t i = 0; i < cli->discovered.count; i++) {
        for (size_t j = 0; j < cli->discovered.files[i]->count; j++) {
            const struct list *list = &cli->discovered.files[i]->scenarios[j]->variables;
            const struct variable *variables = list->items;
            for (size_t k = 0; k < list->count; k++) {
                const struct node *node = variables[k].node;
                const struct node *secret =
                    node->kind == NODE_MAP ? node_get(node, "secret") : NULL;
                const struct node *env = node->kind == NODE_MAP ? node_get(node, "env") : NULL;
                if (secret && secret->kind == NODE_BOOL && secret->boolean && env) {
                    const char *value = getenv(arena_copy(cli->arena, env->text).data);
                    if (value && *value)
                        report_add_secret(str_of(value));
                }
            }
        }
    }
}

/* Commands */

static int read_specs(struct cli *cli)
{
    if (cli->options.paths.count == 0) {
        diagnostics_add(&cli->diagnostics, (struct place){0}, "no spec was named");
        diagnostics_help(&cli->diagnostics,
                         "write goto-run FILE, or goto-run init for a first spec; goto-run --help "
                         "tells more");
        return cli_wrong(cli);
    }
    for (size_t i = 0; i < cli->options.paths.count; i++)
        discover_path(&cli->discovered, cli->options.paths.items[i], &cli->spec_options,
                      &cli->diagnostics);
    take_spec_secrets(cli);
    return cli->diagnostics.count ? cli_wrong(cli) : EXIT_OK;
}

static struct selected *select_scenarios(struct cli *cli, size_t *count)
{
    const struct options *options = &cli->options;
    struct selection selection = {options->names.items, options->names.count, options->tags.items,
                                  options->tags.count};
    return discover_select(&cli->discovered, &selection, options->repeat, count);
}

static int nothing_selected(void)
{
    (void)!print(STDERR_FILENO, STR("error: no scenario was selected\n"));
    return EXIT_NOTHING;
}

static int command_check(struct cli *cli)
{
    struct buf text;
    size_t scenarios = 0;
    int status = read_specs(cli);
    if (status)
        return status;
    for (size_t i = 0; i < cli->discovered.count; i++)
        scenarios += cli->discovered.files[i]->count;
    if (scenarios == 0)
        return nothing_selected();
    buf_init(&text, BUF_OWN);
    buf_printf(&text, "%zu %s, %zu %s: no errors\n", cli->discovered.count,
               cli->discovered.count == 1 ? "file" : "files", scenarios,
               scenarios == 1 ? "scenario" : "scenarios");
    if (cli->options.verbosity == VERBOSE_QUIET)
        buf_reset(&text);
    return print_answer(&text);
}

static void list_one(const struct scenario_spec *spec, struct buf *text)
{
    struct arena *arena = arena_new();
    struct checks checks = {.arena = arena};
    const struct str *tags = spec->tags.items;
    buf_printf(text, STR_FMT ":%u: " STR_FMT, STR_ARG(spec->file->source.name), spec->place.line,
               STR_ARG(spec->name));
    for (size_t i = 0; i < spec->tags.count; i++)
        buf_printf(text, "%s" STR_FMT "%s", i ? ", " : "  [", STR_ARG(tags[i]),
                   i + 1 == spec->tags.count ? "]" : "");
    if (spec->skip.skipped)
        buf_printf(text, "  (skipped: " STR_FMT ")", STR_ARG(spec->skip.reason));
    buf_append_byte(text, '\n');
    scenario_skipped_checks(spec, &checks, (struct str){0});
    for (size_t i = 0; i < checks.count; i++)
        buf_printf(text, "  " STR_FMT "\n", STR_ARG(checks.items[i]->name));
    arena_free(arena);
}

static int command_list(struct cli *cli)
{
    struct buf text;
    size_t count = 0;
    int status = read_specs(cli);
    if (status)
        return status;
    struct selected *selected = select_scenarios(cli, &count);
    buf_init(&text, BUF_OWN);
    for (size_t i = 0; i < count; i++) {
        if (selected[i].repetition <= 1)
            list_one(selected[i].spec, &text);
    }
    memory_free(selected);
    status = print_answer(&text);
    return count ? status : nothing_selected();
}

enum { MOST_REPORTERS = 5 };

static bool goes_to_stdout(const char *path)
{
    return path && strcmp(path, "-") == 0;
}

/** The options that a scenario has to be run with again, for the command that does so. */
static const char *const *rerun_arguments(struct cli *cli)
{
    const struct options *options = &cli->options;
    const struct {
        const char *option;
        const struct texts *values;
    } kept[] = {
        {"--set", &options->sets}, {"--vars", &options->vars}, {"--secret", &options->secrets}};
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        count += 2 * kept[i].values->count;
    const char **words = arena_alloc_array(cli->arena, count + 1, sizeof *words);
    count = 0;
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        for (size_t j = 0; j < kept[i].values->count; j++) {
            words[count++] = kept[i].option;
            words[count++] = kept[i].values->items[j];
        }
    }
    return words;
}

/** Makes the reporters that were asked for; the console gives way when a report takes standard
 * output. */
static size_t make_reporters(struct cli *cli, struct console_options *console,
                             struct reporter **reporters)
{
    const struct options *options = &cli->options;
    size_t count = 0;
    bool taken = goes_to_stdout(options->tap) || goes_to_stdout(options->tap14) ||
                 goes_to_stdout(options->json) || goes_to_stdout(options->junit);
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    *console = (struct console_options){.fd = taken ? STDERR_FILENO : STDOUT_FILENO,
                                        .verbosity = options->verbosity,
                                        .program = options->program,
                                        .arguments = rerun_arguments(cli)};
    console->terminal = isatty(console->fd) && term && strcmp(term, "dumb") != 0;
    console->color =
        options->color == COLOR_ALWAYS ||
        (options->color == COLOR_AUTO && console->terminal && !(no_color && *no_color));
    reporters[count++] = console_new(console);
    if (options->tap)
        reporters[count++] = tap_new(options->tap, false);
    if (options->tap14)
        reporters[count++] = tap_new(options->tap14, true);
    if (options->junit)
        reporters[count++] = junit_new(options->junit);
    if (options->json)
        reporters[count++] = ndjson_new(options->json);
    return count;
}

static int check_report_paths(struct cli *cli)
{
    const struct options *options = &cli->options;
    const char *const paths[] = {options->tap, options->tap14, options->junit, options->json};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        for (size_t j = i + 1; j < COUNT_OF(paths); j++) {
            if (!paths[i] || !paths[j] || strcmp(paths[i], paths[j]) != 0)
                continue;
            diagnostics_add(&cli->diagnostics, (struct place){0}, "only one report can go to %s",
                            goes_to_stdout(paths[i]) ? "standard output" : paths[i]);
            diagnostics_help(&cli->diagnostics, "give each a file of its own: --tap=FILE");
            return cli_wrong(cli);
        }
    }
    return EXIT_OK;
}

static int finish_reporters(struct reporter **reporters, size_t count,
                            const struct suite_result *result)
{
    int status = EXIT_OK;
    for (size_t i = count; i-- > 0;) {
        struct reporter *reporter = reporters[i];
        int error = reporter->type->finish
                        ? reporter->type->finish(reporter, &result->totals, result->duration_ns)
                        : 0;
        if (error) {
            struct buf text;
            buf_init(&text, BUF_OWN);
            buf_printf(&text, "error: the %s report could not be written to %s: %s\n",
                       reporter->type->name,
                       reporter->path && strcmp(reporter->path, "-") != 0 ? reporter->path
                                                                          : "standard output",
                       strerror(-error));
            (void)!print_buf(STDERR_FILENO, &text);
            status = EXIT_HARNESS;
        }
    }
    for (size_t i = 0; i < count; i++)
        reporters[i]->type->free(reporters[i]);
    return status;
}

static int worst(int a, int b)
{
    return a > b ? a : b;
}

static int run_selected(struct cli *cli, const struct selected *selected, size_t count,
                        struct supervisor *supervisor)
{
    const struct options *options = &cli->options;
    struct reporter *reporters[MOST_REPORTERS];
    struct console_options console;
    struct suite_result result = {0};
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct suite_options suite = {
        .run = {.spec = cli->spec_options,
                .supervisor = supervisor,
                .has_seed = options->has_seed,
                .seed = options->has_seed ? options->seed : random_seed(),
                .timeout_ns = options->timeout_ns,
                .keep_tmp = options->keep_tmp,
                .no_run = options->no_run},
        .jobs = options->jobs ? options->jobs : (unsigned)(processors > 0 ? processors * 8 : 8),
        .fail_fast = options->fail_fast,
        .reporters = reporters,
    };
    suite.reporter_count = make_reporters(cli, &console, reporters);
    int error = suite_run(selected, count, &suite, &result);
    int status = finish_reporters(reporters, suite.reporter_count, &result);
    if (error) {
        fprintf(stderr, "error: the run could not start: %s\n", strerror(-error));
        return EXIT_HARNESS;
    }
    if (result.totals.failed)
        status = worst(status, EXIT_FAILED);
    if (result.totals.errors || result.harness_failed)
        status = worst(status, EXIT_HARNESS);
    if (result.interrupted)
        status = worst(status, EXIT_INTERRUPTED);
    return status;
}

static bool any_runs_programs(const struct selected *selected, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (selected[i].spec->runs_programs && !selected[i].spec->skip.skipped)
            return true;
    }
    return false;
}

static int command_run(struct cli *cli)
{
    struct supervisor *supervisor = NULL;
    size_t count = 0;
    int status = check_report_paths(cli);
    if (status == EXIT_OK)
        status = read_specs(cli);
    if (status)
        return status;
    struct selected *selected = select_scenarios(cli, &count);
    if (count == 0) {
        memory_free(selected);
        return nothing_selected();
    }
    if (any_runs_programs(selected, count) && !cli->options.no_run) {
        int error = 0;
        supervisor = supervisor_new(&error);
        if (!supervisor) {
            fprintf(stderr, "error: the supervisor of programs could not start: %s\n",
                    strerror(-error));
            memory_free(selected);
            return EXIT_HARNESS;
        }
    }
    status = run_selected(cli, selected, count, supervisor);
    memory_free(selected);
    return status;
}

static int command_print(void (*write)(const struct type *root, struct buf *into))
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    write(&scenario_type, &text);
    return print_answer(&text);
}

static void write_schema(const struct type *root, struct buf *into)
{
    schema_write(root, "A scenario of goto-run", into);
}

static void write_reference(const struct type *root, struct buf *into)
{
    buf_append_string(into,
                      "# Reference\n\nEvery key of a spec, made from the program's own tables by "
                      "`goto-run reference`.\n\n");
    reference_write(root, into);
}

static int cli_command(struct cli *cli)
{
    struct buf text;
    if (cli->options.help) {
        buf_init(&text, BUF_OWN);
        options_help(&text);
        return print_answer(&text);
    }
    if (cli->options.version) {
        buf_init(&text, BUF_OWN);
        buf_append_string(&text, "goto-run " GOTO_VERSION "\n");
        return print_answer(&text);
    }
    take_variables(cli);
    if (cli->diagnostics.count)
        return cli_wrong(cli);
    switch (cli->options.command) {
    case COMMAND_CHECK:
        return command_check(cli);
    case COMMAND_LIST:
        return command_list(cli);
    case COMMAND_SCHEMA:
        return command_print(write_schema);
    case COMMAND_REFERENCE:
        return command_print(write_reference);
    case COMMAND_INIT:
        return init_write(cli->options.paths.count ? cli->options.paths.items[0] : ".") == 0
                   ? EXIT_OK
                   : EXIT_HARNESS;
    case COMMAND_RUN:
        break;
    }
    return command_run(cli);
}

/** A standard file that is closed would be taken by the next descriptor that is opened. */
static void open_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
            _exit(EXIT_HARNESS);
    }
}

int cli_main(int argc, char **argv)
{
    struct cli cli = {.arena = arena_new()};
    open_standard_files();
    diagnostics_init(&cli.diagnostics);
    options_parse(&cli.options, argc, argv, &cli.diagnostics);
    int status = cli.diagnostics.count ? cli_wrong(&cli) : cli_command(&cli);
    discovered_clear(&cli.discovered);
    diagnostics_clear(&cli.diagnostics);
    options_clear(&cli.options);
    arena_free(cli.arena);
    return status;
}
