/**
 * The command line: one table of options, from which parsing and --help are made.
 */
#ifndef GOTO_RUNNER_CLI_OPTIONS_H
#define GOTO_RUNNER_CLI_OPTIONS_H

#include "base/diag.h"
#include "runner/report/report.h"
#include "runner/suite/discover.h"

enum command {
    COMMAND_RUN,
    COMMAND_CHECK,
    COMMAND_LIST,
    COMMAND_SCHEMA,
    COMMAND_INIT,
    COMMAND_REFERENCE
};
enum color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

struct texts {
    const char **items;
    size_t count;
    size_t capacity;
};

struct options {
    const char *program; /**< argv[0] */
    enum command command;
    struct texts paths;
    struct texts names;   /**< -k */
    struct texts tags;    /**< -t */
    struct texts sets;    /**< --set, in order */
    struct texts vars;    /**< --vars */
    struct texts secrets; /**< --secret */
    unsigned jobs;        /**< 0 = 8 per processor */
    bool has_seed;
    uint64_t seed;
    unsigned repeat;
    bool fail_fast;
    int64_t timeout_ns;
    const char *tap; /**< NULL = not asked for; "-" = standard output */
    const char *tap14;
    const char *junit;
    const char *json;
    bool keep_tmp;
    bool no_run;
    bool list;
    enum color color;
    enum verbosity verbosity;
    bool help;
    bool version;
};

/** Parses; what is wrong is added to `diagnostics`. */
void options_parse(struct options *options, int argc, char **argv, struct diagnostics *diagnostics);
void options_clear(struct options *options);
/** The text of --help. */
void options_help(struct buf *into);

#endif
