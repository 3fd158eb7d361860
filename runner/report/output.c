/* Writing reports: whole or not at all. */
#include "base/memory.h"
#include "runner/report/report_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    OUTPUT_TRIES = 100, /**< names that may be taken by what an earlier run left behind */
};

int output_write(int fd, struct str bytes)
{
    while (bytes.size) {
        ssize_t size = write(fd, bytes.data, bytes.size);
        if (size > 0) {
            bytes = str_from(bytes, (size_t)size);
        } else if (size == 0) {
            return -EIO;
        } else if (errno == EAGAIN) {
            /* a pipe that somebody else made non-blocking */
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            if (poll(&ready, 1, -1) < 0 && errno != EINTR)
                return -errno;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

void output_fail(struct output *output, int error)
{
    if (output->error == 0)
        output->error = error;
}

static void output_open(struct output *output, const char *path, int flags, mode_t mode)
{
    output->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | flags, mode);
    if (output->fd < 0)
        output_fail(output, -errno);
}

/** Makes a file of its own beside the target, with the rights that the target has or would get. */
static void output_open_beside(struct output *output, const struct stat *present)
{
    const char *slash = strrchr(output->target, '/');
    size_t folder = slash ? (size_t)(slash - output->target) + 1 : 0;
    size_t size = folder + 64;
    output->temporary = memory_alloc(size);
    for (unsigned i = 0; i < OUTPUT_TRIES; i++) {
        snprintf(output->temporary, size, "%.*s.goto-run-%ld-%u.tmp", (int)folder, output->target,
                 (long)getpid(), i);
        output->fd = open(output->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (output->fd >= 0 || errno != EEXIST)
            break;
    }
    if (output->fd < 0) {
        output_fail(output, -errno);
        memory_free(output->temporary);
        output->temporary = NULL;
    } else if (present && fchmod(output->fd, present->st_mode & 0777) < 0) {
        output_fail(output, -errno);
    }
}

/** The file behind a symbolic link, so that the link stays; what is no link is itself. */
static char *path_target(const char *path)
{
    char *real = realpath(path, NULL);
    char *target = memory_copy_string(real ? real : path);
    free(real);
    return target;
}

void output_begin(struct output *output, const char *path)
{
    struct stat present;
    *output = (struct output){.fd = -1};
    if (!path || strcmp(path, "-") == 0) {
        output->fd = STDOUT_FILENO;
        return;
    }
    bool exists = stat(path, &present) == 0;
    /* devices, pipes and /dev/stdout are written to: a rename would put a file in their place */
    if ((exists && !S_ISREG(present.st_mode)) || strncmp(path, "/dev/", 5) == 0 ||
        strncmp(path, "/proc/", 6) == 0) {
        output_open(output, path, O_TRUNC, 0);
        return;
    }
    output->target = path_target(path);
    output_open_beside(output, exists ? &present : NULL);
}

void output_add(struct output *output, struct str bytes)
{
    if (output->error == 0)
        output_fail(output, output_write(output->fd, bytes));
}

int output_end(struct output *output)
{
    if (output->fd >= 0 && output->fd != STDOUT_FILENO && close(output->fd) < 0)
        output_fail(output, -errno);
    if (output->temporary && output->error == 0 && rename(output->temporary, output->target) < 0)
        output_fail(output, -errno);
    if (output->temporary && output->error)
        unlink(output->temporary);
    memory_free(output->temporary);
    memory_free(output->target);
    return output->error;
}

int report_write(const char *path, struct str text)
{
    struct output output;
    output_begin(&output, path);
    output_add(&output, text);
    return output_end(&output);
}
