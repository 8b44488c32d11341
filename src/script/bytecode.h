/*
 * What Lua has compiled a function to, as lua_dump() tells it: for those who want to know what the function does
 * without running it. The form is that of Lua 5.4 (its ldump.c and lopcodes.h), the same in all of its
 * releases; what says that it is another one is not read.
 */
#ifndef TM_SCRIPT_BYTECODE_H
#define TM_SCRIPT_BYTECODE_H

#include <lua.h>

#include "base/arena.h"
#include "record/value.h"

/* The instructions that somebody here cares for, by Lua's numbers. */
enum bytecode_op {
    OP_MOVE = 0,
    OP_LOADI = 1,
    OP_LOADF = 2,
    OP_LOADK = 3,
    OP_LOADFALSE = 5,
    OP_LFALSESKIP = 6,
    OP_LOADTRUE = 7,
    OP_LOADNIL = 8,
    OP_GETUPVAL = 9,
    OP_GETFIELD = 14,
    OP_SETFIELD = 18,
    OP_ADDI = 21,
    OP_ADDK = 22,
    OP_SUBK = 23,
    OP_MULK = 24,
    OP_MODK = 25,
    OP_POWK = 26,
    OP_DIVK = 27,
    OP_IDIVK = 28,
    OP_ADD = 34,
    OP_SUB = 35,
    OP_MUL = 36,
    OP_MOD = 37,
    OP_POW = 38,
    OP_DIV = 39,
    OP_IDIV = 40,
    OP_MMBIN = 46,
    OP_MMBINI = 47,
    OP_MMBINK = 48,
    OP_UNM = 49,
    OP_NOT = 51,
    OP_JMP = 56,
    OP_EQ = 57,
    OP_LT = 58,
    OP_LE = 59,
    OP_EQK = 60,
    OP_EQI = 61,
    OP_LTI = 62,
    OP_LEI = 63,
    OP_GTI = 64,
    OP_GEI = 65,
    OP_TEST = 66,
    OP_TESTSET = 67,
    OP_RETURN0 = 71,
    OP_RETURN1 = 72,
};

/* Its parts: what it does, and A, then B, C and k; or Bx; or how far it jumps. */
static inline unsigned bytecode_op(uint32_t i)
{
    return i & 0x7f;
}

static inline unsigned bytecode_a(uint32_t i)
{
    return i >> 7 & 0xff;
}

static inline bool bytecode_k(uint32_t i)
{
    return i >> 15 & 1;
}

static inline unsigned bytecode_b(uint32_t i)
{
    return i >> 16 & 0xff;
}

static inline unsigned bytecode_c(uint32_t i)
{
    return i >> 24;
}

/* B or C that has a sign. */
static inline int bytecode_signed(unsigned part)
{
    return (int)part - 127;
}

static inline unsigned bytecode_bx(uint32_t i)
{
    return i >> 15;
}

static inline int bytecode_sbx(uint32_t i)
{
    return (int)bytecode_bx(i) - 65535;
}

/* How far it jumps, from the instruction behind it. */
static inline int bytecode_jump(uint32_t i)
{
    return (int)(i >> 7) - 16777215;
}

/* One function. */
struct bytecode {
    unsigned params; /* that it names */
    bool vararg;
    unsigned stack; /* registers that it uses */
    uint32_t ops_n;
    const uint32_t *ops;
    uint32_t constants_n;
    const struct value *constants; /* NONE (nil), FALSE, TRUE, INT, FLOAT, TEXT */
};

/*
 * The function on top of the stack, which stays there; all goes to the arena. False: it is not written in Lua, or
 * cannot be read. Raises no error.
 */
bool tm_bytecode_read(lua_State *L, struct arena *arena, struct bytecode *out);

#endif
