/* Connections that we make: they stand, are refused, and are given up. */
#include "ctest/unit/rig.h"

#include <sys/un.h>

/** What became of one. */
struct dialed {
    struct stream *stream;
    bool started;
    bool gone;
    int error;
    char heard[64];
    size_t size;
    bool peer_ended;
};

static void *dialed_start(struct stream *stream)
{
    struct dialed *dialed = stream->owner;
    char text[] = "hello";
    struct iovec hello = {text, 5};
    dialed->started = true;
    stream_write(stream, &hello, 1);
    return dialed;
}

static size_t dialed_bytes(struct stream *stream, struct str bytes)
{
    struct dialed *dialed = stream->state;
    ck_assert_uint_le(dialed->size + bytes.size, sizeof dialed->heard);
    memcpy(dialed->heard + dialed->size, bytes.data, bytes.size);
    dialed->size += bytes.size;
    return bytes.size;
}

static void dialed_ended(struct stream *stream, bool reset)
{
    struct dialed *dialed = stream->state;
    dialed->peer_ended = true;
    if (!reset)
        stream_close(stream, CLOSE_FIN);
}

static void dialed_nothing(struct stream *stream)
{
    (void)stream;
}

static bool dialed_is_idle(const struct stream *stream)
{
    (void)stream;
    return true;
}

static void dialed_gone(struct stream *stream)
{
    ((struct dialed *)stream->owner)->gone = true;
}

static const struct protocol dialed_protocol = {
    .name = "dialed",
    .start = dialed_start,
    .bytes = dialed_bytes,
    .writable = dialed_nothing,
    .ended = dialed_ended,
    .closing = dialed_nothing,
    .drain = dialed_nothing,
    .is_idle = dialed_is_idle,
    .gone = dialed_gone,
};

static void dialed_failed(void *owner, int error)
{
    ((struct dialed *)owner)->error = error;
}

static void dial(struct rig *rig, struct dialed *dialed, const struct sockaddr_storage *address,
                 unsigned size)
{
    const struct stream_dial plan = {
        .address = address,
        .address_size = size,
        .protocol = &dialed_protocol,
        .owner = dialed,
        .failed = dialed_failed,
    };
    int error = 0;
    dialed->stream = stream_dial(&rig->server, &plan, &error);
    ck_assert_ptr_nonnull(dialed->stream);
}

/** A listening socket and its address. */
static int listener(struct sockaddr_storage *address)
{
    struct sockaddr_in *four = (struct sockaddr_in *)address;
    socklen_t size = sizeof *four;
    *address = (struct sockaddr_storage){.ss_family = AF_INET};
    four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)address, size), 0);
    ck_assert_int_eq(listen(fd, 4), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)address, &size), 0);
    return fd;
}

START_TEST(test_bytes_go_both_ways_and_the_end_comes)
{
    struct rig rig;
    struct dialed dialed = {0};
    struct sockaddr_storage address;
    char piece[16];
    rig_init(&rig);
    int listening = listener(&address);
    dial(&rig, &dialed, &address, sizeof(struct sockaddr_in));
    ck_assert(!dialed.started);
    rig_until(&rig, dialed.started);
    int fd = accept(listening, NULL, NULL);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(recv(fd, piece, sizeof piece, 0), 5);
    say(fd, "world");
    rig_until(&rig, dialed.size == 5);
    ck_assert_mem_eq(dialed.heard, "world", 5);
    close(fd);
    rig_until(&rig, dialed.gone);
    ck_assert(dialed.peer_ended);
    rig_until(&rig, rig.server.streams == 0);
    ck_assert_ptr_null(rig.server.dialed);
    ck_assert_uint_eq(journal_last(rig.journal), 0);
    close(listening);
    rig_clear(&rig);
}
END_TEST

START_TEST(test_one_that_is_refused_says_so_later)
{
    struct rig rig;
    struct dialed dialed = {0};
    struct sockaddr_storage address;
    rig_init(&rig);
    close(listener(&address));
    dial(&rig, &dialed, &address, sizeof(struct sockaddr_in));
    ck_assert_int_eq(dialed.error, 0);
    rig_until(&rig, dialed.error);
    ck_assert_int_eq(dialed.error, ECONNREFUSED);
    ck_assert(!dialed.started);
    rig_until(&rig, rig.server.streams == 0);
    rig_clear(&rig);
}
END_TEST

START_TEST(test_a_unix_socket_that_is_not_there_is_told)
{
    struct rig rig;
    struct dialed dialed = {0};
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    rig_init(&rig);
    strcpy(((struct sockaddr_un *)&address)->sun_path, "/nowhere/at/all");
    dial(&rig, &dialed, &address, sizeof(struct sockaddr_un));
    rig_until(&rig, dialed.error);
    ck_assert_int_eq(dialed.error, ENOENT);
    rig_until(&rig, rig.server.streams == 0);
    rig_clear(&rig);
}
END_TEST

START_TEST(test_one_that_is_given_up_is_silent)
{
    struct rig rig;
    struct dialed dialed = {0};
    struct sockaddr_storage address;
    rig_init(&rig);
    int listening = listener(&address);
    dial(&rig, &dialed, &address, sizeof(struct sockaddr_in));
    stream_close(dialed.stream, CLOSE_FIN);
    rig_until(&rig, rig.server.streams == 0);
    ck_assert(!dialed.started && !dialed.gone);
    ck_assert_int_eq(dialed.error, 0);
    close(listening);
    rig_clear(&rig);
}
END_TEST

START_TEST(test_the_server_ends_those_under_way)
{
    struct rig rig;
    struct dialed first = {0};
    struct dialed second = {0};
    struct sockaddr_storage address;
    rig_init(&rig);
    int listening = listener(&address);
    dial(&rig, &first, &address, sizeof(struct sockaddr_in));
    rig_until(&rig, first.started);
    dial(&rig, &second, &address, sizeof(struct sockaddr_in));
    rig_clear(&rig);
    ck_assert(first.gone && !second.started);
    close(listening);
}
END_TEST

UNIT_MAIN("dial", test_bytes_go_both_ways_and_the_end_comes, test_one_that_is_refused_says_so_later,
          test_a_unix_socket_that_is_not_there_is_told, test_one_that_is_given_up_is_silent,
          test_the_server_ends_those_under_way)
