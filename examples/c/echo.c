/* echo [port]: a TCP echo server on 127.0.0.1 with a virtual thread for each connection.
 *
 * The code reads as if every call blocked; net.h parks instead. Prints its port (0, the default,
 * lets the kernel choose) and serves until its standard input ends:
 *
 *     ./echo 7000            # then, elsewhere: nc 127.0.0.1 7000 */
#define _GNU_SOURCE 1
#include <stdio.h>
#include <stdlib.h>

#include "net.h"

/* One connection, until its peer closes. Owns the socket. */
static void serve(void *argument)
{
    const int fd = (int)(intptr_t)argument;
    char bytes[4096];
    for (;;) {
        const ssize_t got = net_receive(fd, bytes, sizeof bytes);
        if (got <= 0 || net_send_all(fd, bytes, (size_t)got) != 0)
            break;
    }
    close(fd);
}

/* Accepts for ever, and starts a virtual thread for each connection. */
static void accept_all(void *argument)
{
    const int listener = (int)(intptr_t)argument;
    for (;;) {
        const int fd = net_try_accept(listener);
        if (fd >= 0) {
            const int64_t vt = vt_spawn(serve, (void *)(intptr_t)fd);
            if (vt == 0)
                close(fd); /* no room for one more: this peer is turned away, the others stay */
            else
                drift_thread_drop(vt); /* nobody will join it: it ends by itself */
        } else if (fd == -EAGAIN) {
            vt_wait_fd(listener, DRIFT_INTEREST_READ);
        } else if (net_out_of_files(fd)) {
            vt_sleep(10); /* until a connection ends */
        } else if (!net_accept_again(fd)) {
            fprintf(stderr, "echo: accept: %s\n", strerror(-fd));
            return;
        }
    }
}

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 0;
    const int listener = net_listen(&port);
    if (listener < 0) {
        perror("echo: listen");
        return 1;
    }
    const int64_t acceptor = vt_spawn(accept_all, (void *)(intptr_t)listener);
    if (acceptor == 0) {
        fprintf(stderr, "echo: no virtual thread to accept with\n");
        return 1;
    }
    printf("%d\n", port);
    fflush(stdout);

    /* main is no virtual thread: here a call that blocks holds up nobody else. */
    char line[256];
    while (fgets(line, sizeof line, stdin) != NULL)
        continue;
    if (drift_thread_is_completed(acceptor)) {
        drift_thread_join(acceptor);
        return 1;
    }
    drift_thread_drop(acceptor);
    return 0; /* ends the process, whatever virtual threads are parked */
}
