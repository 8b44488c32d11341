return function(r, ctx) if ctx.index == 1041 then r.price = nil end
  r.price = r.price * 2
  return r
end
