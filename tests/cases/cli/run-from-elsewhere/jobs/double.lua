return function(r)
  r.x = r.x * 2
  return r
end
