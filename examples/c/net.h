/* net.h: sockets that hold up the virtual thread that waits, and nobody else.
 *
 * Every socket is non-blocking. A call is tried first; when the kernel answers EAGAIN, the
 * virtual thread registers what it waits for, parks, and tries again.
 *
 * errno belongs to an OS thread, and a virtual thread may come back from a park on another one,
 * while compilers keep errno's address across calls. So a function that reads errno never parks:
 * the net_try_* functions give the error as a negative number and stay out of line. */
#ifndef NET_H
#define NET_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vt.h"

#define NET_OUT_OF_LINE __attribute__((noinline, unused)) static

/* Listens on 127.0.0.1; `*port` 0 means any, and is replaced by the one it got. -1: see errno. */
NET_OUT_OF_LINE int net_listen(int *port)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)*port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        const int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

NET_OUT_OF_LINE int net_try_accept(int listener)
{
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return -errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* slower without, not wrong */
    return fd;
}

NET_OUT_OF_LINE ssize_t net_try_receive(int fd, void *bytes, size_t length)
{
    const ssize_t got = recv(fd, bytes, length, 0);
    return got < 0 ? -errno : got;
}

NET_OUT_OF_LINE ssize_t net_try_send(int fd, const void *bytes, size_t length)
{
    const ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

/* Bytes received, 0 at the end of the stream, or a negative errno. */
static inline ssize_t net_receive(int fd, void *bytes, size_t length)
{
    for (;;) {
        const ssize_t got = net_try_receive(fd, bytes, length);
        if (got == -EAGAIN)
            vt_wait_fd(fd, DRIFT_INTEREST_READ);
        else if (got != -EINTR)
            return got;
    }
}

/* 0 when all was sent, else a negative errno. */
static inline int net_send_all(int fd, const void *bytes, size_t length)
{
    const char *rest = (const char *)bytes;
    while (length > 0) {
        const ssize_t sent = net_try_send(fd, rest, length);
        if (sent >= 0) {
            rest += sent;
            length -= (size_t)sent;
        } else if (sent == -EAGAIN) {
            vt_wait_fd(fd, DRIFT_INTEREST_WRITE);
        } else if (sent != -EINTR) {
            return (int)sent;
        }
    }
    return 0;
}

/* Whether accept(2) failed for the one connection only, or for now: worth another try. */
static inline int net_accept_again(int error)
{
    return error == -EINTR || error == -ECONNABORTED || error == -EPROTO;
}

static inline int net_out_of_files(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}

#endif
