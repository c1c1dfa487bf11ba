/* An accept4(2) that fails first: two calls of three, by turns for a client that has gone and for
 * want of a descriptor. To be preloaded, see ld.so(8). */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    static const int errors[] = {ECONNABORTED, EMFILE, 0};
    static int calls;
    const int error = errors[__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED) % 3];
    if (error != 0) {
        errno = error;
        return -1;
    }
    return (int)syscall(SYS_accept4, fd, address, length, flags);
}
