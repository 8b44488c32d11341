/*
 * Lua's symbols for C modules. They want them from the global scope, where they are when the program
 * itself links the shared Lua, but not when a host opened us with RTLD_LOCAL (dlopen(3)), as plugin
 * loaders and other languages do.
 */
#include <dlfcn.h>
#include <stdint.h>

#include "script/state.h"

void tm_script_promote_lua(void)
{
    Dl_info lua;
    /* The library that is loaded already, once more, and now for all; it is never closed. */
    if (dladdr((const void *)(uintptr_t)lua_newstate, &lua) && lua.dli_fname)
        (void)dlopen(lua.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_GLOBAL);
}
