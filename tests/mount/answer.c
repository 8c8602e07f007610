/*
 * answer.c: a server that does not speak 9P. It listens on a loopback port, which it prints. It
 * sends the bytes of its argument to a client that has sent something, or, without an argument,
 * nothing.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    char buf[512];
    int s = socket(AF_INET, SOCK_STREAM, 0);

    if (s < 0 || bind(s, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(s, 8) < 0 ||
        getsockname(s, (struct sockaddr *)&sa, &len) < 0) {
        perror("answer");
        return 1;
    }
    printf("%d\n", ntohs(sa.sin_port));
    fclose(stdout);
    for (int c; (c = accept(s, NULL, NULL)) >= 0; close(c)) {
        if (read(c, buf, sizeof buf) <= 0)
            continue;
        if (argc > 1 && write(c, argv[1], strlen(argv[1])) < 0)
            continue;
        while (argc == 1 && read(c, buf, sizeof buf) > 0)
            ;
    }
    return 1;
}
