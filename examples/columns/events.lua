return function(r)
  r.ms = r.seconds and math.floor(r.seconds * 1000 + 0.5)
  return r
end
