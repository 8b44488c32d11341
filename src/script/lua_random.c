/*
 * math.random and math.randomseed, as Lua's manual has them, but starting anew for each record: from
 * the job's seed and the record's number, so that any number of workers draws the same numbers.
 * A generator of our own, as Lua's keeps its state where it cannot be reached. It is xoshiro256**
 * filled by splitmix64 (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2018).
 */
#include "script/state.h"

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void random_seed(struct random *r, uint64_t a, uint64_t b)
{
    uint64_t state = splitmix(&a) ^ b;
    for (int i = 0; i < 4; i++)
        r->s[i] = splitmix(&state);
    r->ready = true;
}

static uint64_t rotate(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static uint64_t random_next(struct random *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

/* The start for the record in hand; outside of one, that of the job. */
static void seed_for_record(struct script *s)
{
    uint64_t index = s->call.active ? s->call.place->index : 0;
    random_seed(&s->call.random, s->config.seed, index);
}

/* Uniform in 0 .. top: draws that would favour small numbers are thrown away. */
static uint64_t random_up_to(struct random *r, uint64_t top)
{
    uint64_t n = top + 1;
    uint64_t x = random_next(r);
    if (n == 0)
        return x;
    for (uint64_t reject = -n % n; x < reject;)
        x = random_next(r);
    return x % n;
}

static int lj_random(lua_State *L)
{
    struct script *s = script_of(L);
    struct random *r = &s->call.random;
    lua_Integer low = 1, high;
    if (!r->ready)
        seed_for_record(s);
    switch (lua_gettop(L)) {
    case 0:
        lua_pushnumber(L, (lua_Number)(random_next(r) >> 11) * 0x1p-53);
        return 1;
    case 1:
        high = luaL_checkinteger(L, 1);
        if (high == 0) {
            lua_pushinteger(L, (lua_Integer)random_next(r));
            return 1;
        }
        break;
    case 2:
        low = luaL_checkinteger(L, 1);
        high = luaL_checkinteger(L, 2);
        break;
    default:
        return luaL_error(L, "wrong number of arguments");
    }
    luaL_argcheck(L, low <= high, lua_gettop(L), "interval is empty");
    uint64_t drawn = (uint64_t)low + random_up_to(r, (uint64_t)high - (uint64_t)low);
    lua_pushinteger(L, (lua_Integer)drawn);
    return 1;
}

/* Without arguments it goes back to where the record's numbers start. */
static int lj_randomseed(lua_State *L)
{
    struct script *s = script_of(L);
    if (lua_isnone(L, 1)) {
        seed_for_record(s);
        return 0;
    }
    int whole;
    lua_Integer b = luaL_optinteger(L, 2, 0), a = lua_tointegerx(L, 1, &whole);
    lua_Number d = luaL_checknumber(L, 1);
    if (!whole)
        memcpy(&a, &d, sizeof a);
    random_seed(&s->call.random, (uint64_t)a, (uint64_t)b);
    lua_pushinteger(L, a);
    lua_pushinteger(L, b);
    return 2;
}

void tm_lj_open_random(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"random", lj_random}, {"randomseed", lj_randomseed}, {NULL, NULL}};
    lua_getglobal(L, "math");
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 1);
}
