return function(r)
  r.total = r.price * 2
  return r
end
