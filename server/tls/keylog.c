/* SSLKEYLOGFILE: the secrets of connections, in the format that Wireshark reads. */
#include "server/tls/config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/** The file, opened once a process: all scenarios of it append to the same one. */
static int keylog_fd = -1;

/** Appends one line in one call: lines of several processes do not mix. */
static void keylog_line(const SSL *ssl, const char *line)
{
    (void)ssl;
    struct iovec parts[] = {{(void *)line, strlen(line)}, {(void *)"\n", 1}};
    /* A full disk loses the line: secrets are for looking on, no check depends on them. */
    ssize_t written = writev(keylog_fd, parts, COUNT_OF(parts));
    (void)written;
}

void tls_log_keys(void *ssl_ctx)
{
    const char *path = getenv("SSLKEYLOGFILE");
    if (!path || !*path)
        return;
    if (keylog_fd < 0)
        keylog_fd =
            open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (keylog_fd >= 0)
        SSL_CTX_set_keylog_callback(ssl_ctx, keylog_line);
}
