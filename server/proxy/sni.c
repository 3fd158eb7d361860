#include "server/proxy/sni.h"

#include <string.h>

enum {
    RECORD_HEAD = 5,
    RECORD_HANDSHAKE = 22,
    RECORD_MOST = (1 << 14) + 256, /**< RFC 8446 section 5.1; some let 1.2's bound of more pass */
    HANDSHAKE_HEAD = 4,
    HANDSHAKE_CLIENT_HELLO = 1,
    EXTENSION_SERVER_NAME = 0,
    NAME_HOST = 0,
};

static unsigned byte_at(struct str bytes, size_t at)
{
    return (unsigned char)bytes.data[at];
}

/* The handshake message in its records. */

/** What walking through the records came to. */
struct records {
    char *message;   /**< NULL: only count */
    size_t capacity; /**< of it */
    size_t size;     /**< bytes of the handshake message so far */
    bool broken;     /**< something else than a handshake record */
};

static void records_add(struct records *records, struct str part)
{
    size_t room = records->size < records->capacity ? records->capacity - records->size : 0;
    size_t size = part.size < room ? part.size : room;
    if (records->message && size)
        memcpy(records->message + records->size, part.data, size);
    records->size += part.size;
}

/** Takes the records apart, the last one as far as it has come. */
static void records_walk(struct str bytes, struct records *records)
{
    while (bytes.size > 0 && !records->broken) {
        bool is_one =
            byte_at(bytes, 0) == RECORD_HANDSHAKE && (bytes.size < 2 || byte_at(bytes, 1) == 3);
        if (!is_one || bytes.size < RECORD_HEAD) {
            records->broken = !is_one;
            return;
        }
        size_t size = byte_at(bytes, 3) << 8 | byte_at(bytes, 4);
        records->broken = size == 0 || size > RECORD_MOST;
        bytes = str_from(bytes, RECORD_HEAD);
        if (records->broken)
            return;
        records_add(records, str_slice(bytes, 0, size));
        bytes = str_from(bytes, size);
        /* what follows a whole message is not ours to judge */
        if (records->size >= HANDSHAKE_HEAD && records->capacity &&
            records->size >= records->capacity)
            return;
    }
}

/** The size of the whole handshake message by its head; 0: it has not come yet. False: it is no
 * ClientHello. */
static bool message_size(struct str bytes, size_t *size)
{
    char head[HANDSHAKE_HEAD] = {0};
    struct records records = {.message = head, .capacity = sizeof head};
    records_walk(bytes, &records);
    *size = 0;
    if (records.size > 0 && head[0] != HANDSHAKE_CLIENT_HELLO)
        return false;
    if (records.size < HANDSHAKE_HEAD)
        return !records.broken;
    struct str text = {head, sizeof head};
    *size = HANDSHAKE_HEAD + (byte_at(text, 1) << 16 | byte_at(text, 2) << 8 | byte_at(text, 3));
    return *size <= SNI_MOST;
}

/* The message. */

/** Takes a vector with a length of `width` bytes in front off `*bytes`. */
static bool take_vector(struct str *bytes, size_t width, struct str *vector)
{
    size_t size = 0;
    if (bytes->size < width)
        return false;
    for (size_t i = 0; i < width; i++)
        size = size << 8 | byte_at(*bytes, i);
    *bytes = str_from(*bytes, width);
    if (bytes->size < size)
        return false;
    *vector = str_slice(*bytes, 0, size);
    *bytes = str_from(*bytes, size);
    return true;
}

/** The host name of a server_name extension: lower case, without a final dot. */
static bool take_name(struct str extension, char name[SNI_NAME_SIZE])
{
    struct str list;
    if (!take_vector(&extension, 2, &list) || extension.size)
        return false;
    while (list.size) {
        unsigned type = byte_at(list, 0);
        struct str host;
        list = str_from(list, 1);
        if (!take_vector(&list, 2, &host))
            return false;
        if (type != NAME_HOST)
            continue;
        if (str_ends(host, STR(".")))
            host.size--;
        if (host.size == 0 || host.size >= SNI_NAME_SIZE || memchr(host.data, 0, host.size))
            return false;
        for (size_t i = 0; i < host.size; i++) {
            char byte = host.data[i];
            name[i] = byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
        }
        name[host.size] = '\0';
        return true;
    }
    return false;
}

/** Looks through a whole ClientHello. */
static enum sni_result hello_read(struct str hello, char name[SNI_NAME_SIZE])
{
    enum { VERSION_AND_RANDOM = 2 + 32 };
    struct str skipped;
    struct str extensions;
    hello = str_from(hello, HANDSHAKE_HEAD);
    if (hello.size < VERSION_AND_RANDOM)
        return SNI_NOT;
    hello = str_from(hello, VERSION_AND_RANDOM);
    if (!take_vector(&hello, 1, &skipped) || !take_vector(&hello, 2, &skipped) ||
        !take_vector(&hello, 1, &skipped))
        return SNI_NOT;
    if (hello.size == 0)
        return SNI_NONE;
    if (!take_vector(&hello, 2, &extensions) || hello.size)
        return SNI_NOT;
    while (extensions.size) {
        struct str extension;
        if (extensions.size < 2)
            return SNI_NOT;
        unsigned type = byte_at(extensions, 0) << 8 | byte_at(extensions, 1);
        extensions = str_from(extensions, 2);
        if (!take_vector(&extensions, 2, &extension))
            return SNI_NOT;
        if (type == EXTENSION_SERVER_NAME)
            return take_name(extension, name) ? SNI_NAME : SNI_NOT;
    }
    return SNI_NONE;
}

enum sni_result sni_read(struct str bytes, char name[SNI_NAME_SIZE])
{
    char message[SNI_MOST];
    size_t size = 0;
    bytes = str_slice(bytes, 0, SNI_MOST);
    if (!message_size(bytes, &size))
        return SNI_NOT;
    struct records records = {.message = size ? message : NULL, .capacity = size};
    records_walk(bytes, &records);
    if (records.broken)
        return SNI_NOT;
    if (size && records.size >= size)
        return hello_read((struct str){message, size}, name);
    return bytes.size < SNI_MOST ? SNI_MORE : SNI_NOT;
}

bool sni_matches(struct str pattern, struct str name)
{
    if (!str_starts(pattern, STR("*.")))
        return str_equal_nocase(pattern, name);
    ptrdiff_t dot = str_find_byte(name, '.');
    return dot > 0 && str_equal_nocase(str_from(pattern, 1), str_from(name, (size_t)dot));
}
