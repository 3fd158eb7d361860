/*
 * Encodes and decodes messages for compare.py: one order a line, one answer a line.
 *
 *     message_tool SET
 *     encode TYPE JSON → hexadecimal      decode TYPE HEX → JSON
 *     recode TYPE HEX → hexadecimal, unknown fields kept
 *     original TYPE HEX, defaults TYPE HEX → JSON with those options
 *
 * What is wrong is answered as "error: …", several problems with " | " between.
 */
#include "server/grpc/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct str read_file(const char *path, struct arena *arena)
{
    struct buf buf;
    char piece[4096];
    size_t size;
    FILE *file = fopen(path, "rb");
    buf_init(&buf, BUF_OWN);
    while (file && (size = fread(piece, 1, sizeof piece, file)) > 0)
        GOTO_ASSERT(buf_append(&buf, (struct str){piece, size}) == 0);
    if (file)
        fclose(file);
    struct str bytes = arena_copy(arena, buf_str(&buf));
    buf_clear(&buf);
    return bytes;
}

static void print_hex(struct str bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        printf("%02x", (unsigned char)bytes.data[i]);
    printf("\n");
}

static struct str read_hex(struct arena *arena, struct str text)
{
    char *bytes = arena_alloc(arena, text.size / 2 + 1);
    for (size_t i = 0; i < text.size / 2; i++) {
        char digits[3] = {text.data[2 * i], text.data[2 * i + 1], '\0'};
        bytes[i] = (char)strtoul(digits, NULL, 16);
    }
    return (struct str){bytes, text.size / 2};
}

static void print_json(const struct json *value)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    json_write(value, &buf);
    printf(STR_FMT "\n", STR_ARG(buf_str(&buf)));
    buf_clear(&buf);
}

static void encode(struct arena *arena, const struct protos *protos,
                   const struct proto_message *type, const struct json *value,
                   const struct message_encoding *encoding)
{
    struct message_problems problems = {.arena = arena};
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    if (message_encode(protos, type, value, encoding, &buf, &problems) == 0) {
        print_hex(buf_str(&buf));
    } else {
        printf("error: ");
        for (struct message_problem *p = problems.first; p; p = p->next)
            printf("%s" STR_FMT "%s" STR_FMT, p == problems.first ? "" : " | ", STR_ARG(p->message),
                   p->help.size ? "; " : "", STR_ARG(p->help));
        printf("\n");
    }
    buf_clear(&buf);
}

static void do_encode(struct arena *arena, const struct protos *protos,
                      const struct proto_message *type, struct str text)
{
    struct json_error error;
    struct json *value = json_read(arena, text, &error);
    if (value)
        encode(arena, protos, type, value, NULL);
    else
        printf("error: no JSON: %s\n", error.message);
}

static void do_decode(struct arena *arena, const struct protos *protos,
                      const struct proto_message *type, struct str order, struct str hex)
{
    struct message_problem problem;
    struct message_unknowns unknowns = {0};
    bool recode = str_is(order, "recode");
    struct message_decoding decoding = {.unknowns = recode ? &unknowns : NULL,
                                        .defaults = str_is(order, "defaults"),
                                        .original_names = str_is(order, "original")};
    struct message_encoding encoding = {.unknowns = &unknowns};
    struct str bytes = read_hex(arena, hex);
    struct json *value = message_decode(arena, protos, type, bytes, &decoding, &problem);
    if (!value)
        printf("error: " STR_FMT "\n", STR_ARG(problem.message));
    else if (recode)
        encode(arena, protos, type, value, &encoding);
    else
        print_json(value);
}

static struct str take_word(struct str *line)
{
    ptrdiff_t blank = str_find_byte(*line, ' ');
    struct str word = str_slice(*line, 0, blank < 0 ? line->size : (size_t)blank);
    *line = str_from(*line, word.size + 1);
    return word;
}

static void answer(const struct protos *protos, struct str line)
{
    struct arena *arena = arena_new();
    struct str order = take_word(&line);
    struct str name = take_word(&line);
    const struct proto_message *type = protos_message(protos, name);
    if (!type)
        printf("error: no type " STR_FMT "\n", STR_ARG(name));
    else if (str_is(order, "encode"))
        do_encode(arena, protos, type, line);
    else
        do_decode(arena, protos, type, order, line);
    fflush(stdout);
    arena_free(arena);
}

int main(int argc, char **argv)
{
    struct arena *arena = arena_new();
    struct protos *protos = protos_new();
    struct protos_error error = {0};
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    int status = 1;
    if (argc != 2)
        goto out;
    if (protos_add_set(protos, read_file(argv[1], arena), &error) || protos_link(protos, &error)) {
        fprintf(stderr, STR_FMT " (at byte %zu)\n", STR_ARG(error.message), error.offset);
        goto out;
    }
    while ((size = getline(&line, &room, stdin)) > 0)
        answer(protos, str_trim((struct str){line, (size_t)size}));
    status = 0;
out:
    free(line);
    protos_free(protos);
    arena_free(arena);
    return status;
}
