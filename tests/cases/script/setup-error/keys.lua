return {record = function(r) return r end, setpu = function() end, [1] = 2}
