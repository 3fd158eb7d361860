/**
 * What names message types in a spec: .proto files, folders of imports, and sets of descriptors;
 * and the pools that are made of them.
 *
 * A pool is made when the first spec that names its files is read, and is kept as long as the
 * program runs: protoc is run once for each list of files, whoever names it, and a step that is
 * read again for each try finds its types at once.
 */
#ifndef GOTO_SERVER_GRPC_SOURCES_H
#define GOTO_SERVER_GRPC_SOURCES_H

#include "schema/table.h"
#include "server/grpc/protos.h"

/** A file or folder that is named. */
struct grpc_file {
    struct str path; /**< as it is opened; data NULL: known only later */
    struct str written;
    struct place place;
};
/** [struct list of struct grpc_file] one or several. */
extern const struct type grpc_files_type;

struct grpc_sources {
    struct list protos; /**< each of struct grpc_file */
    struct list imports;
    struct list protosets;
};

/** Whether anything is named that types come from. */
bool grpc_sources_are_named(const struct grpc_sources *sources);

/**
 * The pool of these files. One of `protos` that is not there from the spec's folder on is looked
 * for in the folders of imports.
 *
 * @return NULL with diagnostics: what protoc says stands at its places in the .proto files; without
 *         protoc they are marked as no fault of the spec
 */
GOTO_MUST_USE struct protos *grpc_sources_load(struct reader *reader,
                                               const struct grpc_sources *sources);

#endif
