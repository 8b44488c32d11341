return function(r)
  local cents = math.floor(r.amount * 100 + 0.5) -- fails by itself where amount is no number
  if cents <= 0 then
    return nil, "amount " .. r.amount .. " is not positive"
  end
  r.cents = cents
  return r
end
