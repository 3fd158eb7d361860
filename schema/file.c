#include "schema/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/** Reads at most `size` bytes from an open file; a negative errno when it cannot be read. */
static ssize_t file_fill(int fd, char *into, size_t size)
{
    size_t got = 0;
    while (got < size) {
        ssize_t now = read(fd, into + got, size - got);
        if (now < 0 && errno == EINTR)
            continue;
        if (now < 0)
            return -errno;
        if (now == 0)
            break;
        got += (size_t)now;
    }
    return (ssize_t)got;
}

const char *file_load(struct arena *arena, const char *path, struct str *bytes)
{
    const char *wrong = NULL;
    struct stat about;
    /* O_NONBLOCK: a named pipe must not hang the reading of the spec; it is refused below. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return strerror(errno);
    if (fstat(fd, &about) != 0) {
        wrong = strerror(errno);
    } else if (!S_ISREG(about.st_mode)) {
        wrong = "it is no regular file";
    } else if (about.st_size > FILE_SIZE) {
        wrong = "it is larger than 64 MiB";
    } else {
        char *data = arena_alloc(arena, (size_t)about.st_size + 1);
        ssize_t got = file_fill(fd, data, (size_t)about.st_size);
        if (got < 0)
            wrong = strerror((int)-got);
        else
            *bytes = (struct str){data, (size_t)got};
    }
    close(fd);
    return wrong;
}

static enum read_result bytes_read(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into)
{
    if (node->kind != NODE_STRING || node->text.size == 0)
        return reader_expected(reader, node, type->name);
    if (memchr(node->text.data, 0, node->text.size)) {
        diagnostics_add(reader->diagnostics, node->place, "the path of a file holds no NUL");
        return READ_FAILED;
    }
    struct str path = place_path(node->place, node->text, reader->arena);
    const char *wrong = file_load(reader->arena, path.data, into);
    if (!wrong)
        return READ_OK;
    diagnostics_add(reader->diagnostics, node->place, "cannot read file '" STR_FMT "': %s",
                    STR_ARG(path), wrong);
    return READ_FAILED;
}

static struct json *bytes_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": \"string\", \"minLength\": 1}");
}

const struct type type_file_bytes = {
    .name = "the path of a file",
    .size = sizeof(struct str),
    .read = bytes_read,
    .schema = bytes_schema,
};
