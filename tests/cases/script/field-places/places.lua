-- Where a field stands is remembered from record to record; what a record changes is its own.
return function(r)
  if r.id % 2 == 0 then
    r.p = r.id
    r.q = -r.id
  else
    r.q = -r.id
    r.p = r.id
  end
  local a = r.a
  r.a = nil
  local gone = r.a == nil
  r.a = a .. "!"
  r.right = gone and r.p == r.id and r.q == -r.id and r.a == a .. "!"
  r.b = tonumber(r.b) and r.b + 1
  return r
end
