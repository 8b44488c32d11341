/*
 * Lua's symbols for C modules. They want them from the global scope, where they are when the program
 * itself links Lua, but not when a host opened us with RTLD_LOCAL (dlopen(3)), as plugin loaders and
 * other languages do.
 */
#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>

#include "script/state.h"

struct place {
    uintptr_t address;
    bool in_program;
};

/* Called for each object that is loaded: the program is the first, and nothing else is asked. */
static int look_at_program(struct dl_phdr_info *info, size_t size, void *data)
{
    struct place *place = data;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t offset = place->address - info->dlpi_addr - part->p_vaddr;
        place->in_program = place->in_program ||
                            (part->p_type == PT_LOAD && offset < part->p_memsz);
    }
    return 1;
}

void tm_script_promote_lua(void)
{
    struct place place = {(uintptr_t)lua_newstate, false};
    Dl_info lua;
    /* What the program holds is global already; to find that out by name takes a fresh worker long. */
    dl_iterate_phdr(look_at_program, &place);
    if (place.in_program)
        return;
    /* The library that is loaded already, once more, and now for all; it is never closed. */
    if (dladdr((const void *)place.address, &lua) && lua.dli_fname)
        (void)dlopen(lua.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_GLOBAL);
}
