/**
 * Runs protoc: .proto files → the bytes of a FileDescriptorSet with all imports.
 *
 * The run is bounded in time and output, and what protoc says about the files comes back with file,
 * line and column. It is a plain child process that is waited for, so this is for the time before a
 * loop runs. The files under google/protobuf/ are protoc's own; where they are not installed
 * (Debian: libprotobuf-dev), importing one is a remark "File not found".
 */
#ifndef GOTO_SERVER_GRPC_PROTOC_H
#define GOTO_SERVER_GRPC_PROTOC_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

/** The bounds of a run. */
enum {
    PROTOC_MOST_SET = 64 * 1024 * 1024, /**< bytes of the set */
    PROTOC_MOST_WORDS = 256 * 1024,     /**< bytes of what protoc says */
    PROTOC_MOST_REMARKS = 100
};

enum protoc_result {
    PROTOC_DONE,
    PROTOC_MISSING, /**< there is no such program */
    PROTOC_FAILED, /**< it could not be run, or was ended by a signal, or its output was too much */
    PROTOC_LATE,   /**< it was killed at the deadline */
    PROTOC_WRONG   /**< the files are wrong: `remarks` say how */
};

/** One thing that protoc said. */
struct protoc_remark {
    struct str
        file; /**< as protoc names it: from an import folder on; empty when it is about none */
    struct str path; /**< where that file is; empty when it is nowhere. Ends with a NUL behind */
    uint32_t line;   /**< 0 when it has no place */
    uint32_t column;
    bool warning;
    struct str text;
};

struct protoc_run {
    const char *program;     /**< NULL: "protoc", looked for in PATH */
    const struct str *files; /**< paths of .proto files */
    size_t file_count;
    const struct str *imports; /**< folders, searched in this order */
    size_t import_count;
    int64_t timeout_ns; /**< from now */
    /* what comes of it, in the arena */
    struct str set;
    struct protoc_remark *remarks;
    size_t remark_count;
    struct str failure; /**< PROTOC_MISSING, PROTOC_FAILED, PROTOC_LATE: what happened */
};

/**
 * Compiles. A file that lies in no import folder is found by its own folder, which is then searched
 * last. The names of files in the set are relative to the folder in which they were found.
 */
GOTO_MUST_USE enum protoc_result protoc_compile(struct arena *arena, struct protoc_run *run);

/** Reads what protoc said: lines as "a.proto:3:5: text" or plain ones. */
void protoc_read_remarks(struct arena *arena, struct str words, struct protoc_run *run);

#endif
