return function(r) return r end
