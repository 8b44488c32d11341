/*
 * Reading without a stream: those of libc take memory, and look at the locale.
 */
#include "base/head.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool tm_head(const char *path, char *text, size_t cap)
{
    size_t n = 0;
    ssize_t got = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return false;
    while (n + 1 < cap && got) {
        got = read(fd, text + n, cap - 1 - n);
        if (got > 0)
            n += (size_t)got;
        else if (got < 0 && errno != EINTR)
            break;
    }
    int why = errno;
    text[n] = '\0';
    close(fd);
    errno = why;
    return got >= 0;
}
