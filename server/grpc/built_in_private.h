/**
 * The descriptors of health and reflection.
 */
#ifndef GOTO_SERVER_GRPC_BUILT_IN_PRIVATE_H
#define GOTO_SERVER_GRPC_BUILT_IN_PRIVATE_H

#include "base/str.h"

enum { GRPC_BUILT_IN_FILES = 3 };

/** Each a FileDescriptorProto. */
extern const struct str grpc_built_in_files[GRPC_BUILT_IN_FILES];

#endif
