/*
 * echo FILE [WORKERS [CODE]]: what the way through workers costs when they do nothing. Chunks of FILE go
 * in turn to forked processes, through pipes as large as tidemill's; each sends back the bytes that it
 * gets; they are written to standard output in their order. The floor for everything that sends
 * records to processes and takes them back.
 *
 * With CODE each worker calls `function(r) CODE return r end` as well, once a line, where all fields of r
 * are 1 and keep nothing: the floor for what also has Lua do something for each record.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lualib.h>

#define CHUNK       ((size_t)256 << 10)
#define WORKERS_MAX 16
/* One in work, and one in the pipe. */
#define HAND 2

struct chunk {
    char bytes[CHUNK];
    size_t n, sent, back;
};

struct worker {
    int in, out; /* the parent's ends */
    struct chunk hand[HAND];
    unsigned first, n; /* of hand */
};

static struct worker workers[WORKERS_MAX];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void put(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno != EINTR)
            fail("write");
        if (done > 0) {
            p += done;
            n -= (size_t)done;
        }
    }
}

static int get_field(lua_State *L)
{
    lua_pushinteger(L, 1);
    return 1;
}

static int set_field(lua_State *L)
{
    (void)L;
    return 0;
}

/* A state with nothing on its stack but the function. */
static lua_State *load(const char *code)
{
    lua_State *L = luaL_newstate();
    if (!L)
        fail("Lua");
    luaL_openlibs(L);
    lua_pushlightuserdata(L, L);
    lua_createtable(L, 0, 16);
    lua_pushcfunction(L, get_field);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, set_field);
    lua_setfield(L, -2, "__newindex");
    lua_setmetatable(L, -2);
    lua_settop(L, 0);
    lua_pushfstring(L, "return function(r) %s return r end", code);
    if (luaL_dostring(L, lua_tostring(L, 1))) {
        fprintf(stderr, "echo: %s\n", lua_tostring(L, -1));
        exit(1);
    }
    lua_remove(L, 1);
    return L;
}

static void call_for_each_line(lua_State *L, char *p, const char *end)
{
    while ((p = memchr(p, '\n', (size_t)(end - p)))) {
        lua_pushvalue(L, 1);
        lua_pushlightuserdata(L, p++);
        lua_call(L, 1, LUA_MULTRET);
        lua_settop(L, 1);
    }
}

static void serve(int in, int out, const char *code)
{
    static char bytes[CHUNK];
    lua_State *L = code ? load(code) : NULL;
    ssize_t n;
    while ((n = read(in, bytes, sizeof bytes)) != 0) {
        if (n < 0 && errno != EINTR)
            fail("read");
        if (n < 0)
            continue;
        if (L)
            call_for_each_line(L, bytes, bytes + n);
        put(out, bytes, (size_t)n);
    }
    _exit(0);
}

static void start(struct worker *all, unsigned i, const char *code)
{
    int to[2], from[2];
    if (pipe(to) < 0 || pipe(from) < 0)
        fail("pipe");
    (void)!fcntl(to[1], F_SETPIPE_SZ, (int)CHUNK);
    (void)!fcntl(from[0], F_SETPIPE_SZ, (int)CHUNK);
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid == 0) {
        for (unsigned j = 0; j < i; j++) {
            close(all[j].in);
            close(all[j].out);
        }
        close(to[1]);
        close(from[0]);
        serve(to[0], from[1], code);
    }
    close(to[0]);
    close(from[1]);
    all[i].in = to[1];
    all[i].out = from[0];
    fcntl(all[i].in, F_SETFL, O_NONBLOCK);
    fcntl(all[i].out, F_SETFL, O_NONBLOCK);
}

/* Read the next chunk into a free place of this worker's hand; false at the end. */
static int feed(struct worker *w, int file)
{
    struct chunk *c = &w->hand[(w->first + w->n) % HAND];
    ssize_t n = read(file, c->bytes, CHUNK);
    if (n < 0)
        fail("read");
    c->n = (size_t)n;
    c->sent = c->back = 0;
    w->n += n > 0;
    return n > 0;
}

static struct chunk *unsent(struct worker *w)
{
    for (unsigned i = 0; i < w->n; i++) {
        struct chunk *c = &w->hand[(w->first + i) % HAND];
        if (c->sent < c->n)
            return c;
    }
    return NULL;
}

static void send_some(struct worker *w)
{
    struct chunk *c;
    while ((c = unsent(w))) {
        ssize_t n = write(w->in, c->bytes + c->sent, c->n - c->sent);
        if (n < 0 && errno != EAGAIN)
            fail("write");
        if (n < 0)
            return;
        c->sent += (size_t)n;
    }
}

/* What is there of the oldest chunk of this worker; true when that is complete. */
static int take_some(struct worker *w)
{
    static char bytes[CHUNK];
    struct chunk *c = &w->hand[w->first];
    while (c->back < c->n) {
        ssize_t n = read(w->out, bytes, c->n - c->back);
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n <= 0)
            fail("read");
        put(STDOUT_FILENO, bytes, (size_t)n);
        c->back += (size_t)n;
    }
    w->first = (w->first + 1) % HAND;
    w->n--;
    return 1;
}

static void wait_for(struct worker *turn, unsigned n)
{
    struct pollfd fds[WORKERS_MAX + 1] = {{.fd = turn->out, .events = POLLIN}};
    for (unsigned i = 0; i < n; i++)
        fds[i + 1] = (struct pollfd){.fd = unsent(&workers[i]) ? workers[i].in : -1,
                                     .events = POLLOUT};
    poll(fds, n + 1, -1);
}

int main(int argc, char **argv)
{
    unsigned n = argc > 2 ? (unsigned)atoi(argv[2]) : 2, next = 0, turn = 0;
    int file = argc > 1 ? open(argv[1], O_RDONLY) : -1, more = 1;
    if (file < 0 || n < 1 || n > WORKERS_MAX) {
        fprintf(stderr, "usage: echo FILE [WORKERS [CODE]]\n");
        return 2;
    }
    for (unsigned i = 0; i < n; i++)
        start(workers, i, argc > 3 ? argv[3] : NULL);
    for (;;) {
        for (; more && workers[next].n < HAND; next = (next + 1) % n)
            more = feed(&workers[next], file);
        for (unsigned i = 0; i < n; i++)
            send_some(&workers[i]);
        if (workers[turn].n == 0)
            return 0;
        if (take_some(&workers[turn]))
            turn = (turn + 1) % n;
        else
            wait_for(&workers[turn], n);
    }
}
