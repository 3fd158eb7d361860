/* A whole spec: YAML, the tables of the language, names, variables, what the runner lists of it. */
#include "runner/scenario/run_options.h"
#include "runner/spec/spec.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spec_options options = {0};
    struct diagnostics diagnostics;
    diagnostics_init(&diagnostics);
    struct spec_file *file = spec_read_text(
        STR("fuzz.yaml"), (struct str){(const char *)data, size}, &options, &diagnostics);
    for (size_t i = 0; diagnostics.count == 0 && i < file->count; i++) {
        struct arena *arena = arena_new();
        struct checks checks = {.arena = arena};
        scenario_skipped_checks(file->scenarios[i], &checks, STR("fuzz"));
        arena_free(arena);
    }
    struct buf buf;
    buf_init(&buf, (size_t)1 << 20);
    diagnostics_print(&diagnostics, &buf);
    buf_clear(&buf);
    spec_free(file);
    diagnostics_clear(&diagnostics);
    return 0;
}
