local rates = require "rates"
local sub = require "sub"
return function(r) r.y = rates.eur r.sub = sub.name return r end
