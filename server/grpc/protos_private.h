/**
 * What reading descriptors and linking them share.
 */
#ifndef GOTO_SERVER_GRPC_PROTOS_PRIVATE_H
#define GOTO_SERVER_GRPC_PROTOS_PRIVATE_H

#include "server/grpc/protos.h"

enum symbol_kind { SYMBOL_MESSAGE, SYMBOL_ENUM, SYMBOL_SERVICE, SYMBOL_METHOD, SYMBOL_EXTENSION };

struct symbol {
    struct str name;
    enum symbol_kind kind;
    void *thing;
    const struct proto_file *file;
};

/** A file and how far it got. */
struct pooled {
    struct proto_file *file;
    bool linked;
};

struct protos {
    struct arena *arena;
    struct pooled *files; /**< sorted by name, on the heap */
    size_t file_count;
    size_t file_room;
    struct symbol *symbols; /**< sorted by name once linked, on the heap */
    size_t symbol_count;
    size_t symbol_room;
    const struct proto_service **services; /**< sorted by name once linked, on the heap */
    size_t service_count;
    size_t service_room;
    size_t things;
};

/** The symbol of that full name (a dot in front is passed over), or NULL. */
const struct symbol *protos_symbol(const struct protos *protos, struct str name);

/** Fills the error with a message in the pool's arena; always false. */
bool protos_fail(struct protos *protos, struct protos_error *error, size_t offset,
                 const char *format, ...) GOTO_PRINTF(4, 5);

/**
 * Reads one FileDescriptorProto, which must live as long as the pool, at that offset of what was
 * added. NULL with *error filled when it is wrong.
 */
struct proto_file *protos_read_file(struct protos *protos, struct str bytes, size_t offset,
                                    struct protos_error *error);

/** The name of the first part in which two files of one name differ; an empty one if they do not.
 * Options and comments do not count. */
struct str protos_difference(const struct proto_file *a, const struct proto_file *b);

#endif
