return function(r)
  r.x = = 2
  return r
end
