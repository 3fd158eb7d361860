#include "base/memory.h"
#include "runner/client/supervisor_private.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/** The socket's number in the supervisor; everything above it belongs to goto-run and is closed. */
enum { CHILD_SOCKET = 3, SIGNALS = 65 };

/** Between two looks for what is left at the end. */
enum { END_WAIT_MS = 10, END_WAIT_MOST_MS = 1000 };

/** A program whose group may still have members; its pid is the group's number. */
struct supervised {
    uint64_t id;
    pid_t pid;
    bool reaped; /**< the first process of the group ended; others may be left */
};

struct child {
    int signals; /**< a signalfd for SIGCHLD */
    pid_t self;
    struct supervised *programs;
    size_t count;
    size_t capacity;
};

/** What a program is started with, as it stands in the mapped memfd. */
struct words {
    char *memory;
    size_t size;
    const char *cwd;
    char **argv;
    char **env;
};

/** What the forked program says when it could not get to its exec. */
struct failure {
    int error;
    bool in_cwd;
};

static void child_send(const struct wire_message *message)
{
    ssize_t sent;
    do
        sent = send(CHILD_SOCKET, message, sizeof *message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    /* goto-run is gone: receiving tells so */
}

static void child_send_failure(uint64_t id, struct failure failure)
{
    struct wire_message message = {
        .id = id, .kind = WIRE_FAILED, .value = failure.error, .in_cwd = failure.in_cwd};
    child_send(&message);
}

/* the program's words */

static void words_clear(struct words *words)
{
    if (words->memory)
        munmap(words->memory, words->size);
    memory_free(words->argv);
    memory_free(words->env);
    *words = (struct words){0};
}

/** Points into the next `count` texts. NULL if there are not so many. */
static char **words_take(struct words *words, size_t *at, size_t count)
{
    char **texts = memory_alloc_array(count + 1, sizeof *texts);
    for (size_t i = 0; i < count; i++) {
        char *end = memchr(words->memory + *at, '\0', words->size - *at);
        if (!end) {
            memory_free(texts);
            return NULL;
        }
        texts[i] = words->memory + *at;
        *at = (size_t)(end + 1 - words->memory);
    }
    return texts;
}

/** Maps the memfd. Returns 0 or an errno. */
static int words_read(struct words *words, int fd)
{
    struct stat status;
    struct wire_words head;
    size_t at = sizeof head;
    if (fstat(fd, &status) != 0)
        return errno;
    if (status.st_size < (off_t)sizeof head || status.st_size > WIRE_MOST)
        return E2BIG;
    words->size = (size_t)status.st_size;
    words->memory = mmap(NULL, words->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (words->memory == MAP_FAILED) {
        words->memory = NULL;
        return errno;
    }
    memcpy(&head, words->memory, sizeof head);
    if (head.arguments == 0 || head.arguments > words->size || head.variables > words->size)
        return EINVAL;
    char **cwd = words_take(words, &at, 1);
    if (!cwd)
        return EINVAL;
    words->cwd = cwd[0];
    memory_free(cwd);
    words->argv = words_take(words, &at, head.arguments);
    words->env = words->argv ? words_take(words, &at, head.variables) : NULL;
    return words->env ? 0 : EINVAL;
}

/* in the forked program, until exec */

static const char *env_path(char **env)
{
    for (; *env; env++) {
        if (strncmp(*env, "PATH=", 5) == 0)
            return *env + 5;
    }
    return "/usr/local/bin:/bin:/usr/bin";
}

/** Tries each folder of PATH, as execvp() does with its own. Returns an errno. */
static int exec_by_path(const struct words *words)
{
    const char *name = words->argv[0];
    int result = ENOENT;
    char path[PATH_MAX];
    for (const char *folder = env_path(words->env); folder;) {
        const char *end = strchrnul(folder, ':');
        /* an empty folder is the present one */
        int size = snprintf(path, sizeof path, "%.*s%s%s", (int)(end - folder), folder,
                            end == folder ? "" : "/", name);
        folder = *end ? end + 1 : NULL;
        if (size < 0 || (size_t)size >= sizeof path)
            continue;
        execve(path, words->argv, words->env);
        if (errno == EACCES)
            result = EACCES;
        else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != ESTALE &&
                 errno != ENODEV && errno != ETIMEDOUT)
            return errno;
    }
    return result;
}

/** Signals as a program expects them that a shell starts: nothing ignored, nothing blocked. */
static void program_reset_signals(void)
{
    sigset_t none;
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int number = 1; number < SIGNALS; number++)
        sigaction(number, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/** Becomes the program. */
GOTO_NORETURN static void program_exec(const struct words *words, const int *fds, int failure_fd,
                                       pid_t supervisor)
{
    struct failure failure = {0};
    setpgid(0, 0);
    /* should somebody kill goto-run and the supervisor at once, at least this one goes too */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor)
        _exit(127);
    program_reset_signals();
    if (dup2(fds[WIRE_FD_INPUT], 0) < 0 || dup2(fds[WIRE_FD_OUTPUT], 1) < 0 ||
        dup2(fds[WIRE_FD_ERRORS], 2) < 0) {
        failure.error = errno;
    } else if (*words->cwd && chdir(words->cwd) != 0) {
        failure = (struct failure){errno, true};
    } else if (!*words->argv[0]) {
        failure.error = ENOENT;
    } else if (strchr(words->argv[0], '/')) {
        execve(words->argv[0], words->argv, words->env);
        failure.error = errno;
    } else {
        failure.error = exec_by_path(words);
    }
    ssize_t wrote = write(failure_fd, &failure, sizeof failure);
    (void)wrote;
    _exit(127);
}

/* starting */

/** Forks the program and waits until its exec has succeeded. Returns its pid, or 0 with *failure.
 */
static pid_t program_start(const struct child *child, const struct words *words, const int *fds,
                           struct failure *failure)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
        failure->error = errno;
        return 0;
    }
    /* not fork(): libuv's handlers there close descriptors by numbers that are ours by now */
    pid_t pid = _Fork();
    if (pid == 0)
        program_exec(words, fds, report[1], child->self);
    close(report[1]);
    if (pid < 0) {
        failure->error = errno;
        close(report[0]);
        return 0;
    }
    setpgid(pid, pid);
    ssize_t got;
    do
        got = read(report[0], failure, sizeof *failure);
    while (got < 0 && errno == EINTR);
    close(report[0]);
    if (got != (ssize_t)sizeof *failure)
        return pid;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return 0;
}

static void child_start(struct child *child, uint64_t id, const int *fds)
{
    struct failure failure = {0};
    struct words words = {0};
    pid_t pid = 0;
    failure.error = words_read(&words, fds[WIRE_FD_WORDS]);
    if (!failure.error)
        pid = program_start(child, &words, fds, &failure);
    words_clear(&words);
    if (!pid) {
        child_send_failure(id, failure);
        return;
    }
    memory_grow(&child->programs, child->count, &child->capacity, sizeof *child->programs);
    child->programs[child->count++] = (struct supervised){.id = id, .pid = pid};
    struct wire_message message = {.id = id, .kind = WIRE_STARTED, .value = pid};
    child_send(&message);
}

static void child_signal(struct child *child, uint64_t id, int number)
{
    for (size_t i = 0; i < child->count; i++) {
        if (child->programs[i].id == id)
            kill(-child->programs[i].pid, number);
    }
}

/* ending of programs */

static void child_tell_end(struct child *child, pid_t pid, int status, const struct rusage *usage)
{
    for (size_t i = 0; i < child->count; i++) {
        struct supervised *program = &child->programs[i];
        if (program->pid != pid || program->reaped)
            continue;
        program->reaped = true;
        int64_t seconds = (int64_t)usage->ru_utime.tv_sec + usage->ru_stime.tv_sec;
        int64_t micros = (int64_t)usage->ru_utime.tv_usec + usage->ru_stime.tv_usec;
        struct wire_message message = {
            .id = program->id,
            .kind = WIRE_ENDED,
            .value = status,
            .rss = (uint64_t)usage->ru_maxrss * 1024,
            .cpu_ns = seconds * 1000000000 + micros * 1000,
        };
        child_send(&message);
        return;
    }
}

/**
 * Reaps what ended and forgets groups of which nothing is left. While a group has a member its
 * number is not given to a new process, and its orphans are reaped here, so a number in the list is
 * ours.
 */
static void child_reap(struct child *child)
{
    int status;
    struct rusage usage;
    pid_t pid;
    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0)
        child_tell_end(child, pid, status, &usage);
    size_t kept = 0;
    for (size_t i = 0; i < child->count; i++) {
        struct supervised program = child->programs[i];
        if (!program.reaped || kill(-program.pid, 0) == 0 || errno != ESRCH)
            child->programs[kept++] = program;
    }
    child->count = kept;
}

/* the end of everything */

struct seen {
    pid_t pid;
    pid_t parent;
};

static int seen_compare(const void *a, const void *b)
{
    const struct seen *left = a;
    const struct seen *right = b;
    return (left->pid > right->pid) - (left->pid < right->pid);
}

/** The parent of a process, or 0 when it is gone. */
static pid_t parent_of(const char *pid)
{
    char path[64];
    char text[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0)
        return 0;
    text[size] = '\0';
    /* "pid (name) state parent …": a name may hold blanks and brackets */
    const char *end = strrchr(text, ')');
    int parent;
    return end && sscanf(end + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

/** Every process of the system with its parent, ordered by pid. */
static struct seen *processes_list(size_t *count)
{
    struct seen *list = NULL;
    size_t capacity = 0;
    *count = 0;
    DIR *folder = opendir("/proc");
    if (!folder)
        return NULL;
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        pid_t parent = isdigit((unsigned char)entry->d_name[0]) ? parent_of(entry->d_name) : 0;
        if (!parent)
            continue;
        memory_grow(&list, *count, &capacity, sizeof *list);
        list[(*count)++] = (struct seen){(pid_t)strtol(entry->d_name, NULL, 10), parent};
    }
    closedir(folder);
    if (list)
        qsort(list, *count, sizeof *list, seen_compare);
    return list;
}

static bool is_descendant(const struct seen *list, size_t count, const struct seen *process,
                          pid_t ancestor)
{
    /* the list is no snapshot, so a chain of parents may be broken or even a circle */
    for (size_t steps = 0; process && steps < count; steps++) {
        if (process->parent == ancestor)
            return true;
        struct seen key = {.pid = process->parent};
        process = bsearch(&key, list, count, sizeof *list, seen_compare);
    }
    return false;
}

/** Kills all that descends from the supervisor: also what left its group or its session. */
static void child_kill_descendants(const struct child *child)
{
    size_t count;
    struct seen *list = processes_list(&count);
    for (size_t i = 0; i < count; i++) {
        if (list[i].pid != child->self && is_descendant(list, count, &list[i], child->self))
            kill(list[i].pid, SIGKILL);
    }
    memory_free(list);
}

/**
 * Kills until nothing is left. Orphans become our children, so when there is no child any more
 * there is no descendant either.
 */
GOTO_NORETURN static void child_end(struct child *child)
{
    int wait_ms = END_WAIT_MS;
    struct pollfd signals = {.fd = child->signals, .events = POLLIN};
    for (size_t i = 0; i < child->count; i++)
        kill(-child->programs[i].pid, SIGKILL);
    for (;;) {
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
            continue;
        if (pid < 0 && errno == ECHILD)
            _exit(0);
        child_kill_descendants(child);
        struct signalfd_siginfo info;
        if (poll(&signals, 1, wait_ms) > 0) {
            ssize_t got = read(child->signals, &info, sizeof info);
            (void)got;
            wait_ms = END_WAIT_MS;
        } else if (wait_ms < END_WAIT_MOST_MS) {
            /* one that cannot be killed (it became another user) is not asked all the time */
            wait_ms *= 2;
        }
    }
}

/* messages */

/** Takes the descriptors out of a message; false if there are others than there should be. */
static bool take_fds(struct msghdr *header, int *fds, size_t *count)
{
    *count = 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        *count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(part), *count * sizeof(int));
    }
    return !(header->msg_flags & MSG_CTRUNC);
}

/** One message of goto-run's. False when it is gone. */
static bool child_receive(struct child *child)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(WIRE_FDS * sizeof(int))];
    } control;
    struct wire_message message;
    struct iovec part = {&message, sizeof message};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes};
    int fds[WIRE_FDS];
    size_t count;
    ssize_t got = recvmsg(CHILD_SOCKET, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
        return true;
    if (got != (ssize_t)sizeof message)
        return false;
    bool whole = take_fds(&header, fds, &count);
    if (message.kind == WIRE_START && whole && count == WIRE_FDS)
        child_start(child, message.id, fds);
    else if (message.kind == WIRE_START)
        child_send_failure(message.id, (struct failure){.error = EMFILE});
    else if (message.kind == WIRE_SIGNAL)
        child_signal(child, message.id, message.value);
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    return true;
}

/* the beginning */

/** Keeps standard error (for what we ourselves have to say) and the socket; closes all else. */
static void child_arrange_fds(int socket)
{
    int moved = fcntl(socket, F_DUPFD_CLOEXEC, CHILD_SOCKET + 1);
    if (moved < 0 || dup3(moved, CHILD_SOCKET, O_CLOEXEC) < 0)
        _exit(3);
    if (close_range(CHILD_SOCKET + 1, UINT_MAX, 0) != 0) {
        long most = sysconf(_SC_OPEN_MAX);
        for (int fd = CHILD_SOCKET + 1; fd < most; fd++)
            close(fd);
    }
    bool has_stderr = fcntl(2, F_GETFD) >= 0;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        _exit(3);
    dup2(null, 0);
    dup2(null, 1);
    if (!has_stderr)
        dup2(null, 2);
    if (null > CHILD_SOCKET)
        close(null);
}

/** Only KILL ends the supervisor, and the end of its socket. Faults of our own stay visible. */
static void child_arrange_signals(struct child *child)
{
    static const int faults[] = {SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS};
    sigset_t mask;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction normal = {.sa_handler = SIG_DFL};
    for (int number = 1; number < SIGNALS; number++) {
        bool is_fault = false;
        for (size_t i = 0; i < COUNT_OF(faults); i++)
            is_fault = is_fault || faults[i] == number;
        if (!is_fault)
            sigaction(number, &ignore, NULL);
    }
    /* an ignored SIGCHLD would reap without asking */
    sigaction(SIGCHLD, &normal, NULL);
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    child->signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
    if (child->signals < 0)
        _exit(3);
}

void supervisor_child_run(int socket)
{
    struct child child = {.self = getpid()};
    /* away from the terminal: its Ctrl-C is goto-run's to act on */
    setsid();
    prctl(PR_SET_NAME, "goto-supervisor");
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        _exit(3);
    child_arrange_fds(socket);
    child_arrange_signals(&child);
    struct pollfd watched[] = {{.fd = CHILD_SOCKET, .events = POLLIN},
                               {.fd = child.signals, .events = POLLIN}};
    for (;;) {
        if (poll(watched, COUNT_OF(watched), -1) < 0)
            continue;
        struct signalfd_siginfo info;
        while (read(child.signals, &info, sizeof info) == (ssize_t)sizeof info)
            continue;
        child_reap(&child);
        if (watched[0].revents && !child_receive(&child))
            child_end(&child);
    }
}
