/*
 * Sinks: files whole or not at all, streams without loss when they are full, and nothing left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/sink.h"

static char folder[] = "/tmp/tidemill-sink.XXXXXX";
static struct loop l;

static void put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void file_is(const char *path, const char *text)
{
    char seen[256] = "";
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(seen, 1, sizeof seen - 1, f);
    seen[n] = '\0';
    fclose(f);
    assert_string_equal(seen, text);
}

static void files_are(const char *wanted)
{
    struct dirent **entries;
    char seen[1024] = "";
    size_t used = 0;
    int n = scandir(".", &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (strcmp(entries[i]->d_name, ".") != 0 && strcmp(entries[i]->d_name, "..") != 0) {
            used += (size_t)snprintf(seen + used, sizeof seen - used, "%s ", entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
    assert_string_equal(seen, wanted);
}

static void open_path(struct sink *s, const char *path)
{
    tm_sink_init(s, &l);
    assert_int_equal(tm_sink_open_path(s, path, NULL), TIDEMILL_OK);
}

static void test_file(void **state)
{
    (void)state;
    struct sink s;
    struct stat st;
    open_path(&s, "new");
    assert_int_equal(tm_sink_write(&s, SLICE("one\n"), NULL), TIDEMILL_OK);
    assert_int_equal(tm_sink_write(&s, SLICE("two\n"), NULL), TIDEMILL_OK);
    assert_int_equal(access("new", F_OK), -1);
    assert_int_equal(s.bytes, 8);
    assert_int_equal(tm_sink_commit(&s, NULL), TIDEMILL_OK);
    tm_sink_release(&s);
    file_is("new", "one\ntwo\n");
    files_are("new ");

    /* Given up: the older one stays. */
    open_path(&s, "new");
    assert_int_equal(tm_sink_write(&s, SLICE("three\n"), NULL), TIDEMILL_OK);
    tm_sink_release(&s);
    file_is("new", "one\ntwo\n");

    /* Replaced: with its mode, and through a link that stays one. */
    assert_int_equal(chmod("new", 0640), 0);
    assert_int_equal(symlink("new", "link"), 0);
    open_path(&s, "link");
    assert_int_equal(tm_sink_write(&s, SLICE("four\n"), NULL), TIDEMILL_OK);
    assert_int_equal(tm_sink_commit(&s, NULL), TIDEMILL_OK);
    tm_sink_release(&s);
    file_is("new", "four\n");
    assert_int_equal(lstat("link", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat("new", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    files_are("link new ");
    unlink("link");

    /* A link to nothing yet makes what it points to. */
    assert_int_equal(symlink("later", "link"), 0);
    open_path(&s, "link");
    assert_int_equal(tm_sink_commit(&s, NULL), TIDEMILL_OK);
    tm_sink_release(&s);
    files_are("later link new ");
    unlink("later");
    unlink("link");
    unlink("new");
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int number;
    } cases[] = {
        {"no/folder/out", ENOENT},
        {".", EISDIR},
        {"loop", ELOOP},
        {"file/out", ENOTDIR},
    };
    put_file("file", "");
    assert_int_equal(symlink("loop", "loop"), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sink s;
        err e = {0};
        tm_sink_init(&s, &l);
        assert_int_equal(tm_sink_open_path(&s, cases[i].path, &e), TIDEMILL_E_OUTPUT);
        if (e.system_errno != cases[i].number || !strstr(e.message, cases[i].path))
            fail_msg("%s: %s", cases[i].path, e.message);
        tm_sink_release(&s);
    }
    unlink("loop");
    unlink("file");
    files_are("");
}

/* A device is written in place, and its errors are errors. */
static void test_device(void **state)
{
    (void)state;
    struct sink s;
    err e = {0};
    open_path(&s, "/dev/full");
    assert_int_equal(tm_sink_write(&s, SLICE("x"), &e), TIDEMILL_E_OUTPUT);
    assert_int_equal(e.system_errno, ENOSPC);
    assert_string_equal(e.message, "cannot write '/dev/full': No space left on device");
    tm_sink_release(&s);
}

/* Small pieces wait for one another, until they are many or are let go; order stays. */
static void test_gathering(void **state)
{
    (void)state;
    static char large[100000], seen[200000];
    struct sink s;
    int fds[2];
    memset(large, 'l', sizeof large);
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    fcntl(fds[0], F_SETPIPE_SZ, 1 << 20);
    tm_sink_init(&s, &l);
    assert_int_equal(tm_sink_open_fd(&s, fds[1], "out", NULL), TIDEMILL_OK);
    assert_int_equal(tm_sink_write(&s, SLICE("one"), NULL), TIDEMILL_OK);
    assert_int_equal(read(fds[0], seen, sizeof seen), -1);
    assert_int_equal(tm_sink_push(&s, NULL), TIDEMILL_OK);
    assert_int_equal(read(fds[0], seen, sizeof seen), 3);
    assert_int_equal(tm_sink_write(&s, SLICE("two"), NULL), TIDEMILL_OK);
    assert_int_equal(tm_sink_write(&s, (struct slice){large, sizeof large}, NULL), TIDEMILL_OK);
    assert_int_equal(read(fds[0], seen, sizeof seen), 3 + sizeof large);
    assert_memory_equal(seen, "twol", 4);
    assert_int_equal(sink_pending(&s), 0);
    tm_sink_release(&s);
    close(fds[0]);
    close(fds[1]);
}

/* A FIFO becomes a stream once somebody reads it. */
static void test_fifo(void **state)
{
    (void)state;
    char seen[8];
    struct sink s;
    assert_int_equal(mkfifo("fifo", 0600), 0);
    open_path(&s, "fifo");
    assert_int_equal(s.kind, SINK_UNREAD);
    assert_int_equal(tm_sink_write(&s, SLICE("one"), NULL), TIDEMILL_OK);
    assert_int_equal(tm_sink_flush(&s, NULL), TIDEMILL_OK);
    assert_true(sink_waits(&s));
    int reader = open("fifo", O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    assert_int_equal(tm_sink_flush(&s, NULL), TIDEMILL_OK);
    assert_int_equal(s.kind, SINK_STREAM);
    assert_false(sink_waits(&s));
    assert_int_equal(read(reader, seen, sizeof seen), 3);
    tm_sink_release(&s);
    close(reader);
    unlink("fifo");
}

/* Read all that is there. */
static size_t drain(int fd, size_t from)
{
    char bytes[5000];
    ssize_t n;
    while ((n = read(fd, bytes, sizeof bytes)) > 0)
        for (ssize_t i = 0; i < n; i++, from++)
            if (bytes[i] != (char)('a' + from % 26))
                fail_msg("byte %zu differs", from);
    return from;
}

/* More than fits, through a descriptor whose flags stay as they were. */
static void full(int mine, int its)
{
    static char bytes[10400];
    struct sink s;
    int flags = fcntl(its, F_GETFL);
    size_t given = 0, seen = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)('a' + i % 26);
    assert_int_equal(fcntl(mine, F_SETFL, O_NONBLOCK), 0);
    tm_sink_init(&s, &l);
    assert_int_equal(tm_sink_open_fd(&s, its, "out", NULL), TIDEMILL_OK);
    while (!sink_full(&s)) {
        assert_int_equal(tm_sink_write(&s, (struct slice){bytes, sizeof bytes}, NULL), TIDEMILL_OK);
        given += sizeof bytes;
    }
    assert_int_equal(s.bytes, given);
    while (sink_pending(&s)) {
        size_t before = sink_pending(&s);
        seen = drain(mine, seen);
        assert_int_equal(tm_sink_flush(&s, NULL), TIDEMILL_OK);
        assert_true(sink_pending(&s) < before);
    }
    assert_int_equal(drain(mine, seen), given);
    assert_int_equal(fcntl(its, F_GETFL), flags);
    tm_sink_release(&s);
    assert_int_equal(fcntl(its, F_GETFL), flags);
    close(mine);
    close(its);
}

static void test_streams(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    full(fds[0], fds[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    full(fds[0], fds[1]);
}

/* A pipe with `n` bytes in it, as drain() wants them. */
static struct piped fill_pipe(size_t n, int *in)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 256 << 10) >= 256 << 10);
    for (size_t i = 0; i < n; i++) {
        char byte = (char)('a' + i % 26);
        assert_int_equal(write(fds[1], &byte, 1), 1);
    }
    *in = fds[1];
    return (struct piped){fds[0], n};
}

#define PIPED 50

static void splice_some(struct sink *s, bool refused)
{
    int in;
    struct piped bytes = fill_pipe(PIPED, &in);
    uint64_t before = s->bytes;
    assert_true(tm_sink_splices(s));
    assert_int_equal(write(in, "next", 4), 4);
    assert_int_equal(tm_sink_splice(s, bytes, NULL), TIDEMILL_OK);
    assert_int_equal(s->bytes, before + PIPED);
    assert_int_equal(sink_pending(s), 0);
    assert_int_equal(tm_sink_splices(s), !refused);
    close(bytes.fd);
    close(in);
}

static void bytes_are(const char *path, size_t from, size_t to)
{
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(drain(fd, from), to);
    close(fd);
    unlink(path);
}

/* Bytes go from a pipe to a file of ours or a device unread; where that is refused they are written. */
static void test_splice(void **state)
{
    (void)state;
    struct sink s;
    open_path(&s, "/dev/null");
    splice_some(&s, false);
    tm_sink_release(&s);
    for (int refused = 0; refused < 2; refused++) {
        open_path(&s, "new");
        if (refused)
            assert_int_equal(fcntl(s.io.fd, F_SETFL, O_APPEND), 0);
        assert_int_equal(tm_sink_write(&s, SLICE("abcdefghijklmnopqrstuvwxyz"), NULL), TIDEMILL_OK);
        assert_false(tm_sink_splices(&s)); /* out of order */
        assert_int_equal(tm_sink_push(&s, NULL), TIDEMILL_OK);
        splice_some(&s, refused);
        assert_int_equal(tm_sink_commit(&s, NULL), TIDEMILL_OK);
        tm_sink_release(&s);
        bytes_are("new", 0, 26 + PIPED);
    }
}

/*
 * Pages that somebody has lent to the pipe must not stay in another one, whoever reads that; and the position of a
 * description that others have as well is theirs, too.
 */
static void test_not_spliced(void **state)
{
    (void)state;
    struct sink s;
    int fds[2];
    for (int i = 0; i < 3; i++) {
        if (i == 0)
            fds[0] = dup(fds[1] = open("shared", O_WRONLY | O_CREAT, 0600));
        else
            assert_int_equal(i > 1 ? socketpair(AF_UNIX, SOCK_STREAM, 0, fds) : pipe(fds), 0);
        tm_sink_init(&s, &l);
        assert_int_equal(tm_sink_open_fd(&s, fds[1], "out", NULL), TIDEMILL_OK);
        assert_false(tm_sink_splices(&s));
        tm_sink_release(&s);
        close(fds[0]);
        close(fds[1]);
    }
    unlink("shared");
    tm_sink_init(&s, &l);
    assert_int_equal(tm_sink_open_pull(&s, NULL), TIDEMILL_OK);
    assert_false(tm_sink_splices(&s));
    tm_sink_release(&s);
}

/* No room, and bytes that somebody took from the pipe: the output has failed, and a file stays hidden. */
static void test_splice_fails(void **state)
{
    (void)state;
    struct sink s;
    err e = {0};
    int in;
    open_path(&s, "/dev/full");
    assert_true(tm_sink_splices(&s));
    struct piped bytes = fill_pipe(PIPED, &in);
    assert_int_equal(tm_sink_splice(&s, bytes, &e), TIDEMILL_E_OUTPUT);
    assert_string_equal(e.message, "cannot write '/dev/full': No space left on device");
    tm_sink_release(&s);
    close(bytes.fd);
    close(in);
    for (int gone = 0; gone < 2; gone++) {
        open_path(&s, "new");
        bytes = fill_pipe(PIPED, &in);
        if (gone)
            close(in);
        bytes.n++;
        assert_int_equal(tm_sink_splice(&s, bytes, &e), TIDEMILL_E_OUTPUT);
        assert_string_equal(e.message,
                            "cannot write 'new': a worker has taken back results that it had sent");
        assert_int_equal(tm_sink_commit(&s, &e), TIDEMILL_E_OUTPUT);
        tm_sink_release(&s);
        assert_int_equal(access("new", F_OK), -1);
        close(bytes.fd);
        if (!gone)
            close(in);
    }
}

static void test_pull(void **state)
{
    (void)state;
    struct sink s;
    char p[8];
    tm_sink_init(&s, &l);
    assert_int_equal(tm_sink_open_pull(&s, NULL), TIDEMILL_OK);
    assert_int_equal(tm_sink_pull(&s, p, sizeof p), 0);
    assert_int_equal(tm_sink_write(&s, SLICE("0123456789"), NULL), TIDEMILL_OK);
    assert_int_equal(tm_sink_pull(&s, p, 4), 4);
    assert_memory_equal(p, "0123", 4);
    assert_int_equal(tm_sink_write(&s, SLICE("abc"), NULL), TIDEMILL_OK);
    assert_int_equal(tm_sink_pull(&s, p, 8), 8);
    assert_memory_equal(p, "456789ab", 8);
    assert_int_equal(tm_sink_pull(&s, p, 8), 1);
    assert_int_equal(sink_pending(&s), 0);
    tm_sink_release(&s);
}

static int refuse(void *context, const char *data, size_t length)
{
    (void)data;
    (void)length;
    errno = *(int *)context;
    return -1;
}

static void test_callback(void **state)
{
    (void)state;
    struct sink s;
    err e = {0};
    int number = ENOSPC;
    tm_sink_init(&s, &l);
    assert_int_equal(tm_sink_open_callback(&s, refuse, &number, NULL), TIDEMILL_OK);
    assert_int_equal(tm_sink_write(&s, SLICE(""), &e), TIDEMILL_OK);
    assert_int_equal(tm_sink_write(&s, SLICE("x"), &e), TIDEMILL_E_OUTPUT);
    assert_int_equal(e.system_errno, ENOSPC);
    tm_sink_release(&s);
}

static int go_there(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? tm_loop_init(&l, NULL) : -1;
}

static int leave(void **state)
{
    (void)state;
    tm_loop_release(&l);
    return chdir("/") | rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_device),   cmocka_unit_test(test_gathering),
        cmocka_unit_test(test_fifo),     cmocka_unit_test(test_streams),
        cmocka_unit_test(test_splice),   cmocka_unit_test(test_not_spliced),
        cmocka_unit_test(test_pull),     cmocka_unit_test(test_splice_fails),
        cmocka_unit_test(test_callback),
    };
    return cmocka_run_group_tests(tests, go_there, leave);
}
