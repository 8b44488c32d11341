-- What pairs gives for records whose names change, and change places, from one to the next.
local function all(r)
  local seen = {}
  for name, value in pairs(r) do
    seen[#seen + 1] = name .. "=" .. tostring(value)
  end
  return table.concat(seen, " ")
end

return function(r)
  local change = r["do"]
  if change == "delete" then
    r.a = nil
    assert(r.a == nil)
  elseif change and change ~= "" then
    r[change] = true
  end
  local first = all(r)
  for name in pairs(r) do
    assert(r[name] ~= nil and r.nobody == nil)
    r.nobody = all(r) == first and 1 or 2
    assert(r.nobody == 1)
    break
  end
  return {all = first, more = all(r), a = r.a or 0}
end
