/*
 * What of `os` would reach beyond the script: exit ends the worker at once, without running what
 * the host has registered for its own exit; the locale stays C.
 */
#include <stdlib.h>
#include <unistd.h>

#include "script/state.h"

static int lj_exit(lua_State *L)
{
    int code = EXIT_SUCCESS;
    if (lua_isboolean(L, 1))
        code = lua_toboolean(L, 1) ? EXIT_SUCCESS : EXIT_FAILURE;
    else
        code = (int)luaL_optinteger(L, 1, EXIT_SUCCESS);
    _exit(code);
}

/* os.setlocale([locale [, category]]): "C" is what it is and all that it can be. */
static int lj_setlocale(lua_State *L)
{
    const char *wanted = luaL_optstring(L, 1, "C");
    if (strcmp(wanted, "C") == 0 || strcmp(wanted, "POSIX") == 0 || !*wanted)
        lua_pushliteral(L, "C");
    else
        luaL_pushfail(L);
    return 1;
}

void tm_lj_open_os(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"exit", lj_exit}, {"setlocale", lj_setlocale}, {NULL, NULL}};
    lua_getglobal(L, "os");
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 1);
}
