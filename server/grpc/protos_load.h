/**
 * The message types of a spec: pools of types from the `protos:` and `protosets:` that an upstream
 * or a step names.
 *
 * A pool is made when the first spec that names its files is read, and is kept as long as the
 * program runs: protoc is run once for each set of files, whoever names it, and a step that is read
 * again for each try finds its types at once.
 */
#ifndef GOTO_SERVER_GRPC_PROTOS_LOAD_H
#define GOTO_SERVER_GRPC_PROTOS_LOAD_H

#include "schema/table.h"
#include "server/grpc/protos.h"

/** A file, or a folder, as a spec names it. */
struct grpc_file {
    struct str path; /**< as written */
    struct place place;
};

/** What names types: lists of struct grpc_file. */
struct grpc_files {
    const struct list *protos;
    const struct list *protosets;
    const struct list *imports;
};

/**
 * The pool of these files; there is at least one. Paths are relative to the spec; a file of
 * `protos` that is not there is looked for in the imports.
 *
 * @return NULL with diagnostics: what protoc says stands at its places in the .proto files; without
 *         protoc they are marked as no fault of the spec
 */
GOTO_MUST_USE const struct protos *protos_load(struct reader *reader,
                                               const struct grpc_files *files);

#endif
