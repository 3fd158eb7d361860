#include "base/clock.h"
#include "base/memory.h"
#include "runner/client/supervisor.h"
#include "runner/client/supervisor_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/**
 * READ_SIZE is one read; TURN_SIZE bounds what one pipe gives in one turn of the loop; PIPE_SIZE is
 * what the pipe of a program that writes much is grown to (the most an ordinary user may ask for).
 */
enum { READ_SIZE = 64 * 1024, TURN_SIZE = 1024 * 1024, PIPE_SIZE = 1024 * 1024 };

enum process_state { PROCESS_STARTING, PROCESS_RUNNING, PROCESS_ENDED };

/** Our end of one of its pipes; fd -1 when there is none (any more). */
struct channel {
    struct process *process;
    struct watcher watcher;
    int fd;
};

/** One of its outputs. */
struct stream {
    struct output output;
    struct channel channel;
    bool is_stderr;
    bool grown;
    bool reading; /**< its line() is being called, so nobody else reads */
};

struct process {
    struct supervisor *supervisor; /**< NULL when that is gone */
    struct process *next;
    struct process *previous;
    uint64_t id;
    enum process_state state;
    int pid;
    struct process_handler handler;
    void *context;
    size_t holds; /**< the owner, each watcher that is not closed yet, each call that goes on */
    bool freed;
    struct channel input;
    struct buf input_rest;
    size_t input_sent;
    struct stream streams[2]; /**< stdout, stderr */
    struct timer failing;     /**< tells the end of what was never started */
    struct timer grace;       /**< from TERM to KILL */
    struct process_end end;
};

static void process_hold(struct process *process)
{
    process->holds++;
}

static void process_release(struct process *process)
{
    if (--process->holds)
        return;
    buf_clear(&process->input_rest);
    output_clear(&process->streams[0].output);
    output_clear(&process->streams[1].output);
    memory_free(process);
}

/* its pipes */

static void channel_closed(struct watcher *watcher)
{
    struct channel *channel = CONTAINER_OF(watcher, struct channel, watcher);
    process_release(channel->process);
}

static void channel_close(struct channel *channel)
{
    if (channel->fd < 0)
        return;
    watcher_close(&channel->watcher, channel_closed);
    close(channel->fd);
    channel->fd = -1;
}

static int channel_open(struct channel *channel, struct process *process, int fd,
                        watcher_callback ready)
{
    int error = watcher_init(&channel->watcher, process->supervisor->loop, fd, ready);
    if (error)
        return error;
    channel->fd = fd;
    channel->process = process;
    process_hold(process);
    return 0;
}

static void process_line(struct output *output, struct str line, bool cut)
{
    struct stream *stream = CONTAINER_OF(output, struct stream, output);
    struct process *process = stream->channel.process;
    if (!process->freed && process->handler.line)
        process->handler.line(process->context, stream->is_stderr, line, cut);
}

/** A program that fills its pipe gets a larger one: fewer switches between the two of us. */
static void stream_grow(struct stream *stream)
{
    if (stream->grown || stream->channel.fd < 0)
        return;
    stream->grown = true;
    fcntl(stream->channel.fd, F_SETPIPE_SZ, PIPE_SIZE);
}

/** Reads at most `most` bytes of what is there. How many there were. */
static size_t stream_read(struct stream *stream, size_t most)
{
    char bytes[READ_SIZE];
    size_t total = 0;
    struct process *process = stream->channel.process;
    if (stream->channel.fd < 0 || stream->reading)
        return 0;
    process_hold(process);
    stream->reading = true;
    while (total < most && stream->channel.fd >= 0) {
        size_t wanted = most - total < sizeof bytes ? most - total : sizeof bytes;
        ssize_t got = read(stream->channel.fd, bytes, wanted);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (got <= 0) {
            output_finish(&stream->output);
            channel_close(&stream->channel);
            break;
        }
        total += (size_t)got;
        output_feed(&stream->output, (struct str){bytes, (size_t)got});
        if ((size_t)got < wanted)
            break;
        stream_grow(stream);
    }
    stream->reading = false;
    process_release(process);
    return total;
}

static void stream_ready(struct watcher *watcher, int events)
{
    struct channel *channel = CONTAINER_OF(watcher, struct channel, watcher);
    (void)events;
    stream_read(CONTAINER_OF(channel, struct stream, channel), TURN_SIZE);
}

/** Reads what the pipe holds at this moment; what somebody writes meanwhile is for later. */
static size_t stream_read_rest(struct stream *stream)
{
    int held = 0;
    if (stream->channel.fd < 0 || ioctl(stream->channel.fd, FIONREAD, &held) != 0 || held <= 0)
        return 0;
    return stream_read(stream, (size_t)held);
}

static void input_ready(struct watcher *watcher, int events)
{
    struct channel *channel = CONTAINER_OF(watcher, struct channel, watcher);
    struct process *process = channel->process;
    struct str rest = str_from(buf_str(&process->input_rest), process->input_sent);
    (void)events;
    while (rest.size) {
        ssize_t sent = write(channel->fd, rest.data, rest.size);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (sent < 0)
            break; /* EPIPE: it does not want to read, which is its own affair */
        process->input_sent += (size_t)sent;
        rest = str_from(rest, (size_t)sent);
    }
    buf_clear(&process->input_rest);
    process->input_sent = 0;
    channel_close(channel);
}

/* its end */

static void process_finish(struct process *process)
{
    process_hold(process);
    process->state = PROCESS_ENDED;
    for (int i = 0; i < 2; i++)
        stream_read_rest(&process->streams[i]);
    for (int i = 0; i < 2; i++)
        output_finish(&process->streams[i].output);
    if (!process->freed && process->handler.ended)
        process->handler.ended(process->context, &process->end);
    process_release(process);
}

static void process_fail(struct timer *timer)
{
    process_finish(CONTAINER_OF(timer, struct process, failing));
}

static void process_started(struct process *process, int pid)
{
    process->state = PROCESS_RUNNING;
    process->pid = pid;
    /* not before: a line must not be heard before the start */
    for (int i = 0; i < 2; i++)
        watcher_set(&process->streams[i].channel.watcher, UV_READABLE);
    if (process->input.fd >= 0)
        watcher_set(&process->input.watcher, UV_WRITABLE);
    if (process->handler.started)
        process->handler.started(process->context, pid);
}

void process_hear(struct process *process, const struct wire_message *message)
{
    struct process_end *end = &process->end;
    switch (message->kind) {
    case WIRE_STARTED:
        process_started(process, message->value);
        return;
    case WIRE_FAILED:
        *end = (struct process_end){
            .error = message->value, .error_in_cwd = message->in_cwd != 0, .exit_code = -1};
        process_finish(process);
        return;
    case WIRE_ENDED:
        *end =
            (struct process_end){.exit_code = -1, .rss = message->rss, .cpu_ns = message->cpu_ns};
        if (WIFSIGNALED(message->value))
            end->signal = WTERMSIG(message->value);
        else
            end->exit_code = WEXITSTATUS(message->value);
        process_finish(process);
        return;
    default:
        GOTO_ASSERT(!"a message that the supervisor never sends");
    }
}

void process_lose(struct process *process)
{
    if (process->pid > 0)
        kill(-process->pid, SIGKILL);
    process->end = (struct process_end){.error = EOWNERDEAD, .exit_code = -1};
    process_finish(process);
}

uint64_t process_id(const struct process *process)
{
    return process->id;
}

struct process *process_next(const struct process *process)
{
    return process->next;
}

bool process_is_open(const struct process *process)
{
    return process->state != PROCESS_ENDED && !timer_is_active(&process->failing);
}

static void process_unlink(struct process *process)
{
    if (process->previous)
        process->previous->next = process->next;
    else
        process->supervisor->processes = process->next;
    if (process->next)
        process->next->previous = process->previous;
    process->next = NULL;
    process->previous = NULL;
}

void process_detach(struct process *process)
{
    process_unlink(process);
    timer_stop(&process->failing);
    timer_stop(&process->grace);
    process->state = PROCESS_ENDED;
    process->supervisor = NULL;
    process->handler = (struct process_handler){0};
}

/* its start */

static bool words_append(struct buf *words, const char *text)
{
    return buf_append(words, (struct str){text, strlen(text) + 1}) == 0;
}

static bool words_append_all(struct buf *words, const char *const *texts, uint32_t *count)
{
    for (size_t i = 0; texts[i]; i++) {
        if (!words_append(words, texts[i]))
            return false;
        ++*count;
    }
    return true;
}

/** The memfd with everything the program is started with, or a negative errno. */
static int words_make(const struct process_options *options)
{
    struct wire_words head = {0};
    struct buf words;
    int result = -E2BIG;
    buf_init(&words, WIRE_MOST);
    buf_append(&words, (struct str){(const char *)&head, sizeof head});
    if (!words_append(&words, options->cwd ? options->cwd : "") ||
        !words_append_all(&words, options->argv, &head.arguments) ||
        !words_append_all(&words, options->env, &head.variables))
        goto out;
    memcpy(words.data, &head, sizeof head);
    result = memfd_create("goto-program", MFD_CLOEXEC);
    if (result < 0) {
        result = -errno;
        goto out;
    }
    for (size_t done = 0; done < words.size;) {
        ssize_t wrote = write(result, words.data + done, words.size - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            int error = wrote < 0 ? -errno : -EIO;
            close(result);
            result = error;
            goto out;
        }
        done += (size_t)wrote;
    }
out:
    buf_clear(&words);
    return result;
}

/** A pipe whose end `ours` is non-blocking and watched; the other one goes to *theirs. */
static int channel_make(struct channel *channel, struct process *process, int ours, int *theirs,
                        watcher_callback ready)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -errno;
    int flags = fcntl(ends[ours], F_GETFL);
    int error = flags < 0 || fcntl(ends[ours], F_SETFL, flags | O_NONBLOCK) != 0 ? -errno : 0;
    if (!error)
        error = channel_open(channel, process, ends[ours], ready);
    if (error) {
        close(ends[0]);
        close(ends[1]);
        return error;
    }
    *theirs = ends[1 - ours];
    return 0;
}

static int input_make(struct process *process, struct str input, int *theirs)
{
    if (input.size) {
        buf_append(&process->input_rest, input);
        return channel_make(&process->input, process, 1, theirs, input_ready);
    }
    *theirs = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return *theirs < 0 ? -errno : 0;
}

/** Makes the descriptors for WIRE_START; on failure none is left. Returns 0 or a negative errno. */
static int process_prepare(struct process *process, const struct process_options *options, int *fds)
{
    int error = 0;
    fds[WIRE_FD_WORDS] = words_make(options);
    if (fds[WIRE_FD_WORDS] < 0)
        error = fds[WIRE_FD_WORDS];
    if (!error)
        error = input_make(process, options->input, &fds[WIRE_FD_INPUT]);
    for (int i = 0; i < 2 && !error; i++)
        error = channel_make(&process->streams[i].channel, process, 0, &fds[WIRE_FD_OUTPUT + i],
                             stream_ready);
    if (!error)
        return 0;
    for (int i = 0; i < WIRE_FDS; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    channel_close(&process->input);
    channel_close(&process->streams[0].channel);
    channel_close(&process->streams[1].channel);
    return error;
}

static void process_kill_rest(struct timer *timer);

static struct process *process_new(struct supervisor *supervisor,
                                   const struct process_options *options,
                                   const struct process_handler *handler, void *context)
{
    struct process *process = memory_alloc(sizeof *process);
    process->supervisor = supervisor;
    process->id = ++supervisor->last_id;
    process->handler = *handler;
    process->context = context;
    process->holds = 1;
    process->end.exit_code = -1;
    process->input.fd = -1;
    buf_init(&process->input_rest, options->input.size);
    for (int i = 0; i < 2; i++) {
        struct stream *stream = &process->streams[i];
        stream->channel.fd = -1;
        stream->channel.process = process;
        stream->is_stderr = i == 1;
        output_init(&stream->output, options->most_output, options->most_line, process_line);
    }
    timer_init(&process->failing, supervisor->loop, process_fail);
    timer_init(&process->grace, supervisor->loop, process_kill_rest);
    process->next = supervisor->processes;
    if (process->next)
        process->next->previous = process;
    supervisor->processes = process;
    return process;
}

struct process *process_start(struct supervisor *supervisor, const struct process_options *options,
                              const struct process_handler *handler, void *context)
{
    int fds[WIRE_FDS] = {-1, -1, -1, -1};
    GOTO_ASSERT(supervisor->loop);
    struct process *process = process_new(supervisor, options, handler, context);
    int error = supervisor->lost ? -EOWNERDEAD : process_prepare(process, options, fds);
    if (error) {
        process->end.error = -error;
        timer_start(&process->failing, 0);
        return process;
    }
    struct wire_message message = {.id = process->id, .kind = WIRE_START};
    supervisor_send(supervisor, &message, fds, WIRE_FDS);
    return process;
}

/* what is done to it */

static void process_send_signal(struct process *process, int number)
{
    struct wire_message message = {.id = process->id, .kind = WIRE_SIGNAL, .value = number};
    if (process->supervisor)
        supervisor_send(process->supervisor, &message, NULL, 0);
}

static void process_kill_rest(struct timer *timer)
{
    process_send_signal(CONTAINER_OF(timer, struct process, grace), SIGKILL);
}

void process_free(struct process *process)
{
    if (!process)
        return;
    GOTO_ASSERT(!process->freed);
    process->freed = true;
    if (process->supervisor) {
        bool lives = process->state != PROCESS_ENDED || timer_is_active(&process->grace);
        if (lives && !supervisor_withdraw(process->supervisor, process->id))
            process_send_signal(process, SIGKILL);
        process_detach(process);
    }
    channel_close(&process->input);
    channel_close(&process->streams[0].channel);
    channel_close(&process->streams[1].channel);
    process_release(process);
}

bool process_is_alive(const struct process *process)
{
    return process->state == PROCESS_RUNNING;
}

int process_pid(const struct process *process)
{
    return process->pid;
}

int process_signal(struct process *process, int number)
{
    if (!process_is_open(process))
        return -ESRCH;
    if (process->state == PROCESS_STARTING) {
        /* the supervisor takes messages in order, so it arrives after the start */
        process_send_signal(process, number);
        return 0;
    }
    /* it may be reaped already and the message still be on its way: kill() knows */
    if (kill(process->pid, 0) != 0 && errno == ESRCH)
        return -ESRCH;
    return kill(-process->pid, number) == 0 ? 0 : -errno;
}

void process_stop(struct process *process, int64_t grace_ns)
{
    int64_t now = clock_now();
    int64_t due_ns = grace_ns <= 0 ? now : grace_ns > INT64_MAX - now ? INT64_MAX : now + grace_ns;
    process_send_signal(process, SIGTERM);
    /* one that was stopped must run to take the TERM */
    process_send_signal(process, SIGCONT);
    if (!process->supervisor)
        return;
    if (!timer_is_active(&process->grace) || process->grace.due_ns > due_ns)
        timer_start_at(&process->grace, due_ns);
}

bool process_read_rest(struct process *process)
{
    size_t got = 0;
    process_hold(process);
    for (int i = 0; i < 2; i++)
        got += stream_read_rest(&process->streams[i]);
    process_release(process);
    return got != 0;
}

struct str process_stdout(const struct process *process, uint64_t *total)
{
    *total = process->streams[0].output.total;
    return buf_str(&process->streams[0].output.kept);
}

struct str process_stderr(const struct process *process, uint64_t *total)
{
    *total = process->streams[1].output.total;
    return buf_str(&process->streams[1].output.kept);
}

bool process_sample(const struct process *process, uint64_t *rss, int64_t *cpu_ns)
{
    char path[64];
    unsigned long long pages = 0;
    clockid_t clock;
    struct timespec used;
    if (process->state != PROCESS_RUNNING || clock_getcpuclockid(process->pid, &clock) != 0 ||
        clock_gettime(clock, &used) != 0)
        return false;
    snprintf(path, sizeof path, "/proc/%d/statm", process->pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool read = fscanf(file, "%*u %llu", &pages) == 1;
    fclose(file);
    *rss = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    *cpu_ns = (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
    return read;
}
