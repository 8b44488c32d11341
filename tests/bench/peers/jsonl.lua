-- lua5.4 jsonl.lua CODE FILE: what one writes in Lua and lua-cjson, without tidemill.
local cjson = require "cjson"
local code, path = ...
local run = assert(load("local r = ... " .. code .. " return r", "=code"))
io.stdout:setvbuf("full", 65536)
for line in io.lines(path) do
    io.stdout:write(cjson.encode(run(cjson.decode(line))), "\n")
end
