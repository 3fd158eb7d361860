#include "runner/scenario/probe.h"

#include "runner/scenario/scenario_private.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

void probe_init(struct probe *probe)
{
    *probe = (struct probe){.fd = -1};
}

void probe_close(struct probe *probe)
{
    SSL_free(probe->ssl);
    if (probe->fd >= 0)
        close(probe->fd);
    probe_init(probe);
}

/** TLS on the connection that stands; false if there is none to be had. */
static bool probe_begin_tls(struct probe *probe)
{
    static const unsigned char alpn[] = "\x08http/1.1";
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = context ? SSL_new(context) : NULL;
    /* the SSL holds it */
    SSL_CTX_free(context);
    if (!ssl || SSL_set_fd(ssl, probe->fd) != 1 ||
        SSL_set_alpn_protos(ssl, alpn, sizeof alpn - 1) != 0) {
        SSL_free(ssl);
        ERR_clear_error();
        return false;
    }
    SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
    SSL_set_mode(ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_set_connect_state(ssl);
    probe->ssl = ssl;
    return true;
}

/** What a call of SSL came to, as send() and recv() say it. */
static ssize_t probe_tls_result(struct probe *probe, int result)
{
    int error = SSL_get_error(probe->ssl, result);
    ERR_clear_error();
    if (result > 0)
        return result;
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return -1;
}

static ssize_t probe_write(struct probe *probe, const char *text, size_t size)
{
    if (probe->ssl)
        return probe_tls_result(probe, SSL_write(probe->ssl, text, (int)size));
    return send(probe->fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t probe_receive(struct probe *probe, char *into, size_t room)
{
    if (probe->ssl)
        return probe_tls_result(probe, SSL_read(probe->ssl, into, (int)room));
    return recv(probe->fd, into, room, MSG_DONTWAIT);
}

static bool is_for_later(ssize_t result)
{
    return result < 0 && (errno == EAGAIN || errno == EINTR);
}

static void probe_send(struct probe *probe, const struct probe_target *target)
{
    char request[1024];
    int size =
        snprintf(request, sizeof request,
                 "GET " STR_FMT " HTTP/1.1\r\nhost: " STR_FMT ":%u\r\nconnection: close\r\n\r\n",
                 STR_ARG(target->path), STR_ARG(target->host), target->number);
    bool fits = size > 0 && (size_t)size < sizeof request;
    if (!fits || (target->tls && !probe->ssl && !probe_begin_tls(probe))) {
        probe_close(probe);
        return;
    }
    ssize_t sent = probe_write(probe, request, (size_t)size);
    probe->sent = sent == size;
    if (!probe->sent && !(probe->ssl && is_for_later(sent)))
        probe_close(probe);
}

/** Reads the status line of the answer; a status below 400 is ready, anything else tries anew. */
static bool probe_read(struct probe *probe)
{
    ssize_t got = probe_receive(probe, probe->text + probe->size, sizeof probe->text - probe->size);
    if (is_for_later(got))
        return false;
    if (got > 0)
        probe->size += (size_t)got;
    struct str text = {probe->text, probe->size};
    uint64_t status = 0;
    bool ready = text.size >= 12 && str_starts(text, STR("HTTP/1.")) &&
                 str_to_u64(str_slice(text, 9, 3), 999, &status) && status < 400;
    if (ready || got <= 0 || status || text.size >= 12)
        probe_close(probe);
    return ready;
}

static socklen_t target_address(const struct probe_target *target, struct sockaddr_storage *address)
{
    struct str host = target->host;
    if (str_is(host, "0.0.0.0"))
        host = STR("127.0.0.1");
    else if (str_is(host, "::"))
        host = STR("::1");
    return scenario_sockaddr(host, target->number, address);
}

bool probe_look(struct probe *probe, const struct probe_target *target)
{
    struct sockaddr_storage address;
    socklen_t size = target_address(target, &address);
    if (probe->sent)
        return probe_read(probe);
    if (probe->fd < 0)
        probe->fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe->fd < 0)
        return false;
    if (connect(probe->fd, (struct sockaddr *)&address, size) != 0 && errno != EISCONN) {
        if (errno != EINPROGRESS && errno != EALREADY)
            probe_close(probe);
        return false;
    }
    if (target->path.data) {
        probe_send(probe, target);
        return false;
    }
    probe_close(probe);
    return true;
}
