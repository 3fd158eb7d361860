/**
 * A file that a spec names, read whole when the spec is read: its path is relative to the spec.
 */
#ifndef GOTO_SCHEMA_FILE_H
#define GOTO_SCHEMA_FILE_H

#include "schema/table.h"

/** The largest file. */
enum { FILE_SIZE = 64 * 1024 * 1024 };

/** Reads a whole regular file into the arena; NULL, or what is wrong. */
GOTO_MUST_USE const char *file_load(struct arena *arena, const char *path, struct str *bytes);

/** [struct str] the bytes of a file, in the reader's arena; its path is a string. */
extern const struct type type_file_bytes;

#endif
