return function(r) r.a = r.a * 2 return r end
