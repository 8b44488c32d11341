return {record = function(r) return r end, batch = function(b) return b end}
