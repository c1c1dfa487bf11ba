/* The first process of the virtual machine: runs the test programs, says how they ended, and turns
 * the machine off. */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void loopback_up(void) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &request);
}

static int run(const char *program) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        execl(program, program, "--test-threads=1", (char *)NULL);
        _exit(127);
    }
    waitpid(child, &status, 0);
    return status;
}

int main(void) {
    mount("proc", "/proc", "proc", 0, NULL);
    mount("dev", "/dev", "devtmpfs", 0, NULL);
    mount("tmp", "/tmp", "tmpfs", 0, NULL);
    loopback_up();
    setenv("RUST_BACKTRACE", "0", 1);
    int unit = run("/unit");
    int host = run("/host");
    printf("RESULT unit %d host %d\n", unit, host);
    fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
    return 0;
}
