#include "runner/cli/options.h"

#include "base/memory.h"
#include "base/units.h"

#include <string.h>
#include <unistd.h>

/** Whether an option takes a value. */
enum option_value { VALUE_NONE, VALUE_REQUIRED, VALUE_OPTIONAL };

struct option_row {
    const char *name; /**< without dashes */
    char letter;      /**< 0 = none */
    enum option_value value;
    const char *shown; /**< of the value in --help */
    /** Takes the value (NULL if none was given); false if it is not one. */
    bool (*take)(struct options *options, const char *value);
    const char *doc;
};

static void texts_add(struct texts *texts, const char *text)
{
    memory_grow(&texts->items, texts->count, &texts->capacity, sizeof *texts->items);
    texts->items[texts->count++] = text;
}

static bool take_number(const char *value, uint64_t least, uint64_t most, unsigned *into)
{
    uint64_t number;
    if (!str_to_u64(str_of(value), most, &number) || number < least)
        return false;
    *into = (unsigned)number;
    return true;
}

static bool take_jobs(struct options *options, const char *value)
{
    return take_number(value, 1, 10000, &options->jobs);
}

static bool take_name(struct options *options, const char *value)
{
    texts_add(&options->names, value);
    return *value != '\0';
}

static bool take_tag(struct options *options, const char *value)
{
    texts_add(&options->tags, value);
    return *value != '\0';
}

static bool take_set(struct options *options, const char *value)
{
    texts_add(&options->sets, value);
    return strchr(value, '=') != NULL;
}

static bool take_vars(struct options *options, const char *value)
{
    texts_add(&options->vars, value);
    return true;
}

static bool take_secret(struct options *options, const char *value)
{
    texts_add(&options->secrets, value);
    return strchr(value, '=') != NULL;
}

static bool take_seed(struct options *options, const char *value)
{
    options->has_seed = true;
    return str_to_u64(str_of(value), UINT64_MAX, &options->seed);
}

static bool take_repeat(struct options *options, const char *value)
{
    return take_number(value, 1, 1000000, &options->repeat);
}

static bool take_fail_fast(struct options *options, const char *value)
{
    (void)value;
    return options->fail_fast = true;
}

static bool take_timeout(struct options *options, const char *value)
{
    return units_read_time(str_of(value), false, &options->timeout_ns) && options->timeout_ns > 0;
}

/** A report's file: "-" for all names of standard output, so that the console gives way there. */
static bool take_report(const char *value, const char **into)
{
    static const char *const names[] = {"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"};
    *into = value ? value : "-";
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(*into, names[i]) == 0)
            *into = "-";
    }
    return **into != '\0';
}

static bool take_tap(struct options *options, const char *value)
{
    return take_report(value, &options->tap);
}

static bool take_tap14(struct options *options, const char *value)
{
    return take_report(value, &options->tap14);
}

static bool take_junit(struct options *options, const char *value)
{
    return take_report(value, &options->junit);
}

static bool take_json(struct options *options, const char *value)
{
    return take_report(value, &options->json);
}

static bool take_keep_tmp(struct options *options, const char *value)
{
    (void)value;
    return options->keep_tmp = true;
}

static bool take_no_run(struct options *options, const char *value)
{
    (void)value;
    return options->no_run = true;
}

static bool take_list(struct options *options, const char *value)
{
    (void)value;
    return options->list = true;
}

static bool take_color(struct options *options, const char *value)
{
    static const char *const names[] = {
        [COLOR_AUTO] = "auto", [COLOR_ALWAYS] = "always", [COLOR_NEVER] = "never"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            options->color = (enum color)i;
            return true;
        }
    }
    return false;
}

static bool take_verbose(struct options *options, const char *value)
{
    (void)value;
    options->verbosity = VERBOSE_MORE;
    return true;
}

static bool take_quiet(struct options *options, const char *value)
{
    (void)value;
    options->verbosity = VERBOSE_QUIET;
    return true;
}

static bool take_help(struct options *options, const char *value)
{
    (void)value;
    return options->help = true;
}

static bool take_version(struct options *options, const char *value)
{
    (void)value;
    return options->version = true;
}

static const struct option_row option_rows[] = {
    {"jobs", 'j', VALUE_REQUIRED, "N", take_jobs, "scenarios at once (8 for each processor)"},
    {"name", 'k', VALUE_REQUIRED, "TEXT", take_name,
     "only scenarios whose name holds TEXT; may be repeated"},
    {"tag", 't', VALUE_REQUIRED, "TAG", take_tag,
     "only scenarios with TAG; '!TAG': without it; may be repeated"},
    {"set", 0, VALUE_REQUIRED, "NAME=VALUE", take_set,
     "gives a variable its value, read as a YAML scalar"},
    {"vars", 0, VALUE_REQUIRED, "FILE", take_vars, "variables from a YAML mapping"},
    {"secret", 0, VALUE_REQUIRED, "NAME=VALUE", take_secret,
     "a variable whose value no report shows"},
    {"seed", 0, VALUE_REQUIRED, "N", take_seed, "draws what an earlier run with this seed drew"},
    {"repeat", 0, VALUE_REQUIRED, "N", take_repeat, "runs everything N times"},
    {"fail-fast", 0, VALUE_NONE, NULL, take_fail_fast,
     "starts nothing more after the first failure"},
    {"timeout", 0, VALUE_REQUIRED, "D", take_timeout, "the timeout of every scenario, such as 10s"},
    {"tap", 0, VALUE_OPTIONAL, "FILE", take_tap,
     "TAP version 13 (without FILE to standard output)"},
    {"tap14", 0, VALUE_OPTIONAL, "FILE", take_tap14,
     "TAP version 14 with a subtest for each scenario"},
    {"junit", 0, VALUE_REQUIRED, "FILE", take_junit, "JUnit XML, as Jenkins reads it"},
    {"json", 0, VALUE_OPTIONAL, "FILE", take_json, "the journal as NDJSON, a line an event"},
    {"keep-tmp", 0, VALUE_NONE, NULL, take_keep_tmp, "keeps the temporary folders"},
    {"no-run", 0, VALUE_NONE, NULL, take_no_run, "refuses to start programs"},
    {"color", 0, VALUE_REQUIRED, "WHEN", take_color, "auto, always or never"},
    {"verbose", 'v', VALUE_NONE, NULL, take_verbose, "a line for each scenario and check"},
    {"quiet", 'q', VALUE_NONE, NULL, take_quiet, "only what failed"},
    {"list", 0, VALUE_NONE, NULL, take_list, "lists what would run"},
    {"help", 'h', VALUE_NONE, NULL, take_help, "this text"},
    {"version", 0, VALUE_NONE, NULL, take_version, "the version"},
};

/** Options and commands that the language names and this version does not have. */
static const char *const later_options[] = {"shard", "watch", "html"};
static const char *const later_commands[] = {"serve"};

static const struct command_row {
    const char *name;
    enum command command;
    const char *shown;
    size_t paths; /**< that it takes at most */
    const char *doc;
} command_rows[] = {
    {"run", COMMAND_RUN, "[run] PATH…", SIZE_MAX, "run files, folders, FILE:LINE"},
    {"check", COMMAND_CHECK, "check PATH…", SIZE_MAX, "read and judge the specs, run nothing"},
    {"list", COMMAND_LIST, "list PATH…", SIZE_MAX, "scenarios, tags, checks"},
    {"schema", COMMAND_SCHEMA, "schema", 0, "print the JSON Schema"},
    {"reference", COMMAND_REFERENCE, "reference", 0, "print the reference of all keys (Markdown)"},
    {"init", COMMAND_INIT, "init [DIR]", 1, "write a first spec that passes offline"},
};

void options_help(struct buf *into)
{
    buf_append_string(
        into, "goto-run: tests how clients, services and gateways behave when the other side "
              "misbehaves\n\nusage:\n");
    for (size_t i = 0; i < COUNT_OF(command_rows); i++)
        buf_printf(into, "  goto-run %s%*s %s\n", command_rows[i].shown,
                   14 - (int)str_characters(str_of(command_rows[i].shown)), "",
                   command_rows[i].doc);
    buf_append_string(into, "\noptions:\n");
    for (size_t i = 0; i < COUNT_OF(option_rows); i++) {
        const struct option_row *row = &option_rows[i];
        char left[64];
        struct buf text;
        buf_init(&text, sizeof left);
        if (row->letter)
            buf_printf(&text, "-%c, ", row->letter);
        else
            buf_append_string(&text, "    ");
        buf_printf(&text, "--%s", row->name);
        if (row->value == VALUE_REQUIRED)
            buf_printf(&text, " %s", row->shown);
        else if (row->value == VALUE_OPTIONAL)
            buf_printf(&text, "[=%s]", row->shown);
        buf_printf(into, "  %-26s %s\n", text.data, row->doc);
        buf_clear(&text);
    }
    buf_append_string(
        into,
        "\nexit: 0 every check passed, 1 a check failed, 2 a spec or the command line is wrong,\n"
        "      3 the harness could not do its part, 4 nothing was selected, 130 interrupted\n"
        "\nexamples:\n"
        "  goto-run init && goto-run hello.goto.yaml\n"
        "  goto-run --junit results.xml specs/\n");
}

static const struct option_row *find_long(const char *name, size_t size)
{
    for (size_t i = 0; i < COUNT_OF(option_rows); i++) {
        if (strlen(option_rows[i].name) == size && strncmp(option_rows[i].name, name, size) == 0)
            return &option_rows[i];
    }
    return NULL;
}

static const struct option_row *find_letter(char letter)
{
    for (size_t i = 0; i < COUNT_OF(option_rows); i++) {
        if (option_rows[i].letter && option_rows[i].letter == letter)
            return &option_rows[i];
    }
    return NULL;
}

static void unknown_option(struct diagnostics *diagnostics, const char *name, size_t size)
{
    struct nearest nearest = {.wanted = {name, size}};
    for (size_t i = 0; i < COUNT_OF(later_options); i++) {
        if (strlen(later_options[i]) == size && strncmp(later_options[i], name, size) == 0) {
            diagnostics_add(diagnostics, (struct place){0},
                            "--%s is planned but not part of this version", later_options[i]);
            return;
        }
    }
    for (size_t i = 0; i < COUNT_OF(option_rows); i++)
        str_nearest(&nearest, str_of(option_rows[i].name));
    diagnostics_add(diagnostics, (struct place){0}, "unknown option --%.*s", (int)size, name);
    if (nearest.best.size)
        diagnostics_help(diagnostics, "did you mean --" STR_FMT "?", STR_ARG(nearest.best));
    else
        diagnostics_help(diagnostics, "options are listed by goto-run --help");
}

/** What is being parsed. */
struct parsing {
    struct options *options;
    char **argv;
    int argc;
    int at;
    struct diagnostics *diagnostics;
};

static void option_take(struct parsing *parsing, const struct option_row *row, const char *value)
{
    if (row->value == VALUE_NONE && value) {
        diagnostics_add(parsing->diagnostics, (struct place){0}, "--%s takes no value", row->name);
        return;
    }
    if (row->value == VALUE_REQUIRED && !value) {
        if (parsing->at + 1 >= parsing->argc) {
            diagnostics_add(parsing->diagnostics, (struct place){0}, "--%s needs a value: --%s %s",
                            row->name, row->name, row->shown);
            return;
        }
        value = parsing->argv[++parsing->at];
    }
    if (!row->take(parsing->options, value))
        diagnostics_add(parsing->diagnostics, (struct place){0}, "'%s' is no value for --%s %s: %s",
                        value ? value : "", row->name, row->shown ? row->shown : "", row->doc);
}

static void parse_long(struct parsing *parsing, const char *text)
{
    const char *equals = strchr(text, '=');
    size_t size = equals ? (size_t)(equals - text) : strlen(text);
    const struct option_row *row = find_long(text, size);
    if (row)
        option_take(parsing, row, equals ? equals + 1 : NULL);
    else
        unknown_option(parsing->diagnostics, text, size);
}

static void parse_letters(struct parsing *parsing, const char *text)
{
    for (; *text; text++) {
        const struct option_row *row = find_letter(*text);
        if (!row) {
            diagnostics_add(parsing->diagnostics, (struct place){0}, "unknown option -%c", *text);
            diagnostics_help(parsing->diagnostics, "options are listed by goto-run --help");
            return;
        }
        if (row->value == VALUE_NONE) {
            option_take(parsing, row, NULL);
            continue;
        }
        option_take(parsing, row, text[1] ? text + 1 : NULL);
        return;
    }
}

static const struct command_row *find_command(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(command_rows); i++) {
        if (strcmp(name, command_rows[i].name) == 0)
            return &command_rows[i];
    }
    return NULL;
}

/** A command of the language that this version does not have, unless a file is called so. */
static void check_later(const struct options *options, const struct command_row *command,
                        struct diagnostics *diagnostics)
{
    const char *first = options->paths.count ? options->paths.items[0] : "";
    for (size_t i = 0; !command && i < COUNT_OF(later_commands); i++) {
        if (strcmp(first, later_commands[i]) == 0 && access(first, F_OK) != 0)
            diagnostics_add(diagnostics, (struct place){0},
                            "'goto-run %s' is planned but not part of this version", first);
    }
}

void options_parse(struct options *options, int argc, char **argv, struct diagnostics *diagnostics)
{
    struct parsing parsing = {
        .options = options, .argv = argv, .argc = argc, .diagnostics = diagnostics};
    const struct command_row *command = NULL;
    bool only_paths = false;
    *options = (struct options){.program = argc ? argv[0] : "goto-run"};
    for (parsing.at = 1; parsing.at < argc; parsing.at++) {
        const char *text = argv[parsing.at];
        if (!only_paths && strcmp(text, "--") == 0) {
            only_paths = true;
            continue;
        }
        if (!only_paths && text[0] == '-' && text[1] == '-') {
            parse_long(&parsing, text + 2);
            continue;
        }
        if (!only_paths && text[0] == '-' && text[1]) {
            parse_letters(&parsing, text + 1);
            continue;
        }
        const struct command_row *row =
            command || only_paths || options->paths.count ? NULL : find_command(text);
        if (!row) {
            texts_add(&options->paths, text);
            continue;
        }
        command = row;
        options->command = row->command;
    }
    if (command && options->paths.count > command->paths)
        diagnostics_add(diagnostics, (struct place){0}, "'%s' is too much: goto-run %s",
                        options->paths.items[command->paths], command->shown);
    else
        check_later(options, command, diagnostics);
    if (options->list)
        options->command = COMMAND_LIST;
}

void options_clear(struct options *options)
{
    struct texts *all[] = {&options->paths, &options->names, &options->tags,
                           &options->sets,  &options->vars,  &options->secrets};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        memory_free(all[i]->items);
}
