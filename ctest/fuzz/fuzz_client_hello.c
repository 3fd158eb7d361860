/* Fuzz target: the name in a ClientHello. What is decided stays so when more comes. */
#include "base/common.h"
#include "server/proxy/sni.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size};
    char name[SNI_NAME_SIZE];
    char first[SNI_NAME_SIZE];
    enum sni_result whole = sni_read(bytes, name);
    if (whole == SNI_NAME)
        GOTO_ASSERT(memchr(name, 0, sizeof name));
    for (size_t at = 0; at < size; at += 1 + size / 16) {
        enum sni_result result = sni_read(str_slice(bytes, 0, at), first);
        GOTO_ASSERT(result == SNI_MORE || result == whole);
        if (result == SNI_NAME)
            GOTO_ASSERT(strcmp(first, name) == 0);
    }
    (void)sni_matches(str_slice(bytes, 0, size / 2), str_from(bytes, size / 2));
    return 0;
}
