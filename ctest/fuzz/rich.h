/**
 * The pool of rich2.proto and rich3.proto, and types of it to choose from.
 */
#ifndef GOTO_CTEST_FUZZ_RICH_H
#define GOTO_CTEST_FUZZ_RICH_H

#include "server/grpc/message.h"

#include <stdio.h>

static const char *const rich_types[] = {"rich.Rich",
                                         "rich.old.Old",
                                         "rich.Known",
                                         "rich.Maps",
                                         "rich.Tree",
                                         "rich.Choice",
                                         "rich.old.Groups",
                                         "rich.old.Needs",
                                         "rich.old.Packing",
                                         "rich.old.Extended",
                                         "rich.Lists",
                                         "google.protobuf.Any",
                                         "google.protobuf.Value"};

static inline const struct protos *rich_protos(void)
{
    static struct protos *protos;
    static char bytes[1 << 20];
    struct protos_error error;
    if (protos)
        return protos;
    FILE *file = fopen(RICH_SET, "rb");
    GOTO_ASSERT(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    protos = protos_new();
    GOTO_ASSERT(protos_add_set(protos, (struct str){bytes, size}, &error) == 0 &&
                protos_link(protos, &error) == 0);
    return protos;
}

static inline const struct proto_message *rich_type(const struct protos *protos, uint8_t choice)
{
    return protos_message(protos, str_of(rich_types[choice % COUNT_OF(rich_types)]));
}

#endif
