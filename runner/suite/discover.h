/**
 * From what the command line names to the scenarios to be run: files, folders, FILE:LINE, names,
 * tags.
 */
#ifndef GOTO_RUNNER_SUITE_DISCOVER_H
#define GOTO_RUNNER_SUITE_DISCOVER_H

#include "runner/suite/suite.h"

/** The files that were named, each read once, in order. */
struct discovered {
    struct spec_file **files;
    size_t *lines; /**< of FILE:LINE: only the scenario there; 0 = all */
    size_t count;
    size_t capacity;
    size_t lines_capacity;
};

/**
 * Reads what a path names: a file, FILE:LINE, or a folder (all `*.goto.yaml` below it, sorted).
 * What is wrong is added to `diagnostics`. A folder without spec files adds nothing.
 */
void discover_path(struct discovered *discovered, const char *path,
                   const struct spec_options *options, struct diagnostics *diagnostics);
void discovered_clear(struct discovered *discovered);

/** What -k and -t say. */
struct selection {
    const char **names; /**< -k: any of them stands in the scenario's name */
    size_t name_count;
    const char **tags; /**< -t: has one of the plain ones, none of those with '!' */
    size_t tag_count;
};

/** The scenarios selected, each `repeat` times (0 = once, not counted); freed with memory_free().
 */
struct selected *discover_select(const struct discovered *discovered,
                                 const struct selection *selection, unsigned repeat, size_t *count);

#endif
