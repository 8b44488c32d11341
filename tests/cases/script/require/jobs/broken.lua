require "bad"
return function(r) return r end
