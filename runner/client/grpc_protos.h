/**
 * The message types of a spec: pools of types from the `protos:` and `protosets:` that it names.
 *
 * A pool is made when the first spec that names its files is read, and is kept as long as the
 * program runs: protoc is run once for each set of files, and a step that is read again for each
 * try finds its types at once.
 */
#ifndef GOTO_RUNNER_CLIENT_GRPC_PROTOS_H
#define GOTO_RUNNER_CLIENT_GRPC_PROTOS_H

#include "schema/table.h"
#include "server/grpc/protos.h"

/** What names types: each a list of struct str, paths as written, and the node that they stand in
 * (NULL: not written). */
struct grpc_files {
    struct list protos;
    struct list protosets;
    struct list imports;
    const struct node *protos_node;
    const struct node *protosets_node;
    const struct node *imports_node;
};

/**
 * The pool of these files.
 *
 * @return NULL with diagnostics: what protoc says stands at its places in the .proto files; without
 *         protoc they are marked as no fault of the spec
 */
GOTO_MUST_USE const struct protos *grpc_protos(struct reader *reader,
                                               const struct grpc_files *files);

#endif
