#include "server/grpc/protoc.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* A running protoc: its standard output is the set, its standard error what it says. */
struct child {
    pid_t pid;
    int out;
    int err;
    struct buf set;
    struct buf words;
};

/* the command line */

struct words {
    char **items;
    size_t count;
    size_t room;
};

static void add_word(struct arena *arena, struct words *words, struct str word)
{
    arena_grow(arena, &words->items, words->count, &words->room, sizeof *words->items);
    words->items[words->count++] =
        word.data ? (char *)(uintptr_t)arena_copy(arena, word).data : NULL;
}

static struct str folder_of(struct str path)
{
    size_t at = path.size;
    while (at && path.data[at - 1] != '/')
        at--;
    if (at == 0)
        return STR(".");
    return str_slice(path, 0, at > 1 ? at - 1 : 1);
}

/* "./a/b/" → "a/b"; "." → "" */
static struct str plain_path(struct str path)
{
    while (str_starts(path, STR("./")))
        path = str_from(path, 2);
    while (path.size > 1 && path.data[path.size - 1] == '/')
        path.size--;
    return str_is(path, ".") ? (struct str){0} : path;
}

static bool lies_in(struct str file, struct str folder)
{
    file = plain_path(file);
    folder = plain_path(folder);
    if (folder.size == 0)
        return file.size && file.data[0] != '/' && !str_starts(file, STR("../"));
    return str_starts(file, folder) &&
           (str_is(folder, "/") || (file.size > folder.size && file.data[folder.size] == '/'));
}

static void add_import(struct arena *arena, struct words *words, struct str folder)
{
    struct str word = arena_printf(arena, "-I" STR_FMT, STR_ARG(folder));
    for (size_t i = 0; i < words->count; i++) {
        if (str_is(word, words->items[i]))
            return;
    }
    add_word(arena, words, word);
}

static struct words command_line(struct arena *arena, const struct protoc_run *run)
{
    struct words words = {0};
    add_word(arena, &words, str_of(run->program ? run->program : "protoc"));
    add_word(arena, &words, STR("--descriptor_set_out=/dev/stdout"));
    add_word(arena, &words, STR("--include_imports"));
    for (size_t i = 0; i < run->import_count; i++)
        add_import(arena, &words, run->imports[i]);
    for (size_t i = 0; i < run->file_count; i++) {
        bool found = false;
        for (size_t j = 0; !found && j < run->import_count; j++)
            found = lies_in(run->files[i], run->imports[j]);
        if (!found)
            add_import(arena, &words, folder_of(run->files[i]));
    }
    for (size_t i = 0; i < run->file_count; i++) {
        struct str file = run->files[i];
        /* not an option, and no list of arguments ("@file") */
        bool odd = file.size && (file.data[0] == '-' || file.data[0] == '@');
        add_word(arena, &words, odd ? arena_printf(arena, "./" STR_FMT, STR_ARG(file)) : file);
    }
    add_word(arena, &words, (struct str){0});
    return words;
}

/* running */

static int spawn(struct child *child, char **argv)
{
    int out[2] = {-1, -1};
    int err[2] = {-1, -1};
    sigset_t none;
    sigset_t all;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (pipe2(out, O_CLOEXEC) < 0)
        return errno;
    if (pipe2(err, O_CLOEXEC) < 0) {
        int error = errno;
        close(out[0]);
        close(out[1]);
        return error;
    }
    sigemptyset(&none);
    sigfillset(&all);
    GOTO_ASSERT(posix_spawn_file_actions_init(&actions) == 0);
    GOTO_ASSERT(posix_spawnattr_init(&attributes) == 0);
    /* a group of its own, so that all of it can be killed */
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
    int error = posix_spawnp(&child->pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    close(err[1]);
    child->out = out[0];
    child->err = err[0];
    return error;
}

/* Reads once; closes *fd at the end. False when the bound is reached. */
static bool take_some(int *fd, struct buf *into)
{
    char piece[16 * 1024];
    ssize_t size = read(*fd, piece, sizeof piece);
    if (size < 0 && errno == EINTR)
        return true;
    if (size <= 0) {
        close(*fd);
        *fd = -1;
        return true;
    }
    return buf_append(into, (struct str){piece, (size_t)size}) == 0;
}

/* Until both ends are closed: PROTOC_DONE, PROTOC_LATE or PROTOC_FAILED (too much output). */
static enum protoc_result collect(struct child *child, int64_t deadline)
{
    while (child->out >= 0 || child->err >= 0) {
        struct pollfd polled[] = {{child->out, POLLIN, 0}, {child->err, POLLIN, 0}};
        int64_t left = deadline - clock_now();
        if (left <= 0)
            return PROTOC_LATE;
        int64_t ms = (left + CLOCK_MS - 1) / CLOCK_MS;
        int ready = poll(polled, COUNT_OF(polled), ms < INT32_MAX ? (int)ms : INT32_MAX);
        if (ready <= 0)
            continue;
        if ((polled[0].revents && !take_some(&child->out, &child->set)) ||
            (polled[1].revents && !take_some(&child->err, &child->words)))
            return PROTOC_FAILED;
    }
    return PROTOC_DONE;
}

/* Its pipes are closed, so it ends at once or not at all: it is given until the deadline. */
static enum protoc_result await(struct child *child, int64_t deadline, int *status)
{
    struct pollfd ended = {pidfd_open(child->pid, 0), POLLIN, 0};
    enum protoc_result result = PROTOC_FAILED;
    while (ended.fd >= 0) {
        pid_t pid = waitpid(child->pid, status, WNOHANG);
        int64_t left = deadline - clock_now();
        if (pid == child->pid)
            result = PROTOC_DONE;
        else if (pid == 0 && left <= 0)
            result = PROTOC_LATE;
        if (pid == child->pid || (pid < 0 && errno != EINTR) || left <= 0)
            break;
        int64_t ms = (left + CLOCK_MS - 1) / CLOCK_MS;
        (void)poll(&ended, 1, ms < INT32_MAX ? (int)ms : INT32_MAX);
    }
    if (ended.fd >= 0)
        close(ended.fd);
    return result;
}

static void end(struct child *child)
{
    int status;
    kill(-child->pid, SIGKILL);
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        ;
}

/* what it says */

static bool take_number(struct str *text, uint32_t *number)
{
    size_t digits = 0;
    uint64_t value;
    while (digits < text->size && text->data[digits] >= '0' && text->data[digits] <= '9')
        digits++;
    if (digits == text->size || text->data[digits] != ':' ||
        !str_to_u64(str_slice(*text, 0, digits), UINT32_MAX, &value))
        return false;
    *number = (uint32_t)value;
    *text = str_from(*text, digits + 1);
    return true;
}

/* "file.proto:3:5: text", "file.proto: text" or "text" */
static struct protoc_remark read_remark(struct str line)
{
    static const char suffix[] = ".proto:";
    struct protoc_remark remark = {.text = line};
    ptrdiff_t at = str_find(line, str_of(suffix));
    if (at >= 0) {
        size_t size = (size_t)at + sizeof suffix - 1;
        struct str rest = str_from(line, size);
        remark.file = str_slice(line, 0, size - 1);
        if (take_number(&rest, &remark.line) && take_number(&rest, &remark.column))
            remark.text = str_trim(rest);
        else
            remark.line = 0;
        if (remark.line == 0)
            remark.text = str_trim(str_from(line, size));
    }
    for (int i = 0; i < 2; i++) {
        struct str word = i ? STR("error: ") : STR("warning: ");
        if (!str_starts(remark.text, word))
            continue;
        remark.warning = i == 0;
        remark.text = str_from(remark.text, word.size);
        break;
    }
    return remark;
}

void protoc_read_remarks(struct arena *arena, struct str words, struct protoc_run *run)
{
    size_t room = 0;
    words = arena_copy(arena, words);
    run->remarks = NULL;
    run->remark_count = 0;
    while (words.size && run->remark_count < PROTOC_MOST_REMARKS) {
        ptrdiff_t end_of_line = str_find_byte(words, '\n');
        size_t size = end_of_line < 0 ? words.size : (size_t)end_of_line;
        struct str line = str_trim(str_slice(words, 0, size));
        words = str_from(words, size + 1);
        if (line.size == 0)
            continue;
        arena_grow(arena, &run->remarks, run->remark_count, &room, sizeof *run->remarks);
        run->remarks[run->remark_count++] = read_remark(line);
    }
}

static struct str path_in(struct arena *arena, struct str folder, struct str file)
{
    struct str path = arena_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(folder), STR_ARG(file));
    return access(path.data, R_OK) == 0 ? path : (struct str){0};
}

/* Where a file that protoc named is: in the folders that it searched, in their order. */
static struct str find_file(struct arena *arena, const struct protoc_run *run, struct str file)
{
    struct str path = {0};
    for (size_t i = 0; path.size == 0 && i < run->import_count; i++)
        path = path_in(arena, run->imports[i], file);
    for (size_t i = 0; path.size == 0 && i < run->file_count; i++) {
        if (str_equal(run->files[i], file) && access(arena_copy(arena, file).data, R_OK) == 0)
            return arena_copy(arena, file);
        path = path_in(arena, folder_of(run->files[i]), file);
    }
    return path;
}

/* all of it */

static enum protoc_result judge(struct arena *arena, struct child *child, struct protoc_run *run,
                                int status)
{
    protoc_read_remarks(arena, buf_str(&child->words), run);
    for (size_t i = 0; i < run->remark_count; i++) {
        if (run->remarks[i].file.size)
            run->remarks[i].path = find_file(arena, run, run->remarks[i].file);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        run->set = arena_copy(arena, buf_str(&child->set));
        return PROTOC_DONE;
    }
    if (WIFEXITED(status) && run->remark_count)
        return PROTOC_WRONG;
    run->failure =
        WIFSIGNALED(status)
            ? arena_printf(arena, "it was ended by signal %d", WTERMSIG(status))
            : arena_printf(arena, "it ended with status %d and said nothing", WEXITSTATUS(status));
    return PROTOC_FAILED;
}

enum protoc_result protoc_compile(struct arena *arena, struct protoc_run *run)
{
    struct child child = {.pid = -1, .out = -1, .err = -1};
    struct words words = command_line(arena, run);
    int64_t now = clock_now();
    int64_t deadline = run->timeout_ns < INT64_MAX - now ? now + run->timeout_ns : INT64_MAX;
    int status = 0;
    enum protoc_result result = PROTOC_FAILED;
    buf_init(&child.set, PROTOC_MOST_SET);
    buf_init(&child.words, PROTOC_MOST_WORDS);
    int error = spawn(&child, words.items);
    if (error) {
        run->failure = str_of(strerror(error));
        run->failure = arena_copy(arena, run->failure);
        result = error == ENOENT ? PROTOC_MISSING : PROTOC_FAILED;
        goto out;
    }
    result = collect(&child, deadline);
    if (result == PROTOC_FAILED)
        run->failure = STR("its output is too much");
    if (result == PROTOC_DONE)
        result = await(&child, deadline, &status);
    if (result == PROTOC_LATE)
        run->failure = STR("it did not end in time");
    if (result == PROTOC_DONE)
        result = judge(arena, &child, run, status);
    else
        end(&child);
out:
    if (child.out >= 0)
        close(child.out);
    if (child.err >= 0)
        close(child.err);
    buf_clear(&child.set);
    buf_clear(&child.words);
    return result;
}
