-- Fields that somebody else answers for.
local meta = debug.getmetatable(tidemill.null)
local read = meta.__index
meta.__index = function(r, key)
  return key == "z" and "not in the file" or read(r, key)
end

return function(r)
  r.x = r.z
  return r
end
