/**
 * From what the command line names to the scenarios to be run: files, folders, FILE:LINE, names,
 * tags.
 */
#ifndef GOTO_RUNNER_SUITE_DISCOVER_H
#define GOTO_RUNNER_SUITE_DISCOVER_H

#include "runner/suite/suite.h"

/** How a file was named, once or several times. */
struct naming {
    char *path;    /**< the real path of its folder, and its name */
    bool whole;    /**< it was named without a line */
    size_t *lines; /**< of FILE:LINE: only the scenarios there */
    size_t count;
    size_t capacity;
};

/** The files that were named, each once, in the order in which they were named first. */
struct discovered {
    struct spec_file **files;
    struct naming *namings; /**< of each file */
    size_t count;
    size_t capacity;
    size_t namings_capacity;
};

/**
 * Reads what a path names: a file, FILE:LINE, or a folder (all `*.goto.yaml` below it, sorted).
 * What is wrong is added to `diagnostics`. A folder without spec files adds nothing, and so does
 * a file that was named before.
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
