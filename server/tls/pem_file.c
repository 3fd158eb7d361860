/* Files with certificates and keys in PEM form, read when the spec is. */
#include "server/tls/config.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>

enum { PEM_FILE_SIZE = 16 * 1024 * 1024 };

struct str tls_error_text(struct arena *arena)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    struct str text = arena_copy(arena, str_of(reason ? reason : "refused by OpenSSL"));
    ERR_clear_error();
    return text;
}

/** A key with a password is not ours to open, and nobody is there to be asked. */
static int no_password(char *into, int size, int writing, void *context)
{
    (void)into;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static void pem_file_release(void *object)
{
    struct pem_file *file = object;
    sk_X509_pop_free(file->certificates, X509_free);
    EVP_PKEY_free(file->key);
}

/** Opens a regular file, so that no pipe or device hangs the reading; NULL with *wrong. */
static BIO *pem_open(const char *path, struct arena *arena, struct str *wrong)
{
    struct stat about;
    if (stat(path, &about) != 0)
        *wrong = str_of(strerror(errno));
    else if (!S_ISREG(about.st_mode))
        *wrong = STR("it is no regular file");
    else if (about.st_size > PEM_FILE_SIZE)
        *wrong = STR("it is larger than 16 MiB");
    else {
        errno = 0;
        BIO *bio = BIO_new_file(path, "re");
        int error = errno;
        if (bio)
            return bio;
        ERR_clear_error();
        *wrong = arena_copy(arena, str_of(error ? strerror(error) : "it cannot be opened"));
    }
    return NULL;
}

/** Takes all certificates, and the first key, out of what was read. */
static void pem_take(struct pem_file *file, STACK_OF(X509_INFO) * infos)
{
    for (int i = 0; i < sk_X509_INFO_num(infos); i++) {
        X509_INFO *info = sk_X509_INFO_value(infos, i);
        if (info->x509 && sk_X509_push(file->certificates, info->x509) > 0)
            info->x509 = NULL;
        if (info->x_pkey && info->x_pkey->dec_pkey && !file->key) {
            file->key = info->x_pkey->dec_pkey;
            info->x_pkey->dec_pkey = NULL;
        }
    }
}

/** Reads a file; NULL with *wrong. */
static struct pem_file *pem_load(struct str path, struct arena *arena, struct str *wrong)
{
    BIO *bio = pem_open(path.data, arena, wrong);
    if (!bio)
        return NULL;
    ERR_clear_error();
    STACK_OF(X509_INFO) *infos = PEM_X509_INFO_read_bio(bio, NULL, no_password, NULL);
    BIO_free(bio);
    if (!infos) {
        struct str reason = tls_error_text(arena);
        *wrong = arena_printf(arena, "it is not good PEM: " STR_FMT, STR_ARG(reason));
        return NULL;
    }
    struct pem_file *file = arena_alloc(arena, sizeof *file);
    *file = (struct pem_file){.path = path, .certificates = sk_X509_new_null()};
    arena_defer(arena, pem_file_release, file);
    pem_take(file, infos);
    sk_X509_INFO_pop_free(infos, X509_INFO_free);
    ERR_clear_error();
    return file;
}

static enum read_result pem_file_read(struct reader *reader, const struct type *type,
                                      const struct node *node, void *into)
{
    bool wants_key = type == &type_key_file;
    if (node->kind != NODE_STRING || node->text.size == 0)
        return reader_expected(reader, node, type->name);
    if (memchr(node->text.data, 0, node->text.size)) {
        diagnostics_add(reader->diagnostics, node->place, "the path of a file holds no NUL");
        return READ_FAILED;
    }
    struct str wrong = {0};
    struct str path = place_path(node->place, node->text, reader->arena);
    struct pem_file *file = pem_load(path, reader->arena, &wrong);
    if (file && wants_key && !file->key)
        wrong = STR("it holds no private key in PEM form (or one with a password)");
    else if (file && !wants_key && sk_X509_num(file->certificates) == 0)
        wrong = STR("it holds no certificate in PEM form");
    if (wrong.size) {
        diagnostics_add(reader->diagnostics, node->place, "cannot use file '" STR_FMT "': " STR_FMT,
                        STR_ARG(path), STR_ARG(wrong));
        return READ_FAILED;
    }
    *(struct pem_file **)into = file;
    return READ_OK;
}

static struct json *pem_file_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": \"string\", \"minLength\": 1}");
}

const struct type type_certificate_file = {
    .name = "the path of a PEM file",
    .size = sizeof(struct pem_file *),
    .read = pem_file_read,
    .schema = pem_file_schema,
};

const struct type type_key_file = {
    .name = "the path of a PEM file with a private key",
    .size = sizeof(struct pem_file *),
    .read = pem_file_read,
    .schema = pem_file_schema,
};
