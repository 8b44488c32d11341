local x = nil
local y = x.z
return function(r) return r end
