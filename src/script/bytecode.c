/*
 * A dump of a function becomes its parts. The bytes come from Lua itself, and are not trusted all the same:
 * nothing is read that is not there.
 */
#include "script/bytecode.h"

#include "base/buf.h"

_Static_assert(sizeof(lua_Integer) == sizeof(int64_t) && sizeof(lua_Number) == sizeof(double),
               "numbers of a dump are read as they are");

static int collect(lua_State *L, const void *p, size_t n, void *data)
{
    struct buf *to = data;
    (void)L;
    buf_append(to, p, n);
    return to->failed;
}

/* A count: seven bits a byte, the highest first, the last byte has its top bit set. */
static size_t take_size(struct cursor *c)
{
    size_t n = 0;
    while (!c->bad) {
        uint8_t byte = tm_cursor_u8(c);
        c->bad |= n > SIZE_MAX >> 7;
        n = n << 7 | (byte & 0x7f);
        if (byte & 0x80)
            break;
    }
    return c->bad ? 0 : n;
}

/* A count of things that take `size` bytes each at least: no more of them than there can be. */
static uint32_t take_count(struct cursor *c, size_t size)
{
    size_t n = take_size(c);
    c->bad |= n > c->n / size || n > UINT32_MAX;
    return c->bad ? 0 : (uint32_t)n;
}

static struct slice take_string(struct cursor *c)
{
    size_t n = take_size(c);
    return n ? tm_cursor_take(c, n - 1) : (struct slice){"", 0};
}

/* What is laid out as it is in memory. */
static void take_raw(struct cursor *c, void *out, size_t n)
{
    struct slice s = tm_cursor_take(c, n);
    if (!c->bad)
        memcpy(out, s.p, n);
}

/* Does the dump say that it is of Lua 5.4, with numbers as they are here? */
static bool take_header(struct cursor *c)
{
    static const char version[] = LUA_SIGNATURE "\x54\0\x19\x93\r\n\x1a\n\x04";
    lua_Integer i = 0;
    lua_Number d = 0;
    struct slice begin = tm_cursor_take(c, sizeof version - 1);
    if (c->bad || memcmp(begin.p, version, begin.n) != 0)
        return false;
    uint8_t of_integer = tm_cursor_u8(c), of_number = tm_cursor_u8(c);
    take_raw(c, &i, sizeof i);
    take_raw(c, &d, sizeof d);
    tm_cursor_u8(c); /* how many upvalues it has */
    return !c->bad && of_integer == sizeof i && of_number == sizeof d && i == 0x5678 && d == 370.5;
}

static void take_constant(struct cursor *c, struct arena *arena, struct value *out)
{
    *out = (struct value){.kind = VALUE_NONE};
    switch (tm_cursor_u8(c)) {
    case LUA_TNIL:
        break;
    case LUA_TBOOLEAN:
        out->kind = VALUE_FALSE;
        break;
    case LUA_TBOOLEAN | 16:
        out->kind = VALUE_TRUE;
        break;
    case LUA_TNUMBER:
        out->kind = VALUE_INT;
        take_raw(c, &out->i, sizeof out->i);
        break;
    case LUA_TNUMBER | 16:
        out->kind = VALUE_FLOAT;
        take_raw(c, &out->d, sizeof out->d);
        break;
    case LUA_TSTRING:
    case LUA_TSTRING | 16:
        out->kind = VALUE_TEXT;
        out->text = tm_arena_copy(arena, take_string(c));
        c->bad |= !out->text.p;
        break;
    default:
        c->bad = true;
    }
}

/* The parts, which go to the arena. */
static bool take_function(struct cursor *c, struct arena *arena, struct bytecode *out)
{
    if (!take_header(c))
        return false;
    take_string(c); /* where it was written, */
    take_size(c);   /* from line, */
    take_size(c);   /* to line */
    out->params = tm_cursor_u8(c);
    out->vararg = tm_cursor_u8(c);
    out->stack = tm_cursor_u8(c);
    out->ops_n = take_count(c, sizeof *out->ops);
    uint32_t *ops = arena_alloc(arena, out->ops_n * sizeof *ops);
    if (!ops)
        return false;
    take_raw(c, ops, out->ops_n * sizeof *ops);
    out->constants_n = take_count(c, 1);
    struct value *constants = arena_alloc(arena, out->constants_n * sizeof *constants);
    if (!constants)
        return false;
    for (uint32_t i = 0; i < out->constants_n && !c->bad; i++)
        take_constant(c, arena, &constants[i]);
    out->ops = ops;
    out->constants = constants;
    return !c->bad;
}

bool tm_bytecode_read(lua_State *L, struct arena *arena, struct bytecode *out)
{
    struct buf dump;
    if (!lua_isfunction(L, -1) || lua_iscfunction(L, -1))
        return false;
    tm_buf_init(&dump);
    bool read = lua_dump(L, collect, &dump, true) == 0 && !dump.failed;
    struct cursor c = {dump.p, dump.n, false};
    read = read && take_function(&c, arena, out);
    tm_buf_release(&dump);
    return read;
}
