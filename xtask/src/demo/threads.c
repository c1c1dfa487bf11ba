/* threads: the same echo server with one OS thread per connection, for comparison.
 *
 * Plain POSIX, blocking calls, no drift. Prints {"ready":true,"port":N} and ends when its
 * standard input does. */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void *serve(void *argument)
{
    const int fd = (int)(intptr_t)argument;
    char bytes[512];
    for (;;) {
        const ssize_t got = recv(fd, bytes, sizeof bytes, 0);
        ssize_t sent = 0;
        while (sent < got) {
            const ssize_t more = send(fd, bytes + sent, (size_t)(got - sent), MSG_NOSIGNAL);
            if (more < 0)
                break;
            sent += more;
        }
        if (got <= 0 || sent < got)
            break;
    }
    close(fd);
    return NULL;
}

static void *accept_all(void *argument)
{
    const int listener = (int)(intptr_t)argument;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (;;) {
        int one = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        pthread_t thread;
        if (fd < 0) {
            if (errno != EINTR && errno != ECONNABORTED)
                usleep(1000); /* out of files, for now */
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        const int error = pthread_create(&thread, &attributes, serve, (void *)(intptr_t)fd);
        if (error != 0) {
            fprintf(stderr, "threads: no thread for a connection: %s\n", strerror(error));
            close(fd);
        }
    }
    return NULL;
}

int main(void)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    struct rlimit files;
    pthread_t acceptor;
    char line[64];
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 ||
        listen(listener, SOMAXCONN) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
        perror("threads: listen");
        return 1;
    }
    if (pthread_create(&acceptor, NULL, accept_all, (void *)(intptr_t)listener) != 0) {
        perror("threads: pthread_create");
        return 1;
    }
    printf("{\"ready\":true,\"port\":%d}\n", ntohs(address.sin_port));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL)
        continue;
    return 0;
}
