/**
 * The descriptors of ctest/grpc/rich2.proto and rich3.proto, for the tests of gRPC messages.
 */
#ifndef GOTO_CTEST_RICH_H
#define GOTO_CTEST_RICH_H

#include "server/grpc/protos.h"

#include "unit.h"

/** The FileDescriptorSet. */
static inline struct str rich_set(void)
{
    static char bytes[1 << 20];
    FILE *file = fopen(RICH_SET, "rb");
    ck_assert_ptr_nonnull(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    return (struct str){bytes, size};
}

/** A linked pool of them. */
static inline struct protos *rich_protos(void)
{
    struct protos *protos = protos_new();
    struct protos_error error;
    ck_assert_msg(protos_add_set(protos, rich_set(), &error) == 0, STR_FMT, STR_ARG(error.message));
    ck_assert_msg(protos_link(protos, &error) == 0, STR_FMT, STR_ARG(error.message));
    return protos;
}

#endif
